#pragma once
// polyglot.inspect: what is known of one row and its document, and what a person makes of it. Plain
// facts in, lines out: what a line says is decided here and nowhere else.

#include <cstdint>
#include <string>
#include <vector>

namespace polyglot::core {

/// What the index was found to hold, compared with the row as the worker reads it.
enum class Comparison : std::uint8_t {
  kUnknown,    // could not be asked
  kEqual,      // the document is what the row makes
  kAbsent,     // no document, and there is to be none
  kMissing,    // the row has no document
  kOrphan,     // a document without a row, or of one that the filter leaves out
  kDifferent,  // another content or routing
  kStale,      // the same, and older than anything that this sync has written
};

/// Facts about one key. Texts are ready to be shown; "" where there is none.
struct Inspection {
  // The sync.
  std::string sync, server;
  std::string state;      // as in polyglot.status
  std::string reason;     // of a state that needs somebody, if the caller may see it
  std::string remedy;     // what to do about it, where that is stored or known
  std::string enqueue;    // statement that has the document made and delivered again
  std::string no_worker;  // why none runs, or the one that does is not heard of, and what to do
  bool outdated = false;  // the index that is searched waits for a rebuild
  bool captured = true;   // false: compared on a schedule only

  // The row as the caller sees it.
  bool row_found = false;
  std::string row_error;  // it, or the whole table, cannot be read
  bool has_filter = false, passes = true;
  bool uncommitted = false;  // the caller's transaction has captured changes

  // On its way.
  std::uint64_t changes = 0;        // in the queue, not delivered
  std::string changed, change_age;  // of the oldest: when, and how long ago
  bool parked = false;
  std::string parked_since, parked_age;
  bool refused = false;  // there is a dead letter
  std::string refusal;   // type, and the server's words if the caller may see them
  std::string refused_at;

  // The index.
  std::string path;       // where the document is, or would be
  std::string no_answer;  // why the index could not be asked
  Comparison comparison = Comparison::kUnknown;
  bool worker_sees_row = false;  // the row as committed
  std::string difference;        // names of fields, or another reason
  bool elsewhere = false;        // there is one at another routing, too
  bool beyond = false;           // its version is higher than any of this sync
  bool found = false;
  std::uint64_t version = 0;
  bool moves =
      false;        // the document was written between looks, so that none of them tells anything
  std::string age;  // of the version ("about 2 h"), "" when it cannot be told
};

struct InspectionLine {
  std::string check, result, detail;
};

/// The lines of polyglot.inspect, the verdict first.
std::vector<InspectionLine> Describe(const Inspection& facts);

/// "850 ms", "12 s", "5 min", "3 h", "2 days".
std::string AgeText(std::int64_t microseconds);

}  // namespace polyglot::core
