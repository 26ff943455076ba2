#include "pg/sql/visibility.h"

#include "pg/server/server_options.h"
#include "pg/sql/arguments.h"
#include "pg/sql/row_visibility.h"

namespace polyglot::pg {

namespace {

bool HasSourcePrivilege(const SyncRow* sync, AclMode any_of) {
  return sync->source_exists && pg_class_aclcheck(sync->source, GetUserId(), any_of) == ACLCHECK_OK;
}

void CheckSourcePrivilege(const SyncRow* sync, AclMode any_of, const char* privilege) {
  if (superuser() || HasSourcePrivilege(sync, any_of)) return;
  ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                  errmsg("permission denied for sync \"%s\"", sync->name),
                  errhint("It needs the privilege %s on the sync's table.", privilege)));
}

}  // namespace

bool IsMonitor() { return has_privs_of_role(GetUserId(), ROLE_PG_MONITOR); }

bool OwnsSource(const SyncRow* sync) {
  return superuser() || (sync->source_exists && OwnsRelation(sync->source, GetUserId()));
}

bool MaySee(const SyncRow* sync) { return OwnsSource(sync) || IsMonitor(); }

bool MayRead(const SyncRow* sync) { return superuser() || HasSourcePrivilege(sync, ACL_SELECT); }

void CheckMayRead(const SyncRow* sync) { CheckSourcePrivilege(sync, ACL_SELECT, "SELECT"); }

void CheckMaySeeRows(const SyncRow* sync) {
  if (!sync->source_exists)
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                    errmsg("the source table of the sync does not exist any more")));
  if (has_privs_of_role(GetUserId(), sync->owner)) return;
  const Oid source = sync->source;
  const char* name = get_rel_name(source);
  if (pg_class_aclcheck(source, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                    errmsg("permission denied for table %s", name)));
  if (check_enable_rls(source, InvalidOid, true) == RLS_ENABLED)
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                    errmsg("permission denied for table %s", name),
                    errdetail("Row-level security hides rows of it from you, and a document shows "
                              "the row as its table's owner sees it.")));
  if (const char* why = WhyRowsAreHidden(sync))
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                    errmsg("permission denied for sync \"%s\"", sync->name), errdetail("%s", why),
                    errhint("A document shows what the owner of \"%s\" sees: ask as a member of "
                            "that role.",
                            name)));
}

void CheckMayEnqueue(const SyncRow* sync) {
  CheckSourcePrivilege(sync, ACL_INSERT | ACL_UPDATE, "INSERT or UPDATE");
}

void CheckMayControl(const char* function) {
  CheckMayWrite(function);
  if (superuser() || OwnsDatabase(MyDatabaseId, GetUserId())) return;
  ereport(ERROR,
          (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied for %s", function),
           errhint("The owner of the database may do this.")));
}

bool MaySeeServer(Oid server) {
  return IsMonitor() ||
         (IsOurServer(server) && ServerAclCheck(server, GetUserId(), ACL_USAGE) == ACLCHECK_OK);
}

}  // namespace polyglot::pg
