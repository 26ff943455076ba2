#include "net/address.h"

#include <algorithm>
#include <vector>

namespace polyglot::net {
namespace {

bool IsPlain(char c) {
  const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return letter || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

std::string Encode(std::string_view text, std::string_view kept) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (char c : text) {
    if (IsPlain(c) || kept.find(c) != std::string_view::npos) {
      out.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out.push_back('%');
    out.push_back(kHex[byte >> 4]);
    out.push_back(kHex[byte & 15]);
  }
  return out;
}

std::string SignedPair(std::string_view pair) {
  const std::size_t equals = std::min(pair.find('='), pair.size());
  const std::string_view value = pair.substr(std::min(equals + 1, pair.size()));
  return Encode(pair.substr(0, equals), "%") + "=" + Encode(value, "%");
}

}  // namespace

std::string PercentEncode(std::string_view text) { return Encode(text, ""); }

NamedAddress UnderName(std::string_view url, std::string_view name) {
  const std::size_t begin = url.find("://") + 3;
  const std::size_t end = std::min(url.find('/', begin), url.size());
  std::string_view host = url.substr(begin, end - begin);
  std::string_view port = url[4] == 's' || url[4] == 'S' ? "443" : "80";
  const std::size_t bracket = host.find(']');
  const std::size_t colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    port = host.substr(colon + 1);
    host = host.substr(0, colon);
  }
  const std::string with_port = ":" + std::string(port);
  NamedAddress named;
  named.url = std::string(url.substr(0, begin)) + std::string(name) + with_port +
              std::string(url.substr(end));
  named.connect_to = std::string(name) + with_port + ":" + std::string(host) + with_port;
  return named;
}

std::string WithSortedQuery(std::string_view url) {
  const std::size_t mark = url.find('?');
  if (mark == std::string_view::npos) return std::string(url);
  std::vector<std::string> pairs;
  for (std::string_view rest = url.substr(mark + 1); !rest.empty();) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    if (end > 0) pairs.push_back(SignedPair(rest.substr(0, end)));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  std::sort(pairs.begin(), pairs.end());
  std::string out(url.substr(0, mark));
  char separator = '?';
  for (const std::string& pair : pairs) {
    out += separator + pair;
    separator = '&';
  }
  return out;
}

}  // namespace polyglot::net
