#include "pg/document/row_reader.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <unordered_set>
#include <utility>

#include "core/document_id.h"
#include "core/json_writer.h"
#include "core/queue/queue_record.h"
#include "pg/document/document_limit.h"
#include "pg/document/part_pages.h"
#include "pg/document/reader_state.h"
#include "pg/prelude.h"

namespace polyglot::pg {
namespace {

constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();
// Keys between two looks at the byte limit while a page with a bad row is read key by key.
constexpr std::size_t kIsolationSlice = 32;
constexpr std::size_t kKeyBytes = 16u << 20;  // those of a view may be of any length

// A worker has others to look after, too.
constexpr int kReadTime = 200;  // ms

// So many partitions at most one plan is made for.
constexpr std::size_t kPrunedKeys = 100;

// For one row more was asked for than there is; is there any for others? If not, it says nothing of
// the row, and the process must end.
bool HasMemory() {
  constexpr std::size_t kSome = 32u << 20;
  void* volatile some = malloc(kSome);
  free(some);
  return some != nullptr;
}

void Forget(RowBatch* batch, const RowBatch::Mark& mark) {
  batch->CutAt(mark);
  batch->truncated = batch->end_reached = false;
  batch->last_key.clear();
}

// Runs `read`, which appends to *out. In a worker it hardly waits for locks, and it is done once
// more when it has met relations that were not locked before its snapshot was taken.
template <typename F>
ReadStatus WithLocks(ReaderState* state, RowBatch* out, F&& read) {
  ReadLocks& locks = state->locks;
  if (!locks.impatient()) return read();
  state->read_until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), kReadTime);
  const RowBatch::Mark mark = out->End();
  try {
    if (state->plan == nullptr || !PlansAreValid(*state->plan)) locks.Forget();
    if (locks.known()) return read();
    locks.BeginLearning();
    const ReadStatus status = read();
    if (status != ReadStatus::kOk || !locks.Learn(state->sync->source)) return status;
    Forget(out, mark);
    return read();
  } catch (const PgError& error) {
    if (!locks.NoteRefused(error)) throw;
    Forget(out, mark);
    return ReadStatus::kLocked;
  }
}

PgError MakeError(int sqlstate, const char* message) {
  PgError error{};
  error.sqlstate = sqlstate;
  strlcpy(error.message, message, sizeof error.message);
  return error;
}

// Two keys that are equal but not the same (citext, numeric 1.0 and 1.00) find the same row twice
// when keys are joined.
void DropDuplicates(RowBatch* out, std::size_t first) {
  std::unordered_set<std::string_view> seen;
  auto keep = out->rows.begin() + static_cast<std::ptrdiff_t>(first);
  for (auto row = keep; row != out->rows.end(); ++row)
    if (seen.insert(out->Key(*row)).second) *keep++ = *row;
  out->rows.erase(keep, out->rows.end());
}

}  // namespace

RowReader::RowReader(const SyncRow& sync) : state_(std::make_unique<State>(sync)) {}

RowReader::~RowReader() = default;

bool RowReader::IdOfKey(std::string_view packed_key, std::string* id, PgError* error) {
  id->clear();
  return state_->EnsureKeys(error) && state_->FindKeyValues(packed_key, error) &&
         state_->IdOfValues(id, error);
}

bool RowReader::KeyOfId(std::string_view id, std::string* packed_key) {
  PgError ignored{};
  return state_->EnsureKeys(&ignored) && state_->KeyOfId(id, packed_key);
}

bool RowReader::KeyJson(std::string_view packed_key, std::string* json, PgError* error) {
  std::vector<std::string> texts;
  if (!state_->EnsureKeys(error) || !state_->TextOfKey(packed_key, &texts, error)) return false;
  const KeyPlan& plan = *state_->keys;
  *json = "{";
  for (int i = 0; i < plan.key_count; ++i) {
    const KeyColumn& key = plan.key[i];
    const std::string& text = texts[static_cast<std::size_t>(i)];
    const bool number =
        key.form == KeyForm::kInt2 || key.form == KeyForm::kInt4 || key.form == KeyForm::kInt8;
    if (i > 0) json->push_back(',');
    core::AppendJsonString(key.name, json);
    json->push_back(':');
    if (number)
      json->append(text);
    else
      core::AppendJsonString(text, json);
  }
  json->push_back('}');
  return true;
}

