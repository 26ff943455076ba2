#include "core/status/inspection.h"

#include <gtest/gtest.h>

namespace polyglot::core {
namespace {

// A row that is in step; the tests change what they are about.
Inspection Fine() {
  Inspection f;
  f.sync = "products";
  f.server = "search";
  f.state = "streaming";
  f.enqueue = "SELECT polyglot.enqueue('products', '{\"id\":42}'::jsonb)";
  f.row_found = f.worker_sees_row = f.found = true;
  f.path = "GET /products-000001/_doc/42";
  f.comparison = Comparison::kEqual;
  f.version = (std::uint64_t{3} << 52) | 0x1'2A3B4C5D;
  return f;
}

InspectionLine LineOf(const Inspection& facts, const std::string& check) {
  for (const InspectionLine& line : Describe(facts))
    if (line.check == check) return line;
  ADD_FAILURE() << "no line " << check;
  return {};
}

std::string Verdict(const Inspection& facts) { return LineOf(facts, "verdict").result; }

TEST(Inspection, TheLinesAreAlwaysTheSameAndNoneIsWithoutDetail) {
  Inspection unknown;
  unknown.state = "failed";
  unknown.no_answer = "no worker is there that could ask";
  unknown.remedy = "resume it";
  for (const Inspection& facts : {Fine(), unknown}) {
    const std::vector<InspectionLine> lines = Describe(facts);
    ASSERT_EQ(lines.size(), 9u);
    EXPECT_EQ(lines.front().check, "verdict");
    for (const InspectionLine& line : lines) {
      EXPECT_FALSE(line.result.empty()) << line.check;
      EXPECT_FALSE(line.detail.empty()) << line.check;
    }
  }
}

TEST(Inspection, InStep) {
  EXPECT_EQ(Verdict(Fine()), "in step");
  EXPECT_EQ(LineOf(Fine(), "document").detail,
            "version 13510803885608029 (epoch 3, WAL 1/2A3B4C5D): "
            "GET /products-000001/_doc/42");
  Inspection gone = Fine();
  gone.row_found = gone.worker_sees_row = gone.found = false;
  gone.comparison = Comparison::kAbsent;
  EXPECT_EQ(Verdict(gone), "in step");
  EXPECT_EQ(LineOf(gone, "row").result, "not found");
  EXPECT_EQ(LineOf(gone, "comparison").result, "equal");
}

TEST(Inspection, AnAliasThatPointsElsewhereIsNotHidden) {
  Inspection f = Fine();
  f.reason = "the alias points elsewhere";
  EXPECT_NE(LineOf(f, "verdict").detail.find("line \"sync\""), std::string::npos);
  EXPECT_EQ(LineOf(f, "sync").detail.find("the alias points elsewhere"), 0u);
}

TEST(Inspection, TheFilterLeavesTheRowOut) {
  Inspection f = Fine();
  f.has_filter = true;
  EXPECT_EQ(LineOf(f, "filter").result, "passes");
  f.passes = f.found = false;
  f.comparison = Comparison::kAbsent;
  EXPECT_EQ(Verdict(f), "in step");
  EXPECT_EQ(LineOf(f, "filter").result, "leaves it out");
}

TEST(Inspection, AChangeOnItsWay) {
  Inspection f = Fine();
  f.comparison = Comparison::kMissing;
  f.found = false;
  f.changes = 2;
  f.changed = "2026-01-01 03:00:00+00";
  f.change_age = "4 s";
  EXPECT_EQ(Verdict(f), "waiting");
  EXPECT_EQ(LineOf(f, "queue").result, "2 changes");
  EXPECT_EQ(LineOf(f, "comparison").detail, "a change is on its way: look again");
  f.state = "paused";
  EXPECT_EQ(Verdict(f), "paused");
  EXPECT_EQ(LineOf(f, "sync").detail, "SELECT polyglot.resume_sync('products')");
}

TEST(Inspection, WhatStopsDeliveryComesBeforeWhatWaitsForIt) {
  for (const char* state : {"paused", "blocked", "disconnected", "failed", "not running"}) {
    Inspection f = Fine();
    f.state = state;
    f.parked = true;
    f.comparison = Comparison::kUnknown;
    f.no_answer = "no answer";
    EXPECT_EQ(Verdict(f), state);
  }
}

TEST(Inspection, ADeadLetter) {
  Inspection f = Fine();
  f.comparison = Comparison::kMissing;
  f.found = false;
  f.refused = true;
  f.refusal = "mapper_parsing_exception";
  f.refused_at = "2026-01-01 03:00:00+00";
  EXPECT_EQ(Verdict(f), "refused");
  EXPECT_NE(LineOf(f, "dead letter").detail.find("polyglot.requeue('products')"),
            std::string::npos);
  f.changes = 1;  // tried again already
  EXPECT_EQ(Verdict(f), "waiting");
}

TEST(Inspection, WhatIsNotCommittedOnlyOneOfThemSees) {
  Inspection f = Fine();
  f.worker_sees_row = f.found = false;
  f.comparison = Comparison::kAbsent;
  EXPECT_EQ(LineOf(f, "row").result, "not committed");
  f.comparison = Comparison::kUnknown;  // the worker was not asked
  EXPECT_EQ(LineOf(f, "row").result, "found");
}

TEST(Inspection, ADifferenceThatNothingExplains) {
  Inspection f = Fine();
  f.comparison = Comparison::kDifferent;
  f.difference = "fields: v, w";
  EXPECT_EQ(Verdict(f), "out of step");
  EXPECT_EQ(LineOf(f, "comparison").detail, "fields: v, w; " + f.enqueue);
  f.beyond = true;
  EXPECT_NE(LineOf(f, "comparison").detail.find("; delete the document, then SELECT"),
            std::string::npos);
  f.beyond = false;
  f.elsewhere = true;  // no event of the key reaches it
  EXPECT_EQ(LineOf(f, "comparison").detail,
            "fields: v, w; SELECT polyglot.repair_sync('products')");
  f.comparison = Comparison::kStale;
  EXPECT_EQ(LineOf(f, "comparison").result, "stale");
}

TEST(Inspection, AnIndexThatIsBeingFilled) {
  Inspection f = Fine();
  f.comparison = Comparison::kMissing;
  f.found = false;
  f.state = "backfilling";
  EXPECT_EQ(Verdict(f), "waiting");
  f.state = "rebuilding";
  EXPECT_EQ(Verdict(f), "out of step");  // the index in use gets all changes
  f.outdated = true;
  EXPECT_EQ(Verdict(f), "waiting");
}

TEST(Inspection, ARowThatCannotBeRead) {
  Inspection f = Fine();
  f.row_found = false;
  f.row_error = "division by zero";
  f.comparison = Comparison::kMissing;
  EXPECT_EQ(Verdict(f), "unreadable");
  EXPECT_EQ(LineOf(f, "row").result, "unreadable");
}

TEST(Inspection, NothingIsDeliveredSoonByAWorkerThatIsNotHeardOf) {
  for (const char* state : {"streaming", "backfilling", "rebuilding", "starting"}) {
    Inspection f = Fine();
    f.state = state;
    f.comparison = Comparison::kUnknown;
    f.changes = 1;
    f.no_worker = "the worker has not answered for 9 s";
    EXPECT_EQ(Verdict(f), "no worker");
    EXPECT_EQ(LineOf(f, "sync").detail, f.no_worker);
    EXPECT_EQ(LineOf(f, "queue").detail.find("delivered soon"), std::string::npos);
    f.parked = true;
    EXPECT_EQ(LineOf(f, "parked").detail.find("delivered soon"), std::string::npos);
  }
}

TEST(Inspection, NamesAreQuoted) {
  Inspection f = Fine();
  f.sync = "o'clock";
  f.state = "paused";
  f.no_worker = "start one";
  EXPECT_EQ(LineOf(f, "sync").detail, "SELECT polyglot.resume_sync('o''clock'); start one");
}

TEST(AgeText, Units) {
  EXPECT_EQ(AgeText(-5), "0 ms");
  EXPECT_EQ(AgeText(999'999), "999 ms");
  EXPECT_EQ(AgeText(1'000'000), "1 s");
  EXPECT_EQ(AgeText(119'000'000), "119 s");
  EXPECT_EQ(AgeText(120'000'000), "2 min");
  EXPECT_EQ(AgeText(std::int64_t{119} * 60'000'000), "119 min");
  EXPECT_EQ(AgeText(std::int64_t{47} * 3'600'000'000), "47 h");
  EXPECT_EQ(AgeText(std::int64_t{48} * 3'600'000'000), "2 days");
}

}  // namespace
}  // namespace polyglot::core
