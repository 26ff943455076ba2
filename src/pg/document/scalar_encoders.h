#pragma once
// Encoders of types without inner structure; see type_encoder.h for the rules.

#include <string>

#include "pg/document/encoder.h"
#include "pg/prelude.h"

namespace polyglot::pg {

/// nullptr: this class is not a scalar.
void (*ScalarEncoder(TypeClass type_class))(TypeEncoder*, Datum, std::string*);

}  // namespace polyglot::pg
