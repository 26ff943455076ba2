#pragma once
// The only place that includes PostgreSQL's headers, and the only place that knows its versions.
// Include it last: its macros (Max, snprintf, …) break C++ headers that come after it.

// PostgreSQL 15 leaves it empty, and everything is hidden unless it says otherwise.
#ifndef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#endif

#include <type_traits>

extern "C" {
#include "postgres.h"

#include "access/detoast.h"
#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/reloptions.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/timeline.h"
#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "access/xloginsert.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_database.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_language.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_opclass.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_range.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "catalog/pg_user_mapping.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "commands/tablecmds.h"
#include "commands/trigger.h"
#include "common/cryptohash.h"
#include "common/hashfn.h"
#include "common/pg_lzcompress.h"
#include "common/sha2.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "optimizer/plancat.h"
#include "parser/parse_coerce.h"
#include "parser/parse_func.h"
#include "parser/parse_type.h"
#include "parser/parser.h"
#include "pgstat.h"
#include "port/atomics.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "replication/message.h"
#include "rewrite/rewriteHandler.h"
#include "storage/bufmgr.h"
#include "storage/bufpage.h"
#include "storage/condition_variable.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/cash.h"
#include "utils/catcache.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/expandeddatum.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/inet.h"
#include "utils/inval.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/multirangetypes.h"
#include "utils/numeric.h"
#include "utils/pg_lsn.h"
#include "utils/plancache.h"
#include "utils/ps_status.h"
#include "utils/rangetypes.h"
#include "utils/regproc.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/rls.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
#include "utils/uuid.h"
#include "utils/varlena.h"
#include "utils/wait_event.h"
#include "utils/xid8.h"
#if PG_VERSION_NUM < 160000
#include "utils/rel.h"
#else
#include "varatt.h"
#endif
#if PG_VERSION_NUM >= 170000
#include "storage/procnumber.h"
#endif
}

#if PG_VERSION_NUM < 150000
#error "polyglot_sync needs PostgreSQL 15 or later"
#endif

