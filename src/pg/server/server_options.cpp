#include "pg/server/server_options.h"

#include "pg/server/option_rules.h"

extern "C" {
PG_FUNCTION_INFO_V1(polyglot_validate_options);
PGDLLEXPORT Datum polyglot_validate_options(PG_FUNCTION_ARGS);
}

namespace polyglot::pg {

namespace {

constexpr char kWrapper[] = "polyglot_sync";
constexpr int kLongestSecret = 64 << 10;

const char* OptionOf(List* options, const char* name) {
  ListCell* cell;
  foreach (cell, options) {
    DefElem* option = lfirst_node(DefElem, cell);
    if (strcmp(option->defname, name) == 0) return defGetString(option);
  }
  return nullptr;
}

char* CopyOption(List* options, const char* name) {
  const char* value = OptionOf(options, name);
  return value ? pstrdup(value) : nullptr;
}

int64 NumberOption(List* options, const char* name) {
  return NumberOf(*FindOption(ForeignServerRelationId, name), OptionOf(options, name));
}

[[noreturn]] void UnknownOption(Oid catalog, const char* name) {
  int count;
  const OptionRule* rules = OptionRules(catalog, &count);
  StringInfoData valid;
  initStringInfo(&valid);
  for (int i = 0; i < count; ++i) appendStringInfo(&valid, "%s%s", i ? ", " : "", rules[i].name);
  ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME), errmsg("invalid option \"%s\"", name),
                  count > 0 ? errhint("Valid options in this context are: %s", valid.data)
                            : errhint("There are no valid options in this context.")));
  pg_unreachable();
}

void RefuseTogether(List* options, const char* one, const char* other) {
  if (!OptionOf(options, one) || !OptionOf(options, other)) return;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("options \"%s\" and \"%s\" contradict each other", one, other),
                  errhint("A user mapping has one kind of credentials: user and password, API key, "
                          "bearer token, or AWS keys; each given inline or as a file.")));
}

void RequireWith(List* options, const char* one, const char* other, const char* other_file) {
  if (!OptionOf(options, one) || OptionOf(options, other)) return;
  if (other_file && OptionOf(options, other_file)) return;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("option \"%s\" needs option \"%s\"", one, other)));
}

void CheckCredentials(List* options) {
  RefuseTogether(options, "password", "password_file");
  RefuseTogether(options, "api_key", "api_key_file");
  RefuseTogether(options, "bearer_token", "bearer_token_file");
  static const char* const kinds[][2] = {{"user", "user"},
                                         {"api_key", "api_key_file"},
                                         {"bearer_token", "bearer_token_file"},
                                         {"aws_access_key", "aws_access_key"}};
  for (size_t i = 0; i < lengthof(kinds); ++i)
    for (size_t j = i + 1; j < lengthof(kinds); ++j)
      for (int a = 0; a < 2; ++a)
        for (int b = 0; b < 2; ++b) RefuseTogether(options, kinds[i][a], kinds[j][b]);
  RequireWith(options, "user", "password", "password_file");
  RequireWith(options, "password", "user", nullptr);
  RequireWith(options, "password_file", "user", nullptr);
  RequireWith(options, "aws_access_key", "aws_secret_key", nullptr);
  RequireWith(options, "aws_secret_key", "aws_access_key", nullptr);
}

bool IsTrue(List* options, const char* name) {
  const char* value = OptionOf(options, name);
  bool on = false;
  return value && parse_bool(value, &on) && on;
}

bool HasPrefix(List* options) {
  const char* prefix = OptionOf(options, "index_prefix");
  return prefix && *prefix != '\0';
}

void CheckServer(List* options) {
  if (!OptionOf(options, "url"))
    ereport(ERROR,
            (errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND), errmsg("option \"url\" is required"),
             errhint("Write OPTIONS (url 'https://host:port').")));
  if (IsTrue(options, "confine") && !HasPrefix(options))
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("option \"confine\" needs option \"index_prefix\"")));
  RequireWith(options, "client_cert", "client_key", nullptr);
  RequireWith(options, "client_key", "client_cert", nullptr);
}

// Reads a secret of one line. The text of the error names the file, never what is in it.
char* ReadSecretFile(const char* path, char** error) {
  FILE* file = AllocateFile(path, "r");
  if (!file) {
    *error = psprintf("could not open file \"%s\": %s", path, strerror(errno));
    return nullptr;
  }
  char* text = static_cast<char*>(palloc(kLongestSecret + 1));
  size_t length = fread(text, 1, kLongestSecret, file);
  bool failed = ferror(file) != 0;
  bool whole = !failed && length < static_cast<size_t>(kLongestSecret);
  FreeFile(file);
  while (length > 0 && isspace(static_cast<unsigned char>(text[length - 1]))) --length;
  text[length] = '\0';
  if (failed)
    *error = psprintf("could not read file \"%s\"", path);
  else if (!whole || length == 0 || strlen(text) != length || strpbrk(text, "\r\n"))
    *error = psprintf("file \"%s\" does not hold one line with a secret", path);
  return *error ? nullptr : text;
}

char* SecretOf(List* options, const char* name, const char* file_name, char** error) {
  if (const char* value = OptionOf(options, name)) return pstrdup(value);
  const char* path = file_name ? OptionOf(options, file_name) : nullptr;
  return path ? ReadSecretFile(path, error) : nullptr;
}

