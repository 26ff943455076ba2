#include "core/comparison.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/error_text.h"
#include "core/rapidjson.h"

namespace polyglot::core {
namespace {

using rapidjson::SizeType;

constexpr unsigned kTextFlags = kForeignFlags | rapidjson::kParseNumbersAsStringsFlag;

constexpr std::string_view kOfNumbers = "0123456789+-.eE";

/// JSON text for RapidJSON, which gives up at a number that no double holds, whatever it is told to
/// do with numbers. Servers keep such ones and give them back. They are shown as `0` and blanks, so
/// that everything stands where it was; NumberAt has the digits.
class Readable {
 public:
  explicit Readable(std::string_view text) : text_(text) {
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (in_string && c == '\\') ++i;
      if (c == '"') in_string = !in_string;
      if (in_string || (c != '-' && (c < '0' || c > '9'))) continue;
      const std::string_view number = NumberAt(i);
      if (IsExtreme(number)) Hide(i, number.size());
      i += number.size() - 1;
    }
  }

  std::string_view text() const { return copy_.empty() ? text_ : std::string_view(copy_); }
  std::string_view original() const { return text_; }
  std::string_view NumberAt(std::size_t begin) const {
    const std::size_t end = text_.find_first_not_of(kOfNumbers, begin);
    return text_.substr(begin, end == std::string_view::npos ? end : end - begin);
  }

 private:
  static bool IsExtreme(std::string_view number) {
    constexpr std::size_t kDigitsOfDoubles = 300;
    return number.size() > kDigitsOfDoubles ||
           number.find_first_of("eE") != std::string_view::npos;
  }
  void Hide(std::size_t begin, std::size_t size) {
    if (copy_.empty()) copy_ = text_;
    copy_.replace(begin, size, size, ' ');
    copy_[begin] = '0';
  }

  std::string_view text_;
  std::string copy_;
};

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

/// Builds a tree in which numbers are texts that no string can be taken for.
class Tagger : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Tagger> {
 public:
  Tagger(rapidjson::Document* tree, const Readable* readable,
         const rapidjson::MemoryStream* stream)
      : tree_(tree), readable_(readable), stream_(stream) {}
  bool Null() { return tree_->Null(); }
  bool Bool(bool value) { return tree_->Bool(value); }
  bool RawNumber(const char*, SizeType length, bool) {
    const std::string_view number = readable_->NumberAt(stream_->Tell() - length);
    return Put('#', number.data(), static_cast<SizeType>(number.size()));
  }
  bool String(const char* text, SizeType length, bool) { return Put('"', text, length); }
  bool Key(const char* text, SizeType length, bool) { return tree_->Key(text, length, true); }
  bool StartObject() { return tree_->StartObject(); }
  bool EndObject(SizeType members) { return tree_->EndObject(members); }
  bool StartArray() { return tree_->StartArray(); }
  bool EndArray(SizeType elements) { return tree_->EndArray(elements); }

 private:
  bool Put(char tag, const char* text, SizeType length) {
    tagged_.assign(1, tag);
    tagged_.append(text, length);
    return tree_->String(tagged_.data(), static_cast<SizeType>(tagged_.size()), true);
  }
  rapidjson::Document* tree_;
  const Readable* readable_;
  const rapidjson::MemoryStream* stream_;
  std::string tagged_;
};

struct TaggedText {
  std::string_view text;
  bool ok = false;
  bool operator()(rapidjson::Document& tree) {
    const Readable readable(text);
    rapidjson::MemoryStream stream(readable.text().data(), readable.text().size());
    rapidjson::Reader reader;
    Tagger tagger(&tree, &readable, &stream);
    ok = !reader.Parse<kTextFlags>(stream, tagger).IsError();
    return ok;
  }
};

bool Build(std::string_view text, rapidjson::Document* tree) {
  if (IsTooDeep(text)) return false;
  TaggedText source{text};
  tree->Populate(source);
  return source.ok;
}

}  // namespace

std::string MultiGetBody(const std::vector<WantedDocument>& wanted) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  const auto put = [&writer](const char* name, std::string_view value) {
    writer.Key(name);
    writer.String(value.data(), static_cast<SizeType>(value.size()));
  };
  writer.StartObject();
  writer.Key("docs");
  writer.StartArray();
  for (const WantedDocument& document : wanted) {
    writer.StartObject();
    put("_id", document.id);
    if (document.routing) put("routing", *document.routing);
    if (!document.source) {
      // Only with a stored field, or the source, does the answer tell the routing.
      put("stored_fields", "_routing");
      writer.Key("_source");
      writer.Bool(false);
    }
    writer.EndObject();
  }
  writer.EndArray();
  writer.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
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
  constexpr std::array<std::string_view, 18> kTypes = {
      "circuit_breaking_exception",       "cluster_block_exception",
      "connect_transport_exception",      "es_rejected_execution_exception",
      "illegal_index_shard_state_exception", "index_closed_exception",
      "index_not_found_exception",        "no_shard_available_action_exception",
      "node_closed_exception",            "node_disconnected_exception",
      "node_not_connected_exception",     "receive_timeout_transport_exception",
      "rejected_execution_exception",     "remote_transport_exception",
      "security_exception",               "shard_not_found_exception",
      "timeout_exception",                "unavailable_shards_exception"};
  return std::find(kTypes.begin(), kTypes.end(), error) != kTypes.end();
}

std::string IdSearchBody(std::string_view id) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  writer.StartArray();
  writer.String(id.data(), static_cast<SizeType>(id.size()));
  writer.EndArray();
  return R"({"query":{"ids":{"values":)" + std::string(buffer.GetString(), buffer.GetSize()) +
         R"(}},"size":100,"version":true,"_source":false,"sort":["_doc"]})";
}

std::string DifferingFields(std::string_view one, std::string_view other) {
  constexpr std::size_t kMost = 400;
  rapidjson::Document first, second;
  std::string names;
  if (!Build(one, &first) || !Build(other, &second) || !first.IsObject() || !second.IsObject())
    return names;
  const auto add = [&names](const rapidjson::Value& name) {
    if (names.size() > kMost) return;
    if (!names.empty()) names += ", ";
    names.append(name.GetString(), name.GetStringLength());
  };
  for (const auto& member : first.GetObject()) {
    const auto there = second.FindMember(member.name);
    if (there == second.MemberEnd() || !(there->value == member.value)) add(member.name);
  }
  for (const auto& member : second.GetObject())
    if (first.FindMember(member.name) == first.MemberEnd()) add(member.name);
  return names;
}

bool SameDocument(std::string_view one, std::string_view other) {
  if (one == other) return true;
  rapidjson::Document first, second;
  return Build(one, &first) && Build(other, &second) && first == second;
}

}  // namespace polyglot::core
