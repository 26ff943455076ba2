#pragma once
// Tells launcher and workers at commit that definitions, servers or user mappings have changed.

#include <initializer_list>

#include "pg/prelude.h"

namespace polyglot::pg {

/// The change takes effect in workers and launcher when this transaction commits.
void AnnounceConfigChange();

}  // namespace polyglot::pg
