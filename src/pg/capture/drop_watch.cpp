// The event trigger on sql_drop: syncs end with their table or server, and fail without their key.

#include "pg/capture/capture_triggers.h"
#include "pg/capture/source_watch.h"
#include "pg/sql/published.h"
#include "pg/sql/sync_definition.h"

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
  char* last_name;  // of address_names: a trigger's own name
};

Dropped* ReadDropped(int* count) {
  MemoryContext caller = CurrentMemoryContext;
  SPI_connect();
  SPI_execute(
      "SELECT classid, objid, objsubid, object_type,"
      " address_names[pg_catalog.array_length(address_names, 1)]"
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

void FreeQueue(Oid server) {
  AsExtensionOwner as_owner;
  char* oid = psprintf("%u", server);
  SPI_connect();
  Execute("DELETE FROM polyglot.dropped_index WHERE server = $1::oid", {oid});
  Execute("UPDATE polyglot.queue SET server = 0 WHERE server = $1::oid RETURNING table_a, table_b",
          {oid});
  Oid tables[2] = {InvalidOid, InvalidOid};
  for (int i = 0; SPI_processed == 1 && i < 2; ++i) {
    bool is_null;
    tables[i] = DatumGetObjectId(
        SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1, &is_null));
  }
  SPI_finish();
  CommandCounterIncrement();
  for (Oid table : tables)
    if (OidIsValid(table)) EmptyIfFree(table);
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
  FreeQueue(server);
  AnnounceConfigChange();
}

void TableDropped(Oid source, List* sources) {
  if (!list_member_oid(sources, source)) return;
  int count;
  SyncRow** syncs = LoadSyncsOfSource(source, &count);
  for (int i = 0; i < count; ++i) EndSync(syncs[i], false);
}

// Not only a trigger that somebody dropped: a dropped partition takes its triggers along, and its
// rows without any event.
void TriggerDropped(const char* name, List* sources) {
  Oid source = name ? SourceOfTriggerName(name) : InvalidOid;
  if (list_member_oid(sources, source) && SearchSysCacheExists1(RELOID, ObjectIdGetDatum(source)))
    ReviewSource(source, true);
}

// `sources` is read once: DROP SCHEMA may drop tens of thousands of objects.
void HandleDropped(const Dropped& object, const Node* statement, List* sources) {
  switch (object.class_id) {
    case ForeignServerRelationId:
      ServerDropped(object.object_id, statement);
      break;
    case RelationRelationId:
      if (object.column == 0)
        TableDropped(object.object_id, sources);
      else if (list_member_oid(sources, object.object_id))
        ReviewSource(object.object_id, true);
      break;
    case TriggerRelationId:
      TriggerDropped(object.last_name, sources);
      break;
    case UserMappingRelationId:
      AnnounceConfigChange();
      break;
    default:
      break;
  }
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
  bool keys = false;
  List* sources = AllSources();
  for (int i = 0; i < count; ++i) {
    HandleDropped(objects[i], data->parsetree, sources);
    keys |= IsType(objects[i], "index") || IsType(objects[i], "table constraint");
  }
  ListCell* cell;
  foreach (cell, keys ? AllSources() : NIL) FailBrokenSyncs(lfirst_oid(cell));
  PG_RETURN_NULL();
}
