#include "pg/source/security_context.h"

#include "pg/prelude.h"

namespace polyglot::pg {

namespace {

struct PinnedSetting {
  const char* name;
  const char* value;
};

constexpr PinnedSetting kPinned[] = {
    {"search_path", "pg_catalog, pg_temp"},
    {"row_security", "off"},
    {"DateStyle", "ISO, MDY"},
    {"IntervalStyle", "iso_8601"},
    {"TimeZone", "UTC"},
    {"extra_float_digits", "1"},
    {"bytea_output", "hex"},
    {"lc_monetary", "C"},
    // Plans are kept, and rows are always had through the key's index: a table that was small when
    // the plan was made must not be scanned for each batch later, and a page must be able to end
    // early, which it cannot behind a sort.
    {"enable_seqscan", "off"},
    {"enable_sort", "off"},
    {"jit", "off"},
};

void Pin(const PinnedSetting& setting) {
  const char* now = GetConfigOption(setting.name, false, false);
  if (now != nullptr && strcmp(now, setting.value) == 0) return;
  (void)set_config_option(setting.name, setting.value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
                          true, 0, false);
}

}  // namespace

void EnterSourceContext(Oid owner, SecurityContext* saved) {
  GetUserIdAndSecContext(&saved->user, &saved->flags);
  saved->settings_level = NewGUCNestLevel();
  for (const PinnedSetting& setting : kPinned) Pin(setting);
  SetUserIdAndSecContext(owner, saved->flags | SECURITY_RESTRICTED_OPERATION);
}

void LeaveSourceContext(const SecurityContext& saved) {
  AtEOXact_GUC(false, saved.settings_level);
  SetUserIdAndSecContext(saved.user, saved.flags);
}

}  // namespace polyglot::pg
