#pragma once
// The inside of a RowReader: its plan, and the single steps that run in a subtransaction of their
// own.

#include <string>
#include <string_view>
#include <vector>

#include "core/queue/queue_record.h"
#include "pg/document/key_parameters.h"
#include "pg/document/read_locks.h"
#include "pg/document/read_plan.h"
#include "pg/document/row_batch.h"
#include "pg/document/row_reader.h"
#include "pg/prelude.h"

namespace polyglot::pg {

/// More memory or temporary files than there are: where single rows are read, one of them may be
/// what asks for so much.
bool IsLackOfResources(int sqlstate);

/// What is evaluated of rows that are read by key: all, their expressions without making documents
/// of them, or the filter alone.
enum class Evaluate { kRows, kExpressions, kFilter };

class ReaderState {
 public:
  explicit ReaderState(const SyncRow& source);
  ~ReaderState();
  ReaderState(const ReaderState&) = delete;
  ReaderState& operator=(const ReaderState&) = delete;

  /// Makes the plan, or makes it anew. false: the sync cannot be read, *error says why.
  bool EnsurePlan(PgError* error);

  /// Makes `keys` alone, without a lock. false: a key column has gone, *error says so.
  bool EnsureKeys(PgError* error);

  /// Do the kept plans read every table below the source that the newest snapshot may see rows of?
  /// CREATE TABLE ... INHERITS lets readers of the parent go on, so one that has not heard of its
  /// commit yet would use a plan without the new table, and take its rows for deleted. false: ask
  /// again, under locks of the tree as it is now. May ereport.
  bool KnowsTree();

  /// Finds the values of the key columns in a packed key: into `values`, views of it. false: it is
  /// damaged or of other types than the source's.
  bool FindKeyValues(std::string_view packed_key, PgError* error);
  /// The document id of `values`.
  bool IdOfValues(std::string* id, PgError* error);
  /// As RowReader::KeyOfId, with the keys of the last Ensure….
  bool KeyOfId(std::string_view id, std::string* packed);
  /// The packed key whose columns have these texts (UTF-8). false: it cannot be read as the key's
  /// types.
  bool KeyOfTexts(const std::vector<std::string>& texts, std::string* packed, PgError* error);
  bool TextOfRouting(std::string_view value, std::string* text, PgError* error);
  /// Text of each key column in the server's encoding.
  bool TextOfKey(std::string_view packed_key, std::vector<std::string>* texts, PgError* error);

  /// Reads the rows of `count` keys, given as key_count values each. false: an error; what was
  /// appended to *out until then has to be taken off again.
  bool RunKeys(const std::string_view* key_values, std::size_t count, std::size_t stop_bytes,
               RowBatch* out, PgError* error, Evaluate evaluate = Evaluate::kRows);
  /// Reading this one key (count 0: none) has failed: says in error->context which of the sync's
  /// expressions it was, if it was one.
  void NameExpression(const std::string_view* key_values, std::size_t count, PgError* error);
  /// The rows that follow `after`, key_count values; nullptr: the first ones. Of a partition, or of
  /// the whole source (InvalidOid).
  bool RunPage(Oid part, const std::string_view* after, int limit, bool keys_only,
               std::size_t stop_bytes, RowBatch* out, PgError* error);

  bool TimeIsUp() const { return read_until != 0 && GetCurrentTimestamp() >= read_until; }

  std::size_t max_document;  // no longer one is made
  MemoryContext memory;      // of the reader; the plan has a child of it
  SyncRow* sync;             // a copy
  ReadLocks locks;
  TimestampTz read_until = 0;  // reads end early after that; 0: never
  ReadPlan* plan = nullptr;
  const KeyPlan* keys = nullptr;  // the plan's or one made for itself, since the last Ensure…
  std::vector<std::string_view> values;  // of the key last given to FindKeyValues

 private:
  bool RunRange(const KeyRange& range, std::size_t stop_bytes, RowBatch* out);
  void DropPlan();
  void Build();
  void DropKeys();
  void BuildKeys();

  List* below_ = NIL;           // what was below the source when the plans were made or before
  TimestampTz checked_at_ = 0;  // start of the transaction in which the plan was found current
  MemoryContext plan_memory_ = nullptr;
  KeyPlan* own_keys_ = nullptr;
  TimestampTz keys_checked_at_ = 0;
  MemoryContext keys_memory_ = nullptr;
  std::vector<core::CapturedColumn> columns_;  // scratch of FindKeyValues
  std::vector<std::string_view> all_values_;
};

struct RowReader::State : ReaderState {
  using ReaderState::ReaderState;
};

/// Rows in a table, its partitions and children, as the planner would guess. May ereport.
std::int64_t EstimateTree(Oid relation);

}  // namespace polyglot::pg