bool RowReader::RoutingOfValue(std::string_view packed_value, std::string* routing,
                               PgError* error) {
  routing->clear();
  if (!state_->EnsureKeys(error)) return false;
  if (!state_->keys->has_routing) return true;
  const KeyColumn& column = state_->keys->routing;
  std::vector<core::CapturedColumn> columns;
  std::vector<std::string_view> values;
  if (!core::ParseKey(packed_value, &columns, &values) || columns.size() != 1 ||
      columns[0].type != column.stamp) {
    *error = MakeError(ERRCODE_DATATYPE_MISMATCH,
                       "the recorded routing value does not fit the routing column of the table");
    return false;
  }
  return values[0].data() == nullptr || state_->TextOfRouting(values[0], routing, error);
}

namespace {

// Reads keys until each is a row, known to be missing, or known to fail.
class KeyReading {
 public:
  KeyReading(ReaderState* state, std::size_t stop_bytes, RowBatch* out)
      : state_(state), stop_bytes_(stop_bytes), out_(out) {}

  /// `ids`: of the keys' documents; nullptr: not known.
  ReadStatus Read(const std::string_view* keys, const std::string_view* ids, std::size_t count,
                  PgError* error) {
    for (std::size_t i = 0; i < count; ++i)
      Unpack(keys[i], ids == nullptr ? std::string_view() : ids[i]);
    const std::size_t most = state_->plan->prunes ? kPrunedKeys : keys_.size();
    const std::size_t before = out_->rows.size();
    for (std::size_t begin = 0; begin < keys_.size() && !out_->truncated;) {
      const std::size_t end = std::min(keys_.size(), begin + most);
      const ReadStatus status = ReadRange(begin, end, error);
      if (status != ReadStatus::kOk) return status;
      begin = end;
      // What has no row is not known before the end: without rows it would come to nothing.
      out_->truncated |= begin < keys_.size() && out_->rows.size() > before && state_->TimeIsUp();
    }
    return ReadStatus::kOk;
  }

 private:
  void Unpack(std::string_view key, std::string_view id) {
    PgError error{};
    const bool fits = state_->FindKeyValues(key, &error);
    if (fits || Refit(id, &key)) {
      keys_.push_back(key);
      ids_.push_back(id);
      values_.insert(values_.end(), state_->values.begin(), state_->values.end());
    } else if (id.empty() || core::IsHashedId(id)) {
      out_->failures.push_back({std::string(id), std::string(key), error});
    }
  }

  // A key that was recorded before the type of one of its columns changed does not fit any more,
  // but its row is there, and mostly under the same id.
  bool Refit(std::string_view id, std::string_view* key) {
    PgError ignored{};
    std::string packed;
    if (id.empty() || !state_->KeyOfId(id, &packed)) return false;
    *key = refitted_.emplace_back(std::move(packed));
    return state_->FindKeyValues(*key, &ignored);
  }

  ReadStatus ReadRange(std::size_t begin, std::size_t end, PgError* error) {
    if (begin == end || out_->truncated) return ReadStatus::kOk;
    const std::size_t width = static_cast<std::size_t>(state_->plan->key_count);
    const RowBatch::Mark mark = out_->End();
    PgError failure{};
    if (state_->RunKeys(&values_[begin * width], end - begin, stop_bytes_, out_, &failure)) {
      if (state_->plan->key_count > 1 && end - begin > 1) DropDuplicates(out_, mark.rows);
      if (!LooksAgain(end - begin, mark)) return ReadStatus::kOk;
      out_->CutAt(mark);
      Call([] { ReadLocks::RenewSnapshot(); });
      return ReadRange(begin, end, error);
    }
    out_->CutAt(mark);
    if (!probed_ && !state_->RunKeys(values_.data(), 0, kNoLimit, out_, error)) {
      if (IsLackOfResources(error->sqlstate)) throw *error;
      state_->NameExpression(values_.data(), 0, error);
      return ReadStatus::kSyncFailed;
    }
    probed_ = true;
    if (end - begin == 1) {
      if (failure.sqlstate == ERRCODE_OUT_OF_MEMORY && !HasMemory()) throw failure;
      state_->NameExpression(&values_[begin * width], 1, &failure);
      RecordFailure(begin, failure);
      return ReadStatus::kOk;
    }
    const std::size_t middle = begin + (end - begin) / 2;
    const ReadStatus status = ReadRange(begin, middle, error);
    return status == ReadStatus::kOk ? ReadRange(middle, end, error) : status;
  }

