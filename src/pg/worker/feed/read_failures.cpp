#include "pg/worker/feed/read_failures.h"

#include <string>
#include <vector>

#include "pg/catalog/dead_letters.h"
#include "pg/encoding.h"
#include "pg/worker/state/stored_state.h"

namespace polyglot::pg {
namespace {

class Letters {
 public:
  Letters(const SyncRuntime& sync, std::uint64_t version) : sync_(sync), version_(version) {}

  void Add(const ReadFailure& failure, const std::list<core::PendingKey>* keys) {
    types_.push_back(std::string("postgresql_error_") + unpack_sql_state(failure.error.sqlstate));
    reasons_.push_back(ReadableInUtf8(failure.error));
    const std::size_t before = letters_.size();
    if (keys != nullptr)
      for (const core::PendingKey& key : *keys)
        if (key.id == failure.id) Add(key.id, key.key, key.routing);
    if (letters_.size() == before) Add(failure.id, failure.key, std::nullopt);
  }
  const std::vector<DeadLetter>& list() const { return letters_; }

 private:
  void Add(const std::string& id, const std::string& key,
           const std::optional<std::string>& routing) {
    core::Operation& op = operations_.emplace_back();
    op.sync = sync_.id;
    op.kind = core::OperationKind::kIndex;
    op.version = version_;
    op.id = id;
    op.key = key;
    op.routing = routing;
    letters_.push_back({&op, 0, types_.back(), reasons_.back()});
  }

  const SyncRuntime& sync_;
  std::uint64_t version_;
  std::list<core::Operation> operations_;  // what the letters point to
  std::list<std::string> types_, reasons_;
  std::vector<DeadLetter> letters_;
};

}  // namespace

bool RecordReadFailures(SyncRuntime* sync, const RowBatch& batch, std::uint64_t version,
                        const std::list<core::PendingKey>* keys) {
  if (batch.failures.empty()) return true;
  if (sync->routing_att == 0) keys = nullptr;
  Letters letters(*sync, version);
  for (const ReadFailure& failure : batch.failures) letters.Add(failure, keys);
  if (!LockState(sync) || !WriteDeadLetters(sync->id, letters.list())) return false;
  sync->may_have_dead_letters = true;
  if (sync->slot != nullptr)
    pg_atomic_fetch_add_u64(&sync->slot->counters.dead_letters,
                            static_cast<int64>(batch.failures.size()));
  return true;
}

}  // namespace polyglot::pg
