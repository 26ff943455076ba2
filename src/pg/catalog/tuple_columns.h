#pragma once
// The columns of one tuple, from left to right.

#include "pg/prelude.h"

namespace polyglot::pg {

// Reads the columns of one tuple from left to right. Pointers come from CurrentMemoryContext.
class TupleColumns {
 public:
  TupleColumns(HeapTuple tuple, TupleDesc desc) : tuple_(tuple), desc_(desc) {}

  Datum Value(bool* is_null) { return heap_getattr(tuple_, ++column_, desc_, is_null); }
  char* Text() {
    bool is_null;
    Datum value = Value(&is_null);
    return is_null ? nullptr : TextDatumGetCString(value);
  }
  bool Bool() {
    bool is_null;
    Datum value = Value(&is_null);
    return !is_null && DatumGetBool(value);
  }
  int32 Int32() {
    bool is_null;
    Datum value = Value(&is_null);
    return is_null ? 0 : DatumGetInt32(value);
  }
  Oid ObjectId() {
    bool is_null;
    Datum value = Value(&is_null);
    return is_null ? InvalidOid : DatumGetObjectId(value);
  }
  int64 Int64() {
    bool is_null;
    Datum value = Value(&is_null);
    return is_null ? 0 : DatumGetInt64(value);
  }
  char* Bytes(int* length) {
    bool is_null;
    Datum value = Value(&is_null);
    *length = 0;
    if (is_null) return nullptr;
    bytea* bytes = DatumGetByteaPCopy(value);
    *length = static_cast<int>(VARSIZE(bytes) - VARHDRSZ);
    return VARDATA(bytes);
  }
  char** TextArray(int* count) {
    bool is_null;
    Datum value = Value(&is_null);
    *count = 0;
    if (is_null) return nullptr;
    Datum* elements;
    bool* nulls;
    deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false, TYPALIGN_INT, &elements,
                      &nulls, count);
    char** texts = static_cast<char**>(palloc(sizeof(char*) * (*count + 1)));
    for (int i = 0; i < *count; ++i)
      texts[i] = nulls[i] ? pstrdup("") : TextDatumGetCString(elements[i]);
    return texts;
  }

 private:
  HeapTuple tuple_;
  TupleDesc desc_;
  int column_ = 0;
};

}  // namespace polyglot::pg
