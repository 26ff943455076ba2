#pragma once
// What Delivery has learnt that is more than the outcome of an operation.

#include <cstdint>
#include <string>

namespace polyglot::core {

/// Something that stops a whole sync or the whole server; the worker decides what to do.
struct DeliveryEvent {
  enum class Kind : std::uint8_t {
    kConnected,     // first answer of a server that is well after kDisconnected or kDenied, or
                    // first ever
    kDisconnected,  // the server cannot be reached, or answers nothing usable; again when the
                    // reason changes, and after ResetBackoff. One request at a time until it
                    // answers
    kDenied,        // 401/403/407 of the whole request: the credentials; otherwise as kDisconnected
    kBlocked,  // this sync's index cannot take writes now, or refuses too many documents alike.
               // Its operations stay, one is tried now and then (the event comes again with each
               // try); Withdraw to park them
    kIndexMissing,  // this sync's index is gone; operations stay as for kBlocked
    kSlow,          // this sync's index answers late while others answer in time
    kRetried,       // operations of this sync will be sent again (count)
  };
  Kind kind = Kind::kConnected;
  std::int32_t sync = 0;  // 0: the server
  std::string error;      // normalised, without row values
  std::uint64_t count = 0;
};

}  // namespace polyglot::core
