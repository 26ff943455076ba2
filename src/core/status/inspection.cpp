#include "core/status/inspection.h"

#include <algorithm>
#include <array>

#include "core/version.h"

namespace polyglot::core {
namespace {

struct Advice {
  std::string_view state, text;
};

constexpr std::array kAdvice{
    Advice{"starting",
           "worker and index are being made ready: look again in a moment, at the server log if "
           "it lasts"},
    Advice{"backfilling",
           "existing rows are being copied, those not reached yet are missing: "
           "backfill_rows and eta in polyglot.status"},
    Advice{"streaming", "changes are delivered as they are committed"},
    Advice{"disconnected",
           "goes on by itself when the server answers: polyglot.servers and polyglot.ping tell "
           "more, polyglot.run_sync() skips the back-off"},
    Advice{"blocked",
           "put the index right: a few keys are tried every 30 s or by polyglot.run_sync(), then "
           "delivery goes on by itself"},
    Advice{"standby", "this is a hot standby: the primary delivers, ask there"},
};

std::string Call(std::string_view function, std::string_view sync) {
  std::string quoted;
  for (char c : sync) quoted.append(c == '\'' ? 2 : 1, c);
  return "SELECT polyglot." + std::string(function) + "('" + quoted + "')";
}

std::string Joined(const std::string& one, const std::string& other) {
  if (one.empty() || other.empty()) return one + other;
  return one + "; " + other;
}

// States that a worker is in which delivers.
bool Runs(const std::string& state) {
  return state == "streaming" || state == "backfilling" || state == "rebuilding" ||
         state == "starting";
}

bool Stopped(const Inspection& f) {
  if (!f.no_worker.empty()) return true;
  return !Runs(f.state);
}

// The caller's transaction and the worker: what is not committed only one of them sees.
bool SeenDifferently(const Inspection& f) {
  return f.comparison != Comparison::kUnknown && f.row_found != f.worker_sees_row;
}

bool OnItsWay(const Inspection& f) { return f.changes > 0 || f.parked || f.moves; }

InspectionLine SyncLine(const Inspection& f) {
  InspectionLine line{"sync", f.state, f.remedy};
  if (f.state == "paused") line.detail = Call("resume_sync", f.sync);
  if (f.state == "rebuilding")
    line.detail = f.outdated ? "a new index is being filled; until it is complete searches see an "
                               "older state: backfill_rows and eta in polyglot.status"
                             : "a new index is being filled; the one in use gets all changes";
  for (const Advice& advice : kAdvice)
    if (advice.state == f.state) line.detail = advice.text;
  if (!f.captured && f.state == "streaming")
    line.detail = "changes are not captured, index and source are compared on a schedule: " +
                  Call("repair_sync", f.sync) + " does it now";
  if (!f.no_worker.empty() && Runs(f.state)) line.detail.clear();  // not any more
  line.detail = Joined(Joined(f.reason, line.detail), f.no_worker);
  return line;
}

InspectionLine RowLine(const Inspection& f) {
  if (!f.row_error.empty())
    return {"row", "unreadable", f.row_error + "; correct the row or the sync's definition"};
  if (SeenDifferently(f))
    return {"row", f.row_found ? "not committed" : "gone, not committed",
            "the worker does not see what your transaction sees: COMMIT, or look from a new "
            "transaction"};
  if (f.row_found) return {"row", "found", "nothing to do"};
  return {"row", "not found", "no committed row has this key: there is to be no document"};
}

InspectionLine FilterLine(const Inspection& f) {
  if (!f.has_filter) return {"filter", "none", "nothing to do"};
  if (!f.row_found) return {"filter", "not asked", "there is no row that it could be asked for"};
  if (f.passes) return {"filter", "passes", "nothing to do"};
  return {"filter", "leaves it out",
          "this row is to have no document; polyglot.syncs shows the filter, polyglot.alter_sync "
          "changes it"};
}

InspectionLine QueueLine(const Inspection& f) {
  if (f.changes == 0)
    return {"queue", "empty",
            f.uncommitted ? "your transaction has changes that are recorded at its COMMIT"
                          : "no change of this key waits in the queue"};
  return {"queue", std::to_string(f.changes) + (f.changes == 1 ? " change" : " changes"),
          "waiting since " + f.changed + " (" + f.change_age + "); " +
              (Stopped(f) ? "see the line \"sync\"" : "delivered soon: look again")};
}

InspectionLine ParkedLine(const Inspection& f) {
  if (!f.parked) return {"parked", "no", "nothing to do"};
  return {"parked", "yes",
          "kept since " + f.parked_since + " (" + f.parked_age + "), " +
              (Stopped(f) ? "delivered when the sync goes on: see the line \"sync\""
                          : "delivered soon: look again")};
}

InspectionLine DeadLetterLine(const Inspection& f) {
  if (!f.refused) return {"dead letter", "no", "nothing to do"};
  return {"dead letter", "yes",
          "refused at " + f.refused_at + ": " + f.refusal +
              "; correct the row, or the index and then " + Call("requeue", f.sync)};
}

std::string VersionText(const Inspection& f) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  const auto hex = [](std::uint64_t n) {
    std::string text;
    for (; n > 0 || text.empty(); n /= 16) text.insert(text.begin(), kDigits[n % 16]);
    return text;
  };
  const std::uint64_t position = PositionOf(f.version);
  return (f.age.empty() ? "" : f.age + " old, ") + "version " + std::to_string(f.version) +
         " (epoch " + std::to_string(EpochOf(f.version)) + ", WAL " + hex(position >> 32) + "/" +
         hex(position & 0xFFFFFFFF) + ")";
}

InspectionLine DocumentLine(const Inspection& f) {
  if (f.comparison == Comparison::kUnknown)
    return {"document", "unknown",
            Joined(f.no_answer, f.path.empty() ? "" : "ask the server yourself: " + f.path)};
  if (!f.found && f.elsewhere) return {"document", "elsewhere", VersionText(f)};
  if (!f.found) return {"document", "not found", f.path};
  return {"document", "found", VersionText(f) + ": " + f.path};
}

// What to do about a document that is not as it should be.
std::string Redo(const Inspection& f) {
  if (f.changes > 0) return "a change is on its way: look again";
  if (f.refused) return "see the line \"dead letter\"";
  if (Stopped(f)) return "see the line \"sync\"";
  if (f.parked) return "a change is on its way: look again";
  // What is at another routing no event of this key reaches.
  if (f.elsewhere) return Call("repair_sync", f.sync);
  return f.beyond ? "delete the document, then " + f.enqueue : f.enqueue;
}

InspectionLine ComparisonLine(const Inspection& f) {
  const auto line = [&f](std::string_view problem, std::string_view what) {
    const std::string why = f.beyond ? "its version is higher than any of this sync" : "";
    return InspectionLine{"comparison", std::string(problem),
                          Joined(Joined(Joined(std::string(what), f.difference), why), Redo(f))};
  };
  switch (f.comparison) {
    case Comparison::kUnknown:
      return {"comparison", "unknown", "see the line \"document\""};
    case Comparison::kEqual:
      return {"comparison", "equal", "the document is what the row makes"};
    case Comparison::kAbsent:
      return {"comparison", "equal", "there is to be no document, and there is none"};
    case Comparison::kMissing:
      return line("missing", "");
    case Comparison::kOrphan:
      return line("orphan", "");
    case Comparison::kDifferent:
      return line("different", "");
    case Comparison::kStale:
      break;
  }
  return line("stale", "older than anything that this sync has written");
}

// In step, or the first thing that is not as it should be.
InspectionLine Verdict(const Inspection& f) {
  const auto line = [](std::string result, std::string detail) {
    return InspectionLine{"verdict", std::move(result), std::move(detail)};
  };
  if (!f.row_error.empty()) return line("unreadable", "see the line \"row\"");
  if (SeenDifferently(f)) return line("not committed", "see the line \"row\"");
  if (f.comparison == Comparison::kEqual && f.outdated)
    return line("waiting", "the document is right, but a new index is to replace this one");
  if (f.comparison == Comparison::kEqual)
    return line(
        "in step",
        "searches find it after a refresh (" + Call("refresh_index", f.sync) + "); " +
            (f.reason.empty() ? "if not, look at query and mapping" : "but see the line \"sync\""));
  if (f.comparison == Comparison::kAbsent)
    return line("in step", f.row_found && !f.passes
                               ? "the filter leaves the row out, there is no document"
                               : "there is neither row nor document");
  if (f.refused && f.changes == 0)
    return line("refused", "the server does not take this document: see the line \"dead letter\"");
  if (Stopped(f))
    return line(Runs(f.state) ? "no worker" : f.state,
                "nothing is delivered now: see the line \"sync\"");
  if (OnItsWay(f)) return line("waiting", "a change is on its way: look again");
  if (f.comparison == Comparison::kUnknown) return line("unknown", "see the line \"document\"");
  if (f.outdated || f.state == "backfilling" || f.state == "starting")
    return line("waiting", "the index is being filled: see the line \"sync\"");
  if (!f.captured) return line("waiting", "for the next comparison: see the line \"sync\"");
  return line("out of step", "nothing else explains it: see the line \"comparison\"; " +
                                 Call("repair_sync", f.sync) + " looks at the whole index");
}

}  // namespace

std::vector<InspectionLine> Describe(const Inspection& facts) {
  return {Verdict(facts),        SyncLine(facts),     RowLine(facts),
          FilterLine(facts),     QueueLine(facts),    ParkedLine(facts),
          DeadLetterLine(facts), DocumentLine(facts), ComparisonLine(facts)};
}

std::string AgeText(std::int64_t microseconds) {
  struct Unit {
    std::int64_t microseconds;
    std::string_view one, many;
  };
  constexpr std::array kUnits{Unit{86'400'000'000, " day", " days"},
                              Unit{3'600'000'000, " h", " h"}, Unit{60'000'000, " min", " min"},
                              Unit{1'000'000, " s", " s"}};
  microseconds = std::max<std::int64_t>(microseconds, 0);
  for (const Unit& unit : kUnits) {
    const std::int64_t count = microseconds / unit.microseconds;
    // "100 s" tells more than "1 min".
    if (count >= 2 || (count == 1 && unit.microseconds == 1'000'000))
      return std::to_string(count) + std::string(count == 1 ? unit.one : unit.many);
  }
  return std::to_string(microseconds / 1000) + " ms";
}

}  // namespace polyglot::core
