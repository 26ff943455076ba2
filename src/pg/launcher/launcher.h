#pragma once
// The launcher: one static background worker on shared catalogs. It has each database looked at by
// a transient probe, starts one worker for each (database, server) that has syncs, and owns
// restarts.

namespace polyglot::pg {

/// Registers the launcher. Called by _PG_init while preloading.
void RegisterLauncher();

/// bgw_type of the processes (contract).
inline constexpr const char kLauncherType[] = "polyglot_sync launcher";
inline constexpr const char kWorkerType[] = "polyglot_sync worker";
inline constexpr const char kProbeType[] = "polyglot_sync probe";

}  // namespace polyglot::pg
