#include "core/status/sync_problem.h"

#include <gtest/gtest.h>

namespace polyglot::core {
namespace {

SyncFacts In(const char* state) {
  SyncFacts facts;
  facts.sync = "it's";
  facts.server = "search";
  facts.state = state;
  facts.worker_pid = 7;
  return facts;
}

TEST(SyncProblem, AHealthySyncHasNone) {
  for (const char* state : {"streaming", "backfilling", "rebuilding", "starting"}) {
    EXPECT_EQ(ProblemOf(In(state)).text, "") << state;
    EXPECT_EQ(ProblemOf(In(state)).hint, "") << state;
  }
}

TEST(SyncProblem, EveryOtherStateHasATextAndAHint) {
  for (const char* state : {"paused", "blocked", "disconnected", "standby"}) {
    EXPECT_NE(ProblemOf(In(state)).text, "") << state;
    EXPECT_NE(ProblemOf(In(state)).hint, "") << state;
  }
  SyncFacts failed = In("failed");
  failed.failure = "reason";
  EXPECT_EQ(ProblemOf(failed).text, "reason");
  EXPECT_NE(ProblemOf(failed).hint.find("polyglot.resume_sync('it''s')"), std::string::npos);
  failed.failure_hint = "Do this.";
  EXPECT_EQ(ProblemOf(failed).hint, "Do this.");
}

TEST(SyncProblem, RestoredAndCopiedAreAdopted) {
  SyncFacts restored = In("failed");
  restored.restored = true;
  EXPECT_NE(ProblemOf(restored).hint.find("adopt_sync"), std::string::npos);
  SyncFacts copied = In("failed");
  copied.copied = true;
  EXPECT_NE(ProblemOf(copied).hint.find("adopt_sync"), std::string::npos);
  EXPECT_NE(ProblemOf(copied).text, "");
}

TEST(SyncProblem, WhatAWorkerSaidBeforeItWentIsNotTold) {
  SyncFacts facts = In("not running");
  facts.no_worker = "stopped";
  facts.no_worker_hint = "Start.";
  facts.notice = facts.trouble = "old";
  EXPECT_EQ(ProblemOf(facts).text, "stopped");
  EXPECT_EQ(ProblemOf(facts).hint, "Start.");
}

TEST(SyncProblem, AWorkerThatStandsStillTellsNoState) {
  for (const char* state : {"streaming", "disconnected", "blocked", "backfilling", "starting"}) {
    SyncFacts facts = In(state);
    facts.trouble = facts.notice = "old";
    facts.silent = 12'000'000;
    EXPECT_TRUE(IsSilent(facts));
    EXPECT_EQ(ProblemOf(facts).text, "the worker (process 7) has not answered for 12 s") << state;
    EXPECT_NE(ProblemOf(facts).hint, "");
    facts.silent = 1'000'000;
    EXPECT_FALSE(IsSilent(facts));
  }
}

TEST(SyncProblem, RefusedCredentialsAreNoOutage) {
  SyncFacts facts = In("disconnected");
  facts.trouble = "HTTP status 401: unable to authenticate";
  facts.denied = true;
  EXPECT_EQ(ProblemOf(facts).text,
            "the server refuses the credentials: HTTP status 401: unable to authenticate");
  EXPECT_NE(ProblemOf(facts).hint.find("user mapping"), std::string::npos);
}

TEST(SyncProblem, AnIndexThatIsNotMadeIsNotSaidToTakeNoWrites) {
  SyncFacts facts = In("blocked");
  facts.no_index = true;
  facts.trouble = "the server makes no index: failed to find tokenizer; hint: Install it.";
  EXPECT_EQ(ProblemOf(facts).text, "the server makes no index: failed to find tokenizer");
  EXPECT_EQ(ProblemOf(facts).hint.find("Install it. It is tried again"), 0u)
      << ProblemOf(facts).hint;
  facts.trouble = "the index does not exist";
  EXPECT_EQ(ProblemOf(facts).text, "the index does not exist");
  EXPECT_EQ(ProblemOf(facts).hint.find("It is tried again"), 0u);
  facts.trouble.clear();
  EXPECT_EQ(ProblemOf(facts).text, "there is no index yet");
}

TEST(SyncProblem, ANoticeJoinsTheStateAndStandsAlone) {
  SyncFacts facts = In("blocked");
  facts.trouble = "read-only";
  facts.notice = "held by 5";
  facts.notice_hint = "Commit it.";
  EXPECT_EQ(ProblemOf(facts).text, "the index takes no writes: read-only; held by 5");
  facts = In("streaming");
  facts.notice = "held by 5";
  facts.notice_hint = "Commit it.";
  EXPECT_EQ(ProblemOf(facts).text, "held by 5");
  EXPECT_EQ(ProblemOf(facts).hint, "Commit it.");
}

TEST(SyncProblem, AQueueNearItsLimitIsToldBeforeItIsReached) {
  SyncFacts facts = In("streaming");
  facts.max_queue_bytes = 100 << 20;
  facts.queue_bytes = 74 << 20;
  EXPECT_EQ(ProblemOf(facts).text, "");
  facts.queue_bytes = 76 << 20;
  EXPECT_EQ(ProblemOf(facts).text, "the queue holds 76 MB of max_queue_size 100 MB");
  facts.max_queue_bytes = 0;
  EXPECT_EQ(ProblemOf(facts).text, "");
}

TEST(SyncProblem, WhoWaitsIsToldWhatFor) {
  SyncFacts facts = In("backfilling");
  facts.backfill_rows = 20'000;
  facts.backfill_total = 1'030'000;
  facts.eta = 5'000'000;
  EXPECT_EQ(NotInStep(facts).text, "backfilling, 20,000 of 1,030,000 rows, about 5 s");
  facts = In("streaming");
  facts.pending = 3;
  facts.lag = 2'500'000;
  EXPECT_EQ(NotInStep(facts).text, "3 changes wait, the oldest for 2 s");
  facts.notice = "locked";
  EXPECT_EQ(NotInStep(facts).text, "3 changes wait, the oldest for 2 s; locked");
  EXPECT_EQ(NotInStep(In("paused")).text, ProblemOf(In("paused")).text);
  for (const char* state : {"streaming", "starting", "rebuilding", "paused", "blocked"}) {
    EXPECT_NE(NotInStep(In(state)).text, "") << state;
    EXPECT_NE(NotInStep(In(state)).hint, "") << state;
  }
}

TEST(SyncProblem, WaitingIsInVainWhereSomebodyMustAct) {
  for (const char* state : {"paused", "failed", "standby"}) EXPECT_TRUE(WaitsInVain(In(state)));
  for (const char* state : {"streaming", "blocked", "disconnected", "starting", "not running"})
    EXPECT_FALSE(WaitsInVain(In(state)));
}

TEST(SyncProblem, NumbersAreGrouped) {
  EXPECT_EQ(Grouped(0), "0");
  EXPECT_EQ(Grouped(999), "999");
  EXPECT_EQ(Grouped(1'000), "1,000");
  EXPECT_EQ(Grouped(1'234'567), "1,234,567");
}

}  // namespace
}  // namespace polyglot::core
