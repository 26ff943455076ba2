// What delivery does about refusals and silence.
#include "core/delivery/delivery.h"
#include "core/delivery/delivery_event.h"
#include "core/delivery/finished.h"
#include "core/delivery/reply.h"
#include "core/operation.h"
#include "core/search/search_dialect.h"
#include "core/time.h"
#include "delivery_fixture.h"

namespace polyglot::core {
namespace {

TEST_F(DeliveryTest, ItemRetryKeepsVersionAndBacksOff) {
  delivery.Submit(Make("a", 1), now);
  delivery.Submit(Make("b", 2), now);
  BulkBatch batch = Next();
  delivery.Complete(batch.id, Items(batch, {{"a", {429, "rejected_execution_exception", "x"}}}),
                    now);
  EXPECT_EQ(delivery.TakeFinished().size(), 1u);
  EXPECT_FALSE(delivery.AnyInFlight(1, UINT64_MAX));
  EXPECT_EQ(delivery.NextBatch(now), std::nullopt);
  batch = NextWhenDue();
  EXPECT_GT(now, kSecond);
  const auto sent = Read(batch);
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].version, 1u);
  EXPECT_EQ(sent[0].document, "{\"v\":1}");
  delivery.Complete(batch.id, Items(batch), now);
  EXPECT_EQ(delivery.TakeFinished().at(0).operation.attempts, 1u);
  EXPECT_TRUE(delivery.Idle());
}

TEST_F(DeliveryTest, DeadLetterCarriesEverything) {
  delivery.Submit(Make("a", 1), now);
  delivery.Submit(Make("b", 2), now);
  const BulkBatch batch = Next();
  delivery.Complete(batch.id, Items(batch, {{"b", {400, "mapper_parsing_exception", "bad 'x'"}}}),
                    now);
  const auto finished = delivery.TakeFinished();
  ASSERT_EQ(finished.size(), 2u);
  EXPECT_EQ(finished[1].outcome, FinalOutcome::kDead);
  EXPECT_EQ(finished[1].operation.body, "{\"v\":2}");
  EXPECT_EQ(finished[1].status, 400);
  EXPECT_EQ(finished[1].error_type, "mapper_parsing_exception");
  EXPECT_EQ(finished[1].error_reason, "bad 'x'");
  EXPECT_EQ(finished[1].operation.attempts, 1u);
  EXPECT_TRUE(delivery.Idle());
}

TEST_F(DeliveryTest, UnknownFailureIsDeadAfterEightTries) {
  delivery.Submit(Make("a", 1), now);
  for (int i = 1; i <= 8; ++i) {
    const BulkBatch batch = NextWhenDue();
    delivery.Complete(batch.id, Items(batch, {{"a", {500, "strange_exception", "x"}}}), now);
    const auto finished = delivery.TakeFinished();
    ASSERT_EQ(finished.size(), i == 8 ? 1u : 0u) << i;
    if (i == 8) {
      EXPECT_EQ(finished[0].outcome, FinalOutcome::kDead);
    }
  }
}

TEST_F(DeliveryTest, OutagesDoNotCountAsRefusals) {
  delivery.Submit(Make("a", 1), now);
  for (int i = 0; i < 20; ++i) {
    const BulkBatch batch = NextWhenDue();
    delivery.Complete(batch.id, NoAnswer(), now);
  }
  const BulkBatch batch = NextWhenDue();
  delivery.Complete(batch.id, Items(batch, {{"a", {500, "strange_exception", "x"}}}), now);
  EXPECT_TRUE(delivery.TakeFinished().empty());
}

