#include "core/search/bulk_response.h"

#include <charconv>
#include <optional>
#include <utility>

#include "core/json_tree.h"
#include "core/text.h"

namespace polyglot::core {
namespace {

constexpr std::size_t kTypeBytes = 200;
constexpr std::size_t kErrorBodyBytes = 1u << 20;  // an error answer beyond this is not parsed

/// Follows the reply's nesting: {"errors":…,"items":[{"index":{"status":…,"error":{…}}}]}.
/// Returning false from a callback ends the parse; `problem` then says why.
class BulkHandler : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, BulkHandler> {
 public:
  BulkHandler(std::span<const SentItem> sent, BulkItemSink* sink, const BulkLimits& limits)
      : sent_(sent), sink_(sink), limits_(limits) {}

  bool Default() { return Scalar(); }  // null
  bool Bool(bool value);
  bool RawNumber(const char* text, rapidjson::SizeType length, bool);
  bool String(const char* text, rapidjson::SizeType length, bool);
  bool Key(const char* text, rapidjson::SizeType length, bool);
  bool StartObject() { return Open(Shape::kObject); }
  bool StartArray() { return Open(Shape::kArray); }
  bool EndObject(rapidjson::SizeType) { return Close(); }
  bool EndArray(rapidjson::SizeType) { return Close(); }

  bool Finish();
  const std::string& problem() const { return problem_; }

 private:
  enum class Shape { kObject, kArray };
  enum class Place { kStart, kTop, kItems, kItem, kAction, kError, kCause, kDone };
  enum class Field {
    kNone,
    kErrors,
    kItems,
    kAction,
    kStatus,
    kStore,
    kIndex,
    kResult,
    kError,
    kType,
    kReason,
    kCause
  };

  bool Scalar();
  bool Open(Shape shape);
  bool Close();
  void EndItem();
  bool TopKey(std::string_view key);
  bool ActionName(std::string_view name);
  void StoreText(std::string_view text);
  void StoreCause(std::string_view text);
  bool Fail(std::string text) {
    problem_ = std::move(text);
    return false;
  }
  bool FailItem(const char* text) { return Fail("item " + std::to_string(items_) + " " + text); }

