#pragma once
// A Delivery, a clock and a server made of strings.

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "core/delivery/delivery.h"
#include "core/delivery/delivery_event.h"
#include "core/delivery/reply.h"
#include "core/json_reader.h"
#include "core/search/search_dialect.h"

namespace polyglot::core {

using Kind = DeliveryEvent::Kind;
inline constexpr Time kSecond{1'000'000};

inline Operation Make(std::string id, std::uint64_t version, std::int32_t sync = 1) {
  Operation op;
  op.sync = sync;
  op.version = version;
  op.index = std::make_shared<const std::string>("i" + std::to_string(sync));
  op.id = std::move(id);
  op.body = "{\"v\":" + std::to_string(version) + "}";
  op.tickets.scan = version;
  return op;
}

inline Operation MakeDelete(std::string id, std::uint64_t version) {
  Operation op = Make(std::move(id), version);
  op.kind = OperationKind::kDelete;
  op.body.clear();
  return op;
}

/// What a request carries, read back from its body.
struct Sent {
  std::string action, id;
  std::uint64_t version;
  std::string document;
};

inline std::vector<Sent> Read(const BulkBatch& batch) {
  std::vector<Sent> sent;
  std::istringstream lines(*batch.body);
  for (std::string line; std::getline(lines, line);) {
    rapidjson::Document document;
    document.Parse(line.c_str());
    const auto& action = *document.MemberBegin();
    Sent s{action.name.GetString(),
           action.value["_id"].GetString(),
           action.value["version"].GetUint64(),
           {}};
    if (s.action == "index") std::getline(lines, s.document);
    sent.push_back(std::move(s));
  }
  EXPECT_EQ(sent.size(), batch.operations);
  return sent;
}

inline std::vector<std::string> Ids(const BulkBatch& batch) {
  std::vector<std::string> ids;
  for (const Sent& s : Read(batch)) ids.push_back(s.id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

inline Reply Http(int status, std::string body = {}) {
  Reply reply;
  reply.transport_ok = true;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

inline Reply NoAnswer(const char* why = "connecting: Connection refused") {
  Reply reply;
  reply.transport_error = why;
  reply.may_have_been_sent = false;
  return reply;
}

struct ItemAnswer {
  int status = 200;
  std::string type, reason;
};

/// A 200 answer to the batch; ids that are not named get 200.
inline Reply Items(const BulkBatch& batch, const std::map<std::string, ItemAnswer>& answers = {}) {
  std::string items;
  bool errors = false;
  for (const Sent& s : Read(batch)) {
    const auto it = answers.find(s.id);
    const ItemAnswer answer = it == answers.end() ? ItemAnswer{} : it->second;
    items += (items.empty() ? "{\"" : ",{\"") + s.action +
             "\":{\"status\":" + std::to_string(answer.status);
    if (!answer.type.empty()) {
      errors = true;
      items += R"(,"error":{"type":")" + answer.type + R"(","reason":")" + answer.reason + "\"}";
    }
    items += "}}";
  }
  return Http(200, std::string(R"({"errors":)") + (errors ? "true" : "false") + ",\"items\":[" +
                       items + "]}");
}

class DeliveryTest : public ::testing::Test {
 protected:
  DeliveryTest() : delivery(Limits(), 1, SearchDialect()) {}

  static DeliveryLimits Limits() {
    DeliveryLimits limits;
    limits.linger = Time{0};
    return limits;
  }

  BulkBatch Next() {
    auto batch = delivery.NextBatch(now);
    EXPECT_TRUE(batch.has_value());
    return batch.value_or(BulkBatch{0, std::make_shared<const std::string>(), 0});
  }

  /// Waits for the next deadline and takes the request that is due then.
  BulkBatch NextWhenDue() {
    const Time due = delivery.NextDeadline(now);
    EXPECT_NE(due, kNever);
    if (due != kNever) now = std::max(now, due);
    return Next();
  }

  std::vector<Kind> Events(Kind without = Kind::kRetried) {
    std::vector<Kind> kinds;
    for (const DeliveryEvent& e : delivery.TakeEvents())
      if (e.kind != without) kinds.push_back(e.kind);
    return kinds;
  }

  Time now{kSecond};
  Delivery delivery;
};

}  // namespace polyglot::core
