#include "pg/document/read_locks.h"

#include "pg/source/source_tree.h"
#include "pg/source/tree_lock.h"

namespace polyglot::pg {
namespace {

bool IsBelow(Oid relation, Oid source) {
  relation = TableOf(relation);
  return OidIsValid(relation) && IsInTree(relation, source);
}

// Those of `now` that are not in `before`: as one palloc'd array, since vectors may throw.
int Added(const List* before, const List* now, Oid source, Oid** added) {
  *added = static_cast<Oid*>(palloc(sizeof(Oid) * (list_length(now) + 1)));
  int count = 0;
  ListCell* cell;
  foreach (cell, now)
    // Nobody locks a system catalog for long.
    if (lfirst_oid(cell) >= FirstNormalObjectId && !list_member_oid(before, lfirst_oid(cell)) &&
        !IsBelow(lfirst_oid(cell), source))
      (*added)[count++] = lfirst_oid(cell);
  return count;
}

}  // namespace

void ReadLocks::RenewSnapshot() {
  PopActiveSnapshot();
  PushActiveSnapshot(GetTransactionSnapshot());
}

bool ReadLocks::TryLock(Oid source, bool tree) {
  impatient_ = true;
  const Oid* others = others_.data();
  const std::size_t count = known_ ? others_.size() : 0;
  const Oid last = refused_;
  const Oid refused = Call([&] {
    if (OidIsValid(last) && !TryLockOne(last)) return last;
    for (std::size_t i = 0; i < count; ++i)
      if (!TryLockOne(others[i])) return others[i];
    const Oid locked = tree ? TryLockTree(source) : TryLockWithIndexes(source);
    if (!OidIsValid(locked)) RenewSnapshot();
    return locked;
  });
  if (OidIsValid(refused)) Name(refused);
  return !OidIsValid(refused);
}

bool ReadLocks::TryLockPart(Oid part) {
  const Oid refused = Call([part] {
    const Oid locked = TryLockWithIndexes(part);
    if (!OidIsValid(locked)) RenewSnapshot();
    return locked;
  });
  if (OidIsValid(refused)) Name(refused);
  return !OidIsValid(refused);
}

void ReadLocks::BeginLearning() {
  before_ = Call([] { return LockedRelations(); });
}

bool ReadLocks::Learn(Oid source) {
  Oid* added = nullptr;
  List* before = before_;
  const int count = Call([&] { return Added(before, LockedRelations(), source, &added); });
  others_.assign(added, added + count);
  if (OidIsValid(refused_)) others_.push_back(refused_);
  refused_ = InvalidOid;
  known_ = true;
  if (count > 0) Call([] { RenewSnapshot(); });
  return count > 0;
}

bool ReadLocks::NoteRefused(const PgError& error) {
  if (!impatient_ || (error.sqlstate != ERRCODE_LOCK_NOT_AVAILABLE &&
                      error.sqlstate != ERRCODE_T_R_DEADLOCK_DETECTED))
    return false;
  refused_ = AwaitedRelation();
  Name(refused_);
  known_ = false;
  return true;
}

void ReadLocks::Name(Oid relation) {
  const char* name = OidIsValid(relation) ? Call([&] { return NameOfLocked(relation); }) : nullptr;
  refused_table_ = name == nullptr ? "" : name;
}

}  // namespace polyglot::pg
