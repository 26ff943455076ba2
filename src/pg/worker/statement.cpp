#include "pg/worker/statement.h"

#include "core/document_id.h"
#include "pg/document/row_receiver.h"

namespace polyglot::pg {

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