  std::span<const SentItem> sent_;
  BulkItemSink* sink_;
  const BulkLimits& limits_;
  BulkItem item_;          // that is being read
  std::size_t items_ = 0;  // begun
  bool any_failed_ = false, contradiction_ = false;
  std::string problem_;
  Place place_ = Place::kStart;
  Field field_ = Field::kNone;
  std::size_t depth_ = 0;
  std::size_t skipped_ = 0;  // open containers inside a value that is skipped
  std::optional<bool> errors_;
  bool items_seen_ = false;
  bool action_seen_ = false;  // in this item
};

bool BulkHandler::Scalar() {
  if (skipped_ > 0) return true;
  if (place_ == Place::kStart) return Fail("is not a JSON object");
  if (place_ == Place::kItems) return FailItem("is not an object");
  if (place_ == Place::kItem) return FailItem("holds no object");
  if (place_ == Place::kTop && field_ == Field::kErrors) return Fail("has no boolean \"errors\"");
  if (place_ == Place::kTop && field_ == Field::kItems) return Fail("has no array \"items\"");
  if (place_ == Place::kAction && field_ == Field::kStatus)
    return FailItem("has no numeric status");
  return true;
}

bool BulkHandler::Bool(bool value) {
  if (skipped_ == 0 && place_ == Place::kTop && field_ == Field::kErrors) {
    errors_ = value;
    return true;
  }
  return Scalar();
}

bool BulkHandler::RawNumber(const char* text, rapidjson::SizeType length, bool) {
  if (skipped_ > 0 || place_ != Place::kAction || field_ != Field::kStatus) return Scalar();
  int status = 0;
  const auto [end, error] = std::from_chars(text, text + length, status);
  if (error != std::errc{} || end != text + length || status < 100 || status > 599)
    return FailItem("has an impossible status");
  item_.status = status;
  return true;
}

bool BulkHandler::String(const char* text, rapidjson::SizeType length, bool) {
  const bool in_error = place_ == Place::kError || place_ == Place::kCause;
  const bool in_action =
      place_ == Place::kAction && (field_ == Field::kError || field_ == Field::kStore ||
                                   field_ == Field::kIndex || field_ == Field::kResult);
  if (skipped_ > 0 || !(in_error || in_action)) return Scalar();
  StoreText({text, length});
  return true;
}

void BulkHandler::StoreText(std::string_view text) {
  BulkItem& item = item_;
  if (field_ == Field::kStore) {
    item.failure_store = text == "used";
    return;
  }
  if (field_ == Field::kResult) {
    item.dropped = text == "noop";
    return;
  }
  if (field_ == Field::kIndex) {
    const std::string* index = sent_[items_ - 1].index;
    item.moved = index != nullptr && text != *index;
    return;
  }
  item.has_error = true;
  if (place_ == Place::kCause) return StoreCause(text);
  if (field_ == Field::kType) {
    item.error_type = SanitiseText(text, kTypeBytes);
  } else if (field_ == Field::kReason || place_ == Place::kAction) {
    item.error_reason = SanitiseText(text, limits_.reason_bytes);
  }
}

/// Some servers say "failed to parse" and no more than that above the cause.
void BulkHandler::StoreCause(std::string_view text) {
  if (field_ != Field::kReason) return;
  std::string& reason = item_.error_reason;
  if (reason.find(text) != std::string::npos) return;
  if (!reason.empty()) reason += ": ";
  reason = SanitiseText(reason.append(text), limits_.reason_bytes);
}

bool BulkHandler::Key(const char* text, rapidjson::SizeType length, bool) {
  if (skipped_ > 0) return true;
  const std::string_view key(text, length);
  switch (place_) {
    case Place::kTop:
      return TopKey(key);
    case Place::kItem:
      return ActionName(key);
    case Place::kAction:
      field_ = key == "status"          ? Field::kStatus
               : key == "error"         ? Field::kError
               : key == "failure_store" ? Field::kStore
               : key == "_index"        ? Field::kIndex
               : key == "result"        ? Field::kResult
                                        : Field::kNone;
      return true;
    case Place::kError:
    case Place::kCause:
      field_ = key == "type"        ? Field::kType
               : key == "reason"    ? Field::kReason
               : key == "caused_by" ? Field::kCause
                                    : Field::kNone;
      return true;
    default:
      return true;
  }
}

bool BulkHandler::TopKey(std::string_view key) {
  field_ = key == "errors" ? Field::kErrors : key == "items" ? Field::kItems : Field::kNone;
  if (field_ == Field::kErrors && errors_) return Fail("has \"errors\" twice");
  if (field_ == Field::kItems && items_seen_) return Fail("has \"items\" twice");
  return true;
}

bool BulkHandler::ActionName(std::string_view name) {
  if (action_seen_) return FailItem("holds two actions");
  if (items_ >= sent_.size()) return Fail("has more items than operations were sent");
  const OperationKind kind = sent_[items_].kind;
  const bool match = name == (kind == OperationKind::kIndex ? "index" : "delete");
  if (!match) return FailItem("answers another kind of operation");
  action_seen_ = true;
  field_ = Field::kAction;
  ++items_;
  item_ = {};
  item_.kind = kind;
  return true;
}

bool BulkHandler::Open(Shape shape) {
  if (++depth_ > limits_.depth) return Fail("is nested too deeply");
  if (skipped_ > 0) return ++skipped_, true;
  const bool object = shape == Shape::kObject;
  if (place_ == Place::kStart && object) return place_ = Place::kTop, true;
  if (place_ == Place::kTop && field_ == Field::kItems && !object) {
    items_seen_ = true;
    return place_ = Place::kItems, true;
  }
  if (place_ == Place::kItems && object) {
    action_seen_ = false;
    return place_ = Place::kItem, true;
  }
  if (place_ == Place::kItem && object) {
    field_ = Field::kNone;
    return place_ = Place::kAction, true;
  }
  if (place_ == Place::kAction && field_ == Field::kError && object) {
    item_.has_error = true;
    field_ = Field::kNone;
    return place_ = Place::kError, true;
  }
  if (place_ == Place::kError && field_ == Field::kCause && object) {
    field_ = Field::kNone;
    return place_ = Place::kCause, true;
  }
  if (!Scalar()) return false;  // a container where a scalar would be wrong is wrong, too
  skipped_ = 1;
  return true;
}

bool BulkHandler::Close() {
  --depth_;
  if (skipped_ > 0) return --skipped_, true;
  switch (place_) {
    case Place::kTop:
      place_ = Place::kDone;
      return true;
    case Place::kItems:
      place_ = Place::kTop;
      break;
    case Place::kItem:
      place_ = Place::kItems;
      if (!action_seen_) return FailItem("is empty");
      break;
    case Place::kAction:
      place_ = Place::kItem;
      if (item_.status == 0) return FailItem("has no status");
      EndItem();
      break;
    case Place::kError:
      place_ = Place::kAction;
      break;
    case Place::kCause:
      place_ = Place::kError;
      break;
    default:
      return Fail("is not a bulk answer");
  }
  field_ = Field::kNone;
  return true;
}

bool IsFailed(const BulkItem& item) {
  const bool absent = item.kind == OperationKind::kDelete && item.status == 404;
  return item.has_error || (item.status >= 300 && !absent);
}

void BulkHandler::EndItem() {
  contradiction_ = contradiction_ || (item_.has_error && item_.status < 300);
  any_failed_ = any_failed_ || IsFailed(item_);
  sink_->Take(std::move(item_));
}

bool BulkHandler::Finish() {
  if (!errors_) return Fail("has no boolean \"errors\"");
  if (!items_seen_) return Fail("has no array \"items\"");
  if (items_ != sent_.size())
    return Fail("has " + std::to_string(items_) + " items for " + std::to_string(sent_.size()) +
                " operations");
  if (contradiction_) return Fail("has an item with success and error");
  if (any_failed_ != *errors_) return Fail("has an \"errors\" flag that contradicts its items");
  return true;
}

Error Broken(std::string_view why) {
  return {.message = "bulk answer " + std::string(why), .hint = {}};
}

}  // namespace

std::optional<Error> ReadBulkResponse(std::string_view body, std::span<const SentItem> sent,
                                      BulkItemSink* sink, const BulkLimits& limits) {
  if (body.size() > limits.bytes) return Broken("is too large");
  BulkHandler handler(sent, sink, limits);
  rapidjson::MemoryStream stream(body.data(), body.size());
  rapidjson::Reader reader;
  constexpr unsigned kFlags =
      rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag;
  const rapidjson::ParseResult parsed = reader.Parse<kFlags>(stream, handler);
  if (!handler.problem().empty()) return Broken(handler.problem());
  if (parsed.IsError()) return Broken("is not complete JSON");
  if (!handler.Finish()) return Broken(handler.problem());
  return std::nullopt;
}

ServerError ParseServerError(std::string_view body, const BulkLimits& limits) {
  if (body.size() > kErrorBodyBytes) return {};
  rapidjson::Document document;
  document.Parse<kForeignFlags>(body.data(), body.size());
  if (document.HasParseError() || !document.IsObject()) return {};
  const json::Value* error = json::Find(&document, "error");
  if (error == nullptr) return {};
  if (error->IsString()) return {.type = {}, .reason = json::TextOf(error, limits.reason_bytes)};
  return {.type = json::TextOf(json::Find(error, "type"), kTypeBytes),
          .reason = json::TextOf(json::Find(error, "reason"), limits.reason_bytes)};
}

}  // namespace polyglot::core
