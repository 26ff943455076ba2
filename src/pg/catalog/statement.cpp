#include "pg/catalog/statement.h"

#include "core/document_id.h"
#include "pg/catalog/own_rights.h"
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

// A sync may be younger than the snapshot of a REPEATABLE READ transaction that changes its table.
uint64 Execute(const char* sql, std::initializer_list<const char*> parameters) {
  constexpr int kMost = 32;
  Oid types[kMost];
  Datum values[kMost];
  char nulls[kMost] = {};
  int count = 0;
  for (const char* parameter : parameters) {
    if (count == kMost) elog(ERROR, "too many parameters");
    types[count] = TEXTOID;
    nulls[count] = parameter ? ' ' : 'n';
    values[count] = parameter ? CStringGetTextDatum(parameter) : 0;
    ++count;
  }
  SPIPlanPtr plan = SPI_prepare(sql, count, types);
  if (!plan) elog(ERROR, "statement failed: %s", SPI_result_code_string(SPI_result));
  CommandCounterIncrement();
  int result = SPI_execute_snapshot(plan, values, nulls, GetLatestSnapshot(), InvalidSnapshot,
                                    false, true, 0);
  if (result < 0) elog(ERROR, "statement failed: %s", SPI_result_code_string(result));
  SPI_freeplan(plan);
  return SPI_processed;
}

// Runs a SELECT on our own tables that sees everything committed until now, whatever the isolation
// level of the transaction, and the changes of the transaction itself.
void SelectLatest(const char* sql, Oid type, Datum value) {
  CommandCounterIncrement();
  PushActiveSnapshot(GetLatestSnapshot());
  Oid types[] = {type};
  Datum values[] = {value};
  int count = OidIsValid(type) ? 1 : 0;
  int result = SPI_execute_with_args(sql, count, types, values, nullptr, true, 0);
  PopActiveSnapshot();
  if (result != SPI_OK_SELECT) elog(ERROR, "could not read polyglot_sync's tables: %d", result);
}

bool Finds(const char* sql, int32 sync) {
  AsExtensionOwner as_owner;
  SPI_connect();
  SelectLatest(sql, INT4OID, Int32GetDatum(sync));
  const bool any = SPI_processed > 0;
  SPI_finish();
  return any;
}

}  // namespace polyglot::pg
