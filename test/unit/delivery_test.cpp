// Order, replacement, batching, taking back.
#include "delivery_fixture.h"

#include "core/backoff.h"
#include "core/delivery/delivery.h"
#include "core/delivery/finished.h"
#include "core/delivery/isolation.h"
#include "core/delivery/reply.h"
#include "core/queue/settlement.h"
#include "core/search/search_dialect.h"

namespace polyglot::core {
namespace {

TEST_F(DeliveryTest, AcknowledgedAndStale) {
  delivery.Submit(Make("a", 1), now);
  delivery.Submit(Make("b", 2), now);
  delivery.Submit(MakeDelete("c", 3), now);
  EXPECT_FALSE(delivery.Idle());
  const BulkBatch batch = Next();
  EXPECT_EQ(batch.operations, 3u);
  EXPECT_TRUE(delivery.AnyInFlight(1, 2));
  EXPECT_FALSE(delivery.AnyInFlight(1, 1));
  delivery.Complete(
      batch.id,
      Items(batch, {{"b", {409, "version_conflict_engine_exception", "x"}}, {"c", {404, "", ""}}}),
      now);
  const auto finished = delivery.TakeFinished();
  ASSERT_EQ(finished.size(), 3u);
  EXPECT_EQ(finished[0].outcome, FinalOutcome::kOk);
  EXPECT_EQ(finished[0].operation.tickets.scan, 1u);
  EXPECT_EQ(finished[1].outcome, FinalOutcome::kStale);
  EXPECT_EQ(finished[2].outcome, FinalOutcome::kOk);
  EXPECT_TRUE(finished[2].not_found);
  EXPECT_TRUE(delivery.Idle());
  EXPECT_EQ(delivery.QueuedBytes(), 0u);
  EXPECT_EQ(delivery.Outstanding(1), 0u);
  EXPECT_EQ(Events(), (std::vector<Kind>{Kind::kConnected}));
}

TEST_F(DeliveryTest, OneInFlightPerIdAndTheNewestWaits) {
  delivery.Submit(Make("a", 1), now);
  const BulkBatch first = Next();
  delivery.Submit(Make("a", 2), now);
  delivery.Submit(Make("a", 3), now);
  EXPECT_EQ(delivery.NextBatch(now), std::nullopt);
  auto finished = delivery.TakeFinished();
  ASSERT_EQ(finished.size(), 1u);
  EXPECT_EQ(finished[0].outcome, FinalOutcome::kReplaced);
  EXPECT_EQ(finished[0].operation.version, 2u);
  EXPECT_EQ(finished[0].operation.tickets.scan, 2u);
  EXPECT_EQ(finished[0].successor.scan, 3u);
  delivery.Complete(first.id, Items(first), now);
  const BulkBatch second = Next();
  EXPECT_EQ(Read(second)[0].version, 3u);
  delivery.Complete(second.id, Items(second), now);
  finished = delivery.TakeFinished();
  ASSERT_EQ(finished.size(), 2u);
  EXPECT_EQ(finished[1].operation.tickets.scan, 2u) << "took over the older ticket";
  EXPECT_TRUE(delivery.Idle());
  EXPECT_EQ(delivery.QueuedBytes(), 0u);
}

TEST_F(DeliveryTest, AnOlderOneThatComesLateIsReplacedItself) {
  delivery.Submit(Make("a", 5), now);
  delivery.Submit(Make("a", 4), now);
  const auto finished = delivery.TakeFinished();
  ASSERT_EQ(finished.size(), 1u);
  EXPECT_EQ(finished[0].operation.version, 4u);
  EXPECT_EQ(Read(Next())[0].version, 5u);
}

TEST_F(DeliveryTest, RoutingsOfOneIdGoOneAfterTheOther) {
  Operation old_place = MakeDelete("a", 1);
  old_place.routing = "x";
  Operation new_place = Make("a", 2);
  new_place.routing = "y";
  delivery.Submit(new_place, now);
  delivery.Submit(old_place, now);
  EXPECT_TRUE(delivery.TakeFinished().empty());
  const BulkBatch first = Next();
  ASSERT_EQ(first.operations, 1u);
  EXPECT_EQ(Read(first)[0].version, 1u) << "by version, not by arrival";
  delivery.Complete(first.id, Items(first), now);
  EXPECT_EQ(Read(Next())[0].version, 2u);
}

TEST_F(DeliveryTest, SettlementStaysExactThroughReplacement) {
  Settlement settlement;
  for (std::uint64_t v = 1; v <= 5; ++v) {
    Operation op = Make("a", v);
    settlement.Add(1, op.tickets);
    delivery.Submit(std::move(op), now);
  }
  const BulkBatch batch = Next();
  delivery.Complete(batch.id, Items(batch), now);
  for (const Finished& f : delivery.TakeFinished()) {
    if (f.outcome == FinalOutcome::kReplaced) {
      Tickets tickets = f.successor;
      settlement.Replace(1, &tickets, f.operation.tickets);
      EXPECT_EQ(settlement.SettledScan(1, 9), 0u);
    } else {
      settlement.Release(1, f.operation.tickets);
    }
  }
  EXPECT_EQ(settlement.OutstandingEvents(1), 0u);
  EXPECT_EQ(settlement.SettledScan(1, 9), 9u);
}

TEST_F(DeliveryTest, ANewerOneReplacesOneThatWaitsForItsRetry) {
  delivery.Submit(Make("a", 1), now);
  const BulkBatch batch = Next();
  delivery.Submit(Make("a", 2), now);
  delivery.Complete(batch.id, Items(batch, {{"a", {503, "unavailable_shards_exception", "x"}}}),
                    now);
  const auto finished = delivery.TakeFinished();
  ASSERT_EQ(finished.size(), 1u);
  EXPECT_EQ(finished[0].operation.version, 1u);
  EXPECT_EQ(finished[0].outcome, FinalOutcome::kReplaced);
  EXPECT_EQ(Read(NextWhenDue())[0].version, 2u);
}

TEST_F(DeliveryTest, HeldSyncWaitsItsRetriesToo) {
  delivery.HoldSync(1, true);
  delivery.Submit(Make("a", 1, 1), now);
  delivery.Submit(Make("b", 2, 2), now);
  BulkBatch batch = Next();
  EXPECT_EQ(Ids(batch), std::vector<std::string>{"b"});
  EXPECT_EQ(delivery.NextBatch(now), std::nullopt);
  EXPECT_EQ(delivery.NextDeadline(now), now + kLateAfter);
  delivery.HoldSync(1, false);
  const BulkBatch held = Next();
  delivery.Complete(held.id, NoAnswer(), now);
  delivery.Complete(batch.id, Items(batch), now);
  delivery.HoldSync(1, true);
  now += 60 * kSecond;
  EXPECT_EQ(delivery.NextBatch(now), std::nullopt);
  EXPECT_EQ(delivery.NextDeadline(now), kNever);
  delivery.HoldSync(1, false);
  batch = Next();
  EXPECT_EQ(Read(batch)[0].document, "{\"v\":1}");
}

TEST_F(DeliveryTest, WithdrawBelowAVersion) {
  for (int i = 1; i <= 4; ++i) delivery.Submit(Make("a" + std::to_string(i), i), now);
  EXPECT_EQ(delivery.Withdraw(1, 3).size(), 2u);
  EXPECT_EQ(delivery.Withdraw(2, UINT64_MAX).size(), 0u);
  EXPECT_EQ(delivery.Outstanding(1), 2u);
  EXPECT_EQ(Ids(Next()), (std::vector<std::string>{"a3", "a4"}));
  EXPECT_EQ(delivery.Withdraw(1, UINT64_MAX).size(), 0u) << "in flight";
  EXPECT_TRUE(delivery.AnyInFlight(1, 4));
}

TEST_F(DeliveryTest, WithdrawTakesWholeRequestsThatWait) {
  delivery.Submit(Make("a", 1, 1), now);
  delivery.Submit(Make("b", 2, 2), now);
  const BulkBatch batch = Next();
  delivery.Complete(batch.id, NoAnswer(), now);
  const auto withdrawn = delivery.Withdraw(1, UINT64_MAX);
  ASSERT_EQ(withdrawn.size(), 1u);
  EXPECT_EQ(withdrawn[0].body, "{\"v\":1}");
  EXPECT_EQ(Ids(NextWhenDue()), std::vector<std::string>{"b"});
}

/// Sends a request that is due; of how many operations.
std::uint32_t Send(Delivery* delivery, Time now) {
  const auto batch = delivery->NextBatch(now);
  if (!batch) return 0;
  delivery->Complete(batch->id, Items(*batch), now);
  return batch->operations;
}

TEST_F(DeliveryTest, WhatIsInFlightOfAForgottenSyncIsNotSentAgain) {
  const struct {
    const char* why;
    Reply reply;
  } failures[] = {{"denied", Http(401)},
                  {"busy", Http(429)},
                  {"broken", Http(500)},
                  {"blocked", Http(403, R"({"error":{"type":"cluster_block_exception"}})")},
                  {"too large", Http(413)},
                  {"away", NoAnswer()}};
  for (const auto& failure : failures) {
    SCOPED_TRACE(failure.why);
    Delivery d(Limits(), 1, SearchDialect());
    for (const char* id : {"a", "b"})
      for (std::int32_t sync : {1, 2}) d.Submit(Make(id, 1, sync), now);
    const BulkBatch batch = *d.NextBatch(now);
    EXPECT_TRUE(d.Withdraw(1, UINT64_MAX).empty());
    d.Forget(1);
    EXPECT_TRUE(d.AnyInFlightTo("i1"));
    d.Complete(batch.id, failure.reply, now);
    const auto finished = d.TakeFinished();
    ASSERT_EQ(finished.size(), 2u);
    for (const Finished& f : finished) {
      EXPECT_EQ(f.operation.sync, 1);
      EXPECT_EQ(f.outcome, FinalOutcome::kReturned);
      EXPECT_EQ(f.operation.body, R"({"v":1})");
    }
    EXPECT_FALSE(d.AnyInFlightTo("i1"));
    EXPECT_EQ(d.Outstanding(1), 0u);
    now += 100 * kSecond;
    EXPECT_EQ(Send(&d, now) + Send(&d, now), 2u);
    EXPECT_EQ(d.Outstanding(2), 0u);
  }
}

TEST_F(DeliveryTest, AnItemOfAForgottenSyncHasItsOutcomeOrNone) {
  for (const char* id : {"done", "full", "missing", "refused"}) delivery.Submit(Make(id, 1), now);
  const BulkBatch batch = Next();
  delivery.Forget(1);
  delivery.Submit(Make("full", 2), now);  // it has come back
  delivery.Complete(batch.id,
                    Items(batch, {{"full", {429, "es_rejected_execution_exception", "r"}},
                                  {"missing", {404, "index_not_found_exception", "r"}},
                                  {"refused", {400, "mapper_parsing_exception", "r"}}}),
                    now);
  std::map<std::string, FinalOutcome> outcomes;
  for (const Finished& f : delivery.TakeFinished()) outcomes[f.operation.id] = f.outcome;
  EXPECT_EQ(outcomes, (std::map<std::string, FinalOutcome>{{"done", FinalOutcome::kOk},
                                                           {"full", FinalOutcome::kReturned},
                                                           {"missing", FinalOutcome::kReturned},
                                                           {"refused", FinalOutcome::kDead}}));
  EXPECT_EQ(Events(), std::vector<Kind>{Kind::kConnected});
  EXPECT_EQ(Read(Next())[0].version, 2u);
}

TEST_F(DeliveryTest, LingerFillsPartialRequests) {
  DeliveryLimits limits = Limits();
  limits.linger = Time{2000};
  limits.batch_operations = 3;
  delivery.SetLimits(limits);
  delivery.Submit(Make("a", 1), now);
  EXPECT_EQ(delivery.NextBatch(now), std::nullopt);
  EXPECT_EQ(delivery.NextDeadline(now), now + Time{2000});
  delivery.Submit(Make("b", 2), now);
  delivery.Submit(Make("c", 3), now);
  delivery.Submit(Make("d", 4), now);
  EXPECT_EQ(Next().operations, 3u) << "full: at once";
  EXPECT_EQ(delivery.NextBatch(now + Time{2000}), std::nullopt) << "longer while one is in flight";
  EXPECT_TRUE(delivery.NextBatch(now + Time{4000}).has_value());
}

TEST_F(DeliveryTest, BytesLimitRequestsAndALargeDocumentTravelsAlone) {
  DeliveryLimits limits = Limits();
  limits.batch_bytes = 1000;
  limits.max_in_flight = 100;
  delivery.SetLimits(limits);
  for (int i = 0; i < 20; ++i) delivery.Submit(Make("a" + std::to_string(i), 1 + i), now);
  Operation large = Make("large", 99);
  large.body = "{\"v\":\"" + std::string(5000, 'x') + "\"}";
  delivery.Submit(large, now);
  int operations = 0;
  while (!delivery.Idle()) {
    const BulkBatch batch = Next();
    operations += static_cast<int>(batch.operations);
    EXPECT_TRUE(batch.operations == 1 || batch.body->size() <= 1000) << batch.body->size();
    delivery.Complete(batch.id, Items(batch), now);
  }
  EXPECT_EQ(operations, 21);
}

TEST_F(DeliveryTest, HasRoomCountsWhatIsInFlight) {
  DeliveryLimits limits = Limits();
  limits.queued_operations = 2;
  delivery.SetLimits(limits);
  EXPECT_TRUE(delivery.HasRoom());
  delivery.Submit(Make("a", 1), now);
  delivery.Submit(Make("b", 2), now);
  EXPECT_FALSE(delivery.HasRoom());
  const BulkBatch batch = Next();
  EXPECT_FALSE(delivery.HasRoom());
  delivery.Complete(batch.id, Items(batch), now);
  EXPECT_TRUE(delivery.HasRoom());
}

TEST_F(DeliveryTest, SyncsTakeTurns) {
  DeliveryLimits limits = Limits();
  limits.batch_operations = 2;
  delivery.SetLimits(limits);
  for (int i = 0; i < 6; ++i) delivery.Submit(Make("a" + std::to_string(i), 1 + i, 1), now);
  delivery.Submit(Make("b", 50, 2), now);
  bool b_sent = false;
  for (int i = 0; i < 2; ++i)
    for (const std::string& id : Ids(Next())) b_sent = b_sent || id == "b";
  EXPECT_TRUE(b_sent);
}

TEST_F(DeliveryTest, UnknownAnswerIsIgnored) {
  delivery.Complete(77, Http(200), now);
  EXPECT_TRUE(delivery.TakeFinished().empty());
}

/// Whatever the server does, every operation leaves exactly once, and per id in the order of
/// versions.
TEST_F(DeliveryTest, RandomServerLosesNothing) {
  Random random(42);
  std::map<std::pair<std::int32_t, std::string>, std::uint64_t> last;
  std::uint64_t version = 0;
  std::size_t left = 0;
  const auto drain = [&] {
    for (const Finished& f : delivery.TakeFinished()) {
      ++left;
      if (f.outcome == FinalOutcome::kReplaced) continue;
      std::uint64_t& before = last[{f.operation.sync, f.operation.id}];
      EXPECT_GT(f.operation.version, before);
      before = f.operation.version;
    }
  };
  for (int round = 0; round < 800; ++round) {
    for (int i = 0; i < 5; ++i)
      delivery.Submit(Make("id" + std::to_string(random.Next() % 40), ++version,
                           static_cast<std::int32_t>(random.Next() % 3)),
                      now);
    now += Time{static_cast<Time::rep>(random.Next() % 200'000)};
    while (auto batch = delivery.NextBatch(now)) {
      const std::uint64_t dice = random.Next() % 12;
      std::map<std::string, ItemAnswer> answers;
      for (const std::string& id : Ids(*batch))
        if (random.Next() % 4 == 0) answers[id] = {429, "rejected_execution_exception", "x"};
      delivery.Complete(batch->id,
                        dice == 0   ? NoAnswer()
                        : dice == 1 ? Http(413)
                        : dice == 2 ? Http(200, "<html>")
                        : dice == 3 ? Http(503)
                                    : Items(*batch, answers),
                        now);
    }
    drain();
  }
  for (int i = 0; i < 10'000 && !delivery.Idle(); ++i) {
    now += kSecond;
    while (auto batch = delivery.NextBatch(now)) delivery.Complete(batch->id, Items(*batch), now);
  }
  drain();
  EXPECT_TRUE(delivery.Idle());
  EXPECT_EQ(left, version);
  EXPECT_EQ(delivery.QueuedBytes(), 0u);
}

}  // namespace
}  // namespace polyglot::core
