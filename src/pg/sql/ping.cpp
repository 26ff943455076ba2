// polyglot.ping: the only SQL function that uses the network in the caller's backend. Asks every
// node of a server who it is and how the cluster is.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "core/rapidjson.h"
#include "net/search_client.h"
#include "pg/guard.h"
#include "pg/server_connection.h"
#include "pg/sql/arguments.h"

extern "C" {
PG_FUNCTION_INFO_V1(polyglot_ping);
PGDLLEXPORT Datum polyglot_ping(PG_FUNCTION_ARGS);
}

namespace polyglot::pg {

namespace {

struct NodeAnswer {
  std::string url, product, version, cluster, status;
  core::Time latency{0};
  std::uint64_t hello = 0, health = 0;  // request numbers
};

core::Time Now() {
  return std::chrono::duration_cast<core::Time>(
      std::chrono::steady_clock::now().time_since_epoch());
}

std::string Field(const rapidjson::Value& object, const char* name) {
  if (!object.IsObject()) return "";
  auto member = object.FindMember(name);
  if (member == object.MemberEnd() || !member->value.IsString()) return "";
  return {member->value.GetString(), member->value.GetStringLength()};
}

bool Parse(const std::string& body, rapidjson::Document* json) {
  json->Parse<rapidjson::kParseIterativeFlag>(body.data(), body.size());
  return !json->HasParseError() && json->IsObject();
}

void ReadHello(const core::BulkReply& reply, NodeAnswer* node) {
  rapidjson::Document json;
  if (!Parse(reply.body, &json)) return;
  node->cluster = Field(json, "cluster_name");
  auto version = json.FindMember("version");
  if (version == json.MemberEnd()) return;
  node->version = Field(version->value, "number");
  node->product = Field(version->value, "distribution");
  if (node->product.empty() && !node->version.empty()) node->product = "elasticsearch";
}

// What went wrong, in a few words and without what the server quotes.
std::string Trouble(const core::BulkReply& reply) {
  if (!reply.transport_ok) return reply.transport_error;
  if (reply.http_status == 401 || reply.http_status == 403)
    return "denied (HTTP " + std::to_string(reply.http_status) + ")";
  if (reply.http_status != 200) return "HTTP " + std::to_string(reply.http_status);
  return "";
}

void ReadAnswer(const net::Response& response, std::vector<NodeAnswer>* nodes) {
  for (NodeAnswer& node : *nodes) {
    std::string trouble = Trouble(response.reply);
    if (response.request == node.hello) {
      node.latency = response.latency;
      if (!trouble.empty())
        node.status = trouble;
      else
        ReadHello(response.reply, &node);
      if (node.product.empty()) node.product = response.product;
    } else if (response.request == node.health && node.status.empty()) {
      rapidjson::Document json;
      node.status =
          trouble.empty() && Parse(response.reply.body, &json) ? Field(json, "status") : trouble;
    }
  }
}

// Waits for the sockets of the client; a cancelled query ends it. Nothing with a destructor is
// between here and Call.
void WaitForSocket(int fd) {
  Call([&] {
    static uint32 wait_event = 0;
    if (wait_event == 0) wait_event = NamedWaitEvent("PolyglotSyncPing");
    (void)WaitLatchOrSocket(MyLatch,
                            WL_LATCH_SET | WL_SOCKET_READABLE | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
                            fd, 1000, wait_event);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
  });
}

void AskAll(const net::ConnectionConfig& config, std::vector<NodeAnswer>* nodes) {
  net::SearchClient client(config, static_cast<std::uint64_t>(Now().count()));
  for (std::uint32_t i = 0; i < config.urls.size(); ++i) {
    NodeAnswer node;
    node.url = config.urls[i];
    node.hello = client.StartOnNode(i, "GET", "/", Now());
    node.health = client.StartOnNode(i, "GET", "/_cluster/health?filter_path=status", Now());
    nodes->push_back(std::move(node));
  }
  while (client.InFlight() > 0) {
    WaitForSocket(client.poll_fd());
    client.Pump();
    for (const net::Response& response : client.TakeCompleted()) ReadAnswer(response, nodes);
  }
  for (const net::Response& response : client.TakeCompleted()) ReadAnswer(response, nodes);
}

// Plain data only: called through Call.
void SendRow(ReturnSetInfo* result, const char* const* texts, int64 latency_us) {
  Datum values[6];
  bool nulls[6];
  for (int i = 0; i < 5; ++i) {
    nulls[i] = *texts[i] == '\0';
    values[i] = nulls[i] ? 0 : CStringGetTextDatum(texts[i]);
  }
  auto* span = static_cast<Interval*>(palloc0(sizeof(Interval)));
  span->time = latency_us;
  nulls[5] = latency_us == 0;
  values[5] = IntervalPGetDatum(span);
  tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

void SendRows(ReturnSetInfo* result, const std::vector<NodeAnswer>& nodes) {
  for (const NodeAnswer& node : nodes) {
    const char* texts[] = {node.url.c_str(), node.product.c_str(), node.version.c_str(),
                           node.cluster.c_str(), node.status.c_str()};
    int64 latency = node.latency.count();
    Call([&] { SendRow(result, texts, latency); });
  }
}

}  // namespace

}  // namespace polyglot::pg

Datum polyglot_ping(PG_FUNCTION_ARGS) {
  using namespace polyglot::pg;
  if (PG_ARGISNULL(0))
    ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("server must not be null")));
  InitMaterializedSRF(fcinfo, 0);
  const char* name = NameStr(*PG_GETARG_NAME(0));
  Oid server = FindServerOrError(name);
  AclResult allowed = ServerAclCheck(server, GetUserId(), ACL_USAGE);
  if (allowed != ACLCHECK_OK) aclcheck_error(allowed, OBJECT_FOREIGN_SERVER, name);
  ServerOptions* options = LoadServerOptions(server);
  Credentials credentials = LoadCredentials(server, GetUserId());
  if (credentials.error)
    ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
                    errmsg("cannot use the credentials of server \"%s\"", name),
                    errdetail("%s", credentials.error)));
  auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  Enter([&] {
    std::vector<NodeAnswer> nodes;
    AskAll(MakeConnectionConfig(*options, credentials, "polyglot_sync/ping"), &nodes);
    SendRows(result, nodes);
  });
  return static_cast<Datum>(0);
}
