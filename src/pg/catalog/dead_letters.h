#pragma once
// polyglot.dead_letter: documents that were refused, rows that could not be read. Needs a
// transaction; may ereport.

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <vector>

#include "core/queue/pending_keys.h"
#include "pg/prelude.h"

namespace polyglot::pg {

/// Has this sync dead letters, committed until now?
bool AnyDeadLetter(int32 sync);

struct DeadLetter {
  const core::Operation* operation;
  int status;
  std::string_view error_type, reason;
};
/// So much of a refused document is kept in its dead letter: the row has all of it.
inline constexpr std::size_t kLetterDocument = 8192;
/// Inserts or renews; idempotent. Strings must be UTF-8. Letters that cannot be written are written
/// without their documents. false: none was written, an open transaction of somebody else has the
/// row of one of them.
[[nodiscard]] bool WriteDeadLetters(std::int32_t sync, const std::vector<DeadLetter>& letters);
/// Rows that could not be read left no delete of the document where it had been before: those keys,
/// to be read again.
std::vector<core::PendingKey> FormerRoutings(std::int32_t sync,
                                             const std::vector<const core::Operation*>& operations);
/// Newer versions were acknowledged: their older dead letters go.
void ClearDeadLetters(std::int32_t sync, const std::vector<const core::Operation*>& operations);
bool HasDeadLetters(std::int32_t sync);
/// Locks them all. false: an open transaction of somebody else has one.
bool LettersAreFree(std::int32_t sync);

}  // namespace polyglot::pg
