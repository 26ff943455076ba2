#pragma once
// Writes the values of one column, or of one field, of a document.

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

inline void EncodeValue(TypeEncoder* encoder, Datum value, bool null, std::string* out) {
  if (null)
    out->append("null", 4);
  else
    encoder->encode(encoder, value, out);
  CheckDocumentEnd(out->size());
}

}  // namespace polyglot::pg
