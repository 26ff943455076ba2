// An index that answers late, or not at all, costs nobody else's time.

#include "core/delivery/isolation.h"

#include <algorithm>
#include <set>

#include "core/delivery/delivery.h"
#include "core/delivery/finished.h"
#include "core/delivery/reply.h"
#include "core/operation.h"
#include "delivery_fixture.h"

namespace polyglot::core {
namespace {

constexpr std::int32_t kBad = 1, kGood = 2;

class IsolationTest : public DeliveryTest {
 protected:
  void Change(std::int32_t sync) {
    ++version_;
    delivery.Submit(Make("d" + std::to_string(version_), version_, sync), now);
  }
  /// What may be sent now.
  std::vector<BulkBatch> Send() {
    std::vector<BulkBatch> sent;
    while (auto batch = delivery.NextBatch(now)) sent.push_back(std::move(*batch));
    return sent;
  }
  static std::set<std::string> Indexes(const BulkBatch& batch) {
    std::set<std::string> indexes;
    for (std::int32_t sync = 1; sync < 40; ++sync)
      if (batch.body->find("\"i" + std::to_string(sync) + "\"") != std::string::npos)
        indexes.insert("i" + std::to_string(sync));
    return indexes;
  }
  static bool Is(const BulkBatch& batch, std::int32_t sync) {
    return Indexes(batch) == std::set<std::string>{"i" + std::to_string(sync)};
  }
  static Reply After(Reply reply, Time latency) {
    reply.latency = latency;
    return reply;
  }
  void Answer(const BulkBatch& batch, Time latency = Time{5000}) {
    delivery.Complete(batch.id, After(Items(batch), latency), now);
  }
  Reply TimedOut() {
    Reply reply = NoAnswer("waiting: timed out");
    reply.may_have_been_sent = reply.timed_out = true;
    return reply;
  }
  Reply Cut() {
    Reply reply = NoAnswer("receiving: reset");
    reply.may_have_been_sent = true;
    return reply;
  }
  /// A request that both share is late; from then on each has its own.
  BulkBatch SetBothApart() {
    Change(kBad);
    Change(kGood);
    const BulkBatch shared = Next();
    EXPECT_EQ(shared.operations, 2u);
    now += kLateAfter;
    return shared;
  }
  /// The server was well once; a minute later a request that both share is cut.
  void CutBothAfterAWhile() {
    Change(kGood);
    Answer(Next());
    (void)Events();
    now += kSecond * 60;
    Change(kBad);
    Change(kGood);
    delivery.Complete(Next().id, Cut(), now);
  }
  std::size_t Acknowledged() {
    const auto finished = delivery.TakeFinished();
    return static_cast<std::size_t>(
        std::count_if(finished.begin(), finished.end(),
                      [](const Finished& f) { return f.outcome == FinalOutcome::kOk; }));
  }

