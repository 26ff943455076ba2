#pragma once
// Addresses as requests need them: under another name, and with a query that can be signed.

#include <string>
#include <string_view>

namespace polyglot::net {

/// An address that is spoken to under another name than the one it is found by.
struct NamedAddress {
  std::string url;         // the same with `name` for its host
  std::string connect_to;  // as CURLOPT_CONNECT_TO wants it: name:port:host:port
};

/// `url` must be scheme://host[:port][/…], as the server option is.
NamedAddress UnderName(std::string_view url, std::string_view name);

/// The URL with its query in the form that is signed: pairs sorted by name, everything but
/// unreserved characters percent-encoded. What is percent-encoded already stays as it is.
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
std::string WithSortedQuery(std::string_view url);

/// Percent-encodes everything but letters, digits and `-._~`.
std::string PercentEncode(std::string_view text);

}  // namespace polyglot::net
