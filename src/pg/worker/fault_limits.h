#pragma once
// Test-only (make POLYGLOT_FAULT_LIMITS=1): limits that make a worker run out of memory or disk.
// The shipped build has neither the settings nor the code.

namespace polyglot::pg {

#ifdef POLYGLOT_FAULT_LIMITS
/// Defines polyglot_sync.fault_memory and polyglot_sync.fault_file_size.
void DefineFaultLimits();
/// Sets this process's limits from them. Called once by a worker, before its work begins.
void ApplyFaultLimits();
#else
inline void DefineFaultLimits() {}
inline void ApplyFaultLimits() {}
#endif

}  // namespace polyglot::pg
