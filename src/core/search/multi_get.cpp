#include "core/search/multi_get.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/json_tree.h"
#include "core/readable_json.h"
#include "core/text.h"

namespace polyglot::core {
namespace {

using rapidjson::SizeType;

/// Takes `docs` of an `_mget` answer apart without building a tree: the sources stay where they
/// are.
class MultiGetHandler : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, MultiGetHandler> {
 public:
  MultiGetHandler(std::string_view body, const rapidjson::MemoryStream* stream)
      : body_(body), stream_(stream) {}

  bool Default() { return Scalar(); }
  bool Bool(bool value) {
    if (In(Member::kFound)) documents.back().found = value;
    return Scalar();
  }
  bool RawNumber(const char* text, SizeType length, bool) {
    if (In(Member::kVersion)) std::from_chars(text, text + length, documents.back().version);
    return Scalar();
  }
  bool String(const char* text, SizeType length, bool) {
    if (In(Member::kRouting)) documents.back().routing.emplace(text, length);
    if (In(Member::kError)) documents.back().error = "unknown";
    return Scalar();
  }
  bool Key(const char* text, SizeType length, bool) {
    const std::string_view name(text, length);
    if (depth_ == 1) in_docs_ = name == "docs";
    if (depth_ == kMember) member_ = MemberOf(name);
    return true;
  }
  bool StartObject() {
    if (depth_ == kElement && in_docs_) {
      documents.emplace_back();
      member_ = Member::kOther;
    }
    if (In(Member::kError) || In(Member::kSource)) begin_ = stream_->Tell();
    ++depth_;
    return true;
  }
  bool EndObject(SizeType) {
    --depth_;
    if (In(Member::kError))
      documents.back().error = ErrorOf(body_.substr(begin_, stream_->Tell() - begin_));
    if (In(Member::kSource)) {
      documents.back().has_source = true;
      documents.back().source = body_.substr(begin_, stream_->Tell() + 1 - begin_);
    }
    return true;
  }
  bool StartArray() {
    if (depth_ == 1 && in_docs_) is_list = true;
    if (depth_ == kElement && in_docs_) return false;
    ++depth_;
    return true;
  }
  bool EndArray(SizeType) {
    --depth_;
    return true;
  }

  std::vector<FoundDocument> documents;
  bool is_list = false;

 private:
  enum class Member : std::uint8_t { kOther, kFound, kVersion, kRouting, kSource, kError };
  static constexpr int kElement = 2;  // depth in the array `docs`
  static constexpr int kMember = 3;   // depth in one of its objects

  /// The type of the cause. Where the mapping demands a routing there is no document without one:
  /// that is no error.
  static std::string ErrorOf(std::string_view error) {
    constexpr std::string_view kType = "\"type\":\"";
    if (error.find("\"routing_missing_exception\"") != std::string_view::npos) return {};
    const std::size_t type = error.find(kType);
    if (type == std::string_view::npos) return "unknown";
    const std::string_view text = error.substr(type + kType.size());
    return SanitiseText(text.substr(0, text.find('"')), 100);
  }
  static Member MemberOf(std::string_view name) {
    if (name == "found") return Member::kFound;
    if (name == "_version") return Member::kVersion;
    if (name == "_routing") return Member::kRouting;
    if (name == "_source") return Member::kSource;
    return name == "error" ? Member::kError : Member::kOther;
  }
  bool In(Member member) const {
    return depth_ == kMember && in_docs_ && member_ == member && !documents.empty();
  }
  // Elements of `docs` are objects, or this is no answer of ours.
  bool Scalar() { return !(depth_ == kElement && in_docs_); }

  std::string_view body_;
  const rapidjson::MemoryStream* stream_;
  std::size_t begin_ = 0;
  int depth_ = 0;
  bool in_docs_ = false;
  Member member_ = Member::kOther;
};

}  // namespace

std::string MultiGetBody(const std::vector<WantedDocument>& wanted) {
  json::StringBuffer buffer;
  json::Writer writer(buffer);
  writer.StartObject();
  writer.Key("docs");
  writer.StartArray();
  for (const WantedDocument& document : wanted) {
    writer.StartObject();
    json::PutPair(&writer, "_id", document.id);
    if (document.routing) json::PutPair(&writer, "routing", *document.routing);
    if (!document.source) {
      // Only with a stored field, or the source, does the answer tell the routing.
      json::PutPair(&writer, "stored_fields", "_routing");
      writer.Key("_source");
      writer.Bool(false);
    }
    writer.EndObject();
  }
  writer.EndArray();
  writer.EndObject();
  return json::Text(buffer);
}

std::size_t MultiGetAnswerCap(std::size_t documents, std::size_t bytes) {
  // Beside the source an entry holds id and routing (512 bytes each, longer when escaped) and
  // little else.
  return (256u << 10) + documents * 2048 + 2 * bytes;
}

Result<std::vector<FoundDocument>> ParseMultiGet(std::string_view body, std::size_t wanted) {
  const Readable readable(body);
  rapidjson::MemoryStream stream(readable.text().data(), readable.text().size());
  rapidjson::Reader reader;
  MultiGetHandler handler(body, &stream);
  const bool parsed = !reader.Parse<kTextFlags>(stream, handler).IsError();
  if (!parsed || !handler.is_list || handler.documents.size() != wanted)
    return Error{.message = "answer of the search server does not hold the documents", .hint = {}};
  return std::move(handler.documents);
}

bool IsMultiGet(std::string_view body) {
  constexpr std::string_view kBegin = "{\"docs\":[";
  return body.substr(0, kBegin.size()) == kBegin;
}

bool PassesOff(std::string_view error) {
  constexpr std::array<std::string_view, 18> kTypes = {"circuit_breaking_exception",
                                                       "cluster_block_exception",
                                                       "connect_transport_exception",
                                                       "es_rejected_execution_exception",
                                                       "illegal_index_shard_state_exception",
                                                       "index_closed_exception",
                                                       "index_not_found_exception",
                                                       "no_shard_available_action_exception",
                                                       "node_closed_exception",
                                                       "node_disconnected_exception",
                                                       "node_not_connected_exception",
                                                       "receive_timeout_transport_exception",
                                                       "rejected_execution_exception",
                                                       "remote_transport_exception",
                                                       "security_exception",
                                                       "shard_not_found_exception",
                                                       "timeout_exception",
                                                       "unavailable_shards_exception"};
  return std::find(kTypes.begin(), kTypes.end(), error) != kTypes.end();
}

std::string IdSearchBody(std::string_view id) {
  json::StringBuffer buffer;
  json::Writer writer(buffer);
  writer.StartArray();
  json::Put(&writer, id);
  writer.EndArray();
  return R"({"query":{"ids":{"values":)" + json::Text(buffer) +
         R"(}},"size":100,"version":true,"_source":false,"sort":["_doc"]})";
}

}  // namespace polyglot::core
