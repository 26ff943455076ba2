#pragma once
// The tables of valid options and the rules for their values: what the validator and the readers of
// server_options.cpp share.

#include "pg/prelude.h"

namespace polyglot::pg {

enum class OptionKind {
  kUrls,
  kFile,    // absolute path; superuser only
  kText,    // one line
  kHost,    // a host name
  kProxy,   // http(s)://host:port
  kWord,    // lower-case letters, digits, "-"
  kChoice,  // one of `choices`
  kTime,    // GUC syntax; milliseconds
  kBytes,   // GUC syntax; bytes
  kMegabytes,
  kCount,
  kIndexPrefix,
  kBoolean,
  kSecret,  // one line, never shown
};

struct OptionRule {
  const char* name;
  OptionKind kind;
  int low, high;           // of numbers, in the unit of the kind
  int fallback;            // of numbers
  const char* choices[3];  // ends with nullptr
};

/// Rules of a catalog's options (pg_foreign_server, pg_user_mapping); none for other catalogs.
const OptionRule* OptionRules(Oid catalog, int* count);
/// nullptr when there is no such option.
const OptionRule* FindOption(Oid catalog, const char* name);
/// ERROR 22023 (42501 when only a superuser may set it) when the value does not do.
void CheckOptionValue(const OptionRule& rule, const char* value);
/// Value of a number's option that has passed the check.
int NumberOf(const OptionRule& rule, const char* value);
/// Splits and checks node addresses: ERROR 22023. Length in *count.
char** ParseUrls(const char* value, int* count);

}  // namespace polyglot::pg