TEST_F(DeliveryTest, RefusedRequestIsBisectedToTheGuilty) {
  for (int i = 0; i < 100; ++i) delivery.Submit(Make("id" + std::to_string(i), 1 + i), now);
  int requests = 0;
  while (!delivery.Idle()) {
    const BulkBatch batch = NextWhenDue();
    ++requests;
    const auto ids = Ids(batch);
    const bool guilty = std::find(ids.begin(), ids.end(), "id37") != ids.end();
    delivery.Complete(
        batch.id,
        guilty ? Http(400, R"({"error":{"type":"t","reason":"id is bad"}})") : Items(batch), now);
  }
  EXPECT_LE(requests, 16);
  const auto finished = delivery.TakeFinished();
  ASSERT_EQ(finished.size(), 100u);
  for (const Finished& f : finished) {
    EXPECT_EQ(f.outcome, f.operation.id == "id37" ? FinalOutcome::kDead : FinalOutcome::kOk);
    if (f.operation.id == "id37") {
      EXPECT_EQ(f.operation.body, "{\"v\":38}");
      EXPECT_EQ(f.error_type, "t");
    }
  }
}

TEST_F(DeliveryTest, OneBadDocumentCostsTwoRequestsPerHalvingAtMost) {
  constexpr int kCount = 4096;
  for (const int bad : {0, 1, 1234, kCount - 1}) {
    for (int i = 0; i < kCount; ++i) delivery.Submit(Make("id" + std::to_string(i), 1 + i), now);
    const std::string id = "\"id" + std::to_string(bad) + "\"";
    int requests = 0, dead = 0;
    while (!delivery.Idle()) {
      const BulkBatch batch = NextWhenDue();
      ++requests;
      const bool guilty = batch.body->find(id) != std::string::npos;
      delivery.Complete(batch.id,
                        guilty ? Http(400, R"({"error":{"type":"t","reason":"r"}})") : Items(batch),
                        now);
    }
    for (const Finished& f : delivery.TakeFinished())
      if (f.outcome == FinalOutcome::kDead) ++dead;
    EXPECT_EQ(dead, 1);
    EXPECT_LE(requests, 1 + 2 * 12) << bad;
  }
}

TEST_F(DeliveryTest, AnItemThatIsRefusedCostsNoRequest) {
  for (int i = 0; i < 1000; ++i) delivery.Submit(Make("id" + std::to_string(i), 1 + i), now);
  const BulkBatch batch = Next();
  delivery.Complete(batch.id, Items(batch, {{"id5", {400, "mapper_parsing_exception", "x"}}}), now);
  EXPECT_EQ(delivery.TakeFinished().size(), 1000u);
  EXPECT_TRUE(delivery.Idle());
}

