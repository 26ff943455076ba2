#include "pg/worker/index_drops.h"

#include "pg/catalog.h"

namespace polyglot::pg {
namespace {

constexpr core::Time kRetry{5'000'000};

void TakeAnswer(WorkerContext* context, const std::string& index, const net::Response& response) {
  auto it = context->index_drops.find(index);
  if (it == context->index_drops.end()) return;
  const core::BulkReply& reply = response.reply;
  it->second.asking = false;
  it->second.done = reply.transport_ok && (reply.http_status == 200 || reply.http_status == 404);
  it->second.retry_at = MonotonicNow() + kRetry;
}

}  // namespace

void LoadIndexDrops(WorkerContext* context, Channel* channel) {
  char server[16];
  snprintf(server, sizeof server, "%u", context->server);
  const uint64 rows =
      Execute("SELECT physical_index FROM polyglot.dropped_index WHERE server = $1::pg_catalog.oid",
              {server});
  for (uint64 i = 0; i < rows; i++) {
    const std::string index = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
    context->index_drops.try_emplace(index, WorkerContext::IndexDrop{index, "", channel});
  }
}

void AdvanceIndexDrops(WorkerContext* context, core::Time now) {
  for (auto& [index, drop] : context->index_drops) {
    if (drop.asking || drop.done || now < drop.retry_at) continue;
    drop.asking = true;
    drop.channel->Ask("DELETE", "/" + net::SearchClient::EncodePath(index), "", now,
                      [context, name = index](const net::Response& response) {
                        TakeAnswer(context, name, response);
                      });
  }
}

void StoreIndexDrops(WorkerContext* context) {
  std::vector<std::string> done;
  for (const auto& [index, drop] : context->index_drops)
    if (drop.done) done.push_back(index);
  if (done.empty()) return;
  InTransaction([&] {
    char server[16];
    snprintf(server, sizeof server, "%u", context->server);
    for (const std::string& index : done) {
      Execute(
          "DELETE FROM polyglot.dropped_index WHERE server = $1::pg_catalog.oid"
          " AND physical_index = $2",
          {server, index.c_str()});
      ereport(LOG, (errmsg("polyglot_sync: index \"%s\" deleted", index.c_str())));
    }
    AnnounceConfigChange();  // the launcher may have kept this worker for these alone
  });
  for (const std::string& index : done) context->index_drops.erase(index);
}

}  // namespace polyglot::pg
