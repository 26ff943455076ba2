// The event trigger on ddl_command_end: what CREATE and ALTER commands do to syncs.

#include "pg/capture/own_objects.h"
#include "pg/capture/source_watch.h"
#include "pg/capture/trigger_install.h"
#include "pg/catalog/change_announcement.h"
#include "pg/catalog/definitions.h"
#include "pg/catalog/own_relations.h"
#include "pg/catalog/own_rights.h"
#include "pg/definition/definition_checks.h"
#include "pg/definition/expression_check.h"
#include "pg/definition/published_source.h"
#include "pg/server/server_options.h"
#include "pg/source/source_tree.h"

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
  bool values;      // the same, in the table itself too when it is a member of a tree
  bool new_column;  // so only where a document takes all columns
  bool tree;        // partitions came or went
  bool parents;     // the table itself came under another one or left it
};

TableChange ReadSubcommands(const AlterTableStmt* statement) {
  TableChange change{};
  ListCell* cell;
  foreach (cell, statement->cmds) {
    const AlterTableType subtype = lfirst_node(AlterTableCmd, cell)->subtype;
    change.values |= SetsExpression(subtype);
    switch (subtype) {
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

bool TakesAllColumns(const SyncRow* sync) {
  if (!sync->document && sync->column_count == 0) return true;
  for (const char* expression : {sync->document, sync->filter})
    if (expression && ReadsWholeRow(sync->source, expression)) return true;
  return false;
}

bool AnySyncTakesAllColumns(Oid source) {
  int count;
  SyncRow** syncs = LoadSyncsOfSource(source, &count);
  for (int i = 0; i < count; ++i)
    if (TakesAllColumns(syncs[i])) return true;
  return false;
}

void WarnOfNewHeir(Oid relation, Oid source) {
  if (get_rel_relkind(relation) == RELKIND_FOREIGN_TABLE) return;  // the sync has failed
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
  bool above = IsInTree(source, relation);
  bool columns = change.documents || change.values ||
                 (change.new_column && above && AnySyncTakesAllColumns(source));
  if (moved) RemoveDetachedTriggers(source);
  ReviewSource(source, moved || (columns && above) || (change.values && inside));
  if (moved && inside && !captured) WarnOfNewHeir(relation, source);
}

// It has no rows yet, and nothing above it is locked for it: the worker sees that it has come by
// itself (document/table_lock.h). Listed twice when it has a primary key.
void TableCreated(Oid relation, Oid source) {
  if (RepairCaptureTriggers(source, list_make1_oid(relation))) WarnOfNewHeir(relation, source);
  FailBrokenSyncs(source);
  AnnounceConfigChange();
}

void RenameColumn(Oid source, const RenameStmt* statement) {
  if (get_attnum(source, statement->subname) > 0 || get_attnum(source, statement->newname) <= 0)
    return;
  {
    AsExtensionOwner as_owner;
    SPI_connect();
    RenameDefinedColumn(source, statement->subname, statement->newname);
    SPI_finish();
    CommandCounterIncrement();
  }
  // The field in the documents has the column's name.
  ReviewSource(source, true);
}

void TableChanged(const Command& command, const Node* statement) {
  // Temporary tables are not read, and only such can be below them.
  if (get_rel_persistence(command.object_id) == RELPERSISTENCE_TEMP) return;
  ListCell* cell;
  foreach (cell, SourcesConcerned(command.object_id)) {
    Oid source = lfirst_oid(cell);
    if (IsA(statement, CreateStmt) && IsInTree(command.object_id, source))
      TableCreated(command.object_id, source);
    else if (IsA(statement, AlterTableStmt))
      AlterTable(command.object_id, source, reinterpret_cast<const AlterTableStmt*>(statement));
    else if (IsA(statement, RenameStmt) && command.column != 0)
      RenameColumn(source, reinterpret_cast<const RenameStmt*>(statement));
    else
      ReviewSource(source, false);
  }
}

bool IsMadeOf(Oid whole, Oid type);

bool HasColumnOfType(Oid relation, Oid type) {
  Relation rel = try_relation_open(relation, AccessShareLock);
  if (!rel) return false;
  bool found = false;
  for (int i = 0; i < RelationGetDescr(rel)->natts && !found; ++i) {
    Form_pg_attribute column = TupleDescAttr(RelationGetDescr(rel), i);
    found = !column->attisdropped && IsMadeOf(column->atttypid, type);
  }
  relation_close(rel, AccessShareLock);
  return found;
}

// Is it that type, or a domain, array, range or row of it? No type contains itself.
bool IsMadeOf(Oid whole, Oid type) {
  check_stack_depth();
  if (whole == type) return true;
  for (Oid part : {getBaseType(whole), get_element_type(whole), get_range_subtype(whole),
                   get_multirange_range(whole)})
    if (OidIsValid(part) && part != whole && IsMadeOf(part, type)) return true;
  const Oid relation = get_typ_typrelid(whole);
  return OidIsValid(relation) && HasColumnOfType(relation, type);
}

// A table made OF a type changes with it.
void TypedTableChanged(Oid source, const Node* statement) {
  if (IsA(statement, RenameStmt))
    RenameColumn(source, reinterpret_cast<const RenameStmt*>(statement));
  else
    ReviewSource(source, true);
}

Oid TypeOfTable(Oid relation) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple)) return InvalidOid;
  const Oid type = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->reloftype;
  ReleaseSysCache(tuple);
  return type;
}

