#pragma once
// What the worker asks a search server, each request by its name. Paths, methods, bodies, and which
// answer counts as one stand in search_api.cpp and nowhere else. Indexes are named as they are, not
// encoded. C++ phase; `then` is called from Channel::Pump.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/ownership/lease.h"
#include "core/search/index_requests.h"
#include "core/search/lease_document.h"
#include "core/search/multi_get.h"
#include "core/search/point_in_time.h"
#include "core/time.h"
#include "pg/worker/state/channel.h"

namespace polyglot::pg {

/// What was asked for, if the answer told it; the answer itself, for whoever has to say why not.
template <typename T>
struct Answer {
  std::optional<T> value;
  const net::Response& response;

  explicit operator bool() const { return value.has_value(); }
  operator const net::Response&() const { return response; }
};
template <typename T>
using Then = std::function<void(const Answer<T>&)>;

/// Of requests that tell nothing but that they were obeyed.
struct Done {};
/// Was it? For answers that hold more than their value.
bool Succeeded(const net::Response& response);

// Indexes.

using Descriptions = std::vector<core::IndexDescription>;
/// Does this answer to "who has this name?" say anything, be it that nobody does?
bool TellsHolders(const core::Reply& reply);
/// Whatever has this name, as an index or as an alias; nobody: none.
void DescribeName(Channel* channel, const std::string& name, core::Time now,
                  Then<Descriptions> then);
/// Several indexes at once; what is not there is left out. `names`: see AppendName.
void DescribeSeveral(Channel* channel, const std::string& names, core::Time now,
                     Then<Descriptions> then);
/// Appends an index to the names of one request. false: the request would get longer than servers
/// take, and `names` is as it was.
bool AppendName(const std::string& index, std::string* names);
/// What the index keeps of its documents.
void DescribeContent(Channel* channel, const std::string& index, core::Time now,
                     Then<core::ContentRules> then);
void CreateIndex(Channel* channel, const std::string& index, std::string body, core::Time now,
                 Then<Done> then);
void DeleteIndex(Channel* channel, const std::string& index, core::Time now, Then<Done> then);
/// `body`: core::MetaBody, or another one for `_mapping`.
void PutMapping(Channel* channel, const std::string& index, std::string body, core::Time now,
                Then<Done> then);
/// What the index has to get back when it is filled; no value: not known, and nothing to do.
void ReadRefreshSetting(Channel* channel, const std::string& index, core::Time now,
                        Then<std::string> then);
void PutSettings(Channel* channel, const std::string& index, std::string body, core::Time now,
                 Then<Done> then);
void ChangeAlias(Channel* channel, const core::AliasChange& change, core::Time now,
                 Then<Done> then);
void RefreshIndex(Channel* channel, const std::string& index, core::Time now, Then<Done> then);
void CountDocuments(Channel* channel, const std::string& index, core::Time now,
                    Then<std::int64_t> then);

// Documents.

using Documents = std::vector<core::FoundDocument>;
/// One document for each that is wanted, in their order; views into the answer's body. `cap`: of
/// the answer, 0 for the usual one.
void MultiGet(Channel* channel, const std::string& index,
              const std::vector<core::WantedDocument>& wanted, std::size_t cap, core::Time now,
              Then<Documents> then);
/// Every document with this id, at whatever routing.
void FindDocuments(Channel* channel, const std::string& index, const std::string& id,
                   core::Time now, Then<core::WalkPage> then);

// Walks over all documents, as they were when the walk began.

void OpenPointInTime(Channel* channel, const std::string& index, core::Time now,
                     Then<std::string> then);
struct WalkPosition {
  std::string_view pit, search_after;
  std::size_t hits = 0;  // of the next page
};
void NextPage(Channel* channel, const WalkPosition& position, std::size_t cap, core::Time now,
              Then<core::WalkPage> then);
/// Nobody waits for the answer.
void ClosePointInTime(Channel* channel, std::string_view pit, core::Time now);

// Leases, and the owners of indexes, which are documents of the same kind.

/// No value in the value: nobody has it. No value: the answer does not say.
void ReadLease(Channel* channel, const std::string& name, core::Time now,
               Then<std::optional<core::FoundLease>> then);
/// `found`: the document that is replaced; nullptr: there was none. The value is its new place.
void WriteLease(Channel* channel, const std::string& name, const core::FoundLease* found,
                const core::LeaseRecord& record, core::Time now,
                Then<std::pair<std::int64_t, std::int64_t>> then);
void MakeLeaseIndex(Channel* channel, core::Time now, Then<Done> then);
/// The answer says that the index of all leases is not there.
bool MissesLeaseIndex(const net::Response& response);
using LeaseItems = std::vector<core::LeaseItem>;
/// Answered in time even while the worker waits for something else, if `urgent`.
void RenewLeases(Channel* channel, const std::vector<core::LeaseWrite>& writes, bool urgent,
                 core::Time now, Then<LeaseItems> then);

}  // namespace polyglot::pg
