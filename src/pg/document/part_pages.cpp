#include "pg/document/part_pages.h"

#include <algorithm>

#include "pg/prelude.h"
#include "pg/source/source_tree.h"

namespace polyglot::pg {
namespace {

// No packed key has so many columns, whose number comes first.
constexpr std::string_view kMark = "\xff\xff";

}  // namespace

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
