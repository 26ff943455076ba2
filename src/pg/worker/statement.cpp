#include "pg/worker/statement.h"

#include "core/document_id.h"
#include "pg/document/row_receiver.h"
#include "pg/sha256.h"

namespace polyglot::pg {

namespace {

// Our tables are looked up by their keys, and read in their order. A planner that believes that
// there are few rows would rather read all of them and sort.
void PinPlanner() {
  static constexpr const char* pinned[][2] = {
      {"enable_seqscan", "off"}, {"enable_hashjoin", "off"}, {"enable_mergejoin", "off"},
      {"enable_nestloop", "on"}, {"enable_indexscan", "on"}, {"enable_bitmapscan", "off"},
      {"enable_tidscan", "on"},  {"enable_sort", "off"}};
  for (const auto& [name, value] : pinned)
    (void)set_config_option(name, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                            false);
}

}  // namespace

void Parameters::Run(const char* sql, int expected) {
  const int level = NewGUCNestLevel();
  PinPlanner();
  const int result =
      SPI_execute_with_args(sql, count_, types_.data(), values_.data(), nulls_.data(), false, 0);
  AtEOXact_GUC(false, level);
  if (result != expected) elog(ERROR, "statement failed (%d): %s", result, sql);
}

// By the rule of document ids, so that no routing of its own reads like a digest. Of the stored
// form, which may be longer than the routing.
std::string ShortRouting(std::string_view routing) {
  std::string name = ExactInServer(routing);
  if (!name.empty() && !core::FinishDocumentId(0, PgSha256, &name))
    elog(ERROR, "could not compute a SHA-256");
  return name;
}

void Columns::Add(std::string_view id, const std::optional<std::string>& routing, Datum more) {
  const std::string name = ShortRouting(routing.value_or(""));
  ids[count] = ExactTextOf(id);
  routings[count] = PointerGetDatum(cstring_to_text(name.c_str()));
  has_routings[count] = BoolGetDatum(routing.has_value());
  long_routings[count] = ExactTextOf(core::IsHashedId(name) ? std::string_view(*routing) : "");
  extra[count++] = more;
}

}  // namespace polyglot::pg
