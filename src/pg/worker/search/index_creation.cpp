#include "pg/worker/search/index_creation.h"

#include <utility>

#include "core/json_writer.h"
#include "core/search/error_text.h"
#include "core/search/refused_index.h"
#include "core/search/version_meta.h"
#include "pg/clock.h"
#include "pg/fault_points.h"
#include "pg/worker/search/epoch_keeper.h"
#include "pg/worker/search/index_condition.h"
#include "pg/worker/state/generations.h"

namespace polyglot::pg {
namespace {

using Made = std::function<void(WorkerContext*, SyncRuntime*)>;

void NameTaken(WorkerContext* context, SyncRuntime* sync, int generation, Made made) {
  if (sync->IsBuilding())  // another name must be stored first
    return RefuseIndex(sync, "an index named \"" + sync->index.planned + "\" exists already", "");
  MakeIndex(context, sync, generation + 1, std::move(made));
}

// The next one is asked for before long.
void RefuseForNow(SyncRuntime* building, std::string reason, std::string hint) {
  building->index.refused_for_now = true;
  RefuseIndex(building, std::move(reason), std::move(hint));
}

// Not the server's trouble when another generation is built: the live one goes on.
void Unavailable(WorkerContext* context, SyncRuntime* sync, const net::Response& response) {
  if (sync->IsBuilding() && response.reply.transport_ok && response.reply.status != 401)
    return RefuseForNow(
        sync, "the server does not make the index: " + core::WholeRefusal(response.reply.body), "");
  IndexUnavailable(context, sync, response, kIndexRetry);
}

// The server's own words, in JSON, and not about who we are.
bool IsAboutIndex(const core::Reply& reply) {
  const int status = reply.status;
  if (!reply.transport_ok || !reply.body.starts_with('{')) return false;
  const bool block = reply.body.find("cluster_block_exception") != std::string::npos;
  return status == 400 || status == 429 || (status == 403 && block);
}

void NotMade(WorkerContext* context, SyncRuntime* sync, int generation,
             const net::Response& response, const Made& made) {
  if (!IsAboutIndex(response.reply)) return Unavailable(context, sync, response);
  const core::RefusedIndex refused =
      core::JudgeRefusedIndex(response.reply.status, response.reply.body);
  switch (refused.refusal) {
    case core::IndexRefusal::kNameTaken:
      return NameTaken(context, sync, generation, made);
    case core::IndexRefusal::kAliasTaken:
      return AskLater(sync, kIndexRetry);
    case core::IndexRefusal::kPassing:
      if (!sync->IsBuilding())
        return IndexBlocked(sync, "the server makes no index: " + refused.reason, refused.hint);
      return RefuseForNow(sync, "the server makes no index: " + refused.reason, refused.hint);
    case core::IndexRefusal::kDefinition:
      break;
  }
  RefuseIndex(sync, "the server refuses the index: " + refused.reason, refused.hint);
}

void TakeCreation(WorkerContext* context, SyncRuntime* sync, int generation,
                  const net::Response& response, const Made& made) {
  if (!response.reply.transport_ok || response.reply.status != 200)
    return NotMade(context, sync, generation, response, made);
  FaultPoint("index made");
  sync->index.generation = generation;
  sync->index.created_here = true;
  sync->index.redefined = false;
  sync->index.physical = std::make_shared<const std::string>(PhysicalName(*sync, generation));
  made(context, sync);
}

// `body` is the object that CreateIndexBody made, never an empty one.
std::string WithAlias(std::string body, const std::string& alias) {
  body.pop_back();
  body += ",\"aliases\":{";
  core::AppendJsonString(alias, &body);
  return body + ":{}}}";
}

}  // namespace

void MakeIndex(WorkerContext* context, SyncRuntime* sync, int generation, Made made) {
  auto body =
      core::CreateIndexBody(sync->mapping, sync->settings, core::MetaOf(RecordToWrite(*sync)));
  if (!body.ok()) return RefuseIndex(sync, body.error().message, body.error().hint);
  std::string text = body.value();
  // A free alias comes with the index, in one step; a taken one is switched after the backfill.
  if (!sync->index.alias_pending && !sync->IsBuilding())
    text = WithAlias(std::move(text), sync->alias);
  sync->index.step = IndexStep::kAsking;
  CreateIndex(sync->channel, PhysicalName(*sync, generation), std::move(text), MonotonicNow(),
              ForSync(context, sync,
                      [generation, made = std::move(made)](WorkerContext* c, SyncRuntime* s,
                                                           const net::Response& response) {
                        TakeCreation(c, s, generation, response, made);
                      }));
}

}  // namespace polyglot::pg
