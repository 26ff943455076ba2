#include "pg/worker/search/search_api.h"

#include "core/search/server_info.h"
#include "net/search_client.h"

namespace polyglot::pg {
namespace {

// Servers take 4 kB for the first line of a request.
constexpr std::size_t kLongestPath = 3500;
// A page is asked for long before: this is for workers that have gone.
constexpr std::string_view kKeepAlive = "5m";

std::string Encoded(const std::string& name) { return net::SearchClient::EncodePath(name); }

std::string PathOf(const std::string& index, std::string_view rest = "") {
  return "/" + Encoded(index) + std::string(rest);
}

std::string Filtered(const std::string& path, std::string_view filter) {
  return path + "?" + std::string(filter);
}

core::Product ProductOf(const Channel& channel) {
  return channel.product() == "opensearch" ? core::Product::kOpenSearch
                                           : core::Product::kElasticsearch;
}

template <typename T>
std::optional<T> ValueOf(core::Result<T> result) {
  if (!result.ok()) return std::nullopt;
  return std::move(result.value());
}

// `parse` takes the body of an answer that succeeded.
template <typename T, typename Parse>
OnResponse Parsed(Then<T> then, Parse parse) {
  return [then = std::move(then), parse](const net::Response& response) {
    std::optional<T> value;
    if (Succeeded(response)) value = ValueOf(parse(response.reply.body));
    then({std::move(value), response});
  };
}

OnResponse Obeyed(Then<Done> then) {
  return [then = std::move(then)](const net::Response& response) {
    then({Succeeded(response) ? std::optional<Done>(Done{}) : std::nullopt, response});
  };
}

}  // namespace

bool Succeeded(const net::Response& response) {
  return response.reply.transport_ok && response.reply.status == 200;
}

bool TellsHolders(const core::Reply& reply) {
  return reply.transport_ok && (reply.status == 200 || reply.says_missing);
}

void DescribeName(Channel* channel, const std::string& name, core::Time now,
                  Then<Descriptions> then) {
  channel->Ask("GET", Filtered(PathOf(name), core::kDescribeFilter), "", now,
               [then = std::move(then)](const net::Response& response) {
                 const core::Reply& reply = response.reply;
                 std::optional<Descriptions> found;
                 if (TellsHolders(reply))
                   found = ValueOf(core::ParseIndices(reply.status == 200 ? reply.body : "{}"));
                 then({std::move(found), response});
               });
}

void DescribeSeveral(Channel* channel, const std::string& names, core::Time now,
                     Then<Descriptions> then) {
  channel->Ask(
      "GET", Filtered("/" + names, "ignore_unavailable=true&") + std::string(core::kDescribeFilter),
      "", now, Parsed<Descriptions>(std::move(then), core::ParseIndices));
}

bool AppendName(const std::string& index, std::string* names) {
  const std::string name = Encoded(index);
  if (!names->empty() && names->size() + name.size() > kLongestPath) return false;
  *names += (names->empty() ? "" : ",") + name;
  return true;
}

void DescribeContent(Channel* channel, const std::string& index, core::Time now,
                     Then<core::ContentRules> then) {
  channel->Ask("GET", Filtered(PathOf(index), core::kContentFilter), "", now,
               Parsed<core::ContentRules>(std::move(then), core::ParseContentRules));
}

void CreateIndex(Channel* channel, const std::string& index, std::string body, core::Time now,
                 Then<Done> then) {
  channel->Ask("PUT", PathOf(index), std::move(body), now, Obeyed(std::move(then)));
}

void DeleteIndex(Channel* channel, const std::string& index, core::Time now, Then<Done> then) {
  channel->Ask("DELETE", PathOf(index), "", now, Obeyed(std::move(then)));
}

void PutMapping(Channel* channel, const std::string& index, std::string body, core::Time now,
                Then<Done> then) {
  channel->Ask("PUT", PathOf(index, "/_mapping"), std::move(body), now, Obeyed(std::move(then)));
}

void ReadRefreshSetting(Channel* channel, const std::string& index, core::Time now,
                        Then<std::string> then) {
  channel->Ask("GET", PathOf(index, core::kRefreshSettingPath), "", now,
               Parsed<std::string>(std::move(then), core::RefreshSettingBody));
}

void PutSettings(Channel* channel, const std::string& index, std::string body, core::Time now,
                 Then<Done> then) {
  channel->Ask("PUT", PathOf(index, "/_settings"), std::move(body), now, Obeyed(std::move(then)));
}

void ChangeAlias(Channel* channel, const core::AliasChange& change, core::Time now,
                 Then<Done> then) {
  channel->Ask("POST", "/_aliases", core::AliasBody(change), now, Obeyed(std::move(then)));
}

void RefreshIndex(Channel* channel, const std::string& index, core::Time now, Then<Done> then) {
  channel->Ask("POST", PathOf(index, "/_refresh"), "", now, Obeyed(std::move(then)));
}

void CountDocuments(Channel* channel, const std::string& index, core::Time now,
                    Then<std::int64_t> then) {
  channel->Ask("GET", PathOf(index, "/_count"), "", now,
               Parsed<std::int64_t>(std::move(then), core::ParseCount));
}

void MultiGet(Channel* channel, const std::string& index,
              const std::vector<core::WantedDocument>& wanted, std::size_t cap, core::Time now,
              Then<Documents> then) {
  channel->Ask("POST", PathOf(index, "/_mget"), core::MultiGetBody(wanted), now,
               Parsed<Documents>(std::move(then),
                                 [count = wanted.size()](const std::string& body) {
                                   return core::ParseMultiGet(body, count);
                                 }),
               cap);
}

void FindDocuments(Channel* channel, const std::string& index, const std::string& id,
                   core::Time now, Then<core::WalkPage> then) {
  channel->Ask("POST", PathOf(index, "/_search?allow_partial_search_results=false"),
               core::IdSearchBody(id), now,
               Parsed<core::WalkPage>(std::move(then), core::ParseWalkPage));
}

void OpenPointInTime(Channel* channel, const std::string& index, core::Time now,
                     Then<std::string> then) {
  channel->Ask("POST", core::OpenPitPath(ProductOf(*channel), Encoded(index), kKeepAlive), "", now,
               Parsed<std::string>(std::move(then), core::ParsePitId));
}

void NextPage(Channel* channel, const WalkPosition& position, std::size_t cap, core::Time now,
              Then<core::WalkPage> then) {
  const core::WalkOrder order = core::WalkOrderFor(ProductOf(*channel), "");
  channel->Ask(
      "POST", core::kPitSearchPath,
      core::PitSearchBody(position.pit, kKeepAlive, position.hits, order, position.search_after),
      now, Parsed<core::WalkPage>(std::move(then), core::ParseWalkPage), cap);
}

void ClosePointInTime(Channel* channel, std::string_view pit, core::Time now) {
  const core::Product product = ProductOf(*channel);
  channel->Ask("DELETE", core::ClosePitPath(product), core::ClosePitBody(product, pit), now,
               [](const net::Response&) {});
}

void ReadLease(Channel* channel, const std::string& name, core::Time now,
               Then<std::optional<core::FoundLease>> then) {
  channel->Ask("GET", core::LeasePath(Encoded(name)), "", now,
               [then = std::move(then)](const net::Response& response) {
                 std::optional<std::optional<core::FoundLease>> found;
                 if (TellsHolders(response.reply))
                   found = ValueOf(core::ParseLease(response.reply.body));
                 then({std::move(found), response});
               });
}

void WriteLease(Channel* channel, const std::string& name, const core::FoundLease* found,
                const core::LeaseRecord& record, core::Time now,
                Then<std::pair<std::int64_t, std::int64_t>> then) {
  channel->Ask("PUT", core::WriteLeasePath(Encoded(name), found), core::LeaseBody(record), now,
               [then = std::move(then)](const net::Response& response) {
                 const core::Reply& reply = response.reply;
                 std::optional<std::pair<std::int64_t, std::int64_t>> place;
                 if (reply.transport_ok && reply.status / 100 == 2)
                   place = ValueOf(core::ParseLeaseWritten(reply.body));
                 then({place, response});
               });
}

void MakeLeaseIndex(Channel* channel, core::Time now, Then<Done> then) {
  channel->Ask("PUT", "/" + std::string(core::kLeaseIndex), core::LeaseIndexBody(), now,
               Obeyed(std::move(then)));
}

bool MissesLeaseIndex(const net::Response& response) {
  return response.reply.status == 404 && !core::ParseLease(response.reply.body).ok();
}

void RenewLeases(Channel* channel, const std::vector<core::LeaseWrite>& writes, bool urgent,
                 core::Time now, Then<LeaseItems> then) {
  OnResponse answer = Parsed<LeaseItems>(std::move(then), core::ParseRenewed);
  if (urgent)
    channel->AskUrgently("POST", core::kRenewPath, core::RenewBody(writes), now, std::move(answer));
  else
    channel->Ask("POST", core::kRenewPath, core::RenewBody(writes), now, std::move(answer));
}

}  // namespace polyglot::pg
