#pragma once
// What the worker knows of a verification while it runs: see verification.h.

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/search/index_requests.h"
#include "core/search/multi_get.h"
#include "core/search/point_in_time.h"
#include "core/time.h"
#include "core/verification/known_ids.h"
#include "pg/catalog/verifications.h"
#include "pg/document/row_batch.h"

namespace polyglot::pg {

/// Rows that one `_mget` asks for.
struct RowChunk {
  std::shared_ptr<const RowBatch> batch;
  std::vector<std::uint32_t> rows;  // of the batch
  int failures = 0;                 // requests for them that were in vain
};

/// What is known of the candidates that are judged now.
struct Judgement {
  std::vector<Candidate> candidates;
  RowBatch rows;                                    // read again
  std::unordered_map<std::string, int> row_of;      // id → number in `rows`
  std::unordered_map<std::string, int> failed_of;   // id → number in `rows.failures`
  std::unordered_map<std::string, bool> touched;    // id → has an operation been made since?
  std::uint64_t scan = 0;                           // full scan that must be settled
  std::uint64_t asked_at = 0;                       // scan that was running when one was asked for
  std::vector<std::pair<std::size_t, bool>> asked;  // candidate, at the routing of its row?
  std::vector<core::FoundDocument> found;           // answer to that
  std::string answer;                               // what `found` points into
  int failures = 0;                                 // requests for them that were in vain
  // The content of the only candidate cannot be had. Whether it is there is asked for without it;
  // then, unless an answer has shown that it is the document, once more with it: the server may
  // just have been away.
  enum class Content : std::uint8_t { kAsked, kLeftOut, kAskedAgain };
  Content content = Content::kAsked;
  std::string unreadable;  // why
  bool certain = false;    // an answer has shown it
  std::size_t limit = 0;   // so many candidates at once
};

inline constexpr std::size_t kHitsPerPage = 2000;

struct VerificationState {
  enum class Step {
    kIdle,
    kRules,    // can documents of this index equal rows?
    kTable,    // rows, page by page, against the index
    kRefresh,  // the index as it is, page by page, against the table
    kOpen,
    kWalk,
    kClose,
    kLoad,     // candidates: rows read again …
    kResolve,  // (rows of hashed ids looked for)
    kRead,
    kSettle,  // … all that these rows know of is delivered …
    kAsk,     // … documents read again …
    kJudge,   // … and compared.
    kDrain,   // repairs are delivered
    kFinish,
  };

  // The schedule.
  std::int64_t reconcile_us = 0;  // 0: never by itself
  std::int64_t last_started = 0;  // TimestampTz; 0: never
  bool unfinished = false;        // stored by a worker that has gone
  double unfinished_sample = 1;
  bool unfinished_repair = false;
  core::Time rest_until{0};  // others first
  core::Time not_before{0};  // the rows could not be read

  // The run.
  Step step = Step::kIdle;
  std::int64_t number = 0;    // of its row in polyglot.verification
  std::uint64_t request = 0;  // answers verify_sync up to this number
  double sample = 1;
  bool repair = false;
  bool withdrawn = false;                       // something of it is lost: it begins anew
  bool noted = false;                           // in polyglot.reading, since a worker has died
  std::string deadly;                           // why it ends at once
  bool owed = false;                            // it ends what RepairState asks for
  std::string fingerprint;                      // of the definition that it began with
  std::shared_ptr<const std::string> physical;  // and the index
  VerificationCounts counts;
  std::uint64_t generation = 0;  // answers to requests of an older one are ignored
  int in_flight = 0;             // requests
  core::Time retry_at{0}, stored_at{0}, able_at{0};
  core::Time trouble_since{0};  // since when requests are in vain; 0: the last one was not
  core::ContentRules rules;

  // kTable
  std::string cursor;  // packed key
  bool end_reached = false;
  std::deque<RowChunk> chunks;   // to be asked for
  std::vector<Candidate> fresh;  // not yet stored
  core::KnownIds known{2'000'000};
  bool comparing = true;  // false: only `known` is filled, for hashed ids that did not fit

  // kWalk
  std::string pit, search_after;
  std::size_t hits_per_page = kHitsPerPage;  // fewer when they do not fit into an answer
  std::vector<core::Hit> hits;               // not known: their rows are looked for
  bool lookup_waits = false;  // the table cannot be read now: no more hits are asked for
  bool uncovered = false;     // hashed ids were met that this round does not know

  /// Are contents compared, or only whether and where documents are?
  bool Compares() const { return rules.incomparable.empty(); }

  Judgement judgement;
  std::uint64_t walk = 0;  // ticket of deletes without a key
};

}  // namespace polyglot::pg
