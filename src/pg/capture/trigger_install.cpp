#include "pg/capture/trigger_install.h"

#include "pg/catalog/own_rights.h"
#include "pg/catalog/sync_row.h"
#include "pg/source/source_tree.h"

namespace polyglot::pg {
namespace {

constexpr char kRowPrefix[] = "polyglot_capture_";
constexpr char kTruncatePrefix[] = "polyglot_truncate_";
constexpr int16 kRowType =
    TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE;
constexpr int16 kTruncateType = TRIGGER_TYPE_TRUNCATE;

struct FoundTrigger {
  Oid oid;  // InvalidOid: there is none of this name
  bool ours;
  bool clone;
  char enabled;
};

Oid CaptureFunction() {
  List* name = list_make2(makeString(pstrdup("polyglot")), makeString(pstrdup("capture")));
  return LookupFuncName(name, 0, nullptr, false);
}

char* TriggerName(const char* prefix, Oid source) { return psprintf("%s%u", prefix, source); }

SysScanDesc ScanByName(Relation triggers, ScanKeyData* keys, Oid relation, const char* name) {
  ScanKeyInit(&keys[0], Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(relation));
  ScanKeyInit(&keys[1], Anum_pg_trigger_tgname, BTEqualStrategyNumber, F_NAMEEQ,
              CStringGetDatum(name));
  return systable_beginscan(triggers, TriggerRelidNameIndexId, true, nullptr, 2, keys);
}

// One with a condition, for some columns only, or deferred, was not made here and misses changes.
bool IsWhole(HeapTuple tuple) {
  auto* form = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
  return form->tgattr.dim1 == 0 && !form->tgdeferrable && !OidIsValid(form->tgconstraint) &&
         form->tgnargs == 0 && heap_attisnull(tuple, Anum_pg_trigger_tgqual, nullptr) &&
         heap_attisnull(tuple, Anum_pg_trigger_tgoldtable, nullptr) &&
         heap_attisnull(tuple, Anum_pg_trigger_tgnewtable, nullptr);
}

FoundTrigger FindTrigger(Oid relation, const char* name, int16 type, Oid function) {
  FoundTrigger found{};
  ScanKeyData keys[2];
  Relation triggers = table_open(TriggerRelationId, AccessShareLock);
  SysScanDesc scan = ScanByName(triggers, keys, relation, name);
  HeapTuple tuple = systable_getnext(scan);
  if (HeapTupleIsValid(tuple)) {
    auto* form = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
    found = {form->oid, form->tgfoid == function && form->tgtype == type && IsWhole(tuple),
             OidIsValid(form->tgparentid), form->tgenabled};
  }
  systable_endscan(scan);
  table_close(triggers, AccessShareLock);
  return found;
}

// What ALTER TABLE … ENABLE ALWAYS TRIGGER does, without its event.
void EnableAlways(Oid relation, const char* name) {
  ScanKeyData keys[2];
  Relation triggers = table_open(TriggerRelationId, RowExclusiveLock);
  SysScanDesc scan = ScanByName(triggers, keys, relation, name);
  HeapTuple tuple = systable_getnext(scan);
  if (HeapTupleIsValid(tuple)) {
    HeapTuple copy = heap_copytuple(tuple);
    reinterpret_cast<Form_pg_trigger>(GETSTRUCT(copy))->tgenabled = TRIGGER_FIRES_ALWAYS;
    CatalogTupleUpdate(triggers, &copy->t_self, copy);
    heap_freetuple(copy);
  }
  systable_endscan(scan);
  table_close(triggers, RowExclusiveLock);
  CacheInvalidateRelcacheByRelid(relation);
  CommandCounterIncrement();
}

void CreateOne(Oid relation, const char* name, int16 type) {
  auto* statement = makeNode(CreateTrigStmt);
  statement->trigname = pstrdup(name);
  statement->funcname = list_make2(makeString(pstrdup("polyglot")), makeString(pstrdup("capture")));
  statement->row = TRIGGER_FOR_ROW(type);
  statement->timing = TRIGGER_TYPE_AFTER;
  statement->events = static_cast<int16>(type & ~TRIGGER_TYPE_ROW);
  CreateTriggerFiringOn(statement, nullptr, relation, InvalidOid, InvalidOid, InvalidOid,
                        InvalidOid, InvalidOid, nullptr, false, false, TRIGGER_FIRES_ALWAYS);
  CommandCounterIncrement();
}

void DropOne(Oid trigger) {
  ObjectAddress address;
  ObjectAddressSet(address, TriggerRelationId, trigger);
  performDeletion(&address, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
  CommandCounterIncrement();
}

bool EnsureOne(Oid relation, const char* name, int16 type, Oid function) {
  FoundTrigger found = FindTrigger(relation, name, type, function);
  if (found.ours && found.enabled == TRIGGER_FIRES_ALWAYS) return false;
  if (found.ours) {
    EnableAlways(relation, name);
    return true;
  }
  if (OidIsValid(found.oid)) DropOne(found.oid);
  CreateOne(relation, name, type);
  return true;
}

bool IntactOne(Oid relation, const char* name, int16 type, Oid function) {
  FoundTrigger found = FindTrigger(relation, name, type, function);
  return found.ours && found.enabled == TRIGGER_FIRES_ALWAYS;
}

struct NamedTrigger {
  Oid relation;  // InvalidOid: it has gone
  bool ours;     // calls our function
  NameData name;
};

NamedTrigger LoadTrigger(Oid trigger) {
  NamedTrigger found{};
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(trigger));
  Relation triggers = table_open(TriggerRelationId, AccessShareLock);
  SysScanDesc scan = systable_beginscan(triggers, TriggerOidIndexId, true, nullptr, 1, &key);
  if (HeapTuple tuple = systable_getnext(scan)) {
    auto* form = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
    found = {form->tgrelid, form->tgfoid == CaptureFunction(), form->tgname};
  }
  systable_endscan(scan);
  table_close(triggers, AccessShareLock);
  return found;
}

// Calls work(pg_trigger row) for every trigger of ours in the database.
template <typename F>
void ForEachTrigger(F&& work) {
  Oid function = CaptureFunction();
  Relation triggers = table_open(TriggerRelationId, AccessShareLock);
  SysScanDesc scan = systable_beginscan(triggers, InvalidOid, false, nullptr, 0, nullptr);
  while (HeapTuple tuple = systable_getnext(scan)) {
    auto* form = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
    if (form->tgfoid == function) work(form);
  }
  systable_endscan(scan);
  table_close(triggers, AccessShareLock);
}

// Removing a trigger needs ACCESS EXCLUSIVE and nobody, not even this session, in the table.
bool LockForRemoval(Oid relation) {
  if (!ConditionalLockRelationOid(relation, AccessExclusiveLock)) return false;
  Relation rel = try_relation_open(relation, NoLock);
  if (!rel) return true;  // it has just been dropped, and its triggers with it
  bool in_use = rel->rd_refcnt > 1 || AfterTriggerPendingOnRel(relation);
  relation_close(rel, NoLock);
  if (in_use) UnlockRelationOid(relation, AccessExclusiveLock);
  return !in_use;
}

bool LockAllForRemoval(List* tree) {
  for (int i = 0; i < list_length(tree); ++i) {
    if (LockForRemoval(list_nth_oid(tree, i))) continue;
    for (int j = 0; j < i; ++j) UnlockRelationOid(list_nth_oid(tree, j), AccessExclusiveLock);
    return false;
  }
  return true;
}

}  // namespace

bool TryLockTreeForTriggers(Oid source) {
  ListCell* cell;
  foreach (cell, SourceTree(source))
    if (!ConditionalLockRelationOid(lfirst_oid(cell), ShareRowExclusiveLock)) return false;
  return true;
}

bool InstallCaptureTriggers(Oid source) {
  AsExtensionOwner as_owner;
  Oid function = CaptureFunction();
  char* row_name = TriggerName(kRowPrefix, source);
  char* truncate_name = TriggerName(kTruncatePrefix, source);
  bool changed = false;
  // The source comes first in the list: creating its row trigger also makes those of partitions.
  List* tree = SourceTree(source);
  ListCell* cell;
  foreach (cell, tree) {
    Oid relation = lfirst_oid(cell);
    changed |= EnsureOne(relation, row_name, kRowType, function);
    changed |= EnsureOne(relation, truncate_name, kTruncateType, function);
  }
  return changed;
}

bool RepairCaptureTriggers(Oid source, List* tree) {
  AsExtensionOwner as_owner;
  Oid function = CaptureFunction();
  char* row_name = TriggerName(kRowPrefix, source);
  char* truncate_name = TriggerName(kTruncatePrefix, source);
  bool changed = false;
  ListCell* cell;
  foreach (cell, tree) {
    Oid relation = lfirst_oid(cell);
    if (IntactOne(relation, row_name, kRowType, function) &&
        IntactOne(relation, truncate_name, kTruncateType, function))
      continue;
    if (!ConditionalLockRelationOid(relation, ShareRowExclusiveLock)) continue;
    changed |= EnsureOne(relation, row_name, kRowType, function);
    changed |= EnsureOne(relation, truncate_name, kTruncateType, function);
  }
  return changed;
}

bool HasCaptureTrigger(Oid relation, Oid source) {
  return OidIsValid(
      FindTrigger(relation, TriggerName(kRowPrefix, source), kRowType, CaptureFunction()).oid);
}

Oid RemoveMisnamedTrigger(Oid trigger, bool renamed) {
  AsExtensionOwner as_owner;
  const NamedTrigger found = LoadTrigger(trigger);
  if (!OidIsValid(found.relation)) return InvalidOid;
  if (!found.ours) return renamed ? found.relation : InvalidOid;
  const Oid source = SourceOfTriggerName(NameStr(found.name));
  if (!OidIsValid(source) || (renamed && !IsInTree(found.relation, source))) DropOne(trigger);
  return found.relation;
}

void RefuseReservedName(Oid trigger) {
  const NamedTrigger found = LoadTrigger(trigger);
  if (!OidIsValid(found.relation) || found.ours) return;
  if (OidIsValid(SourceOfTriggerName(NameStr(found.name))))
    ereport(ERROR, (errcode(ERRCODE_RESERVED_NAME),
                    errmsg("trigger name \"%s\" is reserved", NameStr(found.name)),
                    errdetail("polyglot_sync gives such names to its own triggers."),
                    errhint("Choose another name.")));
}

void ListCaptured(List** sources, List** relations) {
  *sources = *relations = NIL;
  ForEachTrigger([&](Form_pg_trigger form) {
    const char* name = NameStr(form->tgname);
    if (strncmp(name, kRowPrefix, strlen(kRowPrefix)) != 0) return;
    *sources = lappend_oid(*sources, SourceOfTriggerName(name));
    *relations = lappend_oid(*relations, form->tgrelid);
  });
}

bool CaptureTriggersIntact(Oid source) {
  Oid function = CaptureFunction();
  char* row_name = TriggerName(kRowPrefix, source);
  char* truncate_name = TriggerName(kTruncatePrefix, source);
  ListCell* cell;
  foreach (cell, SourceTree(source)) {
    if (!IntactOne(lfirst_oid(cell), row_name, kRowType, function) ||
        !IntactOne(lfirst_oid(cell), truncate_name, kTruncateType, function))
      return false;
  }
  return true;
}

void RemoveDetachedTriggers(Oid source) {
  AsExtensionOwner as_owner;
  const bool exists = SearchSysCacheExists1(RELOID, ObjectIdGetDatum(source));
  List* tree = exists ? SourceTree(source) : NIL;
  List* detached = NIL;
  ForEachTrigger([&](Form_pg_trigger form) {
    if (SourceOfTriggerName(NameStr(form->tgname)) != source || OidIsValid(form->tgparentid) ||
        list_member_oid(tree, form->tgrelid))
      return;
    if (LockForRemoval(form->tgrelid)) detached = lappend_oid(detached, form->oid);
  });
  ListCell* cell;
  foreach (cell, detached) DropOne(lfirst_oid(cell));
}

bool DropUnusedCaptureTriggers(Oid source) {
  int count;
  LoadSyncsOfSource(source, &count);
  if (count > 0) return true;
  AsExtensionOwner as_owner;
  // A restored table has the triggers of the table that was dumped, whose number may be that of any
  // table here: only those that bear them are touched. Clones go with their parent's.
  List* relations = NIL;
  List* triggers = NIL;
  ForEachTrigger([&](Form_pg_trigger form) {
    if (SourceOfTriggerName(NameStr(form->tgname)) != source) return;
    relations = list_append_unique_oid(relations, form->tgrelid);
    if (!OidIsValid(form->tgparentid)) triggers = lappend_oid(triggers, form->oid);
  });
  if (!LockAllForRemoval(relations)) return false;
  // Under the locks of create_sync: one may have been created meanwhile that relies on them.
  LoadSyncsOfSource(source, &count);
  ListCell* cell;
  if (count > 0)
    foreach (cell, relations) UnlockRelationOid(lfirst_oid(cell), AccessExclusiveLock);
  else
    foreach (cell, triggers)
      if (OidIsValid(LoadTrigger(lfirst_oid(cell)).relation)) DropOne(lfirst_oid(cell));
  return true;
}

List* UnusedCaptureSources() {
  List* sources = NIL;
  ForEachTrigger([&](Form_pg_trigger form) {
    Oid source = SourceOfTriggerName(NameStr(form->tgname));
    if (OidIsValid(source)) sources = list_append_unique_oid(sources, source);
  });
  List* unused = NIL;
  ListCell* cell;
  foreach (cell, sources) {
    int count;
    LoadSyncsOfSource(lfirst_oid(cell), &count);
    if (count == 0) unused = lappend_oid(unused, lfirst_oid(cell));
  }
  return unused;
}

Oid SourceOfTriggerName(const char* name, bool* truncate) {
  const bool row = strncmp(name, kRowPrefix, strlen(kRowPrefix)) == 0;
  if (!row && strncmp(name, kTruncatePrefix, strlen(kTruncatePrefix)) != 0) return InvalidOid;
  if (truncate) *truncate = !row;
  const char* digits = name + strlen(row ? kRowPrefix : kTruncatePrefix);
  const size_t count = strspn(digits, "0123456789");
  // One source has one name: no leading zeros, nothing behind.
  if (count == 0 || count > 10 || digits[count] != '\0' || *digits == '0') return InvalidOid;
  const unsigned long long number = strtoull(digits, nullptr, 10);
  return number <= PG_UINT32_MAX ? static_cast<Oid>(number) : InvalidOid;
}

}  // namespace polyglot::pg
