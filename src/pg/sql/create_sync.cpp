// polyglot.create_sync: transactional, without network. The worker makes the index afterwards.

#include "pg/capture/capture_plan.h"
#include "pg/capture/trigger_install.h"
#include "pg/catalog/change_announcement.h"
#include "pg/catalog/own_rights.h"
#include "pg/catalog/queue_tables.h"
#include "pg/catalog/statement.h"
#include "pg/definition/definition_checks.h"
#include "pg/definition/published_source.h"
#include "pg/definition/sync_definition.h"
#include "pg/server/server_options.h"
#include "pg/shared/shared_state.h"
#include "pg/source/source_tree.h"
#include "pg/source/tree_lock.h"
#include "pg/sql/arguments.h"

extern "C" {
PG_FUNCTION_INFO_V1(polyglot_create_sync);
PGDLLEXPORT Datum polyglot_create_sync(PG_FUNCTION_ARGS);
}

namespace polyglot::pg {

namespace {

// Order of the SQL function's arguments (extension/20_functions.sql).
enum Argument {
  kSource,
  kServer,
  kName,
  kIndex,
  kCapture,
  kKey,
  kColumns,
  kFilter,
  kDocument,
  kRouting,
  kMapping,
  kSettings,
  kManageIndex,
  kBackfill,
  kOptions
};

struct NewSync {
  Oid source;
  char* server_name;
  Oid server;
  char* name;
  char* index;
  char* capture;
  NameList key;
  DocumentDefinition document;
  char* mapping;
  char* settings;
  char* options;
  bool captured;  // not capture => 'none'
  bool manage_index, backfill;
  bool published;
};

char* JsonArgument(FunctionCallInfo fcinfo, int number, const char* what) {
  if (PG_ARGISNULL(number)) return nullptr;
  Jsonb* value = PG_GETARG_JSONB_P(number);
  char* json = JsonbToCString(nullptr, &value->root, VARSIZE(value));
  CheckJsonObject(json, what);
  return json;
}

char* CaptureArgument(FunctionCallInfo fcinfo) {
  char* capture = RequiredText(fcinfo, kCapture, "capture");
  if (strcmp(capture, "outbox") == 0 || strcmp(capture, "none") == 0) return capture;
  if (strcmp(capture, "wal") == 0)
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("capture => '%s' is not supported by this version", capture),
                    errhint("Use capture => 'outbox'.")));
  ereport(ERROR,
          (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown capture \"%s\"", capture),
           errhint("Valid values are: outbox, none.")));
  pg_unreachable();
}

bool FlagArgument(FunctionCallInfo fcinfo, int number) {
  return PG_ARGISNULL(number) || PG_GETARG_BOOL(number);
}

// What decides how rows become documents has no meaning where documents are published.
void CheckPublished(FunctionCallInfo fcinfo) {
  if (PG_ARGISNULL(kName))
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                    errmsg("a sync without a source needs a name"),
                    errhint("Name a table in \"source\", or the published sync by \"name\".")));
  if (strcmp(RequiredText(fcinfo, kCapture, "capture"), "none") == 0)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("capture => 'none' contradicts source => NULL"),
                    errhint("What is published is captured.")));
  static constexpr struct {
    Argument argument;
    const char* name;
  } of_rows[] = {{kKey, "key"},
                 {kColumns, "columns"},
                 {kFilter, "filter"},
                 {kDocument, "document"},
                 {kRouting, "routing"}};
  for (const auto& [argument, name] : of_rows)
    if (!PG_ARGISNULL(argument))
      ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                      errmsg("\"%s\" contradicts source => NULL", name),
                      errhint("polyglot.publish is given documents as they are.")));
}

// Its source is a table like any other, see published.h.
void MakePublished(NewSync* sync) {
  CheckSyncName(sync->name);
  sync->source = CreatePublishedSource(sync->name, sync->server);
  sync->key = {1, static_cast<char**>(palloc(sizeof(char*)))};
  sync->key.names[0] = pstrdup("id");
  sync->document = {{}, nullptr, pstrdup("document"), pstrdup("routing")};
}

NewSync ReadArguments(FunctionCallInfo fcinfo) {
  if (PG_ARGISNULL(kServer))
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("server must not be null")));
  NewSync sync{};
  sync.capture = CaptureArgument(fcinfo);
  sync.captured = strcmp(sync.capture, "none") != 0;
  sync.published = PG_ARGISNULL(kSource);
  sync.source = sync.published ? InvalidOid : PG_GETARG_OID(kSource);
  sync.server_name = NameArgument(fcinfo, kServer);
  sync.name = TextArgument(fcinfo, kName);
  sync.index = TextArgument(fcinfo, kIndex);
  sync.key = NameListArgument(fcinfo, kKey, "key");
  sync.document = {NameListArgument(fcinfo, kColumns, "columns"), TextArgument(fcinfo, kFilter),
                   TextArgument(fcinfo, kDocument), NameArgument(fcinfo, kRouting)};
  sync.mapping = JsonArgument(fcinfo, kMapping, "mapping");
  sync.settings = JsonArgument(fcinfo, kSettings, "settings");
  sync.options = JsonArgument(fcinfo, kOptions, "options");
  sync.manage_index = FlagArgument(fcinfo, kManageIndex);
  sync.backfill = FlagArgument(fcinfo, kBackfill);
  return sync;
}

