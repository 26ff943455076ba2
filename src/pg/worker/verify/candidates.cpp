// Candidates of a verification: which of them are differences, once index and row are as far as
// each other.

#include "core/document_id.h"
#include "core/verification/comparison.h"
#include "core/version.h"
#include "pg/catalog/sync_state.h"
#include "pg/catalog/verifications.h"
#include "pg/clock.h"
#include "pg/encoding.h"
#include "pg/shared/version_positions.h"
#include "pg/worker/search/search_api.h"
#include "pg/worker/state/stored_state.h"
#include "pg/worker/state/submit.h"
#include "pg/worker/verify/verification_steps.h"

namespace polyglot::pg {
namespace {

using Step = VerificationState::Step;

constexpr std::size_t kCandidates = 500;
constexpr std::size_t kBytes = 2u << 20;
constexpr core::Time kTouchedRetry{200'000};
constexpr const char* kCannotBeReadBack = "the document cannot be read back";

std::optional<std::string> RoutingOf(const RowBatch& batch, const ReadRow& row) {
  if (!row.has_routing) return std::nullopt;
  return std::string(batch.Routing(row));
}

bool IsUnresolved(const Candidate& candidate) {
  return candidate.key.empty() && core::IsHashedId(candidate.id);
}

// ---- rows -------------------------------------------------------------------------------------

bool Load(SyncRuntime* sync) {
  VerificationState* state = sync->verification.get();
  const bool part = state->judgement.limit != 0;
  const std::size_t limit = part ? state->judgement.limit : kCandidates;
  const int failures = part ? state->judgement.failures : 0;
  state->judgement = Judgement{};
  Judgement& judgement = state->judgement;
  InTransaction([&] { judgement.candidates = LoadCandidates(RunOf(*sync), limit); });
  if (judgement.candidates.size() > 1) judgement.failures = failures;
  bool unresolved = false;
  for (const Candidate& candidate : judgement.candidates) {
    judgement.touched.emplace(candidate.id, false);
    unresolved |= IsUnresolved(candidate);
  }
  state->cursor.clear();
  state->end_reached = false;
  state->step = judgement.candidates.empty() ? (state->repair ? Step::kDrain : Step::kFinish)
                : unresolved                 ? Step::kResolve
                                             : Step::kRead;
  return true;
}

// Nothing but going through the table tells which row forms a hashed id.
bool Resolve(SyncRuntime* sync) {
  VerificationState* state = sync->verification.get();
  RowBatch batch;
  if (!ReadVerificationPage(sync, &batch)) return false;
  for (const ReadRow& row : batch.rows) {
    if (!core::IsHashedId(batch.Id(row))) continue;
    for (Candidate& candidate : state->judgement.candidates)
      if (candidate.key.empty() && candidate.id == batch.Id(row)) candidate.key = batch.Key(row);
  }
  for (const ReadFailure& failure : batch.failures)
    for (Candidate& candidate : state->judgement.candidates)
      if (candidate.key.empty() && candidate.id == failure.id) candidate.key = failure.key;
  if (state->end_reached) state->step = Step::kRead;
  return true;
}

// Fewer at a time: their rows or documents were too large, or one of them cannot be read.
void ShareOut(VerificationState* state) {
  state->judgement.limit = state->judgement.candidates.size() / 2;
  state->step = Step::kLoad;
}

bool Read(WorkerContext* context, SyncRuntime* sync) {
  VerificationState* state = sync->verification.get();
  Judgement& judgement = state->judgement;
  std::vector<std::string_view> keys;
  for (const Candidate& candidate : judgement.candidates)
    if (!candidate.key.empty()) keys.push_back(candidate.key);
  PgError error{};
  ReadStatus status = ReadStatus::kOk;
  bool locked = false;
  InTransaction([&] {
    if (!(locked = sync->reader->TryLockRows())) return;
    status = sync->reader->ReadKeys(keys, kBytes, &judgement.rows, &error);
    locked = status != ReadStatus::kLocked;
  });
  if (status == ReadStatus::kSyncFailed) FailVerification(sync, error);
  if (!locked) state->retry_at = MonotonicNow() + kVerificationRetry;
  if (!locked || status != ReadStatus::kOk) return false;
  if (judgement.rows.truncated && judgement.candidates.size() > 1) {
    ShareOut(state);
    return true;
  }
  int number = 0;
  for (const ReadRow& row : judgement.rows.rows)
    judgement.row_of.emplace(judgement.rows.Id(row), number++);
  number = 0;
  for (const ReadFailure& failure : judgement.rows.failures)
    judgement.failed_of.emplace(failure.id, number++);
  judgement.scan = context->scan_number + (context->reader->in_pass() ? 1 : 0);
  state->step = Step::kSettle;
  return true;
}

// Every event that the rows know of is settled. The scans that are needed for it are asked for.
bool Settle(WorkerContext* context, SyncRuntime* sync) {
  VerificationState* state = sync->verification.get();
  Judgement& judgement = state->judgement;
  if (sync->settled_scan >= judgement.scan && IsQuiet(*sync)) {
    state->step = Step::kAsk;
    return true;
  }
  if (context->CompletedScan() < judgement.scan && judgement.asked_at != context->scan_number) {
    judgement.asked_at = context->scan_number;
    pg_atomic_fetch_add_u64(&Shared()->request, 1);
    return true;
  }
  return false;
}

// ---- documents --------------------------------------------------------------------------------

const ReadRow* RowOf(const Judgement& judgement, const Candidate& candidate) {
  const auto it = judgement.row_of.find(candidate.id);
  return it == judgement.row_of.end() ? nullptr
                                      : &judgement.rows.rows[static_cast<std::size_t>(it->second)];
}

// Is there to be a document at the candidate's routing?
bool Belongs(const Judgement& judgement, const Candidate& candidate) {
  const ReadRow* row = RowOf(judgement, candidate);
  return row != nullptr && row->passes && RoutingOf(judgement.rows, *row) == candidate.routing;
}

using Content = Judgement::Content;

void LeaveContentOut(Judgement* judgement, const core::Reply& reply, bool certain) {
  judgement->content = Content::kLeftOut;
  judgement->certain = certain;
  judgement->unreadable =
      reply.answer_cut ? "the document is much larger than its row" : kCannotBeReadBack;
  if (!certain && reply.transport_ok && reply.status != 200)
    judgement->unreadable += " (HTTP status " + std::to_string(reply.status) + ")";
}

// Fewer of them are asked for, one alone without its content.
void TakeNoAnswer(SyncRuntime* sync, const net::Response& response, bool certain) {
  VerificationState* state = sync->verification.get();
  Judgement& judgement = state->judgement;
  const core::Reply& reply = response.reply;
  const bool alone = judgement.candidates.size() == 1;
  // No answer at all, or none that was waited for, accuses no single document.
  if (alone && !certain && !reply.transport_ok) return TryLater(sync, response);
  const bool again = !certain && ++judgement.failures < kVerificationTries;
  if (!certain) TryLater(sync, response, again || alone ? kVerificationRetry : kVerificationNarrow);
  if (judgement.content == Content::kAskedAgain) {
    state->step = Step::kJudge;
  } else if (judgement.content == Content::kAsked && !again) {
    alone ? LeaveContentOut(&judgement, reply, certain) : ShareOut(state);
  }
}

// The contents are views into the answer, which goes: they look into a copy from now on.
void Keep(const Documents& found, const std::string& body, Judgement* judgement) {
  judgement->answer = body;
  judgement->found = found;
  const std::string_view kept = judgement->answer;
  for (core::FoundDocument& document : judgement->found)
    if (!document.source.empty())
      document.source = kept.substr(static_cast<std::size_t>(document.source.data() - body.data()),
                                    document.source.size());
}

void TakeAnswer(SyncRuntime* sync, const Answer<Documents>& found) {
  VerificationState* state = sync->verification.get();
  Judgement& judgement = state->judgement;
  const core::Reply& reply = found.response.reply;
  if (!found || reply.answer_cut) {
    const bool unreadable = Succeeded(found) && core::IsMultiGet(reply.body);
    return TakeNoAnswer(sync, found, reply.answer_cut || unreadable);
  }
  if (std::any_of(found.value->begin(), found.value->end(),
                  [](const auto& d) { return core::PassesOff(d.error); }))
    return TakeNoAnswer(sync, found, false);
  state->trouble_since = core::Time{0};
  Keep(*found.value, reply.body, &judgement);
  if (judgement.content == Content::kAskedAgain) judgement.unreadable.clear();
  if (judgement.content == Content::kLeftOut && !judgement.certain)
    judgement.content = Content::kAskedAgain;
  else
    state->step = Step::kJudge;
}

void Ask(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  Judgement& judgement = sync->verification->judgement;
  std::vector<core::WantedDocument> wanted;
  std::size_t bytes = 0;
  judgement.asked.clear();
  for (std::size_t i = 0; i < judgement.candidates.size(); ++i) {
    const Candidate& candidate = judgement.candidates[i];
    const ReadRow* row = RowOf(judgement, candidate);
    const bool belongs = Belongs(judgement, candidate);
    const bool content =
        belongs && sync->verification->Compares() && judgement.content != Content::kLeftOut;
    wanted.push_back({.id = candidate.id, .source = content});
    if (candidate.routing) wanted.back().routing = *candidate.routing;
    judgement.asked.emplace_back(i, false);
    if (content) bytes += row->body_length;
    if (belongs || row == nullptr || !row->passes) continue;
    // The row's document may be this very one, under another routing but on the same shard.
    wanted.push_back({.id = candidate.id, .source = false});
    if (row->has_routing) wanted.back().routing = judgement.rows.Routing(*row);
    judgement.asked.emplace_back(i, true);
  }
  MultiGet(sync->channel, *sync->index.physical, wanted,
           core::MultiGetAnswerCap(wanted.size(), bytes), now,
           ForVerification(context, sync,
                           [](WorkerContext*, SyncRuntime* s, const Answer<Documents>& found) {
                             TakeAnswer(s, found);
                           }));
}

// ---- judgement --------------------------------------------------------------------------------

std::string Quoted(const std::optional<std::string>& routing) {
  return routing ? "\"" + *routing + "\"" : std::string("none");
}

class Judge {
 public:
  Judge(WorkerContext* context, SyncRuntime* sync)
      : context_(context),
        sync_(sync),
        state_(sync->verification.get()),
        judgement_(state_->judgement) {}

  void Run() {
    const std::uint64_t position = DrawPositions(1);
    newest_ = core::MakeVersion(sync_->epoch, position);
    bool locked = false;
    InTransaction([&] {
      if (!(locked = LockState(sync_))) return;
      baseline_ = BaselineVersion(sync_->id);
      Sort();
      StoreDifferences(RunOf(*sync_), differences_, state_->repair);
      DropCandidates(RunOf(*sync_), agreeing_);
      CountTry(RunOf(*sync_), touched_);
      if (state_->repair) ParkDiffering(position);
      StoreVerification(RunOf(*sync_), state_->counts, NoteOf(*state_), false);
    });
    if (!locked) return;
    if (state_->repair) DeleteWithoutKey();
    if (differences_.empty() && agreeing_.empty())
      state_->retry_at = MonotonicNow() + kTouchedRetry;
    state_->step = Step::kLoad;
  }

 private:
  void Sort() {
    for (std::size_t i = 0; i < judgement_.candidates.size(); ++i) {
      const Candidate& candidate = judgement_.candidates[i];
      if (judgement_.touched.at(candidate.id)) {
        touched_.push_back(&candidate);
        continue;
      }
      Difference difference{&candidate, Problem::kMissing, {}, {}};
      if (Differs(candidate, &difference))
        Add(std::move(difference));
      else
        agreeing_.push_back(&candidate);
    }
  }

  void Add(Difference difference) {
    const std::string& key = difference.candidate->key;
    PgError ignored{};
    if (!key.empty() && !sync_->reader->KeyJson(key, &difference.key_json, &ignored))
      difference.key_json.clear();
    Count(difference.problem);
    differences_.push_back(std::move(difference));
  }

  void Count(Problem problem) {
    VerificationCounts& counts = state_->counts;
    std::uint64_t* const of[] = {&counts.missing, &counts.orphan, &counts.different, &counts.stale};
    ++*of[static_cast<int>(problem)];
  }

  const core::FoundDocument* Document(const Candidate& candidate, bool at_row) const {
    const auto number = static_cast<std::size_t>(&candidate - judgement_.candidates.data());
    for (std::size_t i = 0; i < judgement_.found.size(); ++i)
      if (judgement_.asked[i].first == number && judgement_.asked[i].second == at_row)
        return &judgement_.found[i];
    return nullptr;
  }

  bool Differs(const Candidate& candidate, Difference* difference) const {
    const core::FoundDocument* document = Document(candidate, false);
    const bool found = document != nullptr && document->found;
    if (document != nullptr && !document->error.empty()) {
      difference->problem = Problem::kDifferent;
      difference->detail = std::string(kCannotBeReadBack) + " (" + document->error + ")";
      return true;
    }
    const auto failed = judgement_.failed_of.find(candidate.id);
    if (failed != judgement_.failed_of.end()) {
      const auto number = static_cast<std::size_t>(failed->second);
      difference->problem = found ? Problem::kDifferent : Problem::kMissing;
      difference->detail = std::string("the row cannot become a document: ") +
                           ReadableInUtf8(judgement_.rows.failures[number].error);
      return true;
    }
    if (!Belongs(judgement_, candidate)) {
      difference->problem = Problem::kOrphan;
      return found && document->routing == candidate.routing && IsOrphan(candidate, difference);
    }
    const ReadRow& row = *RowOf(judgement_, candidate);
    return BodyDiffers(candidate, judgement_.rows.Body(row), document, difference);
  }

  bool IsOrphan(const Candidate& candidate, Difference* difference) const {
    const ReadRow* row = RowOf(judgement_, candidate);
    if (row == nullptr) {
      difference->detail = "no row has this key";
    } else if (!row->passes) {
      difference->detail = "the filter leaves the row out";
    } else {
      const core::FoundDocument* other = Document(candidate, true);
      if (other != nullptr && other->found && other->routing == candidate.routing) return false;
      difference->detail = "the routing of its row is " + Quoted(RoutingOf(judgement_.rows, *row)) +
                           ", not " + Quoted(candidate.routing);
    }
    return true;
  }

  bool BodyDiffers(const Candidate& candidate, std::string_view body,
                   const core::FoundDocument* document, Difference* difference) const {
    difference->problem = Problem::kDifferent;
    if (!document->found) {
      difference->problem = Problem::kMissing;
      return true;
    }
    if (document->routing != candidate.routing) {
      difference->detail =
          "its routing is " + Quoted(document->routing) + ", not " + Quoted(candidate.routing);
      return true;
    }
    if (!judgement_.unreadable.empty()) {
      difference->detail = judgement_.unreadable;
      return true;
    }
    if (!state_->Compares() || core::SameDocument(body, document->source)) return false;
    if (document->version < baseline_) difference->problem = Problem::kStale;
    difference->detail = document->has_source
                             ? "fields: " + core::DifferingFields(body, document->source)
                             : std::string("the index keeps no _source");
    if (!state_->rules.pipelines.empty())
      difference->detail +=
          "; the index's ingest pipeline " + state_->rules.pipelines + " may have changed it";
    if (document->version > newest_)
      difference->detail += "; its version is higher than any that this sync has used";
    return true;
  }

  // With a key: as a parked one, it is read again and delivered until the server has taken it.
  void ParkDiffering(std::uint64_t position) {
    std::vector<core::PendingKey> keys;
    for (const Difference& difference : differences_) {
      const Candidate& candidate = *difference.candidate;
      if (candidate.key.empty()) continue;
      keys.push_back({.key = candidate.key,
                      .id = candidate.id,
                      .routing = candidate.routing,
                      .tickets = {},
                      .captured_at = GetCurrentTimestamp()});
    }
    ParkKeys(sync_, keys, position);
  }

  // No row forms such an id, and no operation on it was made since that was seen: whatever comes
  // later has a higher version than this delete.
  void DeleteWithoutKey() {
    for (const Difference& difference : differences_) {
      if (!difference.candidate->key.empty() || difference.problem != Problem::kOrphan) continue;
      core::Operation op;
      op.sync = sync_->id;
      op.kind = core::OperationKind::kDelete;
      op.version = newest_;
      op.index = sync_->index.physical;
      op.id = difference.candidate->id;
      op.routing = difference.candidate->routing;
      if (state_->walk == 0) state_->walk = ++sync_->resync.walk;
      op.tickets.walk = state_->walk;
      SubmitOperation(context_, sync_, std::move(op));
    }
  }

  WorkerContext* context_;
  SyncRuntime* sync_;
  VerificationState* state_;
  Judgement& judgement_;
  std::uint64_t newest_ = 0, baseline_ = 0;
  std::vector<Difference> differences_;
  std::vector<const Candidate*> agreeing_, touched_;
};

}  // namespace

bool JudgeCandidates(WorkerContext* context, SyncRuntime* sync, core::Time now) {
  VerificationState* state = sync->verification.get();
  switch (state->step) {
    case Step::kLoad:
      return Load(sync);
    case Step::kResolve:
      return Resolve(sync);
    case Step::kRead:
      return Read(context, sync);
    case Step::kSettle:
      return Settle(context, sync);
    case Step::kAsk:
      if (state->in_flight == 0) Ask(context, sync, now);
      return false;
    default:
      Judge(context, sync).Run();
      return true;
  }
}

}  // namespace polyglot::pg
