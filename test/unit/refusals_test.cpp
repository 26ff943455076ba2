// One index that refuses too much alike.
#include "core/delivery/refusals.h"

#include "core/delivery/delivery.h"
#include "core/delivery/reply.h"
#include "core/operation.h"
#include "delivery_fixture.h"

namespace polyglot::core {
namespace {

TEST(Refusals, FiveHundredOfAThousandAlike) {
  Refusals refusals;
  for (std::size_t i = 1; i < Refusals::kAlike; ++i) {
    EXPECT_EQ(refusals.Refused(1, "a", false), std::nullopt) << i;
    refusals.Accepted(1);
  }
  EXPECT_FALSE(refusals.Condemned(1));
  EXPECT_EQ(refusals.Refused(1, "b", false), std::nullopt) << "another reason";
  EXPECT_NE(refusals.Refused(1, "a", false), std::nullopt);
  EXPECT_TRUE(refusals.Condemned(1));
  EXPECT_FALSE(refusals.Condemned(2));
  for (int i = 0; i < 600; ++i) refusals.Accepted(1);
  EXPECT_FALSE(refusals.Condemned(1)) << "the share has fallen";
  EXPECT_EQ(refusals.Refused(1, "a", false), std::nullopt);
}

TEST(Refusals, TwentyOverTheFieldLimitInARow) {
  Refusals refusals;
  for (int i = 1; i < 20; ++i) EXPECT_EQ(refusals.Refused(1, "f", true), std::nullopt);
  refusals.Accepted(1);
  for (int i = 1; i < 20; ++i) EXPECT_EQ(refusals.Refused(1, "f", true), std::nullopt);
  EXPECT_NE(refusals.Refused(1, "f", true), std::nullopt);
  EXPECT_TRUE(refusals.Condemned(1));
  refusals.Accepted(1);
  EXPECT_FALSE(refusals.Condemned(1));
}

TEST(Refusals, HoldsMemoryForSyncsWithRefusalsOnly) {
  Refusals refusals;
  refusals.Accepted(1);
  EXPECT_EQ(refusals.size(), 0u);
  refusals.Refused(1, "a", false);
  refusals.Refused(2, "a", false);
  EXPECT_EQ(refusals.size(), 2u);
  for (std::size_t i = 0; i < Refusals::kWindow; ++i) refusals.Accepted(1);
  EXPECT_EQ(refusals.size(), 1u);
  refusals.Forget(2);
  EXPECT_EQ(refusals.size(), 0u);
}

class CondemnedTest : public DeliveryTest {
 protected:
  void SubmitMany(int from, int to) {
    for (int i = from; i < to; ++i) delivery.Submit(Make("id" + std::to_string(i), 1 + i), now);
  }
  static Reply AllRefused(const BulkBatch& batch) {
    std::map<std::string, ItemAnswer> answers;
    int i = 0;  // values differ, the reason does not
    for (const std::string& id : Ids(batch))
      answers[id] = {400, "mapper_parsing_exception",
                     "failed to parse field [v]: '" + std::to_string(++i) + "'"};
    return Items(batch, answers);
  }
};

TEST_F(CondemnedTest, StopsInsteadOfDrainingIntoDeadLettersAndHeals) {
  SubmitMany(0, 2000);
  BulkBatch batch = Next();
  delivery.Complete(batch.id, AllRefused(batch), now);
  EXPECT_EQ(delivery.TakeFinished().size(), 499u);
  EXPECT_EQ(Events(), (std::vector<Kind>{Kind::kConnected, Kind::kBlocked}));
  EXPECT_EQ(delivery.Outstanding(1), 1501u);
  batch = NextWhenDue();
  EXPECT_EQ(batch.operations, 1u);
  delivery.Complete(batch.id, AllRefused(batch), now);
  EXPECT_TRUE(delivery.TakeFinished().empty());
  const auto withdrawn = delivery.Withdraw(1, UINT64_MAX);
  EXPECT_EQ(withdrawn.size(), 1501u);
  for (const Operation& op : withdrawn) EXPECT_FALSE(op.body.empty());

  SubmitMany(3000, 5000);
  batch = Next();
  EXPECT_EQ(batch.operations, 1u) << "the judgement outlives the parking";
  EXPECT_EQ(delivery.NextBatch(now), std::nullopt);
  delivery.Complete(batch.id, Items(batch), now);
  while (!delivery.Idle()) {
    batch = NextWhenDue();
    delivery.Complete(batch.id, Items(batch), now);
  }
  SubmitMany(6000, 6010);
  EXPECT_EQ(Next().operations, 10u) << "healed";
}

TEST_F(CondemnedTest, GoodDocumentsDoNotWaitBehindABadOneForEver) {
  SubmitMany(0, 600);
  BulkBatch batch = Next();
  delivery.Complete(batch.id, AllRefused(batch), now);
  delivery.TakeFinished();
  std::vector<Operation> parked = delivery.Withdraw(1, UINT64_MAX);
  ASSERT_EQ(parked.size(), 101u);
  for (int i = 10'000; i < 11'000; ++i) parked.push_back(Make("id" + std::to_string(i), i));
  int requests = 0;
  for (; !parked.empty() && requests < 100;) {
    now += 30 * kSecond;
    for (Operation& op : parked) delivery.Submit(std::move(op), now);
    parked.clear();
    while (auto next = delivery.NextBatch(now)) {
      ++requests;
      std::map<std::string, ItemAnswer> bad;
      for (const std::string& id : Ids(*next))
        if (id.size() < 6) bad[id] = {400, "mapper_parsing_exception", "failed to parse field"};
      delivery.Complete(next->id, Items(*next, bad), now);
    }
    parked = delivery.Withdraw(1, UINT64_MAX);
  }
  EXPECT_TRUE(parked.empty()) << parked.size();
  EXPECT_LT(requests, 100);
}

TEST_F(CondemnedTest, RefusedWholeRequestsCountToo) {
  DeliveryLimits limits = Limits();
  limits.batch_operations = 1;
  delivery.SetLimits(limits);
  SubmitMany(0, 501);
  int blocked = 0;
  for (int i = 0; i < 500; ++i) {
    const BulkBatch batch = NextWhenDue();
    delivery.Complete(batch.id, Http(413), now);
    for (Kind kind : Events()) blocked += kind == Kind::kBlocked ? 1 : 0;
  }
  EXPECT_EQ(blocked, 1);
  EXPECT_EQ(delivery.TakeFinished().size(), 499u);
}

TEST_F(CondemnedTest, AnotherSyncOfTheRequestGoesOn) {
  SubmitMany(0, 501);  // little enough to share a request
  delivery.Submit(Make("other", 5000, 2), now);
  const BulkBatch batch = Next();
  ASSERT_EQ(batch.operations, 502u);
  std::map<std::string, ItemAnswer> answers;
  for (int i = 0; i < 501; ++i) answers["id" + std::to_string(i)] = {400, "t", "r"};
  delivery.Complete(batch.id, Items(batch, answers), now);
  EXPECT_EQ(delivery.Outstanding(2), 0u);
  delivery.Submit(Make("more", 5001, 2), now);
  EXPECT_EQ(Ids(Next()), std::vector<std::string>{"more"});
}

}  // namespace
}  // namespace polyglot::core
