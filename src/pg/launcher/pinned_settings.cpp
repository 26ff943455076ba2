#include "pg/launcher/pinned_settings.h"

#include "pg/prelude.h"

namespace polyglot::pg {

void PinSettings(std::span<const PinnedSetting> settings) {
  for (const auto& [name, value] : settings)
    if (GetConfigOption(name, true, false) != nullptr)
      SetConfigOption(name, value, PGC_SUSET, PGC_S_SESSION);
}

}  // namespace polyglot::pg
