#include "pg/worker/index_drops.h"

#include "core/epoch.h"
#include "core/index_body.h"
#include "pg/catalog.h"
#include "pg/worker/epoch.h"

namespace polyglot::pg {
namespace {

constexpr core::Time kRetry{5'000'000};

using Drop = WorkerContext::IndexDrop;
using Handler = void (*)(WorkerContext*, Drop*, const core::BulkReply&);

void Ask(WorkerContext* context, Drop* drop, const char* method, std::string_view parameters,
         Handler handle) {
  drop->asking = true;
  std::string path = "/" + net::SearchClient::EncodePath(drop->index);
  path += parameters;
  drop->channel->Ask(method, path, "", MonotonicNow(),
                     [context, handle, name = drop->index](const net::Response& response) {
                       auto it = context->index_drops.find(name);
                       if (it == context->index_drops.end()) return;
                       it->second.asking = false;
                       it->second.retry_at = MonotonicNow() + kRetry;
                       handle(context, &it->second, response.reply);
                     });
}

bool Answered(const core::BulkReply& reply) {
  return reply.transport_ok && (reply.http_status == 200 || reply.http_status == 404);
}

void TakeDeletion(WorkerContext*, Drop* drop, const core::BulkReply& reply) {
  drop->done = Answered(reply);
}

// The rows of a copy of the database (CREATE DATABASE … TEMPLATE) name the original's indexes.
void TakeDescription(WorkerContext* context, Drop* drop, const core::BulkReply& reply) {
  if (!Answered(reply)) return;
  const auto found = core::ParseIndices(reply.http_status == 200 ? reply.body : "{}");
  if (!found.ok()) return;
  drop->done = found.value().empty();
  for (const core::IndexDescription& index : found.value()) {
    const auto record = core::RecordOf(index.meta);
    drop->foreign |= record && !core::SameDatabase(*record, ThisDatabase());
  }
  drop->done |= drop->foreign;
  if (!drop->done) Ask(context, drop, "DELETE", "", TakeDeletion);
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
    Ask(context, &drop, "GET", "?" + std::string(core::kDescribeFilter), TakeDescription);
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
      if (context->index_drops.at(index).foreign)
        ereport(LOG, (errmsg("polyglot_sync: index \"%s\" belongs to another database and stays",
                             index.c_str())));
      else
        ereport(LOG, (errmsg("polyglot_sync: index \"%s\" deleted", index.c_str())));
    }
    AnnounceConfigChange();  // the launcher may have kept this worker for these alone
  });
  for (const std::string& index : done) context->index_drops.erase(index);
}

}  // namespace polyglot::pg
