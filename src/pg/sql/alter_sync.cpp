// polyglot.alter_sync. Whatever changes documents makes the worker fill a new index.

#include "pg/capture/capture_plan.h"
#include "pg/catalog/change_announcement.h"
#include "pg/catalog/own_rights.h"
#include "pg/catalog/statement.h"
#include "pg/definition/definition_checks.h"
#include "pg/definition/published_source.h"
#include "pg/definition/sync_definition.h"
#include "pg/source/source_tree.h"
#include "pg/source/tree_lock.h"
#include "pg/sql/arguments.h"

extern "C" {
PG_FUNCTION_INFO_V1(polyglot_alter_sync);
PGDLLEXPORT Datum polyglot_alter_sync(PG_FUNCTION_ARGS);
}

namespace polyglot::pg {

namespace {

// Order of the SQL function's arguments (extension/20_functions.sql).
enum Argument {
  kSync,
  kNewName,
  kCapture,
  kColumns,
  kFilter,
  kDocument,
  kRouting,
  kMapping,
  kSettings,
  kOptions,
  kReset
};

constexpr const char* kNames[] = {"sync",     "new_name", "capture", "columns",
                                  "filter",   "document", "routing", "mapping",
                                  "settings", "options",  "reset"};

bool CanReset(int argument) { return argument >= kColumns && argument <= kOptions; }

void CheckSupported(FunctionCallInfo fcinfo, const SyncRow* sync) {
  if (!PG_ARGISNULL(kCapture))
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("changing \"capture\" of a sync is not supported by this version"),
                    errhint("Drop the sync and create it again.")));
  for (int argument : {kMapping, kSettings})
    if (!PG_ARGISNULL(argument) && !sync->manage_index)
      ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                      errmsg("%s contradicts manage_index => false", kNames[argument]),
                      errhint("Whoever creates the index configures it.")));
}

// Which arguments are to be set back to their defaults.
void ReadReset(FunctionCallInfo fcinfo, bool* reset) {
  NameList list = NameListArgument(fcinfo, kReset, "reset");
  for (int i = 0; i < list.count; ++i) {
    int found = kSync;
    for (int argument = kNewName; argument < kReset; ++argument)
      if (strcmp(kNames[argument], list.names[i]) == 0) found = argument;
    if (!CanReset(found))
      ereport(ERROR,
              (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
               errmsg("\"%s\" cannot be reset", list.names[i]),
               errhint("Valid names are: columns, filter, document, routing, mapping, settings, "
                       "options.")));
    if (!PG_ARGISNULL(found))
      ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                      errmsg("\"%s\" is both set and reset", list.names[i])));
    reset[found] = true;
  }
}

char* Merged(FunctionCallInfo fcinfo, int argument, const bool* reset, char* current, char* given) {
  if (!PG_ARGISNULL(argument)) return given;
  return reset[argument] ? nullptr : current;
}

DocumentDefinition MergeDocument(FunctionCallInfo fcinfo, const SyncRow* sync, const bool* reset) {
  DocumentDefinition merged{};
  merged.columns = NameListArgument(fcinfo, kColumns, "columns");
  if (!merged.columns.names && !reset[kColumns] && sync->column_count > 0)
    merged.columns = {sync->column_count, sync->columns};
  merged.filter = Merged(fcinfo, kFilter, reset, sync->filter, TextArgument(fcinfo, kFilter));
  merged.document =
      Merged(fcinfo, kDocument, reset, sync->document, TextArgument(fcinfo, kDocument));
  merged.routing = Merged(fcinfo, kRouting, reset, sync->routing, NameArgument(fcinfo, kRouting));
  return merged;
}

bool Same(const char* a, const char* b) { return a == b || (a && b && strcmp(a, b) == 0); }

bool SameColumns(const SyncRow* sync, const NameList& columns) {
  if (sync->column_count != columns.count) return false;
  for (int i = 0; i < columns.count; ++i)
    if (strcmp(sync->columns[i], columns.names[i]) != 0) return false;
  return true;
}

