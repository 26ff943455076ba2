#include "core/ownership/epoch.h"

#include <gtest/gtest.h>

#include "core/search/version_meta.h"

namespace polyglot::core {
namespace {

constexpr std::uint64_t kPosition = 10 * kBoundStep;

VersionRecord Ours() {
  return {.system_identifier = 7,
          .database = 5,
          .sync = 3,
          .timeline = 1,
          .epoch = 4,
          .bound = kPosition + kBoundStep};
}

// A worker that has just started; nothing unusual has happened.
EpochQuestion Usual() {
  EpochQuestion q;
  q.now = Ours();
  q.stored_timeline = 1;
  q.flushed = kPosition;
  q.index = Ours();
  return q;
}

// The same later in the life of that worker.
EpochQuestion Later() {
  EpochQuestion q = Usual();
  q.first = false;
  q.acknowledged = q.now.bound;
  return q;
}

EpochVerdict Verdict(const EpochQuestion& q) { return JudgeEpoch(q).verdict; }

TEST(Epoch, RestartsAndCrashesChangeNothing) {
  EXPECT_EQ(Verdict(Usual()), EpochVerdict::kGoOn);
  EXPECT_EQ(Verdict(Later()), EpochVerdict::kGoOn);
  EpochQuestion crashed = Usual();  // between the table and the index
  crashed.index->bound -= kBoundStep / 2;
  EXPECT_EQ(Verdict(crashed), EpochVerdict::kGoOn);
}

TEST(Epoch, PromotionRaisesBeyondBoth) {
  EpochQuestion q = Usual();
  q.now.timeline = 2;
  EXPECT_EQ(Verdict(q), EpochVerdict::kRaise);
  EXPECT_EQ(JudgeEpoch(q).epoch, 5u);
  q.index->epoch = 9;
  EXPECT_EQ(JudgeEpoch(q).epoch, 10u);
  q.index.reset();  // an index that is not managed has no record
  EXPECT_EQ(JudgeEpoch(q).epoch, 5u);
}

TEST(Epoch, APromotionIsComparedUnlessTheLeaseVouches) {
  EpochQuestion q = Usual();
  q.now.timeline = 2;
  EXPECT_FALSE(JudgeEpoch(q).repair);
  q.lease_vouches = false;
  EXPECT_TRUE(JudgeEpoch(q).repair);
  q.lease_vouches = true;
  q.index->bound = q.now.bound + 1;  // somebody has written beyond what our table knows
  EXPECT_TRUE(JudgeEpoch(q).repair);
}

TEST(Epoch, TheLeaseRaisesBeyondItsOwn) {
  EpochQuestion q = Usual();
  q.lease_raises = true;
  q.lease_epoch = 8;
  EXPECT_EQ(Verdict(q), EpochVerdict::kRaise);
  EXPECT_EQ(JudgeEpoch(q).epoch, 9u);
}

TEST(Epoch, AdoptionTakesAForeignIndex) {
  EpochQuestion q = Usual();
  q.index->database = 6;
  q.index->epoch = 7;
  EXPECT_EQ(Verdict(q), EpochVerdict::kForeign);
  q.adopt = true;
  EXPECT_EQ(Verdict(q), EpochVerdict::kRaise);
  EXPECT_EQ(JudgeEpoch(q).epoch, 8u);
  EXPECT_TRUE(JudgeEpoch(q).repair);
}

TEST(Epoch, APromotionThatDiedHalfWayIsTakenFurther) {
  EpochQuestion q = Usual();
  q.now.timeline = 2;
  q.index->timeline = 2;
  q.index->epoch = 5;
  EXPECT_EQ(JudgeEpoch(q).epoch, 6u);
}

TEST(Epoch, AnOlderDatabaseRaises) {
  EpochQuestion bound = Usual();
  bound.index->bound++;
  EXPECT_EQ(JudgeEpoch(bound).epoch, 5u);
  EpochQuestion epoch = Usual();
  epoch.index->epoch = 6;
  EXPECT_EQ(JudgeEpoch(epoch).epoch, 7u);
  EpochQuestion timeline = Usual();
  timeline.index->timeline = 2;
  EXPECT_EQ(Verdict(timeline), EpochVerdict::kRaise);
}

TEST(Epoch, AnOlderWalRaises) {
  EpochQuestion q = Usual();
  q.flushed = q.now.bound - kBoundStep;
  EXPECT_EQ(Verdict(q), EpochVerdict::kGoOn);
  q.flushed--;
  EXPECT_EQ(Verdict(q), EpochVerdict::kRaise);
}

TEST(Epoch, TheLimitIsKept) {
  EpochQuestion q = Usual();
  q.now.timeline = 2;
  q.index->epoch = kEpochLimit - 1;
  EXPECT_EQ(JudgeEpoch(q).epoch, kEpochLimit);
  q.index->epoch = kEpochLimit;
  EXPECT_EQ(Verdict(q), EpochVerdict::kExhausted);
  q.index->epoch = UINT64_MAX;
  q.now.epoch = 1;
  EXPECT_NE(Verdict(q), EpochVerdict::kGoOn);
}

TEST(Epoch, AnIndexOfSomebodyElseIsNotTouched) {
  for (auto change :
       {+[](VersionRecord* r) { r->system_identifier++; }, +[](VersionRecord* r) { r->database++; },
        +[](VersionRecord* r) { r->sync++; }})
    for (EpochQuestion q : {Usual(), Later()}) {
      change(&*q.index);
      q.now.timeline = 2;
      EXPECT_EQ(Verdict(q), EpochVerdict::kForeign);
    }
}

TEST(Epoch, TwoThatLiveAtOnceDoNotOutbidEachOther) {
  for (auto change : {+[](VersionRecord* r) { r->epoch++; }, +[](VersionRecord* r) { r->bound++; },
                      +[](VersionRecord* r) { r->timeline++; }}) {
    EpochQuestion q = Later();
    change(&*q.index);
    EXPECT_EQ(Verdict(q), EpochVerdict::kContested);
  }
}

TEST(Epoch, AnOlderIndexIsNoticed) {
  EpochQuestion later = Later();
  later.index->bound--;
  EXPECT_EQ(Verdict(later), EpochVerdict::kIndexOlder);
  EpochQuestion first = Usual();
  first.index->epoch = 3;
  EXPECT_EQ(Verdict(first), EpochVerdict::kIndexOlder);
}

TEST(Epoch, AMissingRecordIsWrittenAgain) {
  for (EpochQuestion q : {Usual(), Later()}) {
    q.index.reset();
    EXPECT_EQ(Verdict(q), EpochVerdict::kRewrite);
  }
}

TEST(Epoch, RecordsSurviveTheIndex) {
  const auto record = RecordOf(MetaOf(Ours()));
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(MetaOf(*record), MetaOf(Ours()));
  EXPECT_FALSE(RecordOf({}).has_value());
  EXPECT_FALSE(RecordOf({{"system_identifier", "x"}}).has_value());
  const auto odd = RecordOf({{"system_identifier", "7"}, {"epoch", "5x"}, {"timeline", "-1"}});
  EXPECT_EQ(odd->epoch, 0u);
  EXPECT_EQ(odd->timeline, 0u);
}

}  // namespace
}  // namespace polyglot::core
