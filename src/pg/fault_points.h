#pragma once
// Test-only (make POLYGLOT_FAULT_LIMITS=1): limits that make a worker run out of memory or disk,
// and points at which it dies, or a session stands still.
// The shipped build has neither the settings nor the code.

#include <string_view>

namespace polyglot::pg {

#ifdef POLYGLOT_FAULT_LIMITS
/// Defines polyglot_sync.fault_memory and polyglot_sync.fault_file_size.
void DefineFaultLimits();
/// Sets this process's limits from them. Called once by a worker, before its work begins.
void ApplyFaultLimits();
/// kill -9 of this very process if the file `fault_point` in the data folder names this point; the
/// file goes first, so it happens once.
void FaultPoint(const char* name);
/// Ends this very process by SIGKILL if the file `file` in the data folder holds this text.
void FaultKey(const char* file, std::string_view text);
/// Stands still as long as the file `fault_pause` in the data folder names this point.
void FaultPause(const char* name);
#else
inline void DefineFaultLimits() {}
inline void ApplyFaultLimits() {}
inline void FaultPoint(const char*) {}
inline void FaultKey(const char*, std::string_view) {}
inline void FaultPause(const char*) {}
#endif

}  // namespace polyglot::pg
