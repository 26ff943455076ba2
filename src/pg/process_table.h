#pragma once
// Hash tables that live as long as the process, filled from catalogs and emptied by invalidations.

#include "pg/prelude.h"

namespace polyglot::pg {

/// `key`: bytes at the start of an entry that it is found by. ereports for lack of memory.
inline HTAB* MakeProcessTable(const char* name, Size key, Size entry) {
  HASHCTL control;
  memset(&control, 0, sizeof control);
  control.keysize = key;
  control.entrysize = entry;
  control.hcxt = TopMemoryContext;
  return hash_create(name, 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

}  // namespace polyglot::pg
