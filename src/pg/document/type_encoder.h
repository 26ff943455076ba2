#pragma once
// Datum → JSON. One encoder for each column, chosen when the plan is made and called for every row.
// C-like code: encoding may ereport, its garbage is palloc'd in CurrentMemoryContext (reset that
// after each row), and the only C++ object touched is the std::string the caller owns; bad_alloc
// may be thrown by that, DocumentTooLarge by all of them.

#include <string>

#include "pg/document/type_class.h"
#include "pg/prelude.h"

namespace polyglot::pg {

struct TypeEncoder;

/// Thrown by encoders when a document gets too long. Like bad_alloc it passes frames of ours only.
struct DocumentTooLarge {};
/// Where the document that is being encoded has to end, in the string that it is appended to.
extern std::size_t document_end;
inline void CheckDocumentEnd(std::size_t size) {
  if (size > document_end) throw DocumentTooLarge();
}

/// A field of a composite value: its column number, its name as JSON with the colon, its type.
struct FieldEncoder {
  int column;  // from 0
  const char* prefix;
  int prefix_length;
  TypeEncoder* type;
};

/// Plain data in `memory`; lives as long as that.
struct TypeEncoder {
  void (*encode)(TypeEncoder* self, Datum value, std::string* out);
  MemoryContext memory;
  TypeInfo info;
  FmgrInfo output;
  bool varlena;
  TypeEncoder* element;  // arrays, ranges, multiranges
  int16 element_length;
  bool element_by_value;
  char element_align;
  TypeCacheEntry* cache;  // ranges, multiranges
  // composites: the fields of the shape with this identifier; made anew when that changes
  uint64 shape;
  MemoryContext shape_memory;
  FieldEncoder* fields;
  int field_count;
  // PostGIS
  FmgrInfo as_geojson, srid, transform;
  bool can_transform;
};

/// The settings of the security context must be in force when encoding, not here.
TypeEncoder* MakeTypeEncoder(Oid type, int32 typmod, MemoryContext memory);

/// `"name":` in `memory`; its length in *length.
const char* MakeFieldPrefix(const char* name, MemoryContext memory, int* length);

inline void EncodeValue(TypeEncoder* encoder, Datum value, bool null, std::string* out) {
  if (null)
    out->append("null", 4);
  else
    encoder->encode(encoder, value, out);
  CheckDocumentEnd(out->size());
}

/// What the value takes in a document at least, as far as that can be told without bringing it into
/// memory; 0 for what is there already.
std::size_t LeastSize(const TypeEncoder& encoder, Datum value);

/// A jsonb as compact JSON text.
void EncodeJsonb(Jsonb* value, std::string* out);
/// A string in the server's encoding as a JSON string.
void EncodeText(const char* bytes, std::size_t size, std::string* out);

}  // namespace polyglot::pg
