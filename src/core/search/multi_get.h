#pragma once
// `_mget`: documents by their ids. Text in, text out; whatever a server sends may be anything.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace polyglot::core {

/// One document to ask for. `source`: with its content.
struct WantedDocument {
  std::string_view id;
  std::optional<std::string_view> routing;
  bool source = true;
};

/// Body of `POST /<index>/_mget`.
std::string MultiGetBody(const std::vector<WantedDocument>& wanted);
/// The longest answer that an honest server gives, when the documents are about `bytes` long.
std::size_t MultiGetAnswerCap(std::size_t documents, std::size_t bytes);

struct FoundDocument {
  bool found = false;
  bool has_source = false;
  std::uint64_t version = 0;
  std::optional<std::string> routing;
  std::string_view source;  // as it stands in the answer
  std::string error;        // its type, where the server could not look for this one
};

/// Reads the answer, one entry for each wanted document, in their order; views into `body`. An
/// error when it is none that can be read.
Result<std::vector<FoundDocument>> ParseMultiGet(std::string_view body, std::size_t wanted);

/// Does it begin as an answer to `_mget`? One that then cannot be read holds a document that
/// somebody wrote in a JSON which servers take and we do not.
bool IsMultiGet(std::string_view body);
/// Is an error of this type one of the index or the cluster, and not of the document?
bool PassesOff(std::string_view error);

/// Body of `POST /<index>/_search` for every document with this id, at whatever routing; its answer
/// is read by ParseWalkPage.
std::string IdSearchBody(std::string_view id);

}  // namespace polyglot::core
