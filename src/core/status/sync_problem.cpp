#include "core/status/sync_problem.h"

#include <string_view>

#include "core/status/inspection.h"

namespace polyglot::core {
namespace {

// A turn of a busy worker may take seconds; what it holds up is then seen by `lag`.
constexpr std::int64_t kSilent = 5'000'000;

std::string Call(const char* function, const SyncFacts& f) {
  std::string quoted;
  for (char c : f.sync) quoted.append(c == '\'' ? 2 : 1, c);
  return std::string("polyglot.") + function + "('" + quoted + "')";
}

void Add(std::string* text, const std::string& more, const char* between) {
  if (more.empty()) return;
  if (!text->empty()) *text += between;
  *text += more;
}

std::string With(const char* what, const std::string& why) {
  return why.empty() ? what : std::string(what) + ": " + why;
}

bool Is(const SyncFacts& f, const char* state) { return f.state == state; }

// Beyond the limit changes are dropped and indexes filled anew: that is said before.
SyncProblem QueueProblem(const SyncFacts& f) {
  if (f.max_queue_bytes == 0 || f.queue_bytes / 3 < f.max_queue_bytes / 4) return {};
  return {"the queue holds " + Grouped(f.queue_bytes >> 20) + " MB of max_queue_size " +
              Grouped(f.max_queue_bytes >> 20) + " MB",
          "Beyond it changes are dropped and the index is filled anew: raise max_queue_size of "
          "server \"" +
              f.server + "\", or bring the server back."};
}

SyncProblem FailureProblem(const SyncFacts& f) {
  if (f.restored)
    return {"restored from a dump of another database",
            "Call " + Call("adopt_sync", f) + ", or drop the sync."};
  if (f.failure.empty() && f.copied)
    return {"this database is a copy of the one that the sync was created in, or was upgraded",
            "To let this database write to the index, call " + Call("adopt_sync", f) + "."};
  return {f.failure, f.failure_hint.empty()
                         ? "Remove the cause, then call " + Call("resume_sync", f) + "."
                         : f.failure_hint};
}

SyncProblem AwayProblem(const SyncFacts& f) {
  if (f.denied)
    return {With("the server refuses the credentials", f.trouble),
            "Correct the user mapping of server \"" + f.server +
                "\", or the rights there; it is tried again by itself."};
  return {
      With("the server cannot be used", f.trouble),
      "Goes on by itself when the server answers: polyglot.servers and polyglot.ping tell more, "
      "polyglot.run_sync() skips the back-off."};
}

// What the server, or the worker, said of it, with a hint of its own perhaps.
SyncProblem NoIndexProblem(const SyncFacts& f) {
  constexpr std::string_view kHint = "; hint: ";
  const std::size_t at = f.trouble.rfind(kHint);
  SyncProblem problem{f.trouble.empty() ? "there is no index yet" : f.trouble.substr(0, at), ""};
  if (at != std::string::npos) problem.hint = f.trouble.substr(at + kHint.size());
  Add(&problem.hint, "It is tried again each 30 s, or now by " + Call("run_sync", f) + ".", " ");
  return problem;
}

SyncProblem StateProblem(const SyncFacts& f) {
  if (Is(f, "standby"))
    return {"this is a hot standby: the primary delivers", "Ask on the primary."};
  if (f.restored || Is(f, "failed")) return FailureProblem(f);
  if (Is(f, "paused"))
    return {"paused: changes are kept, not delivered", "Call " + Call("resume_sync", f) + "."};
  if (!f.no_worker.empty()) return {f.no_worker, f.no_worker_hint};
  if (f.silent >= kSilent)
    return {"the worker (process " + std::to_string(f.worker_pid) + ") has not answered for " +
                AgeText(f.silent),
            "It waits for something outside, or was stopped: pg_stat_activity and the server log "
            "tell more. pg_terminate_backend(" +
                std::to_string(f.worker_pid) + ") lets another one take its place."};
  if (Is(f, "disconnected")) return AwayProblem(f);
  if (Is(f, "blocked") && f.no_index) return NoIndexProblem(f);
  if (Is(f, "blocked"))
    return {With("the index takes no writes", f.trouble),
            "Put the index right: a few keys are tried every 30 s, or now by " +
                Call("run_sync", f) + "."};
  if (Is(f, "starting") && !f.trouble.empty())
    return {With("the index is not ready", f.trouble),
            "It is tried again by itself; " + Call("run_sync", f) + " does it now."};
  return {};
}

std::string Progress(const SyncFacts& f, const char* what) {
  std::string text = what;
  if (f.backfill_total > 0)
    text += ", " + Grouped(f.backfill_rows) + " of " + Grouped(f.backfill_total) + " rows";
  if (f.eta >= 0) text += ", about " + AgeText(f.eta);
  return text;
}

std::string UnderWay(const SyncFacts& f) {
  if (Is(f, "backfilling")) return Progress(f, "backfilling");
  if (Is(f, "rebuilding")) return Progress(f, "a new index is being filled");
  if (Is(f, "starting")) return "worker and index are being made ready";
  if (f.pending == 0) return "the worker has not answered yet";
  std::string text = Grouped(f.pending) + (f.pending == 1 ? " change waits" : " changes wait");
  if (f.lag > 0) text += ", the oldest for " + AgeText(f.lag);
  return text;
}

}  // namespace

bool IsSilent(const SyncFacts& facts) { return facts.no_worker.empty() && facts.silent >= kSilent; }

SyncProblem ProblemOf(const SyncFacts& facts) {
  SyncProblem problem = StateProblem(facts);
  const bool believed = facts.no_worker.empty() && !IsSilent(facts) && !Is(facts, "standby");
  const SyncProblem queue = QueueProblem(facts);
  if (believed) {
    Add(&problem.text, facts.notice, "; ");
    Add(&problem.hint, facts.notice_hint, " ");
  }
  Add(&problem.text, queue.text, "; ");
  Add(&problem.hint, queue.hint, " ");
  return problem;
}

bool WaitsInVain(const SyncFacts& facts) {
  return facts.restored || Is(facts, "failed") || Is(facts, "paused") || Is(facts, "standby");
}

SyncProblem NotInStep(const SyncFacts& facts) {
  SyncProblem problem = ProblemOf(facts);
  const SyncProblem state = StateProblem(facts);
  if (!state.text.empty()) return problem;
  std::string text = UnderWay(facts);
  Add(&text, problem.text, "; ");
  if (problem.hint.empty()) problem.hint = "Wait longer, or look at polyglot.status.";
  return {text, problem.hint};
}

std::string Grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

}  // namespace polyglot::core
