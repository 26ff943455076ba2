// The event trigger on ddl_command_end: what CREATE and ALTER commands do to syncs.

#include "pg/capture/capture_triggers.h"
#include "pg/capture/source_tree.h"
#include "pg/capture/source_watch.h"
#include "pg/server_options.h"
#include "pg/sql/published.h"

extern "C" {
PG_FUNCTION_INFO_V1(polyglot_watch_ddl);
PGDLLEXPORT Datum polyglot_watch_ddl(PG_FUNCTION_ARGS);
}

namespace polyglot::pg {

namespace {

struct Command {
  Oid class_id, object_id;
  int32 column;  // attribute number, 0: the object itself
};

Command* ReadCommands(int* count) {
  MemoryContext caller = CurrentMemoryContext;
  SPI_connect();
  SPI_execute("SELECT classid, objid, objsubid FROM pg_catalog.pg_event_trigger_ddl_commands()",
              true, 0);
  *count = static_cast<int>(SPI_processed);
  auto* commands =
      static_cast<Command*>(MemoryContextAllocZero(caller, sizeof(Command) * (*count + 1)));
  for (int i = 0; i < *count; ++i) {
    bool null_class, null_object, null_column;
    HeapTuple tuple = SPI_tuptable->vals[i];
    TupleDesc desc = SPI_tuptable->tupdesc;
    commands[i].class_id = DatumGetObjectId(SPI_getbinval(tuple, desc, 1, &null_class));
    commands[i].object_id = DatumGetObjectId(SPI_getbinval(tuple, desc, 2, &null_object));
    commands[i].column = DatumGetInt32(SPI_getbinval(tuple, desc, 3, &null_column));
  }
  SPI_finish();
  return commands;
}

// What one ALTER TABLE means for the syncs of the table.
struct TableChange {
  bool documents;   // rows make other documents than before
  bool new_column;  // so only where all columns are fields
  bool tree;        // partitions came or went
  bool parents;     // the table itself came under another one or left it
};

TableChange ReadSubcommands(const AlterTableStmt* statement) {
  TableChange change{};
  ListCell* cell;
  foreach (cell, statement->cmds) {
    switch (lfirst_node(AlterTableCmd, cell)->subtype) {
      case AT_AlterColumnType:
        change.documents = true;
        break;
      case AT_AddColumn:
        change.new_column = true;
        break;
      case AT_AttachPartition:
      case AT_DetachPartition:
      case AT_DetachPartitionFinalize:
        change.tree = true;
        break;
      case AT_AddInherit:
      case AT_DropInherit:
        change.parents = true;
        break;
      default:
        break;
    }
  }
  return change;
}

bool AnySyncTakesAllColumns(Oid source) {
  int count;
  SyncRow** syncs = LoadSyncsOfSource(source, &count);
  for (int i = 0; i < count; ++i)
    if (syncs[i]->column_count == 0 && !syncs[i]->document) return true;
  return false;
}

void WarnOfNewHeir(Oid relation, Oid source) {
  int count;
  SyncRow** syncs = LoadSyncsOfSource(source, &count);
  for (int i = 0; i < count; ++i)
    WarnOfHeirs(source, syncs[i]->key_count, syncs[i]->key_name, list_make1_oid(relation));
}

void AlterTable(Oid relation, Oid source, const AlterTableStmt* statement) {
  TableChange change = ReadSubcommands(statement);
  bool inside = IsInTree(relation, source);
  // A table may inherit from one source and leave another in the same statement.
  bool captured = HasCaptureTrigger(relation, source);
  bool moved =
      (change.tree && inside) || (change.parents && relation != source && (inside || captured));
  // A change of columns above the source reaches it; columns that a member has for itself do not.
  bool columns = change.documents || (change.new_column && AnySyncTakesAllColumns(source));
  if (moved) RemoveDetachedTriggers(source);
  ReviewSource(source, moved || (columns && IsInTree(source, relation)));
  if (moved && inside && !captured) WarnOfNewHeir(relation, source);
}

// It has no rows yet. Listed twice when it has a primary key. CREATE TABLE … INHERITS itself lets
// readers of the parent go on, so one that has not heard of the commit yet would use a plan without
// the new table and miss rows that it sees committed: the worker would take them for deleted. With
// this lock it waits until it has heard.
void TableCreated(Oid relation, Oid source) {
  if (RepairCaptureTriggers(source, list_make1_oid(relation))) {
    LockRelationOid(source, AccessExclusiveLock);
    WarnOfNewHeir(relation, source);
  }
  FailBrokenSyncs(source);
  AnnounceConfigChange();
}

// Definitions keep names, because only names can be dumped: they follow the rename.
void RenameColumn(Oid source, const RenameStmt* statement) {
  if (get_attnum(source, statement->subname) > 0 || get_attnum(source, statement->newname) <= 0)
    return;
  {
    AsExtensionOwner as_owner;
    SPI_connect();
    Execute(
        "UPDATE polyglot.sync_definition SET key = array_replace(key, $2::name, $3::name),"
        " columns = array_replace(columns, $2::name, $3::name),"
        " routing = CASE routing WHEN $2::name THEN $3::name ELSE routing END"
        " WHERE source = $1::oid::regclass",
        {psprintf("%u", source), statement->subname, statement->newname});
    SPI_finish();
    CommandCounterIncrement();
  }
  // The field in the documents has the column's name.
  ReviewSource(source, true);
}

void TableChanged(const Command& command, const Node* statement) {
  ListCell* cell;
  foreach (cell, AllSources()) {
    Oid source = lfirst_oid(cell);
    bool inside = IsInTree(command.object_id, source);
    // After NO INHERIT only the triggers know where the table has been.
    if (!inside && !IsInTree(source, command.object_id) &&
        !HasCaptureTrigger(command.object_id, source))
      continue;
    if (IsA(statement, CreateStmt) && inside)
      TableCreated(command.object_id, source);
    else if (IsA(statement, AlterTableStmt))
      AlterTable(command.object_id, source, reinterpret_cast<const AlterTableStmt*>(statement));
    else if (IsA(statement, RenameStmt) && command.column != 0)
      RenameColumn(source, reinterpret_cast<const RenameStmt*>(statement));
    else
      ReviewSource(source, false);
  }
}

bool HasColumnOfType(Oid source, Oid type) {
  Relation rel = try_relation_open(source, AccessShareLock);
  if (!rel) return false;
  bool found = false;
  for (int i = 0; i < RelationGetDescr(rel)->natts; ++i) {
    Form_pg_attribute column = TupleDescAttr(RelationGetDescr(rel), i);
    if (column->attisdropped) continue;
    Oid base = getBaseType(column->atttypid);
    Oid element = get_element_type(base);
    found |= base == type || (OidIsValid(element) && getBaseType(element) == type);
  }
  relation_close(rel, AccessShareLock);
  return found;
}

// A renamed enum label, an attribute that came or went: the rows are the same, their text is not.
void TypeChanged(Oid type, const Node* statement) {
  if (IsA(statement, AlterEnumStmt) && !reinterpret_cast<const AlterEnumStmt*>(statement)->oldVal)
    return;  // only a new label
  ListCell* cell;
  foreach (cell, AllSources())
    if (HasColumnOfType(lfirst_oid(cell), type)) ReviewSource(lfirst_oid(cell), true);
}

void TriggerChanged(Oid trigger, const Node* statement) {
  RefuseReservedName(trigger);
  RemoveMisnamedTrigger(trigger, IsA(statement, RenameStmt));
  ListCell* cell;
  foreach (cell, AllSources())
    if (!CaptureTriggersIntact(lfirst_oid(cell))) ReviewSource(lfirst_oid(cell), false);
}

void ServerChanged(Oid server) {
  if (!IsOurServer(server)) return;
  AsExtensionOwner as_owner;
  SPI_connect();
  Execute(
      "UPDATE polyglot.sync_definition d SET server = f.srvname"
      " FROM polyglot.sync_state s, pg_foreign_server f WHERE s.sync_id = d.id"
      " AND s.server = f.oid AND f.oid = $1::oid AND d.server <> f.srvname",
      {psprintf("%u", server)});
  SPI_finish();
  CommandCounterIncrement();
  FollowServerOwner(server);
  AnnounceConfigChange();
}

void HandleCommand(const Command& command, const Node* statement) {
  switch (command.class_id) {
    case RelationRelationId:
      if (get_rel_relkind(command.object_id) == RELKIND_COMPOSITE_TYPE)
        TypeChanged(get_rel_type_id(command.object_id), statement);
      else
        TableChanged(command, statement);
      break;
    case TypeRelationId:
      TypeChanged(command.object_id, statement);
      break;
    case TriggerRelationId:
      TriggerChanged(command.object_id, statement);
      break;
    case ForeignServerRelationId:
      ServerChanged(command.object_id);
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

Datum polyglot_watch_ddl(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("polyglot.watch_ddl() can only be called as an event trigger")));
  if (!ExtensionExists() || AllSources() == NIL) PG_RETURN_NULL();
  auto* data = reinterpret_cast<EventTriggerData*>(fcinfo->context);
  int count;
  Command* commands = ReadCommands(&count);
  for (int i = 0; i < count; ++i) HandleCommand(commands[i], data->parsetree);
  PG_RETURN_NULL();
}