void ReadCredentials(List* options, Credentials* result) {
  if (OptionOf(options, "user")) {
    result->kind = CredentialKind::kBasic;
    result->name = CopyOption(options, "user");
    result->secret = SecretOf(options, "password", "password_file", &result->error);
  } else if (OptionOf(options, "api_key") || OptionOf(options, "api_key_file")) {
    result->kind = CredentialKind::kApiKey;
    result->secret = SecretOf(options, "api_key", "api_key_file", &result->error);
  } else if (OptionOf(options, "bearer_token") || OptionOf(options, "bearer_token_file")) {
    result->kind = CredentialKind::kBearerToken;
    result->secret = SecretOf(options, "bearer_token", "bearer_token_file", &result->error);
  } else if (OptionOf(options, "aws_access_key")) {
    result->kind = CredentialKind::kAws;
    result->name = CopyOption(options, "aws_access_key");
    result->secret = SecretOf(options, "aws_secret_key", nullptr, &result->error);
  }
}

bool ReadMapping(Oid server, Oid role, List** options) {
  HeapTuple tuple =
      SearchSysCache2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(role), ObjectIdGetDatum(server));
  if (!HeapTupleIsValid(tuple)) return false;
  bool is_null;
  Datum value =
      SysCacheGetAttr(USERMAPPINGUSERSERVER, tuple, Anum_pg_user_mapping_umoptions, &is_null);
  *options = is_null ? NIL : untransformRelOptions(value);
  ReleaseSysCache(tuple);
  return true;
}

}  // namespace

bool IsOurServer(Oid server) {
  ForeignServer* found = GetForeignServerExtended(server, FSV_MISSING_OK);
  return found && found->fdwid == get_foreign_data_wrapper_oid(kWrapper, true);
}

void CheckServerKind(Oid server) {
  const char* kind = GetForeignServer(server)->servertype;
  if (kind == nullptr || strcmp(kind, "search") == 0) return;
  ereport(ERROR,
          (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
           errmsg("servers of type \"%s\" are not supported", kind),
           errhint("Leave TYPE out, or give TYPE 'search', for Elasticsearch and OpenSearch.")));
}

Oid FindServerOrError(const char* name) {
  Oid server = get_foreign_server_oid(name, true);
  if (OidIsValid(server) && IsOurServer(server)) {
    CheckServerKind(server);
    return server;
  }
  const char* hint =
      "Create it with CREATE SERVER ... FOREIGN DATA WRAPPER polyglot_sync OPTIONS (url "
      "'https://...').";
  if (OidIsValid(server))
    ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                    errmsg("server \"%s\" is not a search server", name), errhint("%s", hint)));
  ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("server \"%s\" does not exist", name),
                  errhint("%s", hint)));
  pg_unreachable();
}

ServerOptions* LoadServerOptions(Oid server) {
  ForeignServer* found = GetForeignServerExtended(server, FSV_MISSING_OK);
  if (!found || found->fdwid != get_foreign_data_wrapper_oid(kWrapper, true))
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("search server with OID %u does not exist", server)));
  List* options = found->options;
  auto* result = static_cast<ServerOptions*>(palloc0(sizeof(ServerOptions)));
  const char* url = OptionOf(options, "url");
  if (url) result->urls = ParseUrls(url, &result->url_count);
  result->ca_file = CopyOption(options, "ca_file");
  result->client_cert = CopyOption(options, "client_cert");
  result->client_key = CopyOption(options, "client_key");
  const char* verify = OptionOf(options, "verify");
  result->verify = !verify || strcmp(verify, "none") != 0;
  result->tls_server_name = CopyOption(options, "tls_server_name");
  result->proxy = CopyOption(options, "proxy");
  const char* compression = OptionOf(options, "compression");
  result->gzip = compression && strcmp(compression, "gzip") == 0;
  result->connect_timeout_us = NumberOption(options, "connect_timeout") * 1000;
  result->request_timeout_us = NumberOption(options, "request_timeout") * 1000;
  result->linger_us = NumberOption(options, "linger") * 1000;
  result->max_in_flight = static_cast<int>(NumberOption(options, "max_in_flight"));
  result->batch_bytes = NumberOption(options, "batch_bytes");
  result->batch_operations = static_cast<int>(NumberOption(options, "batch_operations"));
  const char* prefix = OptionOf(options, "index_prefix");
  result->index_prefix = pstrdup(prefix ? prefix : "");
  result->confine = IsTrue(options, "confine");
  result->max_queue_bytes = NumberOption(options, "max_queue_size") << 20;
  result->aws_region = CopyOption(options, "aws_region");
  result->aws_service = CopyOption(options, "aws_service");
  return result;
}

Credentials LoadCredentials(Oid server, Oid role) {
  Credentials result{};
  List* options = NIL;
  if (OidIsValid(role) && ReadMapping(server, role, &options)) {
    result.user = role;
    result.found = true;
  } else {
    result.found = ReadMapping(server, InvalidOid, &options);
  }
  ReadCredentials(options, &result);
  return result;
}

}  // namespace polyglot::pg

Datum polyglot_validate_options(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  List* options = untransformRelOptions(PG_GETARG_DATUM(0));
  Oid catalog = PG_GETARG_OID(1);
  ListCell* cell;
  foreach (cell, options) {
    DefElem* option = lfirst_node(DefElem, cell);
    const OptionRule* rule = FindOption(catalog, option->defname);
    if (!rule) UnknownOption(catalog, option->defname);
    CheckOptionValue(*rule, defGetString(option));
  }
  if (catalog == ForeignServerRelationId) CheckServer(options);
  if (catalog == UserMappingRelationId) CheckCredentials(options);
  PG_RETURN_VOID();
}
