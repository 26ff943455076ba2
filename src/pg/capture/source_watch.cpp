#include "pg/capture/source_watch.h"

#include "pg/capture/capture_triggers.h"
#include "pg/capture/source_tree.h"
#include "pg/capture/transaction_buffer.h"
#include "pg/sql/sync_checks.h"
#include "pg/sql/sync_definition.h"

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

bool AnyUnmanaged(Oid source) {
  int count;
  SyncRow** syncs = LoadSyncsOfSource(source, &count);
  for (int i = 0; i < count; ++i)
    if (!syncs[i]->manage_index) return true;
  return false;
}

}  // namespace

List* AllSources() {
  List* sources = NIL;
  int count;
  SyncRow** syncs = LoadSyncs(InvalidOid, &count);
  // A definition without state was restored: nothing of it runs, and it may be of no concern here.
  for (int i = 0; i < count; ++i)
    if (syncs[i]->has_state) sources = list_append_unique_oid(sources, syncs[i]->source);
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
    if (const char* problem = SyncProblem(syncs[i], &hint))
      MarkSyncFailed(syncs[i]->id, problem, hint);
  }
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
