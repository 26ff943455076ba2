// Entry point of the library.

#include "pg/capture/transaction_buffer.h"
#include "pg/launcher/launcher.h"
#include "pg/prelude.h"
#include "pg/queue/queue_targets.h"
#include "pg/settings.h"
#include "pg/shared/shared_state.h"

extern "C" {
PG_MODULE_MAGIC;
PGDLLEXPORT void _PG_init(void);
}

namespace {

ProcessUtility_hook_type previous_utility = nullptr;

// COMMIT PREPARED makes queue rows visible without running any callback of ours.
void NoticeCommitPrepared(PlannedStmt* statement, const char* query, bool read_only_tree,
                          ProcessUtilityContext context, ParamListInfo params,
                          QueryEnvironment* environment, DestReceiver* dest,
                          QueryCompletion* completion) {
  Node* node = statement->utilityStmt;
  if (IsA(node, TransactionStmt) &&
      reinterpret_cast<TransactionStmt*>(node)->kind == TRANS_STMT_COMMIT_PREPARED)
    polyglot::pg::WakeAllWorkersAtCommit();
  if (previous_utility != nullptr)
    previous_utility(statement, query, read_only_tree, context, params, environment, dest,
                     completion);
  else
    standard_ProcessUtility(statement, query, read_only_tree, context, params, environment, dest,
                            completion);
}

}  // namespace

void _PG_init(void) {
  using namespace polyglot::pg;
  // Settings first: those stored by ALTER DATABASE must be known during pg_upgrade, too.
  DefineSettings();
  InitQueueTargets();
  InitCapturePlans();
  InitTransactionBuffer();
  if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade) return;
  RequestSharedState();
  previous_utility = ProcessUtility_hook;
  ProcessUtility_hook = NoticeCommitPrepared;
  RegisterLauncher();
}
