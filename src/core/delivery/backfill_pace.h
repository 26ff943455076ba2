#pragma once
// How fast a backfill may go: as many rows a second as its owner allows, and never so far ahead of
// the server's answers that live changes wait long behind it.

#include <cstdint>

#include "core/time.h"

namespace polyglot::core {

/// Rows a second, as a bucket that holds what one second brings. Without a limit everything is
/// allowed.
class RowRate {
 public:
  /// `per_second` 0: no limit. The same rate again changes nothing; a new one begins with an empty
  /// bucket.
  void Set(std::uint64_t per_second, Time now);
  bool limited() const { return per_second_ > 0; }

  /// So many rows, at most `page`, may be read now; 0: not yet. Not fewer than `page` or one
  /// second's rows, so that slow backfills do not read row by row.
  std::uint64_t Allowance(std::uint64_t page, Time now) const;
  void Spend(std::uint64_t rows, Time now);
  /// When Allowance will not be 0.
  Time Next(std::uint64_t page, Time now) const;

 private:
  std::uint64_t Enough(std::uint64_t page) const;
  double Filled(Time now) const;

  std::uint64_t per_second_ = 0;
  double rows_ = 0;  // in the bucket at `at_`
  Time at_{0};
};

/// So many operations of backfills may be on their way, when `millis` / 1000 rows a second are
/// acknowledged (0: not known yet): what the server takes in about two seconds.
std::uint64_t BackfillWindow(std::uint64_t millis);

}  // namespace polyglot::core