// Relations that have to do with the type: with a column of it, or of a domain, array, range or row
// of it, or made OF it.
List* RelationsOfType(Oid type) {
  List* types = list_make1_oid(type);
  List* relations = NIL;
  Relation depend = table_open(DependRelationId, AccessShareLock);
  // The list grows while it is walked.
  for (int i = 0; i < list_length(types); ++i) {
    ScanKeyData keys[2];
    ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
                ObjectIdGetDatum(TypeRelationId));
    ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
                ObjectIdGetDatum(list_nth_oid(types, i)));
    SysScanDesc scan = systable_beginscan(depend, DependReferenceIndexId, true, nullptr, 2, keys);
    while (HeapTuple tuple = systable_getnext(scan)) {
      auto* form = reinterpret_cast<Form_pg_depend>(GETSTRUCT(tuple));
      Oid made_of_it = form->classid == TypeRelationId ? form->objid : InvalidOid;
      if (form->classid == RelationRelationId) {
        relations = list_append_unique_oid(relations, form->objid);
        made_of_it = get_rel_type_id(form->objid);
      }
      if (OidIsValid(made_of_it)) types = list_append_unique_oid(types, made_of_it);
    }
    systable_endscan(scan);
  }
  table_close(depend, AccessShareLock);
  return relations;
}

// A renamed enum label, an attribute that came or went: the rows are the same, their text is not.
void TypeChanged(Oid type, const Node* statement) {
  if (IsA(statement, AlterEnumStmt) && !reinterpret_cast<const AlterEnumStmt*>(statement)->oldVal)
    return;  // only a new label
  ListCell* cell;
  foreach (cell, RelationsOfType(type)) {
    const Oid source = lfirst_oid(cell);
    if (!IsSource(source)) continue;
    if (TypeOfTable(source) == type) TypedTableChanged(source, statement);
    if (HasColumnOfType(source, type)) ReviewSource(source, true);
  }
}

// Rows of the table may be values in another one.
bool ChangesRowType(const Command& command, const Node* statement) {
  if (IsA(statement, RenameStmt)) return command.column != 0;
  if (!IsA(statement, AlterTableStmt)) return false;
  const TableChange change = ReadSubcommands(reinterpret_cast<const AlterTableStmt*>(statement));
  return change.documents || change.new_column;
}

void RelationChanged(const Command& command, const Node* statement) {
  TableChanged(command, statement);
  if (ChangesRowType(command, statement))
    TypeChanged(get_rel_type_id(command.object_id), statement);
}

