#pragma once
// What a column's type is to us: one decision for both the document and the mapping, so that they
// cannot disagree. C-like code; may ereport; palloc'd in CurrentMemoryContext.

#include "core/search/type_mapping.h"
#include "pg/prelude.h"

namespace polyglot::pg {

enum class TypeClass {
  kBool,
  kInt2,
  kInt4,
  kInt8,
  kOid,
  kFloat4,
  kFloat8,
  kNumeric,
  kText,  // a varlena whose payload is its text (text, varchar, citext)
  kXml,
  kPadded,  // char(n)
  kUuid,
  kInet,
  kCidr,
  kDate,
  kTimestamp,
  kTimestamptz,
  kBytea,
  kJson,
  kJsonb,
  kArray,
  kComposite,
  kRange,
  kMultirange,
  kGeometry,  // PostGIS geometry or geography
  kVector,    // pgvector vector or halfvec
  kString,    // any other: its text output
};

struct TypeInfo {
  TypeClass type_class;
  Oid base;      // behind domains
  int32 typmod;  // of the base type
  Oid element;   // array: of its elements; range: of its bounds; multirange: its range
};

TypeInfo ClassifyType(Oid type, int32 typmod);

/// Function `name` (…, …) in the schema of `type`; InvalidOid when there is none. PostGIS's may be
/// in any schema, so they are looked for where its types are.
Oid FunctionBesideType(Oid type, const char* name, int argument_count, const Oid* arguments);

/// The field that a column of this type is in an index; `name` in UTF-8.
core::FieldMapping FieldOfType(const char* name, Oid type, int32 typmod);

}  // namespace polyglot::pg
