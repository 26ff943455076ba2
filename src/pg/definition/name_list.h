#pragma once
// Names of columns, as arguments and definitions hold them.

#include "pg/prelude.h"

namespace polyglot::pg {

struct NameList {
  int count;  // 0 with names == nullptr: SQL NULL
  char** names;
};

/// The text form of the array, for Execute(); nullptr when there is no list.
char* NameListText(const NameList& list);

}  // namespace polyglot::pg
