#include "pg/document/part_pages.h"

#include <algorithm>

#include "pg/capture/source_tree.h"
#include "pg/prelude.h"

namespace polyglot::pg {
namespace {

// No packed key has so many columns, whose number comes first.
constexpr std::string_view kMark = "\xff\xff";

// Read through its parent a partition is read with the parent's rights.
PartState RightsOf(const ReadPlan& plan, Oid part) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(part));
  if (!HeapTupleIsValid(tuple)) return PartState::kGone;
  auto* form = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple));
  const bool same = form->relkind == RELKIND_RELATION && form->relowner == plan.owner &&
                    !form->relforcerowsecurity;
  ReleaseSysCache(tuple);
  return same && pg_class_aclcheck(part, plan.owner, ACL_SELECT) == ACLCHECK_OK
             ? PartState::kReadable
             : PartState::kOther;
}

struct Names {
  const char* table;
  TupleDesc shape;
};

bool IsColumn(const Names& names, const char* name) {
  for (int i = 0; i < names.shape->natts; ++i) {
    Form_pg_attribute att = TupleDescAttr(names.shape, i);
    if (!att->attisdropped && strcmp(NameStr(att->attname), name) == 0) return true;
  }
  return false;
}

const char* NameAt(const ColumnRef* ref, int position) {
  Node* node = static_cast<Node*>(list_nth(ref->fields, position));
  return IsA(node, String) ? strVal(node) : nullptr;  // nullptr: *
}

// May it mean the row as a whole, whose type is another one in a partition, or name its table with
// the schema, which an alias does not take?
bool MeansMore(const ColumnRef* ref, const Names& names) {
  const int count = list_length(ref->fields);
  const char *first = NameAt(ref, 0), *last = NameAt(ref, count - 1);
  if (count > 2 || first == nullptr || last == nullptr) return true;
  return strcmp(first, names.table) == 0 && (count == 1 || !IsColumn(names, last));
}

bool FindMore(Node* node, void* names) {
  if (node == nullptr) return false;
  if (IsA(node, ColumnRef))
    return MeansMore(reinterpret_cast<ColumnRef*>(node), *static_cast<const Names*>(names));
  return WalkRawExpression(node, FindMore, names);
}

bool NamesColumnsOnly(const ReadPlan& plan, const char* expression) {
  if (expression == nullptr) return true;
  Names names{get_rel_name(plan.relation), plan.shape};
  List* parsed = raw_parser(psprintf("SELECT (%s\n)", expression), RAW_PARSE_DEFAULT);
  return !FindMore(static_cast<RawStmt*>(linitial(parsed))->stmt, &names);
}

}  // namespace

bool ReadsByParts(const ReadPlan& plan, const SyncRow& sync) {
  if (!NamesColumnsOnly(plan, sync.filter) || !NamesColumnsOnly(plan, sync.document)) return false;
  ListCell* cell;
  foreach (cell, find_all_inheritors(plan.relation, NoLock, nullptr))
    if (get_rel_relkind(lfirst_oid(cell)) != RELKIND_PARTITIONED_TABLE &&
        RightsOf(plan, lfirst_oid(cell)) == PartState::kOther)
      return false;
  return true;
}

std::string PackCursor(const PartCursor& cursor) {
  std::string packed(kMark);
  packed.append(reinterpret_cast<const char*>(&cursor.part), sizeof cursor.part);
  return packed + cursor.key;
}

bool UnpackCursor(std::string_view packed, PartCursor* cursor) {
  constexpr std::size_t header = kMark.size() + sizeof cursor->part;
  if (!packed.starts_with(kMark) || packed.size() < header) return false;
  memcpy(&cursor->part, packed.data() + kMark.size(), sizeof cursor->part);
  cursor->key = packed.substr(header);
  return true;
}

Oid Parts::From(Oid part) {
  const Oid source = source_;
  const auto is_part = [=] {
    return get_rel_relkind(part) == RELKIND_RELATION && IsInTree(part, source);
  };
  // Most pages begin and end in the same one; listing thousands takes milliseconds.
  if (!known_ && OidIsValid(part) && Call(is_part)) return part;
  if (!known_) {
    List* all = Call([=] { return find_all_inheritors(source, NoLock, nullptr); });
    for (int i = 0; i < list_length(all); ++i) parts_.push_back(list_nth_oid(all, i));
    std::sort(parts_.begin(), parts_.end());
    known_ = true;
  }
  auto found = std::lower_bound(parts_.begin(), parts_.end(), part);
  while (found != parts_.end() &&
         Call([relation = *found] { return get_rel_relkind(relation); }) != RELKIND_RELATION)
    ++found;
  return found == parts_.end() ? InvalidOid : *found;
}

PartState StateOfPart(const ReadPlan& plan, Oid part) {
  return Call(
      [&] { return IsInTree(part, plan.relation) ? RightsOf(plan, part) : PartState::kGone; });
}

}  // namespace polyglot::pg