TEST_F(DeliveryTest, OurOwnMemoryMakesRequestsSmallerAndNothingElse) {
  for (int i = 0; i < 8; ++i) {
    Operation op = Make("id" + std::to_string(i), 1 + i);
    op.body = "{\"v\":\"" + std::string(100'000, 'x') + "\"}";
    delivery.Submit(std::move(op), now);
  }
  Reply reply = NoAnswer("receiving the answer: out of memory");
  reply.out_of_memory = true;
  delivery.Complete(Next().id, reply, now);
  EXPECT_EQ(Events(), std::vector<Kind>{});
  const BulkBatch again = NextWhenDue();
  delivery.Complete(again.id, Items(again), now);
  for (int i = 0; i < 8; ++i) {
    Operation op = Make("x" + std::to_string(i), 100 + i);
    op.body = "{\"v\":\"" + std::string(100'000, 'x') + "\"}";
    delivery.Submit(std::move(op), now);
  }
  EXPECT_LE(Next().body->size(), 450'000u);
}

TEST_F(DeliveryTest, TooLargeIsHalvedByBytesAndLearnt) {
  for (int i = 0; i < 8; ++i) {
    Operation op = Make("id" + std::to_string(i), 1 + i);
    op.body = "{\"v\":\"" + std::string(i == 0 ? 900'000 : 100'000, 'x') + "\"}";
    delivery.Submit(std::move(op), now);
  }
  const BulkBatch all = Next();
  ASSERT_EQ(all.operations, 8u);
  delivery.Complete(all.id, Http(413), now);
  const BulkBatch first = Next();
  EXPECT_EQ(Ids(first), std::vector<std::string>{"id0"}) << "half of the bytes is one document";
  delivery.Complete(first.id, Http(413), now);
  auto finished = delivery.TakeFinished();
  ASSERT_EQ(finished.size(), 1u);
  EXPECT_EQ(finished[0].outcome, FinalOutcome::kDead);
  EXPECT_EQ(finished[0].status, 413);
  EXPECT_EQ(finished[0].error_reason, "the request is too large");
  const BulkBatch second = Next();
  EXPECT_EQ(second.operations, 7u);
  delivery.Complete(second.id, Items(second), now);
  for (int i = 0; i < 8; ++i) {
    Operation op = Make("x" + std::to_string(i), 20 + i);
    op.body = "{\"v\":\"" + std::string(200'000, 'x') + "\"}";
    delivery.Submit(std::move(op), now);
  }
  EXPECT_LT(Next().body->size(), 800'000u) << "requests stay smaller";
}

TEST_F(DeliveryTest, LoneRefusalOfTheRequestItselfIsNoDeadLetter) {
  delivery.Submit(Make("a", 1), now);
  const BulkBatch batch = Next();
  delivery.Complete(
      batch.id, Http(400, R"({"error":{"type":"media_type_header_exception","reason":"x"}})"), now);
  EXPECT_TRUE(delivery.TakeFinished().empty());
  EXPECT_EQ(Events(), (std::vector<Kind>{Kind::kDisconnected}));
  EXPECT_EQ(NextWhenDue().operations, 1u);
}

TEST_F(DeliveryTest, ManyLoneRefusalsInARowBlameTheRequest) {
  for (int i = 0; i < 64; ++i) delivery.Submit(Make("id" + std::to_string(i), 1 + i), now);
  bool lost = false;
  for (int i = 0; i < 500 && !lost; ++i) {
    const BulkBatch batch = NextWhenDue();
    delivery.Complete(batch.id, Http(400, R"({"error":{"type":"t","reason":"r"}})"), now);
    for (Kind kind : Events()) lost = lost || kind == Kind::kDisconnected;
  }
  EXPECT_TRUE(lost);
  EXPECT_LT(delivery.TakeFinished().size(), 8u);
  EXPECT_GE(delivery.Outstanding(1), 57u);
}

TEST_F(DeliveryTest, GarbageIsRetriedThenHalvedAndNeverDead) {
  for (int i = 0; i < 4; ++i) delivery.Submit(Make("id" + std::to_string(i), 1 + i), now);
  for (const std::string body : {"<html>", "", R"({"errors":false,"items":[]})"}) {
    const BulkBatch batch = NextWhenDue();
    EXPECT_EQ(batch.operations, 4u);
    delivery.Complete(batch.id, Http(200, body), now);
  }
  EXPECT_EQ(Events(), std::vector<Kind>{});
  std::vector<Kind> events;
  for (int i = 0; i < 30; ++i) {
    const BulkBatch batch = NextWhenDue();
    EXPECT_LE(batch.operations, 2u);
    const auto ids = Ids(batch);
    const bool guilty = std::find(ids.begin(), ids.end(), "id2") != ids.end();
    delivery.Complete(batch.id, guilty ? Http(200, "<html>") : Items(batch), now);
    for (Kind kind : Events()) events.push_back(kind);
  }
  const auto finished = delivery.TakeFinished();
  EXPECT_EQ(finished.size(), 3u);
  for (const Finished& f : finished) EXPECT_EQ(f.outcome, FinalOutcome::kOk);
  EXPECT_EQ(delivery.Outstanding(1), 1u);
  EXPECT_NE(std::find(events.begin(), events.end(), Kind::kDisconnected), events.end());
}

TEST_F(DeliveryTest, WholeRequest500IsRetriedEightTimesFirst) {
  delivery.Submit(Make("a", 1), now);
  delivery.Submit(Make("b", 2), now);
  for (int i = 0; i < 8; ++i) {
    const BulkBatch batch = NextWhenDue();
    EXPECT_EQ(batch.operations, 2u) << i;
    delivery.Complete(batch.id, Http(500), now);
  }
  EXPECT_EQ(NextWhenDue().operations, 1u);
}

TEST_F(DeliveryTest, DisconnectedOneRequestAtATimeThenAllAtOnce) {
  DeliveryLimits limits = Limits();
  limits.batch_operations = 1;
  delivery.SetLimits(limits);
  for (int i = 0; i < 5; ++i) delivery.Submit(Make("id" + std::to_string(i), 1 + i), now);
  const BulkBatch first = Next();
  const BulkBatch second = Next();
  delivery.Complete(first.id, NoAnswer(), now);
  delivery.Complete(second.id, NoAnswer(), now);
  EXPECT_EQ(Events(), (std::vector<Kind>{Kind::kDisconnected})) << "once, not per request";
  EXPECT_EQ(delivery.NextBatch(now), std::nullopt);
  Time last = now;
  for (int i = 0; i < 12; ++i) {
    const BulkBatch probe = NextWhenDue();
    EXPECT_EQ(delivery.NextBatch(now), std::nullopt) << "one at a time";
    EXPECT_LE(now - last, 30 * kSecond);
    last = now;
    delivery.Complete(probe.id, NoAnswer(), now);
  }
  EXPECT_EQ(Events(), std::vector<Kind>{});
  delivery.ResetBackoff(now);
  const BulkBatch probe = Next();
  delivery.Complete(probe.id, Items(probe), now);
  EXPECT_EQ(Events(), (std::vector<Kind>{Kind::kConnected}));
  while (!delivery.Idle()) {
    const BulkBatch batch = Next();
    delivery.Complete(batch.id, Items(batch), now);
  }
  EXPECT_EQ(delivery.TakeFinished().size(), 5u);
}

TEST_F(DeliveryTest, OnlyWhatMayHaveBeenSentCountsAsRetried) {
  delivery.Submit(Make("a", 1), now);
  Reply reply = NoAnswer();
  delivery.Complete(Next().id, reply, now);
  for (const DeliveryEvent& e : delivery.TakeEvents()) EXPECT_NE(e.kind, Kind::kRetried);
  reply.may_have_been_sent = true;
  delivery.Complete(NextWhenDue().id, reply, now);
  const auto events = delivery.TakeEvents();
  EXPECT_EQ(std::count_if(events.begin(), events.end(),
                          [](const DeliveryEvent& e) { return e.kind == Kind::kRetried; }),
            1);
}

TEST_F(DeliveryTest, ANewReasonIsReportedAgain) {
  delivery.Submit(Make("a", 1), now);
  for (const char* why : {"x", "x", "y"}) {
    const BulkBatch batch = NextWhenDue();
    delivery.Complete(batch.id, NoAnswer(why), now);
  }
  EXPECT_EQ(Events(), (std::vector<Kind>{Kind::kDisconnected, Kind::kDisconnected}));
}

/// The worker holds every sync after a disconnection until its index has been looked at, and may
/// take operations back: what was learnt must not hang on the request.
TEST_F(DeliveryTest, LargeRequestsUnderWhichTheConnectionIsLostBecomeSmaller) {
  Reply cut = NoAnswer("sending the request: Connection reset by peer");
  cut.may_have_been_sent = true;
  for (int i = 0; i < 8; ++i) {
    Operation op = Make("id" + std::to_string(i), 1 + i);
    op.body = "{\"v\":\"" + std::string(300'000, 'x') + "\"}";
    delivery.Submit(std::move(op), now);
  }
  for (int i = 0; i < 3; ++i) {
    const BulkBatch batch = NextWhenDue();
    EXPECT_EQ(batch.operations, 8u);
    delivery.Complete(batch.id, cut, now);
    delivery.HoldSync(1, true);
    now += 60 * kSecond;
    EXPECT_EQ(delivery.NextBatch(now), std::nullopt);
    delivery.HoldSync(1, false);
  }
  while (!delivery.Idle()) {
    const BulkBatch batch = NextWhenDue();
    EXPECT_LE(batch.operations, 4u);
    delivery.Complete(batch.id, Items(batch), now);
  }
  EXPECT_EQ(delivery.TakeFinished().size(), 8u);
}

TEST_F(DeliveryTest, TheSameReasonIsReportedAgainAfterAResetInVain) {
  delivery.Submit(Make("a", 1), now);
  delivery.Complete(Next().id, Http(404), now);
  EXPECT_EQ(Events(), (std::vector<Kind>{Kind::kDisconnected}));
  delivery.Complete(NextWhenDue().id, Http(404), now);
  EXPECT_EQ(Events(), std::vector<Kind>{});
  delivery.ResetBackoff(now);
  delivery.Complete(Next().id, Http(404), now);
  EXPECT_EQ(Events(), (std::vector<Kind>{Kind::kDisconnected}));
}

TEST_F(DeliveryTest, AnAnswerOfAServerThatIsWellEndsTheDisconnection) {
  const std::string block = R"({"error":{"type":"cluster_block_exception","reason":"x"}})";
  for (const Reply& well : {Http(429), Http(403, block), Http(400), Http(413)}) {
    Delivery fresh(Limits(), 1, SearchDialect());
    fresh.Submit(Make("a", 1), now);
    fresh.Complete(fresh.NextBatch(now)->id, NoAnswer(), now);
    EXPECT_TRUE(fresh.Away());
    now += 60 * kSecond;
    fresh.Complete(fresh.NextBatch(now)->id, well, now);
    EXPECT_FALSE(fresh.Away()) << well.status;
  }
}

TEST_F(DeliveryTest, DeniedWaitsAndRecovers) {
  delivery.Submit(Make("a", 1), now);
  const BulkBatch batch = Next();
  delivery.Complete(batch.id, Http(401, "Unauthorized"), now);
  EXPECT_EQ(Events(), (std::vector<Kind>{Kind::kDenied}));
  EXPECT_TRUE(delivery.TakeFinished().empty());
  const BulkBatch again = NextWhenDue();
  delivery.Complete(again.id, Items(again), now);
  EXPECT_EQ(Events(), (std::vector<Kind>{Kind::kConnected}));
}

TEST_F(DeliveryTest, RetryAfterIsHonoured) {
  delivery.Submit(Make("a", 1), now);
  const BulkBatch batch = Next();
  Reply reply = Http(429);
  reply.retry_after = 7 * kSecond;
  delivery.Complete(batch.id, reply, now);
  delivery.Submit(Make("b", 2), now);
  EXPECT_EQ(delivery.NextDeadline(now), now + 7 * kSecond);
  EXPECT_EQ(delivery.NextBatch(now + 7 * kSecond - Time{1}), std::nullopt);
  EXPECT_TRUE(delivery.NextBatch(now + 7 * kSecond).has_value());
  EXPECT_EQ(Events(), std::vector<Kind>{Kind::kConnected});
}

TEST_F(DeliveryTest, RequestThatIsRejectedAgainAndAgainIsCutInTwo) {
  for (int i = 0; i < 4; ++i) {
    Operation op = Make("a" + std::to_string(i), 1 + i);
    op.body = "{\"v\":\"" + std::string(40'000, 'x') + "\"}";
    delivery.Submit(std::move(op), now);
  }
  BulkBatch batch = Next();
  ASSERT_EQ(batch.operations, 4u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(batch.operations, 4u);
    delivery.Complete(batch.id, Http(429), now);
    batch = NextWhenDue();
  }
  EXPECT_EQ(batch.operations, 2u);
  delivery.Complete(batch.id, Items(batch), now);
  batch = NextWhenDue();
  EXPECT_EQ(batch.operations, 2u);
  delivery.Complete(batch.id, Items(batch), now);
  EXPECT_EQ(delivery.TakeFinished().size(), 4u);
}

TEST_F(DeliveryTest, ManySmallOperationsThatAreTooMuchTogetherGoInParts) {
  for (int i = 0; i < 400; ++i) delivery.Submit(Make("a" + std::to_string(i), 1 + i), now);
  std::size_t taken = 0;
  for (int requests = 0; !delivery.Idle() && requests < 200; ++requests) {
    const BulkBatch batch = NextWhenDue();  // more than a hundred at once do not fit, for ever
    EXPECT_LT(batch.body->size(), 64u << 10);
    delivery.Complete(batch.id, batch.operations > 100 ? Http(429) : Items(batch), now);
    taken += delivery.TakeFinished().size();
  }
  EXPECT_EQ(taken, 400u);
}

TEST_F(DeliveryTest, WhatIsTooMuchOfOneSyncGoesInPartsWhileOthersAreServed) {
  for (int i = 0; i < 400; ++i) delivery.Submit(Make("a" + std::to_string(i), 1 + i, 1), now);
  std::size_t taken = 0;
  std::uint64_t version = 1000;
  for (int requests = 0; taken < 400 && requests < 1000; ++requests) {
    if (requests % 2 == 0) delivery.Submit(Make("b", ++version, 2), now);
    const BulkBatch batch = NextWhenDue();
    const bool too_much = batch.operations > 100;
    delivery.Complete(batch.id, too_much ? Http(429) : Items(batch), now);
    for (const Finished& finished : delivery.TakeFinished())
      taken += finished.operation.sync == 1 ? 1 : 0;
  }
  EXPECT_EQ(taken, 400u);
}

TEST_F(DeliveryTest, ASlowServerGetsLessAtATime) {
  for (int i = 0; i < 16; ++i) {
    Operation op = Make("a" + std::to_string(i), 1 + i);
    op.body = "{\"v\":\"" + std::string(40'000, 'x') + "\"}";
    delivery.Submit(std::move(op), now);
  }
  Reply timed_out = NoAnswer("waiting for the answer: timed out after 30 s");
  timed_out.may_have_been_sent = timed_out.timed_out = true;
  int requests = 0;
  while (!delivery.Idle() && ++requests < 100) {  // it takes 4 operations within its time
    const BulkBatch batch = NextWhenDue();
    delivery.Complete(batch.id, batch.operations > 4 ? timed_out : Items(batch), now);
  }
  EXPECT_TRUE(delivery.Idle());
  EXPECT_LE(requests, 12);
}

TEST_F(DeliveryTest, HalvesOfARejectedRequestAreNotSentInHaste) {
  constexpr int kOperations = 64;
  for (int i = 0; i < kOperations; ++i) {
    Operation op = Make("a" + std::to_string(i), 1 + i);
    op.body = "{\"v\":\"" + std::string(40'000, 'x') + "\"}";
    delivery.Submit(std::move(op), now);
  }
  std::uint64_t sent = 0;
  const Time end = now + 2 * kSecond;
  for (Time due = now; due <= end; due = delivery.NextDeadline(now)) {
    now = std::max(now, due);
    const BulkBatch batch = Next();
    sent += batch.operations;
    delivery.Complete(batch.id, Http(429), now);
  }
  EXPECT_LE(sent, 8u * kOperations);
  EXPECT_GE(sent, 3u * kOperations);
}

TEST_F(DeliveryTest, BlockedSyncIsTriedWithOneOperationOthersGoOn) {
  for (int i = 0; i < 10; ++i) delivery.Submit(Make("a" + std::to_string(i), 1 + i, 1), now);
  delivery.Submit(Make("b", 50, 2), now);
  BulkBatch batch = Next();
  std::map<std::string, ItemAnswer> blocked;
  for (int i = 0; i < 10; ++i)
    blocked["a" + std::to_string(i)] = {403, "cluster_block_exception", "index [i1] blocked"};
  delivery.Complete(batch.id, Items(batch, blocked), now);
  auto events = delivery.TakeEvents();
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[1].kind, Kind::kBlocked);
  EXPECT_EQ(events[1].sync, 1);
  EXPECT_EQ(events[1].error, "cluster_block_exception: index [i1] blocked");
  EXPECT_EQ(delivery.TakeFinished().size(), 1u);
  delivery.Submit(Make("c", 60, 2), now);
  batch = Next();
  EXPECT_EQ(Ids(batch), std::vector<std::string>{"c"});
  delivery.Complete(batch.id, Items(batch), now);
  batch = NextWhenDue();
  EXPECT_EQ(batch.operations, 1u) << "a probe";
  delivery.Complete(batch.id, Items(batch, blocked), now);
  batch = NextWhenDue();
  EXPECT_EQ(batch.operations, 1u);
  delivery.Complete(batch.id, Items(batch), now);
  EXPECT_EQ(Next().operations, 9u) << "free again";
}

TEST_F(DeliveryTest, BlockedSyncCanBeWithdrawn) {
  for (int i = 0; i < 3; ++i) delivery.Submit(Make("a" + std::to_string(i), 1 + i), now);
  const BulkBatch batch = Next();
  const ItemAnswer closed{400, "index_closed_exception", "closed"};
  delivery.Complete(batch.id, Items(batch, {{"a0", closed}, {"a1", closed}, {"a2", closed}}), now);
  const auto withdrawn = delivery.Withdraw(1, UINT64_MAX);
  EXPECT_EQ(withdrawn.size(), 3u);
  for (const Operation& op : withdrawn) EXPECT_FALSE(op.body.empty());
  EXPECT_TRUE(delivery.Idle());
  EXPECT_EQ(delivery.NextDeadline(now), kNever);
  delivery.Submit(Make("a0", 9), now);
  EXPECT_EQ(Next().operations, 1u) << "starts afresh";
}

TEST_F(DeliveryTest, MissingIndex) {
  delivery.Submit(Make("a", 1), now);
  const BulkBatch batch = Next();
  delivery.Complete(batch.id, Items(batch, {{"a", {404, "index_not_found_exception", "x"}}}), now);
  EXPECT_EQ(Events(), (std::vector<Kind>{Kind::kConnected, Kind::kIndexMissing}));
  EXPECT_EQ(delivery.Outstanding(1), 1u);
  EXPECT_TRUE(delivery.TakeFinished().empty());
}

TEST_F(DeliveryTest, AShardThatStaysAwayBlocksItsSync) {
  delivery.Submit(Make("a", 1), now);
  std::vector<Kind> events;
  for (int i = 0; i < 6; ++i) {
    const BulkBatch batch = NextWhenDue();
    delivery.Complete(batch.id, Items(batch, {{"a", {503, "unavailable_shards_exception", "x"}}}),
                      now);
    for (Kind kind : Events()) events.push_back(kind);
  }
  EXPECT_EQ(events, (std::vector<Kind>{Kind::kConnected, Kind::kBlocked, Kind::kBlocked}));
}

TEST_F(DeliveryTest, BlockedClusterBlocksEverySyncOfTheRequest) {
  delivery.Submit(Make("a", 1, 1), now);
  delivery.Submit(Make("b", 2, 2), now);
  const BulkBatch batch = Next();
  delivery.Complete(batch.id,
                    Http(403, R"({"error":{"type":"cluster_block_exception","reason":"x"}})"), now);
  EXPECT_EQ(Events(), (std::vector<Kind>{Kind::kConnected, Kind::kBlocked, Kind::kBlocked}));
  EXPECT_EQ(delivery.NextBatch(now), std::nullopt);
  EXPECT_EQ(delivery.Withdraw(1, UINT64_MAX).size(), 1u);
}

TEST_F(DeliveryTest, RefusedGroupTravelsSinglyAndOnlyTheGuiltyDies) {
  std::map<std::string, ItemAnswer> refused;
  for (int i = 0; i < 4; ++i) {
    delivery.Submit(Make("a" + std::to_string(i), 1 + i), now);
    refused["a" + std::to_string(i)] = {400, "action_request_validation_exception", "id too long"};
  }
  BulkBatch batch = Next();
  delivery.Complete(batch.id, Items(batch, refused), now);
  EXPECT_TRUE(delivery.TakeFinished().empty());
  for (int i = 0; i < 4; ++i) {
    batch = Next();
    ASSERT_EQ(batch.operations, 1u);
    const bool guilty = Ids(batch)[0] == "a2";
    delivery.Complete(batch.id, guilty ? Items(batch, refused) : Items(batch), now);
  }
  int dead = 0;
  for (const Finished& f : delivery.TakeFinished()) {
    const bool is_dead = f.outcome == FinalOutcome::kDead;
    EXPECT_EQ(is_dead, f.operation.id == "a2");
    dead += is_dead ? 1 : 0;
  }
  EXPECT_EQ(dead, 1);
}

TEST_F(DeliveryTest, OneNodeOfSeveralAwayIsNoDisconnection) {
  delivery.Submit(Make("a", 1), now);
  Reply failed = NoAnswer("waiting for the answer: Empty reply from server");
  failed.other_node = true;
  BulkBatch batch = Next();
  delivery.Complete(batch.id, failed, now);
  EXPECT_TRUE(Events().empty());
  batch = Next();  // at once
  Reply unwell = Http(503);
  unwell.other_node = true;
  delivery.Complete(batch.id, unwell, now);
  EXPECT_TRUE(Events().empty());
  batch = Next();
  failed.other_node = false;
  delivery.Complete(batch.id, failed, now);
  EXPECT_EQ(Events(), (std::vector<Kind>{Kind::kDisconnected})) << "the last node";
  EXPECT_EQ(delivery.NextBatch(now), std::nullopt);
  batch = NextWhenDue();
  delivery.Complete(batch.id, Items(batch), now);
  EXPECT_TRUE(delivery.Idle());
}

TEST_F(DeliveryTest, RefusedCredentialsAreTheSameOnEveryNode) {
  delivery.Submit(Make("a", 1), now);
  Reply denied = Http(401);
  denied.other_node = true;
  delivery.Complete(Next().id, denied, now);
  EXPECT_EQ(Events(), (std::vector<Kind>{Kind::kDenied}));
}

TEST_F(DeliveryTest, AnswersThatAreCutAreAskedForInHalves) {
  for (int i = 0; i < 8; ++i) delivery.Submit(Make("a" + std::to_string(i), 1 + i), now);
  Reply cut = NoAnswer("receiving the answer: the answer is larger than 9 bytes");
  cut.answer_cut = true;
  int requests = 0;
  while (!delivery.Idle() && requests < 100) {
    const BulkBatch batch = NextWhenDue();
    ++requests;
    delivery.Complete(batch.id, batch.operations > 2 ? cut : Items(batch), now);
  }
  EXPECT_EQ(requests, 9) << "three times whole, twice four, four times two";
  EXPECT_EQ(Events(), (std::vector<Kind>{Kind::kConnected}));
  for (const Finished& f : delivery.TakeFinished()) EXPECT_EQ(f.outcome, FinalOutcome::kOk);
}

}  // namespace
}  // namespace polyglot::core