// port.h redefines these as macros, which would break std::snprintf and friends in later headers.
namespace polyglot::pg {

/// The file that a relation's rows live in; it changes with TRUNCATE, VACUUM FULL, CLUSTER.
inline Oid RelationFileNumber(Relation rel) {
#if PG_VERSION_NUM >= 160000
  return rel->rd_locator.relNumber;
#else
  return rel->rd_node.relNode;
#endif
}

/// Number of this process in the array of processes: what shared memory may keep of a latch.
inline int MyProcessNumber() {
#if PG_VERSION_NUM >= 170000
  return MyProcNumber;
#else
  return MyProc->pgprocno;
#endif
}

/// Sets the latch of the process with that number. Harmless when the process has gone.
inline void SetProcessLatch(int process_number) {
  if (process_number < 0) return;
  SetLatch(&ProcGlobal->allProcs[process_number].procLatch);
}

/// A wait event with a name of our own. Before 17 every extension shares one.
inline uint32 NamedWaitEvent([[maybe_unused]] const char* name) {
#if PG_VERSION_NUM >= 170000
  return WaitEventExtensionNew(name);
#else
  return PG_WAIT_EXTENSION;
#endif
}

/// Writes an empty logical message: the cheapest WAL record that carries no meaning.
inline XLogRecPtr WriteEmptyLogicalMessage(const char* prefix) {
#if PG_VERSION_NUM >= 170000
  return LogLogicalMessage(prefix, "", 0, false, false);
#else
  return LogLogicalMessage(prefix, "", 0, false);
#endif
}

/// TRUNCATE of one table without a logical-replication record (tablecmds.c, ExecuteTruncateGuts).
inline void TruncateUnlogged(Relation rel) {
  List* rels = list_make1(rel);
  List* relids = list_make1_oid(RelationGetRelid(rel));
#if PG_VERSION_NUM >= 160000
  ExecuteTruncateGuts(rels, relids, NIL, DROP_RESTRICT, false, false);
#else
  ExecuteTruncateGuts(rels, relids, NIL, DROP_RESTRICT, false);
#endif
}

/// A row of the heap is inserted into the relation's open indexes.
inline void InsertIndexEntries(ResultRelInfo* indexes, TupleTableSlot* slot, EState* executor) {
#if PG_VERSION_NUM >= 160000
  ExecInsertIndexTuples(indexes, slot, executor, false, false, nullptr, NIL, false);
#else
  ExecInsertIndexTuples(indexes, slot, executor, false, false, nullptr, NIL);
#endif
}

/// Is the caller the owner of this object, or a member of the owning role?
inline bool OwnsRelation(Oid relation, Oid role) {
#if PG_VERSION_NUM >= 160000
  return object_ownercheck(RelationRelationId, relation, role);
#else
  return pg_class_ownercheck(relation, role);
#endif
}

inline bool OwnsServer(Oid server, Oid role) {
#if PG_VERSION_NUM >= 160000
  return object_ownercheck(ForeignServerRelationId, server, role);
#else
  return pg_foreign_server_ownercheck(server, role);
#endif
}

inline bool OwnsDatabase(Oid database, Oid role) {
#if PG_VERSION_NUM >= 160000
  return object_ownercheck(DatabaseRelationId, database, role);
#else
  return pg_database_ownercheck(database, role);
#endif
}

inline AclResult ServerAclCheck(Oid server, Oid role, AclMode mode) {
#if PG_VERSION_NUM >= 160000
  return object_aclcheck(ForeignServerRelationId, server, role, mode);
#else
  return pg_foreign_server_aclcheck(server, role, mode);
#endif
}

inline bool DatabaseAclOk(Oid database, Oid role, AclMode mode) {
#if PG_VERSION_NUM >= 160000
  return object_aclcheck(DatabaseRelationId, database, role, mode) == ACLCHECK_OK;
#else
  return pg_database_aclcheck(database, role, mode) == ACLCHECK_OK;
#endif
}

/// ALTER COLUMN … SET EXPRESSION, 17 and later: other values without any trigger.
inline bool SetsExpression([[maybe_unused]] AlterTableType subtype) {
#if PG_VERSION_NUM >= 170000
  return subtype == AT_SetExpression;
#else
  return false;
#endif
}

/// Does this transaction hold the relation's lock in exactly this mode? Later versions also ask
/// whether a stronger one will do.
template <typename F>
bool AsksForLock(F* held, const LOCKTAG* tag, LOCKMODE mode) {
  if constexpr (std::is_invocable_v<F*, const LOCKTAG*, LOCKMODE, bool>)
    return held(tag, mode, false);
  else
    return held(tag, mode);
}
inline bool HoldsRelationLock(Oid relation, LOCKMODE mode) {
  LOCKTAG tag;
  SET_LOCKTAG_RELATION(tag, MyDatabaseId, relation);
  return AsksForLock(LockHeldByMe, &tag, mode);
}

/// Is a column computed whenever it is read, 18 and later? A trigger does not see its value.
inline bool IsVirtual(char attgenerated) { return attgenerated == 'v'; }

/// The walkers of nodeFuncs.h; before 16 their callback had no prototype.
using TreeWalker = bool (*)(Node*, void*);
#if PG_VERSION_NUM >= 160000
inline bool WalkExpression(Node* node, TreeWalker walker, void* context) {
  return expression_tree_walker(node, walker, context);
}
inline bool WalkQuery(Query* query, TreeWalker walker, void* context) {
  return query_tree_walker(query, walker, context, 0);
}
inline bool WalkRawExpression(Node* node, TreeWalker walker, void* context) {
  return raw_expression_tree_walker(node, walker, context);
}
#else
inline bool WalkExpression(Node* node, TreeWalker walker, void* context) {
  auto untyped = reinterpret_cast<bool (*)()>(reinterpret_cast<void (*)()>(walker));
  return expression_tree_walker(node, untyped, context);
}
inline bool WalkQuery(Query* query, TreeWalker walker, void* context) {
  auto untyped = reinterpret_cast<bool (*)()>(reinterpret_cast<void (*)()>(walker));
  return query_tree_walker(query, untyped, context, 0);
}
inline bool WalkRawExpression(Node* node, TreeWalker walker, void* context) {
  auto untyped = reinterpret_cast<bool (*)()>(reinterpret_cast<void (*)()>(walker));
  return raw_expression_tree_walker(node, untyped, context);
}
#endif

}  // namespace polyglot::pg
