// polyglot.ping: the only SQL function that uses the network in the caller's backend. Asks every
// node of a server who it is and how the cluster is.

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json_reader.h"
#include "core/search/server_info.h"
#include "net/search_client.h"
#include "pg/guard.h"
#include "pg/server/server_connection.h"

extern "C" {
PG_FUNCTION_INFO_V1(polyglot_ping);
PGDLLEXPORT Datum polyglot_ping(PG_FUNCTION_ARGS);
}

namespace polyglot::pg {

namespace {

// Which privileges the credentials have is not known: several requests tell who the node is, and
// what one of them is refused another may be granted.
enum Question { kVersion, kHello, kHealth, kQuestions };

constexpr std::string_view kPaths[kQuestions] = {core::kVersionPath, "/", core::kHealthPath};

struct NodeAnswer {
  std::string url, product, version, cluster, status;
  std::string trouble;  // why the health is not known
  core::Time latency{0};
  std::uint64_t requests[kQuestions] = {};
};

core::Time Now() {
  return std::chrono::duration_cast<core::Time>(
      std::chrono::steady_clock::now().time_since_epoch());
}

void FillIn(std::string* field, std::string value) {
  if (field->empty()) *field = std::move(value);
}

void ReadVersion(const net::Response& response, NodeAnswer* node) {
  const std::string_view header = response.product == "elasticsearch" ? "Elasticsearch" : "";
  auto parsed = core::ParseServerVersion(response.reply.body, header);
  if (!parsed.ok()) return;
  core::ServerVersion& server = parsed.value();
  FillIn(&node->product,
         server.product == core::Product::kOpenSearch ? "opensearch" : "elasticsearch");
  FillIn(&node->version, std::move(server.version));
  FillIn(&node->cluster, std::move(server.cluster));
}

std::string Field(const rapidjson::Value& object, const char* name) {
  if (!object.IsObject()) return "";
  auto member = object.FindMember(name);
  if (member == object.MemberEnd() || !member->value.IsString()) return "";
  return {member->value.GetString(), member->value.GetStringLength()};
}

void ReadHello(const net::Response& response, NodeAnswer* node) {
  const std::string& body = response.reply.body;
  rapidjson::Document json;
  if (!core::ParseObject(body, &json)) return;
  FillIn(&node->cluster, Field(json, "cluster_name"));
  auto version = json.FindMember("version");
  if (version == json.MemberEnd()) return;
  FillIn(&node->version, Field(version->value, "number"));
  FillIn(&node->product, Field(version->value, "distribution"));
}

void ReadHealth(const net::Response& response, NodeAnswer* node) {
  auto parsed = core::ParseClusterHealth(response.reply.body);
  if (!parsed.ok()) {
    node->trouble = "the answer is not a search server's";
    return;
  }
  FillIn(&node->cluster, std::move(parsed.value().cluster));
  node->status = std::move(parsed.value().status);
}

// What went wrong, in a few words and without what the server quotes.
std::string Trouble(const core::Reply& reply) {
  if (!reply.transport_ok) return reply.transport_error;
  if (reply.status == 401 || reply.status == 403)
    return "denied (HTTP " + std::to_string(reply.status) + ")";
  if (reply.status != 200) return "HTTP " + std::to_string(reply.status);
  return "";
}

void ReadAnswer(Question question, const net::Response& response, NodeAnswer* node) {
  if (node->latency == core::Time{0}) node->latency = response.latency;
  FillIn(&node->product, response.product);
  const std::string trouble = Trouble(response.reply);
  if (!trouble.empty()) {
    if (question == kHealth) node->trouble = trouble;
    return;
  }
  if (question == kVersion) ReadVersion(response, node);
  if (question == kHello) ReadHello(response, node);
  if (question == kHealth) ReadHealth(response, node);
}

void TakeAnswers(net::SearchClient* client, std::vector<NodeAnswer>* nodes) {
  for (const net::Response& response : client->TakeCompleted())
    for (NodeAnswer& node : *nodes)
      for (int question = 0; question < kQuestions; ++question)
        if (response.request == node.requests[question])
          ReadAnswer(static_cast<Question>(question), response, &node);
}

// A node that says who it is but not how the cluster is can be reached.
std::string StatusOf(const NodeAnswer& node) {
  if (!node.status.empty()) return node.status;
  return node.version.empty() ? node.trouble : "reachable, health unknown: " + node.trouble;
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
    NodeAnswer& node = nodes->emplace_back();
    node.url = config.urls[i];
    for (int question = 0; question < kQuestions; ++question)
      node.requests[question] = client.StartOnNode(i, "GET", kPaths[question], Now());
  }
  while (client.InFlight() > 0) {
    WaitForSocket(client.poll_fd());
    client.Pump();
    TakeAnswers(&client, nodes);
  }
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
    const std::string status = StatusOf(node);
    const char* texts[] = {node.url.c_str(), node.product.c_str(), node.version.c_str(),
                           node.cluster.c_str(), status.c_str()};
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
  if (const char* trouble = CredentialTrouble(*options, credentials))
    ereport(
        ERROR,
        (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
         errmsg("cannot use the credentials of server \"%s\"", name), errdetail("%s", trouble),
         credentials.error ? 0
                           : errhint("ALTER SERVER ... OPTIONS (ADD aws_region 'eu-central-1').")));
  auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  Enter([&] {
    std::vector<NodeAnswer> nodes;
    AskAll(MakeConnectionConfig(*options, credentials, "polyglot_sync/ping"), &nodes);
    SendRows(result, nodes);
  });
  return static_cast<Datum>(0);
}
