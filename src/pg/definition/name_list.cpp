#include "pg/definition/name_list.h"

namespace polyglot::pg {

char* NameListText(const NameList& list) {
  if (!list.names) return nullptr;
  Datum* elements = static_cast<Datum*>(palloc(sizeof(Datum) * list.count));
  for (int i = 0; i < list.count; ++i) elements[i] = CStringGetTextDatum(list.names[i]);
  ArrayType* array = construct_array(elements, list.count, TEXTOID, -1, false, TYPALIGN_INT);
  return OidOutputFunctionCall(F_ARRAY_OUT, PointerGetDatum(array));
}

}  // namespace polyglot::pg
