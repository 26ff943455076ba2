#include "core/delivery/backfill_pace.h"

#include <algorithm>
#include <cmath>

namespace polyglot::core {
namespace {

// A page can always be on its way while another one is read; beyond the last the pipeline, and the
// memory that it takes, gains nothing.
constexpr std::uint64_t kLeast = 2000, kMost = 12000;
constexpr std::uint64_t kFirst = 4000;
constexpr double kMicros = 1e6;

}  // namespace

void RowRate::Set(std::uint64_t per_second, Time now) {
  if (per_second == per_second_) return;
  per_second_ = per_second;
  rows_ = 0;
  at_ = now;
}

std::uint64_t RowRate::Enough(std::uint64_t page) const { return std::min(page, per_second_); }

double RowRate::Filled(Time now) const {
  const double passed = static_cast<double>(std::max(now - at_, Time{0}).count()) / kMicros;
  const auto rate = static_cast<double>(per_second_);
  return std::min(rows_ + passed * rate, rate);
}

std::uint64_t RowRate::Allowance(std::uint64_t page, Time now) const {
  if (!limited()) return page;
  // A microsecond's rounding must not cost another turn.
  const double filled = Filled(now) + 1e-3;
  return filled < static_cast<double>(Enough(page)) ? 0 : Enough(page);
}

void RowRate::Spend(std::uint64_t rows, Time now) {
  if (!limited()) return;
  rows_ = Filled(now) - static_cast<double>(rows);
  at_ = std::max(now, at_);
}

Time RowRate::Next(std::uint64_t page, Time now) const {
  if (Allowance(page, now) > 0) return now;
  const double missing = static_cast<double>(Enough(page)) - Filled(now);
  return now + Time{static_cast<std::int64_t>(
                   std::ceil(missing / static_cast<double>(per_second_) * kMicros))};
}

std::uint64_t BackfillWindow(std::uint64_t millis) {
  return millis == 0 ? kFirst : std::clamp(2 * millis / 1000, kLeast, kMost);
}

}  // namespace polyglot::core