char* JsonArgument(FunctionCallInfo fcinfo, int argument) {
  if (PG_ARGISNULL(argument)) return nullptr;
  Jsonb* value = PG_GETARG_JSONB_P(argument);
  char* json = JsonbToCString(nullptr, &value->root, VARSIZE(value));
  if (argument != kOptions) CheckJsonObject(json, kNames[argument]);
  return json;
}

char* MergedJson(FunctionCallInfo fcinfo, int argument, const bool* reset, char* current) {
  return Merged(fcinfo, argument, reset, current, JsonArgument(fcinfo, argument));
}

void Store(const SyncRow* sync, const char* name, const DocumentDefinition& document,
           const char* options, const char* mapping, const char* settings) {
  AsExtensionOwner as_owner;
  SPI_connect();
  Execute(
      "UPDATE polyglot.sync_definition SET name = $2, columns = $3::name[], filter = $4,"
      " document = $5, routing = $6::name, options = $7::jsonb, mapping = $8::jsonb,"
      " settings = $9::jsonb WHERE id = $1::integer",
      {psprintf("%d", sync->id), name, NameListText(document.columns), document.filter,
       document.document, document.routing, options, mapping, settings});
  SPI_finish();
  CommandCounterIncrement();
}

void Alter(FunctionCallInfo fcinfo, const SyncRow* sync, const bool* reset) {
  char* new_name = TextArgument(fcinfo, kNewName);
  if (new_name && strcmp(new_name, sync->name) != 0) CheckSyncName(new_name);
  DocumentDefinition document = MergeDocument(fcinfo, sync, reset);
  char* options = MergedJson(fcinfo, kOptions, reset, sync->options);
  char* mapping = MergedJson(fcinfo, kMapping, reset, sync->mapping);
  char* settings = MergedJson(fcinfo, kSettings, reset, sync->settings);
  const bool captured = strcmp(sync->capture, "none") != 0;
  CheckOptions(options, sync->manage_index, captured);
  const bool published = IsPublishedSource(sync->source);
  CheckPublishers(options, published);
  bool changed = !SameColumns(sync, document.columns) || !Same(sync->filter, document.filter) ||
                 !Same(sync->document, document.document) || !Same(sync->routing, document.routing);
  if (changed && published)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("sync \"%s\" has no columns, filter, document or routing of its own",
                           sync->name),
                    errhint("polyglot.publish is given documents as they are.")));
  if (changed) {
    LockTree(sync->source);
    CheckTree(sync->source, captured);
    CheckDocumentDefinition(sync->source, sync->name, document);
  }
  if (published && new_name && strcmp(new_name, sync->name) != 0)
    RenamePublishedSource(sync, new_name);
  bool index = !Same(sync->mapping, mapping) || !Same(sync->settings, settings);
  Store(sync, new_name ? new_name : sync->name, document, options, mapping, settings);
  // Not unless they were given: a role that has another name by now keeps its right.
  if (published && (!PG_ARGISNULL(kOptions) || reset[kOptions]))
    StorePublishers(sync->id, options, true);
  if (changed && captured) CheckCapturedColumns(sync->source);
  if (changed || index) RequestRebuild(sync, "alter_sync", LiveIndex::kOutdated);
  InvalidateTree(sync->source);
  AnnounceConfigChange();
}

void ClearFailure(const SyncRow* sync) {
  AsExtensionOwner as_owner;
  SPI_connect();
  Execute(
      "UPDATE polyglot.sync_state SET failed_reason = NULL, failed_hint = NULL"
      " WHERE sync_id = $1::integer AND failed_reason IS NOT NULL",
      {psprintf("%d", sync->id)});
  SPI_finish();
  CommandCounterIncrement();
}

}  // namespace

}  // namespace polyglot::pg

Datum polyglot_alter_sync(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  CheckMayWrite("polyglot.alter_sync()");
  SyncRow* sync = OwnedSyncArgument(fcinfo);
  bool reset[kReset + 1] = {};
  ReadReset(fcinfo, reset);
  CheckSupported(fcinfo, sync);
  Alter(fcinfo, sync, reset);
  // Whatever made the sync fail may be cured now; the worker finds out.
  ClearFailure(sync);
  PG_RETURN_VOID();
}
