#include "pg/sql/arguments.h"

#include "pg/source/security_context.h"

namespace polyglot::pg {
namespace {

// As a document id has it: whatever the session's settings are, char(n) without its padding.
char* ValueText(Oid type, Datum value) {
  SecurityContext saved;
  EnterSourceContext(GetUserId(), &saved);
  Oid output;
  bool varlena;
  getTypeOutputInfo(type, &output, &varlena);
  char* text = OidOutputFunctionCall(output, value);
  LeaveSourceContext(saved);
  if (getBaseType(type) == BPCHAROID)
    for (char* end = text + strlen(text); end > text && end[-1] == ' ';) *--end = '\0';
  return text;
}

}  // namespace

char* TextArgument(FunctionCallInfo fcinfo, int number) {
  if (PG_ARGISNULL(number)) return nullptr;
  const Oid type = get_fn_expr_argtype(fcinfo->flinfo, number);
  if (type == UNKNOWNOID) return pstrdup(DatumGetCString(PG_GETARG_DATUM(number)));
  if (!OidIsValid(type) || type == TEXTOID) return text_to_cstring(PG_GETARG_TEXT_PP(number));
  return ValueText(type, PG_GETARG_DATUM(number));
}

char* NameArgument(FunctionCallInfo fcinfo, int number) {
  return PG_ARGISNULL(number) ? nullptr : pstrdup(NameStr(*PG_GETARG_NAME(number)));
}

char* RequiredText(FunctionCallInfo fcinfo, int number, const char* what) {
  if (PG_ARGISNULL(number))
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be null", what)));
  return TextArgument(fcinfo, number);
}

NameList NameListArgument(FunctionCallInfo fcinfo, int number, const char* what) {
  NameList list{};
  if (PG_ARGISNULL(number)) return list;
  Datum* elements;
  bool* nulls;
  deconstruct_array(PG_GETARG_ARRAYTYPE_P(number), NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR,
                    &elements, &nulls, &list.count);
  if (list.count == 0)
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s must not be empty", what),
                    errhint("Leave it NULL for the default.")));
  list.names = static_cast<char**>(palloc(sizeof(char*) * list.count));
  for (int i = 0; i < list.count; ++i) {
    if (nulls[i])
      ereport(ERROR,
              (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not contain nulls", what)));
    list.names[i] = pstrdup(NameStr(*DatumGetName(elements[i])));
    for (int j = 0; j < i; ++j)
      if (strcmp(list.names[i], list.names[j]) == 0)
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("%s contains \"%s\" twice", what, list.names[i])));
  }
  return list;
}

void CheckOwner(const SyncRow* sync) {
  if (superuser()) return;
  if (sync->source_exists && OwnsRelation(sync->source, GetUserId())) return;
  const char* relation = sync->source_exists ? get_rel_name(sync->source) : nullptr;
  ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                  errmsg("permission denied for sync \"%s\"", sync->name),
                  relation ? errhint("The owner of table \"%s\" may do this.", relation)
                           : errhint("A superuser may do this.")));
}

SyncRow* OwnedSyncArgument(FunctionCallInfo fcinfo) {
  SyncRow* sync = LoadSyncOrError(RequiredText(fcinfo, 0, "sync"));
  CheckOwner(sync);
  return sync;
}

void CheckMayWrite(const char* function) {
  PreventCommandDuringRecovery(function);
  PreventCommandIfReadOnly(function);
}

}  // namespace polyglot::pg
