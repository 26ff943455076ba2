#include "core/ownership/lease.h"

#include <gtest/gtest.h>

#include "core/search/lease_document.h"

namespace polyglot::core {
namespace {

LeaseRecord Ours() {
  return {.system_identifier = 18446744073709551615u,
          .database = 5,
          .sync = 3,
          .timeline = 2,
          .home = "boot/1/2",
          .incarnation = "boot/1/2/now",
          .epoch = 4,
          .position = 900,
          .released = false};
}

// Another postmaster on the same data folder had the lease before.
LeaseQuestion Usual() {
  LeaseQuestion q;
  q.now = Ours();
  q.flushed = 1000;
  q.history = {{1, 500}};
  FoundLease found{.record = Ours(), .seq_no = 7, .primary_term = 1};
  found.record.incarnation = "boot/1/2/before";
  q.found = found;
  return q;
}

LeaseQuestion Stale() {
  LeaseQuestion q = Usual();
  q.unchanged = q.watched = kLeaseWatch;
  return q;
}

LeaseQuestion Released() {
  LeaseQuestion q = Usual();
  q.found->record.released = true;
  return q;
}

LeaseVerdict Verdict(const LeaseQuestion& q) { return JudgeLease(q).verdict; }

TEST(Lease, NobodysIsTaken) {
  LeaseQuestion q = Usual();
  q.found.reset();
  EXPECT_EQ(Verdict(q), LeaseVerdict::kTake);
  EXPECT_FALSE(JudgeLease(q).raise);
}

TEST(Lease, OurOwnNeedsNoWatching) {
  LeaseQuestion q = Usual();
  q.found->record.incarnation = q.now.incarnation;
  EXPECT_EQ(Verdict(q), LeaseVerdict::kTake);
  EXPECT_FALSE(JudgeLease(q).raise);
  q.found->record.epoch = 5;  // we died before our table had it
  EXPECT_TRUE(JudgeLease(q).raise);
  EXPECT_FALSE(JudgeLease(q).doubt);
}

TEST(Lease, AnotherSyncOfThisPostmasterIsSomebodyElse) {
  LeaseQuestion q = Usual();
  q.found->record.incarnation = q.now.incarnation;
  q.found->record.sync = 8;
  EXPECT_EQ(Verdict(q), LeaseVerdict::kWatch);
  q.abandoned = true;
  EXPECT_EQ(Verdict(q), LeaseVerdict::kTake);
}

TEST(Lease, AnotherIsWatchedThenTakenOrContested) {
  LeaseQuestion q = Usual();
  EXPECT_EQ(Verdict(q), LeaseVerdict::kWatch);
  q.watched = kLeasePatience - Time{1};
  q.unchanged = kLeaseWatch - Time{1};
  EXPECT_EQ(Verdict(q), LeaseVerdict::kWatch);
  q.watched = kLeasePatience;
  q.renewals = kLeaseRenewals - 1;  // a late request
  EXPECT_EQ(Verdict(q), LeaseVerdict::kWatch);
  q.renewals = kLeaseRenewals;
  EXPECT_EQ(Verdict(q), LeaseVerdict::kContested);
  q.unchanged = kLeaseWatch;
  EXPECT_EQ(Verdict(q), LeaseVerdict::kTake);
}

TEST(Lease, AWatchCountsTimeAndRenewals) {
  LeaseWatch watch;
  FoundLease found{.record = Ours(), .seq_no = 7, .primary_term = 1};
  EXPECT_FALSE(watch.active());
  watch.Look(found, Time{5'000'000});
  watch.Look(found, Time{10'000'000});
  EXPECT_EQ(watch.unchanged(Time{10'000'000}), Time{5'000'000});
  found.seq_no = 8;
  watch.Look(found, Time{15'000'000});
  EXPECT_EQ(watch.unchanged(Time{15'000'000}), Time{0});
  EXPECT_EQ(watch.watched(Time{15'000'000}), Time{10'000'000});
  EXPECT_EQ(watch.renewals(), 1);
  watch.End();
  watch.Look(found, Time{20'000'000});
  EXPECT_EQ(watch.watched(Time{20'000'000}), Time{0});
  EXPECT_EQ(watch.renewals(), 0);
}

TEST(Lease, WhileNobodyReachesTheServerNobodyIsDead) {
  LeaseWatch watch;
  const FoundLease found{.record = Ours(), .seq_no = 7, .primary_term = 1};
  watch.Look(found, Time{5'000'000});
  watch.Look(found, Time{60'000'000});  // no look in between has succeeded
  EXPECT_EQ(watch.unchanged(Time{60'000'000}), Time{0});
  watch.Look(found, Time{65'000'000});
  EXPECT_EQ(watch.unchanged(Time{65'000'000}), Time{5'000'000});
}

TEST(Lease, ACrashInPlaceChangesNothing) {
  EXPECT_FALSE(JudgeLease(Stale()).raise);
  EXPECT_FALSE(JudgeLease(Stale()).doubt);
}

TEST(Lease, ACrashFollowedByOtherFilesIsInDoubt) {
  LeaseQuestion q = Stale();
  q.now.home = "boot/1/3";
  EXPECT_TRUE(JudgeLease(q).doubt);
  q = Stale();
  q.now.home.clear();
  q.found->record.home.clear();  // unknown is not the same
  EXPECT_TRUE(JudgeLease(q).doubt);
  q = Stale();
  q.flushed = 899;  // our WAL ends before what he wrote
  EXPECT_TRUE(JudgeLease(q).doubt);
}

TEST(Lease, ACleanEndVouches) {
  LeaseQuestion q = Released();
  q.now.home = "elsewhere";
  EXPECT_EQ(Verdict(q), LeaseVerdict::kTake);
  EXPECT_FALSE(JudgeLease(q).raise);
  q.flushed = 899;
  EXPECT_TRUE(JudgeLease(q).doubt);
}

TEST(Lease, APromotionNeedsAnEpochAndIsInDoubtBeyondTheSwitch) {
  LeaseQuestion q = Released();
  q.found->record.timeline = 1;
  q.found->record.position = 500;
  EXPECT_TRUE(JudgeLease(q).raise);
  EXPECT_FALSE(JudgeLease(q).doubt);
  q.found->record.position = 501;
  EXPECT_TRUE(JudgeLease(q).doubt);
  q.found->record.position = 1;
  q.found->record.timeline = 9;  // no ancestor of ours
  EXPECT_TRUE(JudgeLease(q).doubt);
}

TEST(Lease, ForeignersAreInDoubtAndAdoptionAsksNobody) {
  LeaseQuestion q = Released();
  q.found->record.database = 6;
  EXPECT_TRUE(JudgeLease(q).doubt);
  q = Usual();
  q.adopt = true;
  EXPECT_EQ(Verdict(q), LeaseVerdict::kTake);
  EXPECT_TRUE(JudgeLease(q).raise && JudgeLease(q).doubt);
}

TEST(Lease, WhatWasScribbledOverIsNobodysAndInDoubt) {
  LeaseQuestion q = Usual();
  q.found->record = LeaseRecord{};
  EXPECT_EQ(Verdict(q), LeaseVerdict::kTake);
  EXPECT_TRUE(JudgeLease(q).doubt);
}

TEST(Lease, RecordsSurviveTheWire) {
  LeaseRecord record = Ours();
  record.released = true;
  const std::string answer =
      R"({"_index":"i","_id":"t","_seq_no":12,"_primary_term":3,"found":true,)"
      R"("_source":)" +
      LeaseBody(record) + "}";
  const auto found = ParseLease(answer);
  ASSERT_TRUE(found.ok() && found.value());
  EXPECT_EQ(found.value()->seq_no, 12);
  EXPECT_EQ(found.value()->primary_term, 3);
  EXPECT_EQ(LeaseBody(found.value()->record), LeaseBody(record));
  EXPECT_EQ(found.value()->record.system_identifier, record.system_identifier);
}

TEST(Lease, AnswersThatHoldNone) {
  ASSERT_TRUE(ParseLease(R"({"found":false})").ok());
  EXPECT_FALSE(ParseLease(R"({"found":false})").value().has_value());
  for (const char* body : {"", "[]", "{}", R"({"found":1})", R"({"found":true})",
                           R"({"error":{"type":"index_not_found_exception"},"status":404})"})
    EXPECT_FALSE(ParseLease(body).ok()) << body;
  const auto scribbled =
      ParseLease(R"({"found":true,"_seq_no":1,"_primary_term":1,"_source":{"epoch":9}})");
  ASSERT_TRUE(scribbled.ok() && scribbled.value());
  EXPECT_TRUE(scribbled.value()->record.incarnation.empty());
}

TEST(Lease, PathsAndConditions) {
  const FoundLease found{.record = {}, .seq_no = 7, .primary_term = 2};
  EXPECT_EQ(LeasePath("t"), "/polyglot-sync-owners/_doc/t");
  EXPECT_EQ(WriteLeasePath("t", nullptr), "/polyglot-sync-owners/_create/t");
  EXPECT_EQ(WriteLeasePath("t", &found),
            "/polyglot-sync-owners/_doc/t?if_primary_term=2&if_seq_no=7");
  EXPECT_TRUE(ParseLeaseWritten(R"({"_seq_no":8,"_primary_term":2})").ok());
  EXPECT_FALSE(ParseLeaseWritten(R"({"error":{}})").ok());
}

TEST(Lease, RenewalsOfSeveral) {
  EXPECT_EQ(RenewBody({{"a\"", 1, 2, "{}"}, {"b", 3, 4, ""}}),
            "{\"index\":{\"_id\":\"a\\\"\",\"if_seq_no\":1,\"if_primary_term\":2}}\n{}\n"
            "{\"delete\":{\"_id\":\"b\",\"if_seq_no\":3,\"if_primary_term\":4}}\n");
  const auto items = ParseRenewed(
      R"({"items":[{"index":{"status":200,"_seq_no":5,"_primary_term":2}},)"
      R"({"index":{"status":409,"error":{"type":"version_conflict_engine_exception"}}},)"
      R"({"index":{"status":200}},7]})");
  ASSERT_TRUE(items.ok());
  ASSERT_EQ(items.value().size(), 4u);
  EXPECT_EQ(items.value()[0].status, 200);
  EXPECT_EQ(items.value()[0].seq_no, 5);
  EXPECT_EQ(items.value()[1].status, 409);
  EXPECT_EQ(items.value()[2].status, 0);  // success without a place is none
  EXPECT_EQ(items.value()[3].status, 0);
  EXPECT_FALSE(ParseRenewed(R"({"items":7})").ok());
}

}  // namespace
}  // namespace polyglot::core
