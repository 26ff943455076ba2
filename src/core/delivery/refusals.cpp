#include "core/delivery/refusals.h"

#include <algorithm>
#include <functional>

namespace polyglot::core {

void Refusals::Window::Push(std::uint32_t mark) {
  std::uint32_t& place = marks[next];
  next = (next + 1) % kWindow;
  refused += (mark != 0 ? 1 : 0) - (place != 0 ? 1 : 0);
  place = mark;
}

std::size_t Refusals::Window::Alike(std::uint32_t mark) const {
  return static_cast<std::size_t>(std::count(marks.begin(), marks.end(), mark));
}

void Refusals::Accepted(std::int32_t sync) {
  const auto it = windows_.find(sync);
  if (it == windows_.end()) return;  // all accepted: nothing to remember
  Window& window = it->second;
  window.Push(0);
  window.field_limit_run = 0;
  if (window.refused == 0) {
    windows_.erase(it);
  } else if (window.condemned) {
    window.condemned = window.Alike(window.condemned_for) >= kAlike;
  }
}

std::optional<std::string> Refusals::Refused(std::int32_t sync, const std::string& error,
                                             bool field_limit) {
  Window& window = windows_[sync];
  const auto hash = static_cast<std::uint32_t>(std::hash<std::string>{}(error));
  const std::uint32_t mark = std::max(hash, 1u);
  window.Push(mark);
  window.field_limit_run = field_limit ? window.field_limit_run + 1 : 0;
  const std::size_t alike = window.Alike(mark);
  const bool fields = window.field_limit_run >= kFieldLimitRun;
  window.condemned = fields || alike >= kAlike;
  window.condemned_for = mark;
  if (!window.condemned) return std::nullopt;
  // The same text each time: it is shown as the sync's last error.
  const std::string many = fields ? std::to_string(kFieldLimitRun) + " or more documents in a row"
                                  : std::to_string(kAlike) + " or more of the last " +
                                        std::to_string(kWindow) + " documents";
  return many + " were refused alike: " + error;
}

bool Refusals::Condemned(std::int32_t sync) const {
  const auto it = windows_.find(sync);
  return it != windows_.end() && it->second.condemned;
}

void Refusals::Forget(std::int32_t sync) { windows_.erase(sync); }

}  // namespace polyglot::core
