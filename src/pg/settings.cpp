#include "pg/settings.h"

#include <climits>

#include "pg/fault_points.h"
#include "pg/prelude.h"

namespace polyglot::pg {

Settings settings;

void DefineSettings() {
  DefineCustomIntVariable("polyglot_sync.capture_buffer",
                          "Memory for the keys that a transaction has changed.",
                          "Beyond it they are written to the queue before the transaction ends.",
                          &settings.capture_buffer_kb, 256, 8, 256 * 1024, PGC_USERSET, GUC_UNIT_KB,
                          nullptr, nullptr, nullptr);
  DefineCustomIntVariable("polyglot_sync.lock_timeout",
                          "How long create_sync and its like wait for running writers.", nullptr,
                          &settings.lock_timeout_ms, 3000, 1, INT_MAX, PGC_USERSET, GUC_UNIT_MS,
                          nullptr, nullptr, nullptr);
  // Without preloading there is no shared memory to size, and the server refuses to define it.
  if (process_shared_preload_libraries_in_progress)
    DefineCustomIntVariable("polyglot_sync.max_syncs",
                            "Number of syncs, in all databases, that shared memory has room for.",
                            nullptr, &settings.max_syncs, 1000, 1, 100000, PGC_POSTMASTER, 0,
                            nullptr, nullptr, nullptr);
  DefineCustomIntVariable("polyglot_sync.worker_restart_delay",
                          "Shortest time until a worker that failed is started again.",
                          "Doubles with each failure up to 60 s; begins anew after 60 s of health.",
                          &settings.worker_restart_min_s, 5, 1, 60, PGC_SIGHUP, GUC_UNIT_S, nullptr,
                          nullptr, nullptr);
  DefineFaultLimits();
  MarkGUCPrefixReserved("polyglot_sync");
}

}  // namespace polyglot::pg
