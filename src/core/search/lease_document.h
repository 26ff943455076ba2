#pragma once
// The lease (ownership/lease.h) as a document of a search server: bodies and answers.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/ownership/lease.h"
#include "core/result.h"

namespace polyglot::core {

/// Paths of the document, percent-encoded `name` included: to read; to write it if there is none,
/// or if it is still the one that was found.
std::string LeasePath(std::string_view name);
std::string WriteLeasePath(std::string_view name, const FoundLease* found);
std::string LeaseBody(const LeaseRecord& record);
/// Body of the PUT that makes the index.
std::string LeaseIndexBody();
/// Answer to GET; nullopt: there is no such document. An unreadable one counts as nobody's.
Result<std::optional<FoundLease>> ParseLease(std::string_view body);
/// `_seq_no` and `_primary_term` of an answer to a write.
Result<std::pair<std::int64_t, std::int64_t>> ParseLeaseWritten(std::string_view body);

/// One of a request that renews several: POST to kRenewPath, items in this order.
struct LeaseWrite {
  std::string name;
  std::int64_t seq_no = 0, primary_term = 0;
  std::string body;  // empty: the document goes
};
inline constexpr std::string_view kRenewPath = "/polyglot-sync-owners/_bulk";
std::string RenewBody(const std::vector<LeaseWrite>& writes);
struct LeaseItem {
  int status = 0;
  std::int64_t seq_no = 0, primary_term = 0;
};
Result<std::vector<LeaseItem>> ParseRenewed(std::string_view body);

}  // namespace polyglot::core
