#pragma once
// Compression of request bodies.

#include <string>
#include <string_view>

namespace polyglot::net {

/// `data` as one gzip member. false: zlib could not (out of memory); *packed is then undefined.
bool Gzip(std::string_view data, std::string* packed);

}  // namespace polyglot::net
