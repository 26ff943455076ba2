#pragma once
// How long changes gather before they are looked for again. Each look costs a transaction, and what
// it finds becomes a request: where changes come one by one they are taken at once, where they come
// by the thousand a few milliseconds bring hundreds of them together.

#include <cstdint>

#include "core/time.h"

namespace polyglot::core {

class Gathering {
 public:
  /// A look has found so many changes.
  void Found(std::int64_t changes, Time now);
  /// When the next look is due. Never later than 25 × `linger` after the last one that found
  /// something; for fewer than a hundred changes a second, `linger` after it.
  Time Due(Time linger) const;

 private:
  double rate_ = 0;  // changes a second, lately
  Time found_at_{0};
};

}  // namespace polyglot::core
