// May a sync have this index? What can be known from the syncs of this database, and the options of
// the server; the rest is found out where the index is (worker/search/index_owner.h).

#include "core/letter_case.h"
#include "pg/catalog/own_rights.h"
#include "pg/catalog/statement.h"
#include "pg/definition/definition_checks.h"
#include "pg/definition/sync_definition.h"
#include "pg/document/key_codec.h"
#include "pg/server/server_options.h"

namespace polyglot::pg {

namespace {

// "-000001" and a little room: names of physical indexes are at most 255 bytes long.
constexpr size_t kLongestAlias = 240;
// Part of a lock's name, where servers themselves have 0.
constexpr uint16 kIndexNameLock = 1;
// core::kLeaseIndex: owners of indexes stand in it.
constexpr char kOwnIndex[] = "polyglot-sync-owners";

[[noreturn]] void BadIndexName(const char* index, const char* why) {
  ereport(ERROR,
          (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
           errmsg("invalid index name \"%s\": it %s", index, why),
           errhint("Choose another one by \"index\": lower case, not beginning with -, _, or "
                   "+, and without blanks and any of \\ / * ? \" < > | , # :")));
  pg_unreachable();
}

bool StartsWith(const char* text, const char* prefix) {
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool ShareAnAddress(const ServerOptions* one, const ServerOptions* other) {
  for (int i = 0; i < one->url_count; ++i)
    for (int j = 0; j < other->url_count; ++j)
      if (pg_strcasecmp(one->urls[i], other->urls[j]) == 0) return true;
  return false;
}

// Servers, this one among them, that lead to the same cluster. Needs SPI.
NameList ServersOfCluster(Oid server) {
  const ServerOptions* options = LoadServerOptions(server);
  const uint64 rows = Execute(
      "SELECT f.oid, f.srvname FROM pg_foreign_server f JOIN pg_foreign_data_wrapper w"
      " ON w.oid = f.srvfdw WHERE w.fdwname = 'polyglot_sync'",
      {});
  SPITupleTable* table = SPI_tuptable;
  NameList names{0, static_cast<char**>(palloc(sizeof(char*) * (rows + 1)))};
  for (uint64 i = 0; i < rows; ++i) {
    bool is_null;
    const Oid other = DatumGetObjectId(SPI_getbinval(table->vals[i], table->tupdesc, 1, &is_null));
    if (other == server || ShareAnAddress(options, LoadServerOptions(other)))
      names.names[names.count++] = SPI_getvalue(table->vals[i], table->tupdesc, 2);
  }
  return names;
}

// The sync that has it, or will have one of that name, is the row that SPI has found.
[[noreturn]] void IndexIsTaken(const char* index) {
  HeapTuple tuple = SPI_tuptable->vals[0];
  TupleDesc desc = SPI_tuptable->tupdesc;
  const char* other = SPI_getvalue(tuple, desc, 1);
  const char* server = SPI_getvalue(tuple, desc, 2);
  const char* hint = "Every sync has an index of its own; choose another one by \"index\".";
  bool is_null;
  if (DatumGetBool(SPI_getbinval(tuple, desc, 3, &is_null)))
    ereport(ERROR,
            (errcode(ERRCODE_DUPLICATE_OBJECT),
             errmsg("index \"%s\" is already used by another sync on server \"%s\"", index, server),
             errhint("%s", hint)));
  const char* alias = strlen(other) < strlen(index) ? other : index;
  ereport(ERROR,
          (errcode(ERRCODE_DUPLICATE_OBJECT),
           errmsg("index \"%s\" would meet index \"%s\" of another sync on server \"%s\"", index,
                  other, server),
           errdetail("The indexes behind \"%s\" are named \"%s-000001\" and so on.", alias, alias),
           errhint("%s", hint)));
  pg_unreachable();
}

}  // namespace

void CheckIndexName(const char* index, bool managed) {
  const std::string_view utf8 = ToUtf8(index, strlen(index));
  if (*index == '\0') BadIndexName(index, "is empty");
  if (utf8.size() > (managed ? kLongestAlias : 255)) BadIndexName(index, "is too long");
  if (strcmp(index, ".") == 0 || strcmp(index, "..") == 0) BadIndexName(index, "is a dot");
  if (strchr("-_+", *index)) BadIndexName(index, "begins with -, _, or +");
  if (strpbrk(index, "\\/*?\"<>| ,#:")) BadIndexName(index, "contains a forbidden character");
  for (const char* c = index; *c; ++c)
    if (static_cast<unsigned char>(*c) < 0x20) BadIndexName(index, "contains a control character");
  if (GetDatabaseEncoding() != PG_UTF8)
    for (const char* c = index; *c; ++c)
      if (IS_HIGHBIT_SET(*c)) BadIndexName(index, "needs a database with the encoding UTF8");
  if (core::HasUpperCase(utf8)) BadIndexName(index, "is not in lower case");
  if (StartsWith(index, kOwnIndex))
    ereport(ERROR, (errcode(ERRCODE_RESERVED_NAME),
                    errmsg("index name \"%s\" is reserved for polyglot_sync itself", index),
                    errhint("Choose another one by \"index\".")));
}

void CheckConfined(const ServerOptions* options, const char* server, const char* index) {
  if (!options->confine || StartsWith(index, options->index_prefix)) return;
  ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                  errmsg("index \"%s\" does not begin with \"%s\"", index, options->index_prefix),
                  errdetail("Server \"%s\" has the option confine.", server),
                  errhint("Choose another one by \"index\".")));
}

