#pragma once
// SHA-256 by PostgreSQL itself.

#include <cstddef>
#include <cstdint>

#include "pg/prelude.h"

namespace polyglot::pg {

/// SHA-256 for core::FinishDocumentId; may ereport for lack of memory.
bool PgSha256(const void* data, std::size_t size, std::uint8_t* digest);

}  // namespace polyglot::pg
