#include "pg/worker/status/inspections.h"

#include "core/search/index_requests.h"
#include "core/search/multi_get.h"
#include "core/search/point_in_time.h"
#include "core/status/inspection.h"
#include "core/text.h"
#include "core/verification/comparison.h"
#include "core/version.h"
#include "pg/catalog/sync_state.h"
#include "pg/catalog/verifications.h"
#include "pg/clock.h"
#include "pg/encoding.h"
#include "pg/shared/inspection_slots.h"
#include "pg/worker/search/index_condition.h"
#include "pg/worker/state/crash_guard.h"

namespace polyglot::pg {
namespace {

using core::Comparison;

// A request on its way: what the row is, then what the index was found to hold.
struct Look {
  int slot = 0;
  std::uint64_t number = 0;
  std::string id, body;
  std::optional<std::string> routing;
  bool row = false, expected = false;  // is there a row; is there to be a document?
  bool unreadable = false;             // the row
  bool comparable = true;              // the index keeps documents as they were sent
  std::string why_not;                 // it does not
  bool no_content = false;  // the document is asked for without it: it cannot be read back
  std::uint64_t epoch = 0, baseline = 0;  // no version of this sync is below the second
  std::uint64_t read_at = 0;              // what has a higher version was made of a later row
  // The answer.
  Comparison comparison = Comparison::kUnknown;
  bool found = false, elsewhere = false, beyond = false, moving = false;
  std::uint64_t version = 0;
  std::string difference, trouble;
};
using SharedLook = std::shared_ptr<Look>;

void CopyText(char (&out)[kInspectionText], const std::string& text) {
  strlcpy(out, core::SanitiseText(text, sizeof out - 1).c_str(), sizeof out);
}

void Date(const WorkerContext& context, std::uint64_t position, IndexAnswer* answer) {
  if (position > GetFlushRecPtr(nullptr)) return;
  const auto made = context.versions.MadeAt(position);
  answer->made_at = made ? made->time : GetCurrentTimestamp();
  answer->made_exactly = !made || made->exact;
}

void Give(WorkerContext* context, const Look& look) {
  IndexAnswer answer{};
  answer.comparison = static_cast<int>(look.comparison);
  answer.worker_sees_row = look.row;
  answer.found = look.found;
  answer.elsewhere = look.elsewhere;
  answer.beyond = look.beyond;
  answer.moving = look.moving;
  answer.version = look.version;
  if (!look.beyond) Date(*context, core::PositionOf(look.version), &answer);
  CopyText(answer.difference, look.difference);
  CopyText(answer.trouble, look.trouble);
  GiveAnswer(look.slot, look.number, answer);
  context->answered = true;
}

void GiveUp(WorkerContext* context, Look* look, std::string trouble) {
  look->comparison = Comparison::kUnknown;
  look->trouble = std::move(trouble);
  Give(context, *look);
}

std::string Quoted(const std::optional<std::string>& routing) {
  return routing ? "\"" + *routing + "\"" : std::string("none");
}

// ---- the row ----------------------------------------------------------------------------------

void TakeRow(const RowBatch& batch, Look* look) {
  look->unreadable = !batch.failures.empty();
  if (batch.rows.empty()) return;
  const ReadRow& row = batch.rows.front();
  look->row = true;
  look->expected = row.passes;
  look->id = batch.Id(row);
  look->body = batch.Body(row);
  if (row.has_routing) look->routing.emplace(batch.Routing(row));
}

// false: there is nothing that could be asked for.
bool ReadRow(SyncRuntime* sync, const std::string& key, Look* look) {
  bool ok = false;
  PgError error{};
  if (IsSetAside(key)) {
    look->trouble = "workers died twice when they read this row";
    return false;
  }
  look->read_at = core::MakeVersion(sync->epoch, GetFlushRecPtr(nullptr));
  InTransaction([&] {
    RowBatch batch;
    if (!sync->reader->TryLockRows()) {
      look->trouble = "the worker cannot read the row: its table is locked";
      return;
    }
    ReadStatus status = ReadStatus::kSyncFailed;
    if (sync->reader->IdOfKey(key, &look->id, &error))
      status = sync->reader->ReadKeys({key}, 0, &batch, &error);
    ok = status == ReadStatus::kOk;
    if (status == ReadStatus::kLocked) {
      look->trouble = "the worker cannot read the row: a table that it is read from is locked";
    } else if (!ok) {
      look->trouble = "the worker cannot read the row: " + ReadableInUtf8(error.message);
    }
    if (!ok) return;
    TakeRow(batch, look);
    look->baseline = BaselineVersion(sync->id);
    look->epoch = sync->epoch;
  });
  return ok;
}

// ---- the documents ----------------------------------------------------------------------------

std::string WhyNoAnswer(const net::Response& response) {
  if (!response.reply.transport_ok) return "the server did not answer";
  return "the server could not tell (HTTP status " + std::to_string(response.reply.status) + ")";
}

void CompareBody(const core::FoundDocument& document, Look* look) {
  look->comparison = Comparison::kDifferent;
  if (document.routing != look->routing) {
    look->difference =
        "its routing is " + Quoted(document.routing) + ", not " + Quoted(look->routing);
  } else if (!look->comparable) {
    look->comparison = Comparison::kUnknown;
    look->trouble = "contents cannot be compared: " + look->why_not;
  } else if (look->no_content) {
    look->difference = "the document cannot be read back";
  } else if (!document.has_source) {
    look->difference = "the index keeps no _source";
  } else if (core::SameDocument(look->body, document.source)) {
    look->comparison = Comparison::kEqual;
    return;
  } else {
    look->difference = "fields: " + core::DifferingFields(look->body, document.source);
  }
  if (look->comparable && document.version < look->baseline) look->comparison = Comparison::kStale;
}

void Compare(const core::FoundDocument& document, Look* look) {
  look->found = document.found;
  look->version = document.version;
  look->beyond = document.version > core::MakeVersion(look->epoch, GetFlushRecPtr(nullptr));
  if (look->unreadable) {
    look->comparison = document.found ? Comparison::kDifferent : Comparison::kMissing;
    look->difference = "the row cannot become a document";
  } else if (!look->expected) {
    look->comparison = document.found ? Comparison::kOrphan : Comparison::kAbsent;
    if (document.found)
      look->difference = look->row ? "the filter leaves the row out" : "no row has this key";
  } else if (!document.found) {
    look->comparison = Comparison::kMissing;
  } else {
    CompareBody(document, look);
  }
}

// Was the document made of a row that is younger than the one that was read?
bool Moves(const Look& look) {
  const bool settled =
      look.comparison == Comparison::kEqual || look.comparison == Comparison::kAbsent;
  return look.found && !settled && !look.beyond && look.version > look.read_at;
}

// A document of the same id that the row's routing does not lead to.
void TakeOther(const core::FoundDocument& document, Look* look) {
  if (!document.found) return;
  look->elsewhere = true;
  if (!look->found) look->version = document.version;
  look->difference = "there is a document at the routing " + Quoted(document.routing);
  if (look->comparison == Comparison::kEqual) look->comparison = Comparison::kDifferent;
  if (look->comparison == Comparison::kAbsent) look->comparison = Comparison::kOrphan;
}

// A search shows what was there at the last refresh: each of them is asked for once more.
void ConfirmOthers(WorkerContext* context, SyncRuntime* sync, const SharedLook& look,
                   const std::vector<core::Hit>& hits) {
  std::vector<core::WantedDocument> wanted;
  for (const core::Hit& hit : hits) {
    if (hit.routing == look->routing || (look->found && hit.version == look->version)) continue;
    wanted.push_back({.id = look->id, .routing = std::nullopt, .source = false});
    if (hit.routing) wanted.back().routing = *hit.routing;
  }
  if (wanted.empty()) return Give(context, *look);
  MultiGet(sync->channel, *sync->index.physical, wanted, 0, MonotonicNow(),
           ForSync(context, sync,
                   [look](WorkerContext* c, SyncRuntime*, const Answer<Documents>& others) {
                     if (!others) return GiveUp(c, look.get(), WhyNoAnswer(others));
                     for (const core::FoundDocument& document : *others.value)
                       TakeOther(document, look.get());
                     Give(c, *look);
                   }));
}

void AskForOthers(WorkerContext* context, SyncRuntime* sync, const SharedLook& look) {
  FindDocuments(
      sync->channel, *sync->index.physical, look->id, MonotonicNow(),
      ForSync(context, sync,
              [look](WorkerContext* c, SyncRuntime* s, const Answer<core::WalkPage>& page) {
                if (!page) return GiveUp(c, look.get(), WhyNoAnswer(page));
                ConfirmOthers(c, s, look, page.value->hits);
              }));
}

void AskForDocument(WorkerContext* context, SyncRuntime* sync, const SharedLook& look,
                    core::Time now);

void TakeDocument(WorkerContext* context, SyncRuntime* sync, const SharedLook& look,
                  const Answer<Documents>& found) {
  const core::Reply& reply = found.response.reply;
  if (reply.answer_cut) {
    look->found = true;
    look->comparison = Comparison::kDifferent;
    look->difference = "the document is much larger than its row";
    return Give(context, *look);
  }
  if (found && !found.value->front().error.empty())
    return GiveUp(context, look.get(), "the server says: " + found.value->front().error);
  if (!found && !look->no_content && core::IsMultiGet(reply.body)) {
    look->no_content = true;  // its version and routing can be told even so
    return AskForDocument(context, sync, look, MonotonicNow());
  }
  if (!found) return GiveUp(context, look.get(), WhyNoAnswer(found));
  Compare(found.value->front(), look.get());
  if (Moves(*look)) {
    look->moving = true;
    return GiveUp(context, look.get(), "the row changes while it is looked at");
  }
  if (sync->routing_att == 0) return Give(context, *look);
  AskForOthers(context, sync, look);
}

void AskForDocument(WorkerContext* context, SyncRuntime* sync, const SharedLook& look,
                    core::Time now) {
  core::WantedDocument wanted{.id = look->id,
                              .routing = std::nullopt,
                              .source = look->expected && !look->no_content && look->comparable};
  if (look->routing) wanted.routing = *look->routing;
  MultiGet(sync->channel, *sync->index.physical, {wanted},
           core::MultiGetAnswerCap(1, look->body.size()), now,
           ForSync(context, sync,
                   [look](WorkerContext* c, SyncRuntime* s, const Answer<Documents>& found) {
                     TakeDocument(c, s, look, found);
                   }));
}

// What the index keeps of its documents decides about what the comparison means.
void AskForRules(WorkerContext* context, SyncRuntime* sync, const SharedLook& look,
                 core::Time now) {
  DescribeContent(
      sync->channel, *sync->index.physical, now,
      ForSync(context, sync,
              [look](WorkerContext* c, SyncRuntime* s, const Answer<core::ContentRules>& rules) {
                if (!rules) return GiveUp(c, look.get(), WhyNoAnswer(rules));
                look->why_not = rules.value->incomparable;
                look->comparable = look->why_not.empty();
                AskForDocument(c, s, look, MonotonicNow());
              }));
}

void Serve(WorkerContext* context, SyncRuntime* sync, const std::string& key, SharedLook look,
           core::Time now) {
  if (sync->channel == nullptr) return GiveUp(context, look.get(), "the worker is not ready yet");
  if (sync->index.physical == nullptr)
    return GiveUp(context, look.get(), "the sync has no index yet");
  if (!ReadRow(sync, key, look.get())) return Give(context, *look);
  if (!sync->channel->connected())
    return GiveUp(context, look.get(), "the server cannot be reached");
  AskForRules(context, sync, look, now);
}

}  // namespace

void ServeInspections(WorkerContext* context, core::Time now) {
  context->versions.Note(GetCurrentTimestamp(), GetFlushRecPtr(nullptr));
  for (int slot = 0; slot < kInspectionSlots; ++slot) {
    const std::int32_t asked = AskedSync(slot);
    SyncRuntime* sync = asked == 0 ? nullptr : context->Find(asked);
    if (sync == nullptr) continue;
    auto look = std::make_shared<Look>();
    char key[kInspectedKey];
    int length = 0;
    look->slot = slot;
    if (TakeInspection(slot, asked, &look->number, key, &length))
      Serve(context, sync, std::string(key, static_cast<std::size_t>(length)), look, now);
  }
}

}  // namespace polyglot::pg
