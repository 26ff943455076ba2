#pragma once
// What an answer means. Two tables, one for the request as a whole and one for an item of a 200
// answer; core/delivery reacts. "Applied or not" is never asked: external versions make every
// repeat harmless.

#include <string_view>

#include "core/delivery/verdict.h"
#include "core/search/bulk_response.h"

namespace polyglot::core {

/// No complete HTTP answer; `error` becomes the reason. `out_of_memory`: it is we who failed.
RequestVerdict ClassifyNoAnswer(std::string_view error, bool out_of_memory);
RequestVerdict ClassifyRequest(int status, std::string_view body);
/// A 200 answer that ReadBulkResponse refused.
RequestVerdict ClassifyBrokenAnswer(std::string_view why);
/// A refusal (400) that says that we and the server do not speak the same dialect: no document can
/// be blamed for it, not even when it was sent alone.
bool BlamesTheRequest(std::string_view type, std::string_view reason);

ItemVerdict ClassifyItem(const BulkItem& item);

}  // namespace polyglot::core
