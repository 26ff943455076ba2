// polyglot.enqueue, requeue, discard: events that no change of a row has made, and dead letters.

#include <string>

#include "pg/capture/transaction_buffer.h"
#include "pg/catalog/own_rights.h"
#include "pg/catalog/statement.h"
#include "pg/document/row_reader.h"
#include "pg/encoding.h"
#include "pg/guard.h"
#include "pg/sql/arguments.h"
#include "pg/sql/key_argument.h"
#include "pg/sql/visibility.h"

extern "C" {
PG_FUNCTION_INFO_V1(polyglot_enqueue);
PG_FUNCTION_INFO_V1(polyglot_enqueue_text);
PG_FUNCTION_INFO_V1(polyglot_requeue);
PG_FUNCTION_INFO_V1(polyglot_discard);
PGDLLEXPORT Datum polyglot_enqueue(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum polyglot_enqueue_text(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum polyglot_requeue(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum polyglot_discard(PG_FUNCTION_ARGS);
}

namespace polyglot::pg {

namespace {

SyncRow* EnqueueTarget(FunctionCallInfo fcinfo) {
  CheckMayWrite("polyglot.enqueue()");
  SyncRow* sync = LoadSyncOrError(RequiredText(fcinfo, 0, "sync"));
  CheckMayEnqueue(sync);
  if (!sync->source_exists)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                    errmsg("the source of sync \"%s\" does not exist", sync->name)));
  return sync;
}

bool Record(Oid source, const char* packed, int length) {
  return RecordKeyEvent(source, core::EventKind::kEnqueue, {packed, static_cast<size_t>(length)});
}

// Of a key that was made from the column types as they are now.
void RecordNew(const SyncRow* sync, const KeyArgument& key) {
  if (!Record(sync->source, key.packed, key.packed_length))
    elog(ERROR, "the key does not fit the columns of sync \"%s\"", sync->name);
}

int MaxArgument(FunctionCallInfo fcinfo, int number) {
  int most = PG_ARGISNULL(number) ? INT_MAX : PG_GETARG_INT32(number);
  if (most < 0)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("max must not be negative")));
  return most;
}

// Who asked for all must not think that these were all.
void NoteLeft(int64 left, const char* verb) {
  if (left > 0)
    ereport(NOTICE,
            (errmsg_plural("%lld more dead letter was not %s", "%lld more dead letters were not %s",
                           static_cast<unsigned long>(left), static_cast<long long>(left), verb),
             errhint("Call it again, or give a larger max.")));
}

int64 CountLetters(const SyncRow* sync, const char* document_id) {
  AsExtensionOwner as_owner;
  SPI_connect();
  Execute(
      "SELECT pg_catalog.count(*) FROM polyglot.dead_letter WHERE sync_id = $1::integer"
      " AND ($2 IS NULL OR document_id = $2)",
      {psprintf("%d", sync->id), document_id});
  bool is_null;
  const int64 count =
      DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
  SPI_finish();
  return count;
}

// Letters whose keys do not fit any more: by their document ids, which mostly are the same. Returns
// how many of them no key has.
int RecordByIds(const SyncRow* sync, char** ids, int count) {
  int left = 0;
  if (count == 0) return 0;
  Enter([&] {
    RowReader reader(*sync);
    for (int i = 0; i < count; ++i) {
      std::string packed;
      const std::string id = ExactInUtf8(ids[i]);
      if (!reader.KeyOfId(id, &packed) || !Call([&] {
            return Record(sync->source, packed.data(), static_cast<int>(packed.size()));
          }))
        ++left;
    }
  });
  return left;
}

void ReportLeft(const SyncRow* sync, int left) {
  if (left == 0) return;
  ereport(
      WARNING,
      (errmsg_plural("%d dead letter of sync \"%s\" was left as it is",
                     "%d dead letters of sync \"%s\" were left as they are", left, left,
                     sync->name),
       errdetail("A key column has another type than when they were written, and no key of that "
                 "type has their document ids."),
       errhint("The index is filled anew from the table after such a change; polyglot.discard "
               "removes letters.")));
}

// Re-records the keys of a sync's dead letters. The rows stay until the server has taken a newer
// version of the document: a failure in between loses nothing.
int RequeueOne(const SyncRow* sync, const char* document_id, int most) {
  if (!sync->source_exists || most == 0) return 0;
  AsExtensionOwner as_owner;
  SPI_connect();
  int rows = static_cast<int>(
      Execute("SELECT key, document_id FROM polyglot.dead_letter WHERE sync_id = $1::integer"
              " AND ($2 IS NULL OR document_id = $2) ORDER BY last_failed_at LIMIT $3::integer",
              {psprintf("%d", sync->id), document_id, psprintf("%d", most)}));
  SPITupleTable* letters = SPI_tuptable;
  char** misfits = static_cast<char**>(palloc(sizeof(char*) * (rows + 1)));
  int misfit_count = 0;
  for (int i = 0; i < rows; ++i) {
    bool is_null;
    Datum key = SPI_getbinval(letters->vals[i], letters->tupdesc, 1, &is_null);
    bytea* packed = DatumGetByteaPP(key);
    if (!Record(sync->source, VARDATA_ANY(packed), static_cast<int>(VARSIZE_ANY_EXHDR(packed))))
      misfits[misfit_count++] = SPI_getvalue(letters->vals[i], letters->tupdesc, 2);
  }
  const int left = RecordByIds(sync, misfits, misfit_count);
  SPI_finish();
  ReportLeft(sync, left);
  return rows - left;
}

int DiscardSome(const SyncRow* sync, const char* document_id, int most) {
  AsExtensionOwner as_owner;
  SPI_connect();
  int rows = static_cast<int>(Execute(
      "DELETE FROM polyglot.dead_letter WHERE ctid = ANY (ARRAY(SELECT ctid"
      " FROM polyglot.dead_letter WHERE sync_id = $1::integer AND ($2 IS NULL OR document_id = $2)"
      " ORDER BY last_failed_at LIMIT $3::integer FOR UPDATE))",
      {psprintf("%d", sync->id), document_id, psprintf("%d", most)}));
  SPI_finish();
  CommandCounterIncrement();
  return rows;
}

int RequeueAll(const char* document_id, int most) {
  int count, done = 0;
  int64 there = 0;
  SyncRow** all = LoadSyncs(InvalidOid, &count);
  for (int i = 0; i < count; ++i) {
    if (!OwnsSource(all[i]) || !all[i]->source_exists) continue;
    done += RequeueOne(all[i], document_id, most - done);
    there += CountLetters(all[i], document_id);
  }
  NoteLeft(there - done, "requeued");
  return done;
}

}  // namespace

}  // namespace polyglot::pg

