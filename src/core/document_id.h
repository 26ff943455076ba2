#pragma once
// The document id: an injective text form of a row's key values, readable in the ordinary case.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace polyglot::core {

/// Longest `_id` that search servers take, in bytes.
inline constexpr std::size_t kMaxDocumentId = 512;

/// What stands before key bytes that are no UTF-8 and cannot be made to be: no UTF-8 begins so.
inline constexpr char kNoText = '\xFF';

/// Writes the 32 bytes of the SHA-256 of `size` bytes at `data` to `digest`. false: not available.
/// Passed in, because core knows no cryptographic library.
using Sha256 = bool (*)(const void* data, std::size_t size, std::uint8_t* digest);

/// Appends the id formed by `count` key texts (UTF-8): a single one as it is, several joined by `,`
/// with `\` and `,` escaped by `\`. Where that would be empty, longer than kMaxDocumentId, begin
/// with `~` or be no text, `~` and its SHA-256 in lower-case hexadecimal instead. false: sha256
/// failed, *out is as before.
bool AppendDocumentId(const std::string_view* texts, std::size_t count, Sha256 sha256,
                      std::string* out);

/// The same in two steps, for a caller that produces the texts one after the other: append each key
/// text with AppendKeyText, then let FinishDocumentId look at what stands from `begin` on.
void AppendKeyText(std::string_view text, std::size_t index, std::size_t count, std::string* out);
bool FinishDocumentId(std::size_t begin, Sha256 sha256, std::string* out);

/// Does it have the form of a hashed id?
bool IsHashedId(std::string_view id);

/// Splits the readable form of an id of several key columns. false: it has not exactly `count`
/// parts (a hashed id has none that could be had back).
bool SplitDocumentId(std::string_view id, std::size_t count, std::vector<std::string>* texts);

}  // namespace polyglot::core