  // Partitions are locked as they are read, after the snapshot was taken: what it does not show may
  // stand in one that was rewritten in between. It is looked for again, now that they are locked.
  bool LooksAgain(std::size_t count, const RowBatch::Mark& mark) {
    const std::size_t found = out_->rows.size() - mark.rows + out_->failures.size() - mark.failures;
    const bool missing = found < count && !out_->truncated;
    renewed_ = missing && state_->plan->prunes && state_->locks.impatient() && !renewed_;
    return renewed_;
  }

  void RecordFailure(std::size_t index, const PgError& failure) {
    std::string id(ids_[index]);
    PgError ignored{};
    if (id.empty() && state_->FindKeyValues(keys_[index], &ignored))
      state_->IdOfValues(&id, &ignored);
    out_->failures.push_back({std::move(id), std::string(keys_[index]), failure});
  }

  ReaderState* state_;
  std::size_t stop_bytes_;
  RowBatch* out_;
  std::vector<std::string_view> keys_, ids_;
  std::vector<std::string_view> values_;
  std::deque<std::string> refitted_;  // what keys_ and values_ point to
  bool probed_ = false;
  bool renewed_ = false;  // a range is being read for the second time
};

std::size_t StopBytes(const RowBatch& out, std::size_t max_bytes) {
  return max_bytes > kNoLimit - out.bytes.size() ? kNoLimit : out.bytes.size() + max_bytes;
}

// A page that holds a row which cannot be read: its keys alone, then those key by key.
ReadStatus ReadPageByKeys(ReaderState* state, Oid part, const std::string_view* after, int limit,
                          std::size_t stop_bytes, RowBatch* out, PgError* error) {
  RowBatch page;
  if (!state->RunPage(part, after, limit, true, kKeyBytes, &page, error)) {
    if (IsLackOfResources(error->sqlstate)) throw *error;
    return ReadStatus::kSyncFailed;
  }
  std::size_t done = 0, at_once = kIsolationSlice;
  while (done < page.rows.size() && out->bytes.size() <= stop_bytes) {
    std::vector<std::string_view> slice;
    const RowBatch::Mark mark = out->End();
    for (std::size_t i = done; i < page.rows.size() && slice.size() < at_once; ++i)
      slice.push_back(page.Key(page.rows[i]));
    const ReadStatus status =
        KeyReading(state, stop_bytes, out).Read(slice.data(), nullptr, slice.size(), error);
    if (status != ReadStatus::kOk) return status;
    // Which of them there was no room for is not known: they come in no order.
    if (out->truncated && slice.size() > 1) {
      out->CutAt(mark);
      at_once = (slice.size() + 3) / 4;
    } else {
      done += slice.size();
    }
    out->truncated = false;
    if (done > 0 && state->TimeIsUp()) break;
  }
  out->truncated = done < page.rows.size() || page.truncated;
  out->end_reached = page.rows.size() < static_cast<std::size_t>(limit) && !out->truncated;
  if (done > 0) out->last_key = page.Key(page.rows[done - 1]);
  return ReadStatus::kOk;
}

// Of a partition, or of the whole source.
ReadStatus ReadSome(ReaderState* state, Oid part, std::string_view after, int limit,
                    std::size_t stop_bytes, RowBatch* out, PgError* error) {
  PgError ignored{};
  std::vector<std::string_view> values;
  if (!after.empty() && state->FindKeyValues(after, &ignored)) values = state->values;
  const std::string_view* from = values.empty() ? nullptr : values.data();
  const RowBatch::Mark mark = out->End();
  out->received = 0;
  out->truncated = out->end_reached = false;
  out->last_key.clear();
  if (!state->RunPage(part, from, limit, false, stop_bytes, out, error)) {
    out->CutAt(mark);
    out->truncated = false;
    return ReadPageByKeys(state, part, from, limit, stop_bytes, out, error);
  }
  out->end_reached = !out->truncated && out->received < static_cast<std::size_t>(limit);
  if (out->received > 0)
    out->last_key =
        out->last_failed ? std::string_view(out->failures.back().key) : out->Key(out->rows.back());
  return ReadStatus::kOk;
}

std::size_t CountOf(const RowBatch& batch) { return batch.rows.size() + batch.failures.size(); }

// As many partitions as it takes. The page ends before one that somebody has locked.
ReadStatus ReadParts(ReaderState* state, PartCursor* at, int limit, std::size_t stop_bytes,
                     RowBatch* out, PgError* error) {
  const std::size_t first = CountOf(*out);
  Parts parts(state->sync->source);
  do {
    const Oid part = parts.From(at->part);
    out->end_reached = !OidIsValid(part);
    if (out->end_reached) break;
    if (part != at->part) *at = {part, {}};
    if (state->locks.impatient() && !state->locks.TryLockPart(part))
      return CountOf(*out) > first ? ReadStatus::kOk : ReadStatus::kLocked;
    const PartState found = StateOfPart(*state->plan, part);
    if (found == PartState::kOther) state->plan->ready = false;  // it is read otherwise from now on
    if (found == PartState::kOther) return ReadStatus::kLocked;
    if (found == PartState::kReadable) {
      const ReadStatus status = ReadSome(state, part, at->key, limit, stop_bytes, out, error);
      if (status != ReadStatus::kOk) return status;
      if (!out->last_key.empty()) at->key = out->last_key;
      if (!std::exchange(out->end_reached, false)) break;
    }
    *at = {part + 1, {}};
  } while (CountOf(*out) - first < static_cast<std::size_t>(limit) && !state->TimeIsUp());
  return ReadStatus::kOk;
}

ReadStatus ReadPageOfParts(ReaderState* state, std::string_view after, int limit,
                           std::size_t stop_bytes, RowBatch* out, PgError* error) {
  PartCursor at;
  PgError ignored{};
  out->restarted = !after.empty() && (!UnpackCursor(after, &at) ||
                                      (!at.key.empty() && !state->FindKeyValues(at.key, &ignored)));
  if (out->restarted) at = {};
  const ReadStatus status = ReadParts(state, &at, limit, stop_bytes, out, error);
  if (status == ReadStatus::kOk) out->last_key = PackCursor(at);
  return status;
}

ReadStatus ReadOnePage(ReaderState* state, std::string_view after, int limit, std::size_t max_bytes,
                       RowBatch* out, PgError* error) {
  out->truncated = false;
  out->end_reached = false;
  out->last_key.clear();
  if (!state->EnsurePlan(error)) return ReadStatus::kSyncFailed;
  const std::size_t stop_bytes = StopBytes(*out, max_bytes);
  if (state->plan->by_parts) return ReadPageOfParts(state, after, limit, stop_bytes, out, error);
  if (state->plan->prunes && state->locks.impatient() &&
      !state->locks.TryLock(state->sync->source, true))
    return ReadStatus::kLocked;
  PgError ignored{};
  out->restarted = !after.empty() && !state->FindKeyValues(after, &ignored);
  return ReadSome(state, InvalidOid, after, limit, stop_bytes, out, error);
}

}  // namespace

