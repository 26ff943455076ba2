// The event trigger on sql_drop: syncs end with their table or server, and fail without their key.

#include "pg/capture/source_watch.h"
#include "pg/capture/trigger_install.h"
#include "pg/catalog/change_announcement.h"
#include "pg/catalog/dropped_indexes.h"
#include "pg/catalog/own_relations.h"
#include "pg/catalog/own_rights.h"
#include "pg/catalog/queue_tables.h"
#include "pg/definition/published_source.h"
#include "pg/definition/sync_definition.h"
#include "pg/server/server_options.h"

extern "C" {
PG_FUNCTION_INFO_V1(polyglot_watch_drop);
PGDLLEXPORT Datum polyglot_watch_drop(PG_FUNCTION_ARGS);
}

namespace polyglot::pg {

namespace {

struct Dropped {
  Oid class_id, object_id;
  int32 column;
  char* type;
  char* last_name;  // of address_names: the own name of a trigger or function
  char* argument;   // of address_args, the first: the server of a user mapping
};

Dropped* ReadDropped(int* count) {
  MemoryContext caller = CurrentMemoryContext;
  SPI_connect();
  SPI_execute(
      "SELECT classid, objid, objsubid, object_type,"
      " address_names[pg_catalog.array_length(address_names, 1)], address_args[1]"
      " FROM pg_catalog.pg_event_trigger_dropped_objects()",
      true, 0);
  *count = static_cast<int>(SPI_processed);
  MemoryContext spi = MemoryContextSwitchTo(caller);
  auto* objects = static_cast<Dropped*>(palloc0(sizeof(Dropped) * (*count + 1)));
  for (int i = 0; i < *count; ++i) {
    bool is_null;
    HeapTuple tuple = SPI_tuptable->vals[i];
    TupleDesc desc = SPI_tuptable->tupdesc;
    objects[i].class_id = DatumGetObjectId(SPI_getbinval(tuple, desc, 1, &is_null));
    objects[i].object_id = DatumGetObjectId(SPI_getbinval(tuple, desc, 2, &is_null));
    objects[i].column = DatumGetInt32(SPI_getbinval(tuple, desc, 3, &is_null));
    objects[i].type = SPI_getvalue(tuple, desc, 4);
    objects[i].last_name = SPI_getvalue(tuple, desc, 5);
    objects[i].argument = SPI_getvalue(tuple, desc, 6);
  }
  MemoryContextSwitchTo(spi);
  SPI_finish();
  return objects;
}

bool IsType(const Dropped& object, const char* type) {
  return object.type && strcmp(object.type, type) == 0;
}

// Without CASCADE, DROP SERVER must not end syncs. No dependency can say so: syncs are rows.
bool EndsDependents(const Node* statement) {
  return !IsA(statement, DropStmt) ||
         reinterpret_cast<const DropStmt*>(statement)->behavior == DROP_CASCADE;
}

[[noreturn]] void RefuseServerDrop(SyncRow** syncs, int count) {
  StringInfoData names;
  initStringInfo(&names);
  for (int i = 0; i < count; ++i)
    appendStringInfo(&names, "%ssync %s depends on server %s", i ? "\n" : "", syncs[i]->name,
                     syncs[i]->server_name);
  ereport(ERROR, (errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
                  errmsg("cannot drop server %s because syncs depend on it", syncs[0]->server_name),
                  errdetail("%s", names.data),
                  errhint("Use DROP ... CASCADE to end the syncs too, or polyglot.drop_sync.")));
  pg_unreachable();
}

// Rows that stay behind because a writer holds the table do no harm to its next server: they name
// relations whose rows are then read once more, or none of its syncs.
void EmptyIfFree(Oid table) {
  if (!ConditionalLockRelationOid(table, AccessExclusiveLock)) return;
  Relation rel = table_open(table, NoLock);
  TruncateUnlogged(rel);
  table_close(rel, NoLock);
}

// false: it had none, so nothing was ever delivered to it.
bool FreeQueue(Oid server) {
  AsExtensionOwner as_owner;
  SPI_connect();
  ForgetDropped(server);
  Oid tables[2] = {InvalidOid, InvalidOid};
  const bool found = FreeQueueOf(server, tables);
  SPI_finish();
  CommandCounterIncrement();
  for (Oid table : tables)
    if (OidIsValid(table)) EmptyIfFree(table);
  return found;
}

void ServerDropped(Oid server, const Node* statement) {
  int count;
  SyncRow** syncs = LoadSyncs(server, &count);
  if (count > 0 && !EndsDependents(statement)) RefuseServerDrop(syncs, count);
  for (int i = 0; i < count; ++i) {
    const bool published = IsPublishedSource(syncs[i]->source);  // its source goes with it
    EndSync(syncs[i], false);
    if (!published) (void)DropUnusedCaptureTriggers(syncs[i]->source);
  }
  // Servers of other wrappers concern nobody here.
  if (FreeQueue(server) || count > 0) AnnounceConfigChange();
}

void TableDropped(Oid source) {
  int count;
  SyncRow** syncs = LoadSyncsOfSource(source, &count);
  for (int i = 0; i < count; ++i) {
    EndSync(syncs[i], false);
    ereport(NOTICE, (errmsg("sync \"%s\" ends with its table", syncs[i]->name),
                     errdetail("Index \"%s\" of server \"%s\" stays as it is.", syncs[i]->index,
                               syncs[i]->server_name)));
  }
}

// Not only a trigger that somebody dropped: a dropped partition takes its triggers along, and its
// rows without any event.
void TriggerDropped(const Dropped& trigger) {
  const Oid source = trigger.last_name ? SourceOfTriggerName(trigger.last_name) : InvalidOid;
  if (OidIsValid(source) && IsSource(source) &&
      SearchSysCacheExists1(RELOID, ObjectIdGetDatum(source)))
    ReviewSource(source, true);
}

void UserMappingDropped(const Dropped& mapping) {
  const Oid server = mapping.argument ? get_foreign_server_oid(mapping.argument, true) : InvalidOid;
  if (OidIsValid(server) && IsOurServer(server)) AnnounceConfigChange();
}

bool IsRelation(const Dropped& object) {
  return IsType(object, "table") || IsType(object, "view") || IsType(object, "materialized view") ||
         IsType(object, "foreign table");
}

// DROP SCHEMA may drop tens of thousands of objects: then the sources are read once.
struct Sources {
  bool many;
  List* named;
};

bool IsOneOf(const Sources& sources, Oid relation) {
  return (!sources.many || list_member_oid(sources.named, relation)) && IsSource(relation);
}

void HandleDropped(const Dropped& object, const Node* statement, const Sources& sources) {
  switch (object.class_id) {
    case ForeignServerRelationId:
      ServerDropped(object.object_id, statement);
      break;
    case RelationRelationId:
      if (object.column != 0 && IsOneOf(sources, object.object_id))
        ReviewSource(object.object_id, true);
      else if (IsRelation(object) && IsOneOf(sources, object.object_id))
        TableDropped(object.object_id);
      break;
    case TriggerRelationId:
      TriggerDropped(object);
      break;
    case ProcedureRelationId:
      if (object.last_name) FunctionGone(object.last_name);
      break;
    case UserMappingRelationId:
      UserMappingDropped(object);
      break;
    default:
      break;
  }
}

// What had an index or a constraint is locked by who dropped it.
void ReviewKeys() {
  ListCell* cell;
  foreach (cell, NamedSources())
    if (HoldsRelationLock(lfirst_oid(cell), AccessExclusiveLock) ||
        HoldsRelationLock(lfirst_oid(cell), ShareUpdateExclusiveLock))
      FailBrokenSyncs(lfirst_oid(cell));
}

}  // namespace

}  // namespace polyglot::pg

Datum polyglot_watch_drop(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("polyglot.watch_drop() can only be called as an event trigger")));
  if (!ExtensionExists()) PG_RETURN_NULL();
  auto* data = reinterpret_cast<EventTriggerData*>(fcinfo->context);
  int count;
  Dropped* objects = ReadDropped(&count);
  constexpr int kMany = 50;
  const Sources sources{count > kMany, count > kMany ? NamedSources() : NIL};
  bool keys = false;
  for (int i = 0; i < count; ++i) {
    HandleDropped(objects[i], data->parsetree, sources);
    keys |= IsType(objects[i], "index") || IsType(objects[i], "table constraint");
  }
  if (keys) ReviewKeys();
  PG_RETURN_NULL();
}
