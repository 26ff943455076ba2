#include "pg/server/option_rules.h"

#include "pg/settings.h"

namespace polyglot::pg {

namespace {

constexpr int kSecond = 1000;
constexpr char kLowerCase[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
constexpr char kHostCharacters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

constexpr OptionRule kServerRules[] = {
    {"url", OptionKind::kUrls, 0, 0, 0, {}},
    {"ca_file", OptionKind::kFile, 0, 0, 0, {}},
    {"client_cert", OptionKind::kFile, 0, 0, 0, {}},
    {"client_key", OptionKind::kFile, 0, 0, 0, {}},
    {"verify", OptionKind::kChoice, 0, 0, 0, {"full", "none", nullptr}},
    {"tls_server_name", OptionKind::kHost, 0, 0, 0, {}},
    {"proxy", OptionKind::kProxy, 0, 0, 0, {}},
    {"compression", OptionKind::kChoice, 0, 0, 0, {"none", "gzip", nullptr}},
    {"connect_timeout", OptionKind::kTime, 10, 600 * kSecond, 3 * kSecond, {}},
    {"request_timeout", OptionKind::kTime, 100, 3600 * kSecond, 30 * kSecond, {}},
    {"max_in_flight", OptionKind::kCount, 1, 64, 8, {}},
    {"batch_bytes", OptionKind::kBytes, 64 << 10, 50 << 20, 5 << 20, {}},
    {"batch_operations", OptionKind::kCount, 1, 50000, 5000, {}},
    {"linger", OptionKind::kTime, 0, 10 * kSecond, 2, {}},
    {"index_prefix", OptionKind::kIndexPrefix, 0, 0, 0, {}},
    {"confine", OptionKind::kBoolean, 0, 0, 0, {}},
    {"max_queue_size", OptionKind::kMegabytes, 0, INT_MAX, 10 << 10, {}},
    {"aws_region", OptionKind::kWord, 0, 0, 0, {}},
    {"aws_service", OptionKind::kWord, 0, 0, 0, {}},
};

constexpr OptionRule kMappingRules[] = {
    {"user", OptionKind::kText, 0, 0, 0, {}},
    {"password", OptionKind::kSecret, 0, 0, 0, {}},
    {"password_file", OptionKind::kFile, 0, 0, 0, {}},
    {"api_key", OptionKind::kSecret, 0, 0, 0, {}},
    {"api_key_file", OptionKind::kFile, 0, 0, 0, {}},
    {"bearer_token", OptionKind::kSecret, 0, 0, 0, {}},
    {"bearer_token_file", OptionKind::kFile, 0, 0, 0, {}},
    {"aws_access_key", OptionKind::kText, 0, 0, 0, {}},
    {"aws_secret_key", OptionKind::kSecret, 0, 0, 0, {}},
};

bool HasControlCharacter(const char* value) {
  for (const char* c = value; *c; ++c)
    if (static_cast<unsigned char>(*c) < 0x20 || *c == 0x7f) return true;
  return false;
}

int UnitFlags(OptionKind kind) {
  switch (kind) {
    case OptionKind::kTime:
      return GUC_UNIT_MS;
    case OptionKind::kBytes:
      return GUC_UNIT_BYTE;
    case OptionKind::kMegabytes:
      return GUC_UNIT_MB;
    default:
      return 0;
  }
}

const char* UnitHint(OptionKind kind) {
  switch (kind) {
    case OptionKind::kTime:
      return "Valid units for this option are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\"; "
             "without a unit it is milliseconds.";
    case OptionKind::kBytes:
      return "Valid units for this option are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\"; "
             "without a unit it is bytes.";
    case OptionKind::kMegabytes:
      return "Valid units for this option are \"B\", \"kB\", \"MB\", \"GB\", and \"TB\"; "
             "without a unit it is megabytes. 0 means no limit.";
    default:
      return "The value is a whole number.";
  }
}

const char* UnitName(OptionKind kind) {
  switch (kind) {
    case OptionKind::kTime:
      return " ms";
    case OptionKind::kBytes:
      return " B";
    case OptionKind::kMegabytes:
      return " MB";
    default:
      return "";
  }
}

void CheckNumber(const OptionRule& rule, const char* value) {
  int number;
  if (!parse_int(value, &number, UnitFlags(rule.kind), nullptr))
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("invalid value for option \"%s\": \"%s\"", rule.name, value),
                    errhint("%s", UnitHint(rule.kind))));
  if (number < rule.low || number > rule.high) {
    const char* unit = UnitName(rule.kind);
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("%d%s is outside the valid range for option \"%s\" (%d%s .. %d%s)",
                           number, unit, rule.name, rule.low, unit, rule.high, unit)));
  }
}