  std::uint64_t version_ = 0;
};

TEST_F(IsolationTest, ALateSharedRequestIsSentAgainOneIndexAtATime) {
  const BulkBatch shared = SetBothApart();
  const auto sent = Send();
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(Indexes(sent[0]).size(), 1u);
  EXPECT_EQ(Indexes(sent[1]).size(), 1u);
  for (const BulkBatch& batch : sent)
    if (Is(batch, kGood)) Answer(batch);
  EXPECT_EQ(Acknowledged(), 1u) << "the good one does not wait for the other";
  EXPECT_TRUE(delivery.AnyInFlightTo("i2")) << "the first request may still be applied";
  delivery.Complete(shared.id, Items(shared), now);
  EXPECT_FALSE(delivery.AnyInFlightTo("i2"));
  EXPECT_EQ(Acknowledged(), 0u) << "its answer says nothing about what was sent again";
}

TEST_F(IsolationTest, ASlowIndexTakesNoPlaceFromOthers) {
  DeliveryLimits limits = Limits();
  limits.max_in_flight = 1;
  delivery.SetLimits(limits);
  SetBothApart();
  for (const BulkBatch& batch : Send())
    if (Is(batch, kGood)) Answer(batch);
  Time most{0};
  for (int i = 0; i < 100; ++i) {  // the bad one is not answered all the while
    Change(kBad);
    Change(kGood);
    const Time begun = now;
    bool answered = false;
    while (!answered) {
      for (const BulkBatch& batch : Send())
        if (Is(batch, kGood)) Answer(batch), answered = true;
      if (!answered) now = std::max(now + Time{1}, delivery.NextDeadline(now));
    }
    most = std::max(most, now - begun);
    now += Time{100'000};
  }
  EXPECT_LT(most, kSecond);
  EXPECT_LE(delivery.InFlight(), 3u);
}

TEST_F(IsolationTest, TenSlowIndexesOfTwelveLeaveTheOtherTwoAlone) {
  DeliveryLimits limits = Limits();
  limits.max_in_flight = 1;
  delivery.SetLimits(limits);
  const auto good = [](const BulkBatch& batch) {
    const std::set<std::string> of = Indexes(batch), both = {"i11", "i12"};
    return std::includes(both.begin(), both.end(), of.begin(), of.end());
  };
  Time most{0};
  for (int i = 0; i < 50; ++i) {
    for (std::int32_t sync = 1; sync <= 12; ++sync) Change(sync);
    const Time begun = now;
    std::size_t arrived = 0;
    while (arrived < 2) {
      for (const BulkBatch& batch : Send())
        if (good(batch)) Answer(batch);
      arrived += Acknowledged();
      if (arrived < 2) now = std::max(now + Time{1}, delivery.NextDeadline(now));
      ASSERT_LT(now - begun, 30 * kSecond);
    }
    most = std::max(most, now - begun);
    now += Time{50'000};
  }
  EXPECT_LT(most, kSecond);
}

TEST_F(IsolationTest, AnIndexThatAnswersInTimeAgainSharesAgain) {
  SetBothApart();
  for (int i = 0; i < 3; ++i) {
    for (const BulkBatch& batch : Send()) Answer(batch);
    Change(kBad);
    Change(kGood);
  }
  const auto sent = Send();
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].operations, 2u);
}

TEST_F(IsolationTest, ATimeOutOfOneIndexBlocksIt) {
  SetBothApart();
  BulkBatch bad;
  for (const BulkBatch& batch : Send()) Is(batch, kBad) ? (void)(bad = batch) : Answer(batch);
  now += 25 * kSecond;
  Change(kGood);
  for (const BulkBatch& batch : Send()) Answer(batch);
  now += 5 * kSecond;
  Events();
  delivery.Complete(bad.id, After(TimedOut(), 30 * kSecond), now);
  EXPECT_EQ(Events(), std::vector<Kind>{Kind::kBlocked});
  EXPECT_FALSE(delivery.Away());
  Change(kGood);
  EXPECT_EQ(Send().size(), 1u) << "nothing pauses";
}

TEST_F(IsolationTest, ATimeOutThatNobodyElseWasSparedIsTheServers) {
  SetBothApart();
  const auto sent = Send();
  now += 30 * kSecond;
  Events();
  for (const BulkBatch& batch : sent)
    delivery.Complete(batch.id, After(TimedOut(), 30 * kSecond), now);
  EXPECT_EQ(Events(), std::vector<Kind>{Kind::kDisconnected});
}

TEST_F(IsolationTest, AnIndexWhoseShardsAreMissingIsBlockedByTheFirstAnswer) {
  SetBothApart();
  for (const BulkBatch& batch : Send()) {
    if (Is(batch, kGood)) {
      Answer(batch);
      continue;
    }
    now += 20 * kSecond;
    Events();
    const std::string id = Ids(batch)[0];
    delivery.Complete(
        batch.id,
        After(Items(batch, {{id, {503, "unavailable_shards_exception", "r"}}}), 20 * kSecond), now);
    EXPECT_EQ(Events().back(), Kind::kBlocked);
  }
}

TEST_F(IsolationTest, ASlowIndexIsNamedWithinSeconds) {
  SetBothApart();
  for (const BulkBatch& batch : Send())
    if (Is(batch, kGood)) Answer(batch);
  now += kSlowAfter;
  EXPECT_LE(delivery.NextDeadline(now), now);
  Change(kGood);
  for (const BulkBatch& batch : Send()) Answer(batch);
  Send();
  EXPECT_EQ(Events(), (std::vector<Kind>{Kind::kConnected, Kind::kSlow}));
  EXPECT_TRUE(delivery.Slow(kBad));
  EXPECT_FALSE(delivery.Slow(kGood));
}

TEST_F(IsolationTest, CutRequestsOfOneIndexBlockItAndNotTheServer) {
  Change(kBad);
  Change(kGood);
  delivery.Complete(Next().id, Cut(), now);
  Events();
  bool blocked = false;
  for (int i = 0; i < 100 && !blocked; ++i) {
    now += Time{100'000};
    Change(kGood);
    for (const BulkBatch& batch : Send()) {
      EXPECT_EQ(Indexes(batch).size(), 1u);
      Is(batch, kBad) ? delivery.Complete(batch.id, Cut(), now) : Answer(batch);
    }
    for (Kind kind : Events()) {
      blocked |= kind == Kind::kBlocked;
      EXPECT_TRUE(kind == Kind::kBlocked || kind == Kind::kConnected || i < 5);
    }
  }
  EXPECT_TRUE(blocked);
  EXPECT_FALSE(delivery.Away());
}

TEST_F(IsolationTest, ACutRequestOfSeveralIndexesIsSentAgainBeforeTheServerCountsAsAway) {
  CutBothAfterAWhile();
  EXPECT_TRUE(Events().empty());
  const auto sent = Send();
  ASSERT_EQ(sent.size(), 2u);
  // The bad one is heard of first.
  for (const BulkBatch& batch : sent)
    if (Is(batch, kBad)) delivery.Complete(batch.id, Cut(), now);
  EXPECT_TRUE(Events().empty());
  for (const BulkBatch& batch : sent)
    if (Is(batch, kGood)) Answer(batch);
  EXPECT_TRUE(Events().empty());
  EXPECT_EQ(delivery.Outstanding(kGood), 0u);
}

TEST_F(IsolationTest, AServerThatCutsEveryRequestIsAwayWhenTheLastOfThemIsLost) {
  CutBothAfterAWhile();
  for (const BulkBatch& batch : Send()) delivery.Complete(batch.id, Cut(), now);
  EXPECT_EQ(Events(), std::vector<Kind>{Kind::kDisconnected});
  EXPECT_TRUE(delivery.Away());
}

TEST_F(IsolationTest, RejectionsOfOneIndexDoNotSlowOthersDown) {
  DeliveryLimits limits = Limits();
  limits.batch_operations = 1;
  delivery.SetLimits(limits);
  for (int i = 0; i < 30; ++i) Change(kGood);
  for (int i = 0; i < 30; ++i)
    for (const BulkBatch& batch : Send()) Answer(batch);
  limits.batch_operations = 100;
  delivery.SetLimits(limits);
  for (int i = 0; i < 30; ++i) {
    Change(kGood);
    Change(kBad);
    now += kSecond;
    for (const BulkBatch& batch : Send()) {
      std::map<std::string, ItemAnswer> answers;
      for (const Sent& sent : Read(batch))
        if (batch.body->find("\"i1\",\"_id\":\"" + sent.id + "\"") != std::string::npos)
          answers[sent.id] = {429, "rejected_execution_exception", "r"};
      delivery.Complete(batch.id, After(Items(batch, answers), Time{1000}), now);
    }
  }
  limits.batch_operations = 1;
  delivery.SetLimits(limits);
  for (int i = 0; i < 9; ++i) Change(kGood);
  int own = 0;
  for (const BulkBatch& batch : Send()) own += Is(batch, kGood) ? 1 : 0;
  EXPECT_GE(own, 2) << "as many at once as before";
}

TEST_F(IsolationTest, SlowIndexesLeaveRoomInMemory) {
  DeliveryLimits limits = Limits();
  limits.queued_operations = 100;
  delivery.SetLimits(limits);
  SetBothApart();
  for (const BulkBatch& batch : Send())
    if (Is(batch, kGood)) Answer(batch);
  now += kSlowAfter;
  Send();
  while (delivery.HasRoom(kBad)) Change(kBad);
  EXPECT_LE(delivery.Outstanding(kBad), 50u);
  EXPECT_TRUE(delivery.HasRoom(kGood));
  while (delivery.HasRoom()) Change(kBad);  // what was here before it was slow
  EXPECT_TRUE(delivery.HasRoom(kGood));
}

TEST_F(IsolationTest, OneLargeDocumentLeavesRoomInMemory) {
  const auto large = [&](int number) {
    Operation op = Make("large" + std::to_string(number), 900 + number, kBad);
    op.body = std::string(std::size_t{30} << 20, 'x');
    delivery.Submit(std::move(op), now);
  };
  large(0);
  EXPECT_FALSE(delivery.HasRoom());
  EXPECT_TRUE(delivery.HasRoom(kGood));
  for (int number = 1; number < 5; ++number) large(number);
  EXPECT_FALSE(delivery.HasRoom(kGood)) << "not without end";
  delivery.Withdraw(kBad, UINT64_MAX);
  EXPECT_TRUE(delivery.HasRoom());
}

}  // namespace
}  // namespace polyglot::core
