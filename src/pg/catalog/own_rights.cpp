#include "pg/catalog/own_rights.h"

#include "pg/catalog/own_relations.h"

namespace polyglot::pg {

// Our tables discard what an apply worker brings. What we write ourselves in one, or in a session
// that calls itself a replica, is meant. Plans depend on the setting: it is changed when need be
// only.
void WriteAsOrigin() {
  if (SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA) return;
  (void)set_config_option("session_replication_role", "origin", PGC_SUSET, PGC_S_SESSION,
                          GUC_ACTION_SAVE, true, 0, false);
}

AsExtensionOwner::AsExtensionOwner() {
  Oid owner = ExtensionOwner();
  GetUserIdAndSecContext(&saved_user_, &saved_context_);
  SetUserIdAndSecContext(owner, saved_context_ | SECURITY_LOCAL_USERID_CHANGE);
  guc_level_ = NewGUCNestLevel();
  (void)set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
                          GUC_ACTION_SAVE, true, 0, false);
  WriteAsOrigin();
}

AsExtensionOwner::~AsExtensionOwner() {
  AtEOXact_GUC(false, guc_level_);
  SetUserIdAndSecContext(saved_user_, saved_context_);
}

}  // namespace polyglot::pg
