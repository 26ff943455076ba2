#pragma once
// As whom our own tables are read and written.

#include <initializer_list>

#include "pg/prelude.h"

namespace polyglot::pg {

/// Statements until the end of the current GUC nest level are ours, not a publisher's.
void WriteAsOrigin();

/// Runs f as the extension's owner with a safe search_path; used around every statement on our own
/// tables in a function called by an ordinary user. Restores both, also after an error (the
/// (sub)transaction's abort does that).
class AsExtensionOwner {
 public:
  AsExtensionOwner();
  ~AsExtensionOwner();

 private:
  Oid saved_user_;
  int saved_context_;
  int guc_level_;
};

}  // namespace polyglot::pg
