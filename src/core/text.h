#pragma once
// Text as PostgreSQL takes it: valid UTF-8, without NUL, of bounded length.

#include <cstddef>
#include <string>
#include <string_view>

namespace polyglot::core {

/// Valid UTF-8 without NUL, at most `max_bytes`, cut between characters: text that PostgreSQL
/// takes. What is not UTF-8 becomes '?'.
std::string SanitiseText(std::string_view text, std::size_t max_bytes);

/// Of a document longer than `most` bytes the beginning, cut between characters, with a note of how
/// long it was. `document` is UTF-8.
void ShortenDocument(std::string* document, std::size_t most);

}  // namespace polyglot::core