void CheckServerConfines(Oid server) {
  const ServerOptions* options = LoadServerOptions(server);
  if (!options->confine) return;
  const uint64 rows = Execute(
      "SELECT d.name, d.index FROM polyglot.sync_definition d JOIN pg_foreign_server f"
      " ON f.srvname = d.server WHERE f.oid = $1::oid AND NOT starts_with(d.index, $2)"
      " ORDER BY d.id LIMIT 1",
      {psprintf("%u", server), options->index_prefix});
  if (rows == 0) return;
  const char* name = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
  const char* index = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2);
  ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                  errmsg("index \"%s\" of sync \"%s\" does not begin with \"%s\"", index, name,
                         options->index_prefix),
                  errhint("Drop the sync first, or leave the option confine out.")));
}

namespace {

void LockName(const char* name, size_t length) {
  const uint32 hash =
      hash_bytes(reinterpret_cast<const unsigned char*>(name), static_cast<int>(length));
  LockDatabaseObject(ForeignServerRelationId, hash, kIndexNameLock, ExclusiveLock);
}

// Until the end of the transaction: whoever makes a sync with a name that meets this one waits, and
// then sees this sync. "shop-000002" meets "shop".
void LockIndexName(const char* index) {
  const size_t length = strlen(index);
  size_t stem = length;
  while (stem > 0 && index[stem - 1] >= '0' && index[stem - 1] <= '9') --stem;
  if (stem > 1 && index[stem - 1] == '-' && length - stem >= 6) LockName(index, stem - 1);
  LockName(index, length);
}

}  // namespace

void CheckIndexFree(Oid server, const char* index, bool managed) {
  LockIndexName(index);
  AsExtensionOwner as_owner;
  SPI_connect();
  const uint64 rows = Execute(
      "SELECT d.index, d.server, d.index = $2 OR coalesce(s.physical_index = $2, false)"
      " FROM polyglot.sync_definition d"
      " LEFT JOIN polyglot.sync_state s ON s.sync_id = d.id OR s.builds = d.id"
      " WHERE d.server = ANY ($1::name[]) AND (d.index = $2 OR s.physical_index = $2"
      // "shop-000002" is, or may once be, behind the alias "shop".
      " OR d.manage_index AND rtrim($2, '0123456789') = d.index || '-'"
      " AND length($2) >= length(d.index) + 7"
      " OR $3::boolean AND rtrim(d.index, '0123456789') = $2 || '-'"
      " AND length(d.index) >= length($2) + 7) ORDER BY 3 DESC LIMIT 1",
      {NameListText(ServersOfCluster(server)), index, managed ? "true" : "false"});
  if (rows > 0) IndexIsTaken(index);
  SPI_finish();
}

}  // namespace polyglot::pg
