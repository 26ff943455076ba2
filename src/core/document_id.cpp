#include "core/document_id.h"

namespace polyglot::core {

void AppendKeyText(std::string_view text, std::size_t index, std::size_t count, std::string* out) {
  if (count == 1) {
    out->append(text);
    return;
  }
  if (index > 0) out->push_back(',');
  for (char c : text) {
    if (c == '\\' || c == ',') out->push_back('\\');
    out->push_back(c);
  }
}

bool FinishDocumentId(std::size_t begin, Sha256 sha256, std::string* out) {
  const std::size_t length = out->size() - begin;
  const char first = length > 0 ? (*out)[begin] : '~';
  if (length <= kMaxDocumentId && first != '~' && first != kNoText) return true;
  static constexpr char kHex[] = "0123456789abcdef";
  std::uint8_t digest[32];
  const bool hashed = sha256(out->data() + begin, length, digest);
  out->resize(begin);
  if (!hashed) return false;
  out->push_back('~');
  for (std::uint8_t byte : digest) {
    out->push_back(kHex[byte >> 4]);
    out->push_back(kHex[byte & 15]);
  }
  return true;
}

bool AppendDocumentId(const std::string_view* texts, std::size_t count, Sha256 sha256,
                      std::string* out) {
  const std::size_t begin = out->size();
  for (std::size_t i = 0; i < count; ++i) AppendKeyText(texts[i], i, count, out);
  return FinishDocumentId(begin, sha256, out);
}

bool IsHashedId(std::string_view id) {
  return id.size() == 65 && id[0] == '~' &&
         id.find_first_not_of("0123456789abcdef", 1) == std::string_view::npos;
}

bool SplitDocumentId(std::string_view id, std::size_t count, std::vector<std::string>* texts) {
  texts->assign(1, std::string());
  for (std::size_t i = 0; i < id.size(); ++i) {
    if (id[i] == ',' && count > 1) {
      texts->emplace_back();
      continue;
    }
    if (id[i] == '\\' && count > 1 && ++i == id.size()) return false;
    texts->back().push_back(id[i]);
  }
  return texts->size() == count;
}

}  // namespace polyglot::core
