#pragma once
// The surroundings in which rows are read and encoded: as the owner of the source, unable to leave
// traces in the session, with every setting pinned that could change a document.

#include "pg/prelude.h"

namespace polyglot::pg {

struct SecurityContext {
  Oid user;
  int flags;
  int settings_level;
};

/// May ereport; enter within a (sub)transaction whose abort restores user and settings.
void EnterSourceContext(Oid owner, SecurityContext* saved);
void LeaveSourceContext(const SecurityContext& saved);

}  // namespace polyglot::pg