Datum polyglot_enqueue(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  SyncRow* sync = EnqueueTarget(fcinfo);
  KeyArgument key{};
  ParseKeyArguments(fcinfo, 1, *sync, &key);
  RecordNew(sync, key);
  PG_RETURN_VOID();
}

Datum polyglot_enqueue_text(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  SyncRow* sync = EnqueueTarget(fcinfo);
  KeyArgument key{};
  ParseKeyText(RequiredText(fcinfo, 1, "key"), *sync, &key);
  RecordNew(sync, key);
  PG_RETURN_VOID();
}

Datum polyglot_requeue(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  CheckMayWrite("polyglot.requeue()");
  char* document_id = TextArgument(fcinfo, 1);
  int most = MaxArgument(fcinfo, 2);
  if (PG_ARGISNULL(0)) PG_RETURN_INT32(RequeueAll(document_id, most));
  SyncRow* sync = OwnedSyncArgument(fcinfo);
  const int done = RequeueOne(sync, document_id, most);
  if (done == most) NoteLeft(CountLetters(sync, document_id) - done, "requeued");
  PG_RETURN_INT32(done);
}

Datum polyglot_discard(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  CheckMayWrite("polyglot.discard()");
  SyncRow* sync = OwnedSyncArgument(fcinfo);
  const char* document_id = TextArgument(fcinfo, 1);
  const int most = MaxArgument(fcinfo, 2);
  const int done = DiscardSome(sync, document_id, most);
  if (done == most) NoteLeft(CountLetters(sync, document_id), "discarded");
  PG_RETURN_INT32(done);
}
