#pragma once
// Datum → JSON. One encoder for each column, chosen when the plan is made and called for every row.
// C-like code: encoding may ereport, its garbage is palloc'd in CurrentMemoryContext (reset that
// after each row), and the only C++ object touched is the std::string the caller owns; bad_alloc
// may be thrown by that, DocumentTooLarge by all of them.

#include <string>

#include "pg/document/encoder.h"
#include "pg/prelude.h"

namespace polyglot::pg {

/// The settings of the security context must be in force when encoding, not here.
TypeEncoder* MakeTypeEncoder(Oid type, int32 typmod, MemoryContext memory);

/// `"name":` in `memory`; its length in *length.
const char* MakeFieldPrefix(const char* name, MemoryContext memory, int* length);

/// What the value takes in a document at least, as far as that can be told without bringing it into
/// memory; 0 for what is there already.
std::size_t LeastSize(const TypeEncoder& encoder, Datum value);

/// A jsonb as compact JSON text.
void EncodeJsonb(Jsonb* value, std::string* out);
/// A string in the server's encoding as a JSON string.
void EncodeText(const char* bytes, std::size_t size, std::string* out);

}  // namespace polyglot::pg
