// A document that a server refuses for want of memory while it takes all others is given up; what
// is refused because the server is full never is.

#include "core/delivery/pressure.h"

#include <algorithm>

#include "core/delivery/delivery.h"
#include "core/delivery/reply.h"
#include "delivery_fixture.h"

namespace polyglot::core {
namespace {

constexpr std::int32_t kLarge = 1, kOther = 2;
constexpr Time kLong{900'000'000};
const char* const kRejection =
    R"({"error":{"type":"es_rejected_execution_exception","reason":"rejected execution of )"
    R"(coordinating operation [all_bytes=0]"},"status":429})";

class PressureTest : public DeliveryTest {
 protected:
  void SubmitLarge(std::size_t bytes = std::size_t{2} << 20) {
    Operation op = Make("large", 1, kLarge);
    op.body = "{\"a\":\"" + std::string(bytes, 'x') + "\"}";
    delivery.Submit(std::move(op), now);
  }
  void Change(std::int32_t sync = kOther) {
    ++version_;
    delivery.Submit(Make("d" + std::to_string(version_), version_, sync), now);
  }
  static bool HasLarge(const BulkBatch& batch) {
    return batch.body->find("\"_id\":\"large\"") != std::string::npos;
  }
  Reply Refusal(const BulkBatch& batch) const {
    return items_ ? Items(batch, {{"large", {429, "es_rejected_execution_exception", reason_}}})
                  : Http(429, refusal_);
  }
  /// What the server says for long, or until the large document has left.
  std::optional<Finished> Run(bool small_taken, bool changes) {
    const Time end = now + kLong;
    for (int second = 0; now < end; ++second) {
      if (changes && second % 5 == 0) Change();
      while (auto batch = delivery.NextBatch(now)) {
        tries_ += HasLarge(*batch) ? 1 : 0;
        const bool refused = HasLarge(*batch) || !small_taken;
        delivery.Complete(batch->id, refused ? Refusal(*batch) : Items(*batch), now);
      }
      if (witness_) delivery.Witness(*witness_, now);
      for (Finished& finished : delivery.TakeFinished())
        if (finished.operation.id == "large") return std::move(finished);
      (void)delivery.TakeEvents();
      now += kSecond;
    }
    return std::nullopt;
  }

  std::uint64_t version_ = 100;
  std::uint32_t tries_ = 0;
  bool items_ = false;
  std::string refusal_ = kRejection, reason_ = "rejected execution of primary operation [bytes=1]";
  std::optional<bool> witness_;
};

TEST_F(PressureTest, ADocumentThatNeverFitsIsGivenUpWhileOthersAreTaken) {
  SubmitLarge();
  const Time begun = now;
  const auto letter = Run(true, true);
  ASSERT_TRUE(letter.has_value());
  EXPECT_EQ(letter->outcome, FinalOutcome::kDead);
  EXPECT_EQ(letter->status, 429);
  EXPECT_EQ(letter->error_type, "es_rejected_execution_exception");
  for (const char* part :
       {"of 2 MB was refused", "while others were taken", "coordinating operation",
        "indexing_pressure.memory.limit", "max_document_bytes"})
    EXPECT_NE(letter->error_reason.find(part), std::string::npos) << letter->error_reason;
  EXPECT_FALSE(letter->operation.body.empty()) << "the letter shows it";
  EXPECT_GE(tries_, kRefusalsForGood);
  EXPECT_GE(now - begun, kRefusedForGood);
  EXPECT_LT(now - begun, 10 * kRefusedForGood);
}

TEST_F(PressureTest, NothingIsGivenUpWhileTheServerIsFull) {
  SubmitLarge();
  EXPECT_FALSE(Run(false, true).has_value());
  EXPECT_GT(tries_, 2 * kRefusalsForGood) << "it was tried all the while";
}

TEST_F(PressureTest, NothingIsGivenUpWithoutAWitness) {
  SubmitLarge();
  EXPECT_FALSE(Run(true, false).has_value());
  witness_ = false;
  EXPECT_FALSE(Run(true, false).has_value());
}

TEST_F(PressureTest, WithoutOtherChangesASmallWriteIsTheWitness) {
  SubmitLarge();
  witness_ = true;
  const auto letter = Run(true, false);
  ASSERT_TRUE(letter.has_value());
  EXPECT_EQ(letter->outcome, FinalOutcome::kDead);
}

TEST_F(PressureTest, ASmallDocumentIsNeverToBlame) {
  SubmitLarge(60u << 10);
  EXPECT_FALSE(Run(true, true).has_value());
}

TEST_F(PressureTest, AFullQueueIsNoWantOfMemory) {
  items_ = true;
  reason_ = "rejected execution of x on EsThreadPoolExecutor[name = n/write, queue capacity = 9]";
  SubmitLarge();
  EXPECT_FALSE(Run(true, true).has_value());
}

TEST_F(PressureTest, AnItemIsRefusedByItsOwnNode) {
  items_ = true;
  witness_ = true;
  SubmitLarge();
  EXPECT_FALSE(Run(true, true).has_value()) << "other indexes may be on other nodes";
  bool dead = false;
  for (int i = 0; i < 900 && !dead; ++i, now += kSecond) {
    Change(kLarge);
    while (auto batch = delivery.NextBatch(now))
      delivery.Complete(batch->id, HasLarge(*batch) ? Refusal(*batch) : Items(*batch), now);
    for (const Finished& finished : delivery.TakeFinished())
      dead |= finished.operation.id == "large" && finished.outcome == FinalOutcome::kDead;
  }
  EXPECT_TRUE(dead) << "though it travelled with others at first";
}

TEST_F(PressureTest, ABreakerThatOneDocumentTripsIsItsOwn) {
  refusal_ = R"({"error":{"type":"circuit_breaking_exception","reason":"[parent] Data too large",)"
             R"("durability":"PERMANENT"},"status":429})";
  SubmitLarge();
  const auto letter = Run(true, true);
  ASSERT_TRUE(letter.has_value());
  EXPECT_EQ(letter->error_type, "circuit_breaking_exception");
}

TEST_F(PressureTest, OneThatFitsAfterAllIsTaken) {
  SubmitLarge();
  for (int i = 0; i < 50; ++i, now += kSecond) {
    Change();
    while (auto batch = delivery.NextBatch(now))
      delivery.Complete(batch->id, HasLarge(*batch) ? Refusal(*batch) : Items(*batch), now);
  }
  std::optional<FinalOutcome> outcome;
  for (int i = 0; i < 60 && !outcome; ++i, now += kSecond) {
    while (auto batch = delivery.NextBatch(now)) delivery.Complete(batch->id, Items(*batch), now);
    for (const Finished& finished : delivery.TakeFinished())
      if (finished.operation.id == "large") outcome = finished.outcome;
  }
  EXPECT_EQ(outcome, FinalOutcome::kOk);
}

}  // namespace
}  // namespace polyglot::core
