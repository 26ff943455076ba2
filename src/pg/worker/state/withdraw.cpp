#include "pg/worker/state/withdraw.h"

#include <utility>

#include "pg/clock.h"
#include "pg/worker/state/verification_state.h"

namespace polyglot::pg {
namespace {

void ReadAgain(WorkerContext* context, SyncRuntime* sync, core::Operation* op) {
  context->settlement.Release(sync->id, op->tickets);
  if (op->tickets.scan == 0 && op->tickets.probe == 0) return;
  core::PendingKey key;
  key.id = std::move(op->id);
  key.key = std::move(op->key);
  key.routing = std::move(op->routing);
  key.tickets = {.scan = op->tickets.scan, .probe = op->tickets.probe};
  key.captured_at = sync->CapturedAt(op->tickets.scan);
  sync->keys.Add(sync->id, std::move(key), &context->settlement);
}

class Collector {
 public:
  Collector(WorkerContext* context, SyncRuntime* sync) : context_(context), sync_(sync) {}

  // Everything of this sync that is in memory and not in flight, as keys. Pages of a backfill and
  // walks of a resync are begun anew; a key that was parked already still has its row.
  std::vector<core::PendingKey> Run() {
    for (core::PendingKey& key : sync_->keys.Take(sync_->keys.size())) Take(std::move(key));
    if (sync_->channel != nullptr)
      for (core::Operation& op : sync_->channel->delivery().Withdraw(sync_->id, UINT64_MAX))
        Take(&op);
    UnconfirmedState& unconfirmed = sync_->unconfirmed;
    for (auto* list : {&unconfirmed.waiting, &unconfirmed.checking}) {
      for (core::Finished& finished : *list) Take(&finished.operation);
      list->clear();
    }
    return std::move(keys_);
  }

 private:
  void Take(core::Operation* op) {
    // A delete of what has no row: no key brings it back, so whoever found it looks again.
    if (op->key.empty() && sync_->verification) sync_->verification->withdrawn = true;
    core::PendingKey key;
    key.id = std::move(op->id);
    key.key = std::move(op->key);
    key.routing = std::move(op->routing);
    key.tickets = op->tickets;
    key.captured_at = sync_->CapturedAt(op->tickets.scan);  // `lag` must not shrink by parking
    Take(std::move(key));
  }
  void Take(core::PendingKey key) {
    if (key.tickets.scan != 0)
      keys_.push_back(std::move(key));
    else
      context_->settlement.Release(sync_->id, key.tickets);
  }

  WorkerContext* context_;
  SyncRuntime* sync_;
  std::vector<core::PendingKey> keys_;
};

}  // namespace

void EndProbes(SyncRuntime* sync) {
  sync->parked.draining = sync->parked.at_end = false;
  sync->parked.cursor.reset();
}

void TakeBack(WorkerContext* context, SyncRuntime* sync, core::Operation operation) {
  // Without a key it deletes what has no row: the same at any time.
  if (operation.key.empty()) {
    sync->channel->delivery().Submit(std::move(operation), MonotonicNow());
    return;
  }
  core::PendingKey key;
  key.captured_at = sync->CapturedAt(operation.tickets.scan);
  key.id = std::move(operation.id);
  key.key = std::move(operation.key);
  key.routing = std::move(operation.routing);
  key.tickets = operation.tickets;
  sync->keys.PutBack(std::move(key), sync->id, &context->settlement);
}

void ReadOlderAgain(WorkerContext* context, SyncRuntime* sync, std::uint64_t version) {
  for (core::Operation& op : sync->channel->delivery().Withdraw(sync->id, version))
    ReadAgain(context, sync, &op);
}

void ReadUnconfirmedAgain(WorkerContext* context, SyncRuntime* sync) {
  for (auto* list : {&sync->unconfirmed.waiting, &sync->unconfirmed.checking}) {
    for (core::Finished& finished : *list) ReadAgain(context, sync, &finished.operation);
    list->clear();
  }
}

std::vector<core::PendingKey> TakeWaiting(WorkerContext* context, SyncRuntime* sync) {
  std::vector<core::PendingKey> keys = Collector(context, sync).Run();
  EndProbes(sync);
  return keys;
}

void ForgetWaiting(WorkerContext* context, SyncRuntime* sync) {
  for (const core::PendingKey& key : TakeWaiting(context, sync))
    context->settlement.Release(sync->id, key.tickets);
}

}  // namespace polyglot::pg
