// Two keys never share a readable id: the id of several key texts splits into the same texts again.
#include <cstdlib>
#include <cstring>

#include "core/document_id.h"

using namespace polyglot::core;

namespace {

// Good enough to see that hashing was asked for; injectivity of SHA-256 is not ours to test.
bool MarkHash(const void*, std::size_t, std::uint8_t* digest) {
  std::memset(digest, 0xab, 32);
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  std::vector<std::string> texts(1);
  for (std::size_t i = 0; i < size; ++i) {
    if (bytes[i] == 0)
      texts.emplace_back();
    else
      texts.back().push_back(static_cast<char>(bytes[i]));
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  std::string id;
  if (!AppendDocumentId(views.data(), views.size(), MarkHash, &id)) std::abort();
  if (id.empty() || id.size() > kMaxDocumentId) std::abort();
  if (id[0] == '~') return id.size() == 65 ? 0 : (std::abort(), 0);
  std::vector<std::string> again;
  if (!SplitDocumentId(id, texts.size(), &again) || again != texts) std::abort();
  return 0;
}
