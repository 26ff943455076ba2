#pragma once
// Settings that no ALTER DATABASE or ALTER ROLE may change for a process of ours.

#include <span>

namespace polyglot::pg {

struct PinnedSetting {
  const char* name;
  const char* value;
};

/// For the rest of the process. Those that this version of PostgreSQL does not know are left out.
void PinSettings(std::span<const PinnedSetting> settings);

}  // namespace polyglot::pg
