#include "pg/capture/source_watch.h"

#include "pg/capture/transaction_buffer.h"
#include "pg/capture/trigger_install.h"
#include "pg/catalog/change_announcement.h"
#include "pg/catalog/own_relations.h"
#include "pg/definition/definition_checks.h"
#include "pg/definition/expression_check.h"
#include "pg/definition/sync_definition.h"
#include "pg/source/source_tree.h"

namespace polyglot::pg {

namespace {

NameList KeyOf(const SyncRow* sync) {
  return {sync->key_count, const_cast<char**>(sync->key_name)};
}

const char* MissingColumn(const SyncRow* sync) {
  for (int i = 0; i < sync->column_count; ++i)
    if (get_attnum(sync->source, sync->columns[i]) <= 0) return sync->columns[i];
  return sync->routing && sync->routing_att <= 0 ? sync->routing : nullptr;
}

// A column may have gone, or have another name or type.
char* ExpressionProblem(const SyncRow* sync) {
  const struct {
    const char* what;
    const char* expression;
    Oid type;
  } parts[] = {{"filter", sync->filter, BOOLOID}, {"document", sync->document, JSONBOID}};
  for (const auto& part : parts) {
    if (!part.expression) continue;
    if (const char* why = WhyUnusable(sync->source, part.what, part.expression, part.type))
      return psprintf("its %s cannot be used: %s", part.what, why);
  }
  return nullptr;
}

bool AnyUnmanaged(Oid source) {
  int count;
  SyncRow** syncs = LoadSyncsOfSource(source, &count);
  for (int i = 0; i < count; ++i)
    if (!syncs[i]->manage_index) return true;
  return false;
}

// After NO INHERIT only the triggers know where the table has been.
List* SourcesOfTriggers(Oid relation) {
  List* sources = NIL;
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(relation));
  Relation triggers = table_open(TriggerRelationId, AccessShareLock);
  SysScanDesc scan = systable_beginscan(triggers, TriggerRelidNameIndexId, true, nullptr, 1, &key);
  while (HeapTuple tuple = systable_getnext(scan)) {
    auto* form = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple));
    const Oid source = SourceOfTriggerName(NameStr(form->tgname));
    if (OidIsValid(source)) sources = list_append_unique_oid(sources, source);
  }
  systable_endscan(scan);
  table_close(triggers, AccessShareLock);
  return sources;
}

}  // namespace

List* SourcesConcerned(Oid relation) {
  constexpr int kFew = 64;
  List* sources = NIL;
  ListCell* cell;
  foreach (cell, list_concat_unique_oid(RelationsAbove(relation), SourcesOfTriggers(relation)))
    if (IsSource(lfirst_oid(cell))) sources = list_append_unique_oid(sources, lfirst_oid(cell));
  if (!has_subclass(relation)) return sources;
  List* below = find_all_inheritors(relation, NoLock, nullptr);
  // Of the two ways to find sources among them the shorter one.
  const bool few = list_length(below) <= kFew;
  foreach (cell, few ? below : NamedSources()) {
    const Oid candidate = lfirst_oid(cell);
    if (!few && !IsInTree(candidate, relation)) continue;
    if (IsSource(candidate)) sources = list_append_unique_oid(sources, candidate);
  }
  return sources;
}

char* SyncProblem(const SyncRow* sync, char** hint) {
  *hint = nullptr;
  if (!sync->source_exists) {
    *hint = pstrdup("Drop the sync.");
    return pstrdup("its table does not exist");
  }
  if (const char* problem = KeyProblem(sync->source, KeyOf(sync))) {
    *hint = pstrdup(
        "Restore the key and call polyglot.resume_sync, or drop the sync and create it "
        "with another key.");
    return pstrdup(problem);
  }
  if (const char* column = MissingColumn(sync)) {
    *hint = pstrdup("Choose other columns with polyglot.alter_sync.");
    return psprintf("column \"%s\" does not exist", column);
  }
  if (get_rel_persistence(sync->source) != RELPERSISTENCE_PERMANENT) {
    *hint = pstrdup("Use ALTER TABLE ... SET LOGGED, then polyglot.resume_sync.");
    return pstrdup("the table is unlogged");
  }
  if (char* problem = ExpressionProblem(sync)) {
    *hint = pstrdup("Give it another one with polyglot.alter_sync.");
    return problem;
  }
  const char* remedy;
  char* problem = TreeProblem(sync->source, sync->key_count, sync->key_name, &remedy);
  if (problem) *hint = psprintf("%s Then call polyglot.resume_sync.", remedy);
  return problem;
}

void FailBrokenSyncs(Oid source) {
  int count;
  SyncRow** syncs = LoadSyncsOfSource(source, &count);
  for (int i = 0; i < count; ++i) {
    if (!syncs[i]->has_state || syncs[i]->failed_reason || !syncs[i]->source_exists) continue;
    char* hint;
    const char* problem = SyncProblem(syncs[i], &hint);
    if (!problem) continue;
    MarkSyncFailed(syncs[i]->id, problem, hint);
    ereport(WARNING, (errmsg("sync \"%s\" has failed: %s", syncs[i]->name, problem),
                      hint ? errhint("%s", hint) : 0));
  }
}

void FunctionGone(const char* name) {
  ListCell* cell;
  foreach (cell, SourcesOfExpressionsWith(name)) FailBrokenSyncs(lfirst_oid(cell));
}

void ReviewSource(Oid source, bool resync) {
  if (RepairCaptureTriggers(source, SourceTree(source)) || resync) {
    InvalidateTree(source);
    RequestRebuilds(source, "the table's definition has changed", LiveIndex::kOutdated);
    if (AnyUnmanaged(source)) RecordSourceEvent(source, core::EventKind::kResync);
  }
  FailBrokenSyncs(source);
  AnnounceConfigChange();
}

}  // namespace polyglot::pg
