// The two passes of a verification: rows against the index, and the index against the rows.

#include <algorithm>

#include "core/document_id.h"
#include "core/search/error_text.h"
#include "core/search/index_requests.h"
#include "core/verification/comparison.h"
#include "pg/clock.h"
#include "pg/encoding.h"
#include "pg/shared/sync_slots.h"
#include "pg/worker/search/search_api.h"
#include "pg/worker/state/gate.h"
#include "pg/worker/verify/verification_steps.h"

namespace polyglot::pg {
namespace {

using Step = VerificationState::Step;

constexpr int kRowsPerPage = 1000;
constexpr std::size_t kBytesPerPage = 2u << 20;
constexpr std::size_t kOneHit = 64u << 20;  // an answer with but one hit
constexpr std::size_t kKeysPerLookup = 1000;
constexpr core::Time kLookupTime{100'000};
constexpr std::size_t kChunks = 2;  // asked for or waiting

std::optional<std::string> RoutingOf(const RowBatch& batch, const ReadRow& row) {
  if (!row.has_routing) return std::nullopt;
  return std::string(batch.Routing(row));
}

// ---- table → index ----------------------------------------------------------------------------

bool Agrees(const VerificationState& state, const RowBatch& batch, const ReadRow& row,
            const core::FoundDocument& document) {
  return document.found && document.routing == RoutingOf(batch, row) &&
         (!state.Compares() || core::SameDocument(batch.Body(row), document.source));
}

void AddCandidate(VerificationState* state, const RowBatch& batch, const ReadRow& row) {
  state->fresh.push_back({.id = std::string(batch.Id(row)),
                          .routing = RoutingOf(batch, row),
                          .key = std::string(batch.Key(row))});
}

// One of them is too large, or cannot be read: the same in halves. What is left alone is judged.
void Narrow(VerificationState* state, const RowChunk& chunk) {
  if (chunk.rows.size() == 1) {
    state->counts.compared++;
    AddCandidate(state, *chunk.batch, chunk.batch->rows[chunk.rows[0]]);
    return;
  }
  const auto middle = chunk.rows.begin() + static_cast<std::ptrdiff_t>(chunk.rows.size() / 2);
  state->chunks.push_front({chunk.batch, {middle, chunk.rows.end()}, chunk.failures});
  state->chunks.push_front({chunk.batch, {chunk.rows.begin(), middle}, chunk.failures});
}

// It may be the server, or one of the documents that it is asked for.
void TakeNoDocuments(SyncRuntime* sync, RowChunk chunk, const net::Response& response) {
  VerificationState* state = sync->verification.get();
  if (Succeeded(response) && core::IsMultiGet(response.reply.body)) return Narrow(state, chunk);
  const bool again = ++chunk.failures < kVerificationTries;
  TryLater(sync, response, again ? kVerificationRetry : kVerificationNarrow);
  if (again)
    state->chunks.push_front(std::move(chunk));
  else
    Narrow(state, chunk);
}

void TakeDocuments(SyncRuntime* sync, RowChunk chunk, const Answer<Documents>& found) {
  VerificationState* state = sync->verification.get();
  if (found.response.reply.answer_cut) return Narrow(state, chunk);
  if (!found) return TakeNoDocuments(sync, std::move(chunk), found);
  RowChunk again{chunk.batch, {}, chunk.failures + 1};
  for (std::size_t i = 0; i < chunk.rows.size(); ++i) {
    const ReadRow& row = chunk.batch->rows[chunk.rows[i]];
    const core::FoundDocument& document = (*found.value)[i];
    if (core::PassesOff(document.error) && again.failures < kVerificationTries)
      again.rows.push_back(chunk.rows[i]);
    else if (!Agrees(*state, *chunk.batch, row, document))
      AddCandidate(state, *chunk.batch, row);
  }
  state->counts.compared += chunk.rows.size() - again.rows.size();
  if (again.rows.empty()) {
    state->trouble_since = core::Time{0};
  } else {
    state->chunks.push_front(std::move(again));
    TryLater(sync, found);
  }
}

void AskForRows(WorkerContext* context, SyncRuntime* sync, RowChunk chunk, core::Time now) {
  std::vector<core::WantedDocument> wanted;
  const bool compares = sync->verification->Compares();
  std::size_t bytes = 0;
  for (std::uint32_t number : chunk.rows) {
    const ReadRow& row = chunk.batch->rows[number];
    wanted.push_back({.id = chunk.batch->Id(row), .source = compares});
    if (row.has_routing) wanted.back().routing = chunk.batch->Routing(row);
    if (compares) bytes += row.body_length;
  }
  const std::size_t cap = core::MultiGetAnswerCap(wanted.size(), bytes);
  MultiGet(sync->channel, *sync->index.physical, wanted, cap, now,
           ForVerification(context, sync,
                           [chunk](WorkerContext*, SyncRuntime* s, const Answer<Documents>& found) {
                             TakeDocuments(s, chunk, found);
                           }));
}

void TakeRows(VerificationState* state, std::shared_ptr<const RowBatch> batch) {
  RowChunk chunk{batch, {}};
  for (std::uint32_t i = 0; i < batch->rows.size(); ++i) {
    const ReadRow& row = batch->rows[i];
    if (!row.passes || !Sampled(*state, batch->Id(row))) continue;
    std::optional<std::string_view> routing;
    if (row.has_routing) routing = batch->Routing(row);
    state->known.Add(core::KnownIds::Hash(batch->Id(row), routing));
    chunk.rows.push_back(i);
  }
  if (!state->comparing) return;
  for (const ReadFailure& failure : batch->failures)
    if (!failure.id.empty() && Sampled(*state, failure.id))
      state->fresh.push_back({.id = failure.id, .routing = std::nullopt, .key = failure.key});
  if (!chunk.rows.empty()) state->chunks.push_back(std::move(chunk));
}

// ---- index → table ----------------------------------------------------------------------------

void Refresh(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  RefreshIndex(
      sync->channel, *sync->index.physical, now,
      ForVerification(context, sync, [](WorkerContext*, SyncRuntime* s, const Answer<Done>& done) {
        if (!done) return TryLater(s, done);
        s->verification->step = Step::kOpen;
      }));
}

void Open(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  OpenPointInTime(
      sync->channel, *sync->index.physical, now,
      ForVerification(context, sync,
                      [](WorkerContext*, SyncRuntime* s, const Answer<std::string>& pit) {
                        if (!pit) return TryLater(s, pit);
                        VerificationState* state = s->verification.get();
                        state->pit = *pit.value;
                        state->search_after.clear();
                        state->uncovered = false;
                        state->step = Step::kWalk;
                      }));
}

// Does a document of this id still have to be looked for in the table?
bool Unknown(VerificationState* state, const core::Hit& hit) {
  if (!Sampled(*state, hit.id)) return false;
  std::optional<std::string_view> routing;
  if (hit.routing) routing = *hit.routing;
  const std::uint64_t hash = core::KnownIds::Hash(hit.id, routing);
  if (state->known.Covers(hash)) {
    if (state->known.Contains(hash)) return false;
  } else if (core::IsHashedId(hit.id)) {
    state->uncovered |= hash > state->known.to();
    return false;
  }
  return state->comparing || core::IsHashedId(hit.id);
}

void TakeHits(SyncRuntime* sync, const Answer<core::WalkPage>& answer) {
  VerificationState* state = sync->verification.get();
  if (answer.response.reply.answer_cut &&
      state->hits_per_page > 1) {  // routings may be of any length
    state->hits_per_page /= 2;
    return;
  }
  if (!answer) {  // the point in time may have gone: the walk begins anew
    ClosePointInTime(sync, MonotonicNow());
    state->step = Step::kRefresh;
    return TryLater(sync, answer);
  }
  const core::WalkPage& page = *answer.value;
  state->trouble_since = core::Time{0};
  state->hits_per_page = std::min(kHitsPerPage, 2 * state->hits_per_page);
  if (!page.pit_id.empty()) state->pit = page.pit_id;
  state->search_after = page.search_after;
  for (const core::Hit& hit : page.hits)
    if (Unknown(state, hit)) state->hits.push_back(hit);
  if (page.hits.empty()) state->step = Step::kClose;
}

void Walk(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  VerificationState* state = sync->verification.get();
  NextPage(sync->channel,
           {.pit = state->pit, .search_after = state->search_after, .hits = state->hits_per_page},
           state->hits_per_page == 1 ? kOneHit : 0, now,
           ForVerification(context, sync,
                           [](WorkerContext*, SyncRuntime* s, const Answer<core::WalkPage>& page) {
                             TakeHits(s, page);
                           }));
}

// Looks hits up in the table by the keys that their ids tell. What is not found is a candidate.
class Lookup {
 public:
  explicit Lookup(SyncRuntime* sync) : sync_(sync), state_(sync->verification.get()) {}

  void Run() {
    InTransaction([&] {
      if ((state_->lookup_waits = !sync_->reader->TryLockRows())) return;
      const core::Time end = MonotonicNow() + kLookupTime;
      while (!state_->hits.empty() && !failed_ && !state_->lookup_waits && MonotonicNow() < end)
        Some();
    });
    if (state_->lookup_waits) state_->retry_at = MonotonicNow() + kVerificationRetry;
  }

 private:
  void Some() {
    std::vector<Candidate> candidates;
    while (!state_->hits.empty() && candidates.size() < kKeysPerLookup) {
      core::Hit& hit = state_->hits.back();
      candidates.push_back({.id = std::move(hit.id), .routing = std::move(hit.routing), .key = {}});
      sync_->reader->KeyOfId(candidates.back().id, &candidates.back().key);
      state_->hits.pop_back();
    }
    Read(candidates.data(), candidates.size());
  }

  // Rows may be large: where they do not fit, the same in halves.
  void Read(Candidate* candidates, std::size_t count) {
    std::vector<std::string_view> keys;
    for (std::size_t i = 0; i < count; ++i)
      if (!candidates[i].key.empty()) keys.push_back(candidates[i].key);
    RowBatch batch;
    PgError error{};
    ReadStatus status = ReadStatus::kOk;
    if (!keys.empty()) status = sync_->reader->ReadKeys(keys, kBytesPerPage, &batch, &error);
    if (status == ReadStatus::kLocked) {
      PutBack(candidates, count);
    } else if (status != ReadStatus::kOk) {
      FailVerification(sync_, error);
      failed_ = true;
    } else if (batch.truncated && keys.size() > 1) {
      Read(candidates, count / 2);
      if (failed_) return;
      if (state_->lookup_waits)
        PutBack(candidates + count / 2, count - count / 2);
      else
        Read(candidates + count / 2, count - count / 2);
    } else {
      for (std::size_t i = 0; i < count; ++i)
        if (!HasRow(batch, candidates[i])) state_->fresh.push_back(std::move(candidates[i]));
    }
  }

  // Somebody is at work on what the rows are read from.
  void PutBack(Candidate* candidates, std::size_t count) {
    state_->lookup_waits = true;
    for (std::size_t i = 0; i < count; ++i) {
      core::Hit& hit = state_->hits.emplace_back();
      hit.id = std::move(candidates[i].id);
      hit.routing = std::move(candidates[i].routing);
    }
  }

  static bool HasRow(const RowBatch& batch, const Candidate& candidate) {
    return std::any_of(batch.rows.begin(), batch.rows.end(), [&](const ReadRow& row) {
      return row.passes && batch.Id(row) == candidate.id &&
             RoutingOf(batch, row) == candidate.routing;
    });
  }

  SyncRuntime* sync_;
  VerificationState* state_;
  bool failed_ = false;
};

// Hashed ids that did not fit: their rows are gone through again, those with higher hashes.
void EndWalk(SyncRuntime* sync, core::Time now) {
  VerificationState* state = sync->verification.get();
  ClosePointInTime(sync, now);
  if (!state->uncovered) {
    state->known.Begin(0);
    state->step = Step::kLoad;
    return;
  }
  state->known.Begin(state->known.to() + 1);
  state->comparing = false;
  state->cursor.clear();
  state->end_reached = false;
  state->step = Step::kTable;
}

}  // namespace

void TryLater(SyncRuntime* sync, const net::Response& response, core::Time wait) {
  VerificationState* state = sync->verification.get();
  const core::Time now = MonotonicNow();
  state->retry_at = now + wait;
  if (state->trouble_since == core::Time{0}) state->trouble_since = now;
  const core::Reply& reply = response.reply;
  const std::string reason = reply.transport_ok ? "HTTP status " + std::to_string(reply.status) +
                                                      ": " + core::NormaliseRefusal(reply.body)
                                                : reply.transport_error;
  SetSyncError(sync->slot, ("verification: " + reason).c_str());
}

bool Sampled(const VerificationState& state, std::string_view id) {
  if (state.sample >= 1) return true;
  // Not the bits that KnownIds goes by, or a sample would fill one end of it only.
  const std::uint64_t bits = core::KnownIds::Hash(id, "sample");
  return static_cast<double>(bits >> 11) <
         state.sample * static_cast<double>(std::uint64_t{1} << 53);
}

void FailVerification(SyncRuntime* sync, const PgError& error) {
  constexpr core::Time kRetry{10'000'000};
  VerificationState* state = sync->verification.get();
  state->withdrawn = true;
  state->not_before = MonotonicNow() + kRetry;
  SetSyncError(sync->slot, ("verification: " + PublicText(error)).c_str());
  ereport(LOG, (errmsg("polyglot_sync: the verification of sync \"%s\" has failed: %s",
                       sync->name.c_str(), ReadableInServer(PublicText(error)))));
}

bool ReadVerificationPage(SyncRuntime* sync, RowBatch* batch) {
  VerificationState* state = sync->verification.get();
  PgError error{};
  ReadStatus status = ReadStatus::kOk;
  bool locked = false;
  InTransaction([&] {
    if (!(locked = sync->reader->TryLockRows())) return;
    status = sync->reader->ReadPage(state->cursor, kRowsPerPage, kBytesPerPage, batch, &error);
    locked = status != ReadStatus::kLocked;
  });
  if (status == ReadStatus::kSyncFailed) FailVerification(sync, error);
  if (!locked) state->retry_at = MonotonicNow() + kVerificationRetry;
  if (!locked || status != ReadStatus::kOk) return false;
  state->end_reached = batch->end_reached;
  if (!batch->last_key.empty()) state->cursor = batch->last_key;
  state->withdrawn |= batch->restarted;
  return true;
}

void ClosePointInTime(SyncRuntime* sync, core::Time now) {
  VerificationState* state = sync->verification.get();
  if (state->pit.empty() || sync->channel == nullptr) return;
  ClosePointInTime(sync->channel, state->pit, now);
  state->pit.clear();
}

void AskForRules(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  if (sync->verification->in_flight > 0) return;
  DescribeContent(
      sync->channel, *sync->index.physical, now,
      ForVerification(context, sync,
                      [](WorkerContext*, SyncRuntime* s, const Answer<core::ContentRules>& rules) {
                        if (!rules) return TryLater(s, rules);
                        s->verification->rules = *rules.value;
                        s->verification->trouble_since = core::Time{0};
                        s->verification->step = Step::kTable;
                      }));
}

bool CompareRows(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  VerificationState* state = sync->verification.get();
  if (!state->chunks.empty() && state->in_flight < static_cast<int>(kChunks)) {
    RowChunk chunk = std::move(state->chunks.front());
    state->chunks.pop_front();
    AskForRows(context, sync, std::move(chunk), now);
    return true;
  }
  if (state->end_reached) {
    if (state->in_flight > 0 || !state->chunks.empty()) return false;
    state->known.Seal();
    state->step = Step::kRefresh;
    return true;
  }
  if (state->chunks.size() + static_cast<std::size_t>(state->in_flight) >= kChunks) return false;
  auto batch = std::make_shared<RowBatch>();
  if (!ReadVerificationPage(sync, batch.get())) return false;
  TakeRows(state, std::move(batch));
  return true;
}

// The next page is asked for before the hits of the last one are looked up.
bool WalkIndex(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  VerificationState* state = sync->verification.get();
  if (state->in_flight == 0 && state->step == Step::kRefresh) Refresh(context, sync, now);
  if (state->in_flight == 0 && state->step == Step::kOpen) Open(context, sync, now);
  if (state->in_flight == 0 && state->step == Step::kWalk && state->hits.size() < kHitsPerPage)
    Walk(context, sync, now);
  if (!state->hits.empty()) Lookup(sync).Run();
  if (!state->hits.empty() && !state->lookup_waits && !sync->failed) return true;
  if (state->step != Step::kClose || !state->hits.empty() || sync->failed) return false;
  EndWalk(sync, now);
  return true;
}

}  // namespace polyglot::pg
