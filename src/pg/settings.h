#pragma once
// GUCs; prefix polyglot_sync (reserved). docs/settings.md lists them.
#include "pg/prelude.h"

namespace polyglot::pg {

struct Settings {
  int lock_timeout_ms = 3000;    // polyglot_sync.lock_timeout
  int max_syncs = 1000;          // polyglot_sync.max_syncs (postmaster)
  int capture_buffer_kb = 256;   // polyglot_sync.capture_buffer
  int worker_restart_min_s = 5;  // polyglot_sync.worker_restart_delay
};
extern Settings settings;

/// Defines the GUCs and reserves the prefix. Called by _PG_init.
void DefineSettings();

inline constexpr int kMaxNodes = 8;

}  // namespace polyglot::pg
