#pragma once
// The option "max_document_bytes" of a sync: no longer document is made. C-like code.

#include "pg/prelude.h"

namespace polyglot::pg {

/// What search servers take in one request, unless they are told otherwise.
inline constexpr int kMaxDocumentBytes = 100 << 20;

/// The limit that a sync's options (JSON, or nullptr) name.
std::size_t MaxDocumentBytes(const char* options);
/// Is the document's text not longer than `most` bytes?
bool JsonTextFits(Jsonb* document, std::size_t most);
/// ERROR 22023 when the option has no such value.
void CheckMaxDocumentBytes(const JsonbValue* value);

}  // namespace polyglot::pg