void LockServer(NewSync* sync) {
  sync->server = FindServerOrError(sync->server_name);
  AclResult allowed = ServerAclCheck(sync->server, GetUserId(), ACL_USAGE);
  if (allowed != ACLCHECK_OK) aclcheck_error(allowed, OBJECT_FOREIGN_SERVER, sync->server_name);
  // DROP SERVER waits for us, and we see whether it came first.
  LockDatabaseObject(ForeignServerRelationId, sync->server, 0, AccessShareLock);
  if (FindServerOrError(sync->server_name) != sync->server)
    ereport(ERROR,
            (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
             errmsg("server \"%s\" was changed by a concurrent transaction", sync->server_name),
             errhint("Try again.")));
}

void FillDefaults(NewSync* sync) {
  if (!sync->name) sync->name = get_rel_name(sync->source);
  if (!sync->index)
    sync->index = psprintf("%s%s", LoadServerOptions(sync->server)->index_prefix, sync->name);
}

void CheckManaged(const NewSync* sync) {
  CheckIndexName(sync->index, sync->manage_index);
  CheckOptions(sync->options, sync->manage_index, sync->captured);
  CheckPublishers(sync->options, sync->published);
  if (!sync->manage_index && (sync->mapping || sync->settings))
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("%s contradicts manage_index => false", sync->mapping ? "mapping" : "settings"),
             errhint("Whoever creates the index configures it.")));
}

void CheckDefinition(NewSync* sync) {
  CheckEncoding();
  CheckSyncName(sync->name);
  CheckManaged(sync);
  CheckConfined(LoadServerOptions(sync->server), sync->server_name, sync->index);
  CheckIndexFree(sync->server, sync->index, sync->manage_index);
  if (sync->published) return;
  sync->key = ChooseKey(sync->source, sync->key);
  CheckDocumentDefinition(sync->source, sync->name, sync->document);
}

int32 InsertDefinition(const NewSync* sync) {
  Execute(
      "INSERT INTO polyglot.sync_definition (name, source, server, index, capture, key, columns,"
      " filter, document, routing, mapping, settings, manage_index, backfill, options)"
      " VALUES ($1, $2::oid::regclass, $3::name, $4, $15, $5::name[], $6::name[], $7, $8,"
      " $9::name, $10::jsonb, $11::jsonb, $12::boolean, $13::boolean, $14::jsonb) RETURNING id",
      {sync->name, psprintf("%u", sync->source), sync->server_name, sync->index,
       NameListText(sync->key), NameListText(sync->document.columns), sync->document.filter,
       sync->document.document, sync->document.routing, sync->mapping, sync->settings,
       sync->manage_index ? "true" : "false", sync->backfill ? "true" : "false", sync->options,
       sync->capture});
  bool is_null;
  return DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
}

void InsertState(const NewSync* sync, int32 id, int32 queue) {
  Execute(
      "INSERT INTO polyglot.sync_state (sync_id, server, queue, system_identifier, database,"
      " phase) VALUES ($1::integer, $2::oid, $3::integer, $4::bigint, $5::oid, $6)",
      {psprintf("%d", id), psprintf("%u", sync->server), psprintf("%d", queue),
       psprintf("%lld", static_cast<long long>(GetSystemIdentifier())),
       psprintf("%u", MyDatabaseId), sync->backfill ? "backfill" : "stream"});
}

int32 InsertSync(const NewSync* sync) {
  int32 queue = EnsureQueue(sync->server);
  AsExtensionOwner as_owner;
  SPI_connect();
  const int32 id = InsertDefinition(sync);
  InsertState(sync, id, queue);
  SPI_finish();
  CommandCounterIncrement();
  return id;
}

void Store(const NewSync* sync) {
  const int32 id = InsertSync(sync);
  if (sync->published) StorePublishers(id, sync->options, true);
  if (sync->captured) CheckCapturedColumns(sync->source);
}

void Report(const NewSync* sync) {
  if (!sync->manage_index)
    ereport(NOTICE, (errmsg("every document in index \"%s\" belongs to sync \"%s\" from now on",
                            sync->index, sync->name),
                     errdetail("A resync deletes documents that no row of the table stands for.")));
  if (!Shared())
    ereport(WARNING, (errmsg("changes are recorded, but nothing will be delivered"),
                      errhint("Add polyglot_sync to shared_preload_libraries and restart the "
                              "server.")));
}

}  // namespace

}  // namespace polyglot::pg

Datum polyglot_create_sync(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  CheckMayWrite("polyglot.create_sync()");
  NewSync sync = ReadArguments(fcinfo);
  if (sync.published)
    CheckPublished(fcinfo);
  else
    CheckSource(sync.source, sync.captured);
  LockServer(&sync);
  FillDefaults(&sync);
  if (sync.published) MakePublished(&sync);
  List* tree = LockTree(sync.source);
  if (!sync.published) CheckTree(sync.source, sync.captured);
  CheckDefinition(&sync);
  Store(&sync);
  if (sync.captured) InstallCaptureTriggers(sync.source);
  InvalidateTree(sync.source);
  AnnounceConfigChange();
  Report(&sync);
  WarnOfHeirs(sync.source, sync.key.count, sync.key.names, tree);
  PG_RETURN_TEXT_P(cstring_to_text(sync.name));
}
