#include "pg/document/encoder.h"

#include "pg/prelude.h"

namespace polyglot::pg {

std::size_t document_end = SIZE_MAX;

}  // namespace polyglot::pg