ReadStatus RowReader::ReadKeys(const std::vector<std::string_view>& packed_keys,
                               std::size_t max_bytes, RowBatch* out, PgError* error,
                               const std::vector<std::string_view>* ids) {
  return WithLocks(state_.get(), out, [&] {
    out->truncated = false;
    if (!state_->EnsurePlan(error)) return ReadStatus::kSyncFailed;
    return KeyReading(state_.get(), StopBytes(*out, max_bytes), out)
        .Read(packed_keys.data(), ids == nullptr ? nullptr : ids->data(), packed_keys.size(),
              error);
  });
}

ReadStatus RowReader::ReadPage(std::string_view after, int limit, std::size_t max_bytes,
                               RowBatch* out, PgError* error) {
  return WithLocks(state_.get(), out,
                   [&] { return ReadOnePage(state_.get(), after, limit, max_bytes, out, error); });
}

void RowReader::Configure(const char* options) {
  state_->max_document = Call([options] { return MaxDocumentBytes(options); });
}

bool RowReader::TryLockRows() {
  // Twice when a table has come below the source: it has to be locked as well.
  for (int attempt = 0; attempt < 2; ++attempt) {
    const bool prunes = state_->plan != nullptr && state_->plan->ready && state_->plan->prunes;
    if (!state_->locks.TryLock(state_->sync->source, !prunes)) return false;
    if (Call([&] { return state_->KnowsTree(); })) return true;
  }
  return false;
}

const std::string& RowReader::locked_table() const { return state_->locks.refused_table(); }

std::int64_t RowReader::EstimateRows() {
  const Oid source = state_->sync->source;
  return Call([&] { return EstimateTree(source); });
}

}  // namespace polyglot::pg
