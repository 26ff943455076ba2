#pragma once
// Operations as the NDJSON of a bulk request. Sizes are exact, so that batches can be cut by bytes
// before anything is built.

#include <cstddef>
#include <string>
#include <string_view>

#include "core/delivery/dialect.h"
#include "core/operation.h"

namespace polyglot::core {

/// Bytes that AppendOperation adds.
std::size_t EncodedSize(const Operation& operation);

/// Appends the action line and, for an index operation, the document. Both end in a newline: a bulk
/// body without the last one is refused. Line breaks in the document become spaces (in JSON they
/// can only stand between tokens), because they would break the framing.
BodySlice AppendOperation(const Operation& operation, std::string* out);

/// Appends `text` as the inside of a JSON string.
void AppendEscaped(std::string_view text, std::string* out);

}  // namespace polyglot::core