void CheckChoice(const OptionRule& rule, const char* value) {
  StringInfoData valid;
  initStringInfo(&valid);
  for (int i = 0; rule.choices[i]; ++i) {
    if (strcmp(rule.choices[i], value) == 0) return;
    appendStringInfo(&valid, "%s%s", i ? ", " : "", rule.choices[i]);
  }
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("invalid value for option \"%s\": \"%s\"", rule.name, value),
                  errhint("Valid values are: %s.", valid.data)));
}

// A role that may create servers must neither make the server process read a file of its choice nor
// talk to somebody who only pretends to be the search server.
void RequireSuperuser(const OptionRule& rule, const char* what) {
  if (superuser()) return;
  ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                  errmsg("permission denied to set option \"%s\"%s", rule.name, what),
                  errhint("Only roles with the SUPERUSER attribute may set it.")));
}

void CheckFile(const OptionRule& rule, const char* value) {
  RequireSuperuser(rule, "");
  if (is_absolute_path(value)) return;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("option \"%s\" must be an absolute path", rule.name)));
}

void CheckOneLine(const OptionRule& rule, const char* value) {
  if (*value == '\0')
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("option \"%s\" must not be empty", rule.name)));
  if (HasControlCharacter(value))
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("option \"%s\" must not contain control characters", rule.name)));
}

void CheckBoolean(const OptionRule& rule, const char* value) {
  bool on;
  if (parse_bool(value, &on)) return;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("option \"%s\" must be true or false", rule.name)));
}

void CheckIndexPrefix(const OptionRule& rule, const char* value) {
  const char* allowed = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
  if (strspn(value, allowed) == strlen(value) && strlen(value) <= 100 &&
      (*value == '\0' || strchr("-_.", *value) == nullptr))
    return;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("invalid value for option \"%s\": \"%s\"", rule.name, value),
                  errhint("It may contain lower-case letters, digits, \"-\", \"_\", and \".\", and "
                          "starts with a letter or digit; at most 100 characters.")));
}

void CheckCharacters(const OptionRule& rule, const char* value, const char* allowed,
                     const char* hint) {
  if (*value != '\0' && strspn(value, allowed) == strlen(value)) return;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("invalid value for option \"%s\": \"%s\"", rule.name, value),
                  errhint("%s", hint)));
}

// The address itself stays out of the message: somebody may have put a password into it.
[[noreturn]] void BadAddress(const char* option, const char* why) {
  const bool proxy = strcmp(option, "proxy") == 0;
  ereport(ERROR,
          (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
           errmsg("invalid value for option \"%s\": %s", option, why),
           proxy ? errhint("Write http://host:port. A proxy that asks for a password is not "
                           "supported.")
                 : errhint("Write https://host:port, several nodes of one cluster separated by "
                           "commas. User name and password belong into CREATE USER MAPPING.")));
  pg_unreachable();
}

void CheckPort(const char* option, const char* text) {
  char* end;
  long port = strtol(text, &end, 10);
  if (*text < '0' || *text > '9' || (*end != '\0' && *end != '/') || port < 1 || port > 65535)
    BadAddress(option, "the port must be a number from 1 to 65535");
}

