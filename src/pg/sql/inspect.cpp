// polyglot.inspect: why a row is, or is not, in its index. Collects what this session can see, asks
// the worker what the index holds, and lets core say what it means (core/status/inspection.h).

#include <string>
#include <string_view>

#include "core/status/inspection.h"
#include "net/search_client.h"
#include "pg/capture/transaction_buffer.h"
#include "pg/catalog/own_rights.h"
#include "pg/catalog/statement.h"
#include "pg/document/row_reader.h"
#include "pg/encoding.h"
#include "pg/guard.h"
#include "pg/shared/inspection_slots.h"
#include "pg/shared/shared_state.h"
#include "pg/sql/arguments.h"
#include "pg/sql/key_argument.h"
#include "pg/sql/live_status.h"
#include "pg/sql/outbox_scan.h"
#include "pg/sql/visibility.h"

extern "C" {
PG_FUNCTION_INFO_V1(polyglot_inspect);
PG_FUNCTION_INFO_V1(polyglot_inspect_text);
PGDLLEXPORT Datum polyglot_inspect(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum polyglot_inspect_text(PG_FUNCTION_ARGS);
}

namespace polyglot::pg {

namespace {

using core::Comparison;

// A change may be committed, delivered and acknowledged between two looks.
constexpr int kTries = 3;
constexpr long kBetweenTriesMs = 300;

// The worker's texts are UTF-8, those of the lines are in the encoding of the database.
std::string ServerText(std::string_view utf8) {
  return Call([&] { return ReadableInServer(utf8); });
}

struct Moment {
  std::string text, age;
};

Moment MomentOf(TimestampTz time) {
  Moment moment;
  moment.text = Call([&] { return timestamptz_to_str(time); });
  moment.age = core::AgeText(GetCurrentTimestamp() - time);
  return moment;
}

class Inspector {
 public:
  Inspector(const SyncRow* sync, const KeyArgument& key)
      : sync_(sync),
        key_(key.packed, static_cast<std::size_t>(key.packed_length)),
        reader_(*sync) {}

  core::Inspection Run() {
    NameSync();
    NameKey();
    bool explained = false, still = false;
    for (int tries = 0; tries < kTries && !explained; ++tries) {
      if (tries > 0) Call([] { Pause(); });
      const std::uint64_t before = facts_.version;
      Call([] { PushActiveSnapshot(GetLatestSnapshot()); });
      ReadState();
      LookAtRow();
      Ask();
      FindChanges();
      Call([] { PopActiveSnapshot(); });
      FindRecords();
      explained = Explained();
      still = tries > 0 && facts_.version == before;
    }
    facts_.moves = !explained && !still;
    return std::move(facts_);
  }

 private:
  static void Pause() {
    CHECK_FOR_INTERRUPTS();
    (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, kBetweenTriesMs,
                    PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
  }

  void NameSync() {
    facts_.sync = sync_->name;
    facts_.server = sync_->server_name;
    facts_.captured = strcmp(sync_->capture, "none") != 0;
    facts_.has_filter = sync_->filter != nullptr;
    facts_.uncommitted = HasCapturedChanges();
  }

  void NameKey() {
    PgError error{};
    if (!reader_.IdOfKey(key_, &id_, &error)) facts_.row_error = error.message;
    std::string json;
    if (!reader_.KeyJson(key_, &json, &error)) return;
    const char* sync = Call([&] { return quote_literal_cstr(sync_->name); });
    const char* key = Call([&] { return quote_literal_cstr(json.c_str()); });
    facts_.enqueue = std::string("SELECT polyglot.enqueue(") + sync + ", " + key + "::jsonb)";
  }

  void ReadState() {
    const char *state = nullptr, *reason = nullptr, *remedy = nullptr, *no_worker = nullptr;
    bool outdated = false;
    Call([&] {
      const SyncRow* now = LoadSyncById(sync_->id);
      if (!now) now = sync_;
      const LiveStatus live = ReadLiveStatusAndQueue(now);
      state = StateOf(now, live);
      outdated = now->outdated_since != 0 || now->frozen;
      reason = ReasonOf(now, live, state);
      if (strcmp(state, "failed") == 0) remedy = RemedyOf(now);
      no_worker = NoAnswerFrom(now, live, state);
    });
    facts_.state = state;
    facts_.outdated = outdated;
    facts_.reason = reason ? reason : "";
    facts_.remedy = remedy ? remedy : "";
    facts_.no_worker = no_worker ? no_worker : "";
  }

  static const char* ReasonOf(const SyncRow* sync, const LiveStatus& live, const char* state) {
    if (!sync->has_state) return "restored from a dump of another database";
    if (sync->failed_reason) return sync->failed_reason;
    if (!MaySee(sync) || !live.running || strcmp(state, "standby") == 0) return nullptr;
    for (const char* text : {live.trouble, live.notice})
      if (*text != '\0') return ReadableInServer(text);
    return nullptr;
  }

  // Why nobody delivers though nothing is wrong with the sync.
  static const char* NoAnswerFrom(const SyncRow* sync, const LiveStatus& live, const char* state) {
    if (strcmp(state, "standby") == 0 || !sync->has_state) return nullptr;
    if (live.running) return SilenceOf(sync, live);
    const NoWorker why = WhyNoWorker(sync);
    if (strncmp(why.hint, "Call ", 5) != 0) return psprintf("%s: %s", why.text, why.hint);
    return psprintf("%s: SELECT %.*s", why.text, static_cast<int>(strlen(why.hint)) - 6,
                    why.hint + 5);
  }

  static const char* RemedyOf(const SyncRow* sync) {
    const char* name = quote_literal_cstr(sync->name);
    if (!sync->has_state) return psprintf("SELECT polyglot.adopt_sync(%s), or drop the sync", name);
    if (sync->failed_hint) return sync->failed_hint;
    return psprintf("remove the cause, then SELECT polyglot.resume_sync(%s)", name);
  }

  void LookAtRow() {
    facts_.row_found = false;
    RowBatch batch;
    PgError error{};
    if (reader_.ReadKeys({key_}, SIZE_MAX, &batch, &error) != ReadStatus::kOk) {
      facts_.row_error = WithContext(error);
      return;
    }
    if (!batch.failures.empty()) facts_.row_error = WithContext(batch.failures.front().error);
    if (batch.rows.empty()) return;
    const ReadRow& row = batch.rows.front();
    facts_.row_found = true;
    facts_.passes = row.passes;
    id_ = batch.Id(row);
    routing_ = row.has_routing ? std::string(batch.Routing(row)) : std::string();
  }

  // ---- the index ------------------------------------------------------------------------------

  void Ask() {
    NamePath();
    if (!Reachable()) return;
    IndexAnswer answer{};
    if (!Call([&] {
          return AskAboutDocument(sync_->id, key_.data(), static_cast<int>(key_.size()), &answer);
        })) {
      facts_.no_answer = "no answer within some seconds: the worker is busy, or the server slow";
      return;
    }
    TakeAnswer(answer);
  }

  void NamePath() {
    if (!sync_->physical_index || id_.empty()) return;
    facts_.path = "GET /" + net::SearchClient::EncodePath(sync_->physical_index) + "/_doc/" +
                  net::SearchClient::EncodePath(id_);
    if (!routing_.empty()) facts_.path += "?routing=" + net::SearchClient::EncodePath(routing_);
  }

  bool Reachable() {
    const bool asks = facts_.state != "standby" && facts_.no_worker.empty() && sync_->has_state;
    facts_.comparison = Comparison::kUnknown;
    facts_.no_answer = asks ? "" : "no worker is there that could ask";
    return asks;
  }

  void TakeAnswer(const IndexAnswer& answer) {
    facts_.comparison = static_cast<Comparison>(answer.comparison);
    facts_.worker_sees_row = answer.worker_sees_row;
    facts_.found = answer.found;
    facts_.elsewhere = answer.elsewhere;
    facts_.beyond = answer.beyond;
    moving_ = answer.moving;
    facts_.version = answer.version;
    facts_.difference = ServerText(answer.difference);
    facts_.no_answer = ServerText(answer.trouble);
    facts_.age.clear();
    if (answer.made_at != 0)
      facts_.age = (answer.made_exactly ? "about " : "more than ") +
                   core::AgeText(GetCurrentTimestamp() - answer.made_at);
  }

  // ---- on its way -----------------------------------------------------------------------------

  void FindChanges() {
    facts_.changes = 0;
    if (!sync_->has_state || !facts_.captured) return;
    const std::unique_ptr<OutboxSync> sync = OpenOutboxSync(sync_);
    TimestampTz oldest = 0;
    VisitQueue(sync_->queue, [&](const core::KeyEvent& event, const QueueRow& row, int) {
      std::string packed, id;
      PgError error{};
      if (event.source != sync_->source || sync->acknowledged.Sees(row.xid)) return;
      if (!KeyOfEvent(*sync, event, &packed) || !reader_.IdOfKey(packed, &id, &error)) return;
      if (id != id_) return;
      facts_.changes++;
      if (oldest == 0 || row.captured_at < oldest) oldest = row.captured_at;
    });
    if (facts_.changes == 0) return;
    const Moment since = MomentOf(oldest);
    facts_.changed = since.text;
    facts_.change_age = since.age;
  }

  void FindRecords() {
    const std::string number = std::to_string(sync_->id);
    const std::string id = ServerText(id_);
    TimestampTz parked = 0, refused = 0;
    const char *type = nullptr, *reason = nullptr;
    Call([&] {
      AsExtensionOwner as_owner;
      parked = ReadTime(
          "SELECT captured_at FROM polyglot.parked_key WHERE sync_id = $1::pg_catalog.int4"
          " AND document_id = $2 ORDER BY captured_at LIMIT 1",
          number.c_str(), id.c_str());
      refused = ReadTime(
          "SELECT last_failed_at, error_type, reason FROM polyglot.dead_letter"
          " WHERE sync_id = $1::pg_catalog.int4 AND document_id = $2"
          " ORDER BY last_failed_at DESC LIMIT 1",
          number.c_str(), id.c_str());
      if (refused == 0) return;
      type = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2);
      reason = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3);
    });
    TakeParked(parked);
    TakeRefusal(refused, type, reason);
  }

  static TimestampTz ReadTime(const char* sql, const char* sync, const char* id) {
    bool is_null = true;
    if (Execute(sql, {sync, id}) == 0) return 0;
    return DatumGetTimestampTz(
        SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
  }

  void TakeParked(TimestampTz since) {
    facts_.parked = since != 0;
    if (since == 0) return;
    const Moment moment = MomentOf(since);
    facts_.parked_since = moment.text;
    facts_.parked_age = moment.age;
  }

  // Servers quote values in their reasons, also such as the caller may not see.
  void TakeRefusal(TimestampTz at, const char* type, const char* reason) {
    facts_.refused = at != 0;
    if (at == 0) return;
    const bool owner = Call([&] { return OwnsSource(sync_); });
    facts_.refused_at = MomentOf(at).text;
    facts_.refusal = type ? type : "";
    if (reason && owner) facts_.refusal += std::string(": ") + reason;
  }

  // Does something on the list say why the document is not what it should be?
  bool Explained() const {
    if (facts_.comparison == Comparison::kUnknown) return !moving_;
    if (facts_.row_found != facts_.worker_sees_row) return facts_.uncommitted;
    return facts_.comparison == Comparison::kEqual || facts_.comparison == Comparison::kAbsent ||
           facts_.changes > 0 || facts_.parked || facts_.refused || facts_.state != "streaming" ||
           facts_.uncommitted;
  }

  const SyncRow* sync_;
  std::string_view key_;
  RowReader reader_;
  std::string id_, routing_;
  bool moving_ = false;
  core::Inspection facts_;
};

void Return(FunctionCallInfo fcinfo, const core::Inspection& facts) {
  auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  for (const core::InspectionLine& line : core::Describe(facts)) {
    Call([&] {
      Datum values[] = {CStringGetTextDatum(line.check.c_str()),
                        CStringGetTextDatum(line.result.c_str()),
                        CStringGetTextDatum(line.detail.c_str())};
      bool nulls[3] = {};
      tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    });
  }
}

const SyncRow* OpenSync(FunctionCallInfo fcinfo) {
  const SyncRow* sync = LoadSyncOrError(RequiredText(fcinfo, 0, "sync"));
  CheckMaySeeRows(sync);
  return sync;
}

Datum Inspect(FunctionCallInfo fcinfo, const SyncRow* sync, const KeyArgument& key) {
  InitMaterializedSRF(fcinfo, 0);
  SPI_connect();
  Enter([&] { Return(fcinfo, Inspector(sync, key).Run()); });
  SPI_finish();
  return static_cast<Datum>(0);
}

}  // namespace
}  // namespace polyglot::pg

Datum polyglot_inspect(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  const SyncRow* sync = OpenSync(fcinfo);
  KeyArgument key{};
  ParseKeyArguments(fcinfo, 1, *sync, &key);
  return Inspect(fcinfo, sync, key);
}

Datum polyglot_inspect_text(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  const SyncRow* sync = OpenSync(fcinfo);
  KeyArgument key{};
  ParseKeyText(RequiredText(fcinfo, 1, "key"), *sync, &key);
  return Inspect(fcinfo, sync, key);
}