void TriggerChanged(Oid trigger, const Node* statement) {
  RefuseReservedName(trigger);
  const Oid relation = RemoveMisnamedTrigger(trigger, IsA(statement, RenameStmt));
  if (!OidIsValid(relation)) return;
  ListCell* cell;
  foreach (cell, SourcesConcerned(relation))
    if (!CaptureTriggersIntact(lfirst_oid(cell))) ReviewSource(lfirst_oid(cell), false);
}

void ServerChanged(Oid server, const Node* statement) {
  if (!IsOurServer(server)) return;
  CheckServerKind(server);
  if (IsA(statement, CreateForeignServerStmt)) return;  // nobody uses it yet
  AsExtensionOwner as_owner;
  SPI_connect();
  FollowServerName(server);
  CommandCounterIncrement();
  CheckServerConfines(server);
  SPI_finish();
  FollowServerOwner(server);
  AnnounceConfigChange();
}

// Those of other wrappers concern nobody here.
void UserMappingChanged(Oid mapping) {
  HeapTuple tuple = SearchSysCache1(USERMAPPINGOID, ObjectIdGetDatum(mapping));
  if (!HeapTupleIsValid(tuple)) return;
  const Oid server = reinterpret_cast<Form_pg_user_mapping>(GETSTRUCT(tuple))->umserver;
  ReleaseSysCache(tuple);
  if (IsOurServer(server)) AnnounceConfigChange();
}

void FunctionChanged(const Node* statement) {
  const Node* object = nullptr;
  if (IsA(statement, RenameStmt))
    object = reinterpret_cast<const RenameStmt*>(statement)->object;
  else if (IsA(statement, AlterObjectSchemaStmt))
    object = reinterpret_cast<const AlterObjectSchemaStmt*>(statement)->object;
  if (object && IsA(object, ObjectWithArgs))
    FunctionGone(strVal(llast(reinterpret_cast<const ObjectWithArgs*>(object)->objname)));
}

void HandleCommand(const Command& command, const Node* statement) {
  switch (command.class_id) {
    case RelationRelationId:
      if (get_rel_relkind(command.object_id) == RELKIND_COMPOSITE_TYPE)
        TypeChanged(get_rel_type_id(command.object_id), statement);
      else
        RelationChanged(command, statement);
      break;
    case TypeRelationId:
      TypeChanged(command.object_id, statement);
      break;
    case TriggerRelationId:
      TriggerChanged(command.object_id, statement);
      break;
    case ProcedureRelationId:
      FunctionChanged(statement);
      break;
    case ForeignServerRelationId:
      ServerChanged(command.object_id, statement);
      break;
    case UserMappingRelationId:
      UserMappingChanged(command.object_id);
      break;
    default:
      break;
  }
}

// A new table below nothing: most of what event triggers are called for.
bool ConcernsNobody(const Node* statement) {
  if (IsA(statement, CreateStmt))
    return reinterpret_cast<const CreateStmt*>(statement)->inhRelations == NIL;
  if (IsA(statement, CreateForeignTableStmt))
    return reinterpret_cast<const CreateForeignTableStmt*>(statement)->base.inhRelations == NIL;
  return false;
}

}  // namespace

}  // namespace polyglot::pg

Datum polyglot_watch_ddl(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("polyglot.watch_ddl() can only be called as an event trigger")));
  auto* data = reinterpret_cast<EventTriggerData*>(fcinfo->context);
  if (ConcernsNobody(data->parsetree)) PG_RETURN_NULL();
  int count;
  Command* commands = ReadCommands(&count);
  for (int i = 0; i < count; ++i)
    RefuseOurs(commands[i].class_id, commands[i].object_id, data->parsetree);
  if (!ExtensionExists()) PG_RETURN_NULL();
  for (int i = 0; i < count; ++i) HandleCommand(commands[i], data->parsetree);
  PG_RETURN_NULL();
}