// Option `url` or `proxy`.
void CheckUrl(const char* option, const char* url) {
  const char* host = nullptr;
  if (pg_strncasecmp(url, "http://", 7) == 0) host = url + 7;
  if (pg_strncasecmp(url, "https://", 8) == 0) host = url + 8;
  if (!host) BadAddress(option, "an address must begin with http:// or https://");
  for (const char* c = url; *c; ++c)
    if (isspace(static_cast<unsigned char>(*c)) || static_cast<unsigned char>(*c) < 0x20)
      BadAddress(option, "an address must not contain blanks");
  if (strchr(url, '@')) BadAddress(option, "an address must not contain user information");
  if (strpbrk(url, "?#")) BadAddress(option, "an address must not contain a query or a fragment");
  const char* end = host;
  if (*host == '[') {
    end = strchr(host, ']');
    if (!end || end == host + 1) BadAddress(option, "the IPv6 address is not closed");
    ++end;
  } else {
    end = host + strcspn(host, ":/");
  }
  if (end == host) BadAddress(option, "an address must name a host");
  if (*end == ':') return CheckPort(option, end + 1);
  if (*end != '\0' && *end != '/') BadAddress(option, "an address must be scheme://host:port");
}

void CheckProxy(const char* value) {
  CheckUrl("proxy", value);
  const char* path = strchr(strchr(value, ':') + 3, '/');
  if (path && path[1] != '\0') BadAddress("proxy", "a proxy has no path");
}

}  // namespace

const OptionRule* OptionRules(Oid catalog, int* count) {
  if (catalog == ForeignServerRelationId) {
    *count = lengthof(kServerRules);
    return kServerRules;
  }
  *count = catalog == UserMappingRelationId ? lengthof(kMappingRules) : 0;
  return catalog == UserMappingRelationId ? kMappingRules : nullptr;
}

const OptionRule* FindOption(Oid catalog, const char* name) {
  int count;
  const OptionRule* rules = OptionRules(catalog, &count);
  for (int i = 0; i < count; ++i)
    if (strcmp(rules[i].name, name) == 0) return &rules[i];
  return nullptr;
}

void CheckOptionValue(const OptionRule& rule, const char* value) {
  int count;
  switch (rule.kind) {
    case OptionKind::kUrls:
      ParseUrls(value, &count);
      break;
    case OptionKind::kFile:
      CheckFile(rule, value);
      break;
    case OptionKind::kText:
    case OptionKind::kSecret:
      CheckOneLine(rule, value);
      break;
    case OptionKind::kHost:
      CheckCharacters(rule, value, kHostCharacters, "It is a host name, without port.");
      break;
    case OptionKind::kProxy:
      CheckProxy(value);
      break;
    case OptionKind::kWord:
      CheckCharacters(rule, value, kLowerCase,
                      "It contains lower-case letters, digits, and \"-\".");
      break;
    case OptionKind::kChoice:
      CheckChoice(rule, value);
      if (strcmp(rule.name, "verify") == 0 && strcmp(value, "none") == 0)
        RequireSuperuser(rule, " to \"none\"");
      break;
    case OptionKind::kIndexPrefix:
      CheckIndexPrefix(rule, value);
      break;
    case OptionKind::kBoolean:
      CheckBoolean(rule, value);
      break;
    case OptionKind::kTime:
    case OptionKind::kBytes:
    case OptionKind::kMegabytes:
    case OptionKind::kCount:
      CheckNumber(rule, value);
      break;
  }
}

int NumberOf(const OptionRule& rule, const char* value) {
  int number = rule.fallback;
  if (value) (void)parse_int(value, &number, UnitFlags(rule.kind), nullptr);
  return number;
}

char** ParseUrls(const char* value, int* count) {
  char** urls = static_cast<char**>(palloc0(sizeof(char*) * kMaxNodes));
  *count = 0;
  char* copy = pstrdup(value);
  for (char* next = copy; next;) {
    char* url = next;
    next = strchr(url, ',');
    if (next) *next++ = '\0';
    while (*url == ' ') ++url;
    for (size_t n = strlen(url); n > 0 && (url[n - 1] == ' ' || url[n - 1] == '/'); --n)
      url[n - 1] = '\0';
    CheckUrl("url", url);
    for (int i = 0; i < *count; ++i)
      if (pg_strcasecmp(urls[i], url) == 0) BadAddress("url", "an address is given twice");
    if (*count == kMaxNodes) BadAddress("url", "there are more than 8 addresses");
    urls[(*count)++] = url;
  }
  return urls;
}

}  // namespace polyglot::pg
