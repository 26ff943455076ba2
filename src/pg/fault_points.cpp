#include "pg/fault_points.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>

#include "pg/prelude.h"

namespace polyglot::pg {
namespace {

int fault_memory_kb = 0;
int fault_file_size_kb = 0;

// Private writable memory now: RLIMIT_DATA counts that, so the limit is set above it.
rlim_t DataSegment() {
  long pages = 0;
  FILE* file = fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  if (fscanf(file, "%*d %*d %*d %*d %*d %ld", &pages) != 1) pages = 0;
  fclose(file);
  return static_cast<rlim_t>(pages) * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
}

void Limit(int resource, rlim_t bytes) {
  struct rlimit limit;
  if (getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return;
  limit.rlim_cur = bytes;
  if (setrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0)
    ereport(ERROR, (errmsg("could not set a limit for faults: %m")));
}

}  // namespace

void DefineFaultLimits() {
  DefineCustomIntVariable("polyglot_sync.fault_memory",
                          "Memory that a worker may allocate after its start; 0: no limit.",
                          nullptr, &fault_memory_kb, 0, 0, 1024 * 1024, PGC_SIGHUP, GUC_UNIT_KB,
                          nullptr, nullptr, nullptr);
  DefineCustomIntVariable("polyglot_sync.fault_file_size",
                          "Largest file that a worker may write; 0: no limit.", nullptr,
                          &fault_file_size_kb, 0, 0, 1024 * 1024, PGC_SIGHUP, GUC_UNIT_KB, nullptr,
                          nullptr, nullptr);
}

void ApplyFaultLimits() {
  if (fault_memory_kb > 0)
    Limit(RLIMIT_DATA, DataSegment() + static_cast<rlim_t>(fault_memory_kb) * 1024);
  if (fault_file_size_kb > 0) {
    pqsignal(SIGXFSZ, SIG_IGN);  // write() then fails with EFBIG
    Limit(RLIMIT_FSIZE, static_cast<rlim_t>(fault_file_size_kb) * 1024);
  }
}

namespace {

// The first line of a file in the data folder; false: there is none.
bool ReadFault(const char* name, char* line, int size) {
  FILE* file = fopen(name, "r");
  if (file == nullptr) return false;
  if (fgets(line, size, file) == nullptr) line[0] = '\0';
  fclose(file);
  line[strcspn(line, "\n")] = '\0';
  return true;
}

}  // namespace

void FaultPoint(const char* name) {
  char wanted[64];
  if (!ReadFault("fault_point", wanted, sizeof wanted) || strcmp(wanted, name) != 0) return;
  (void)unlink("fault_point");
  (void)kill(getpid(), SIGKILL);
}

void FaultKey(const char* file, std::string_view text) {
  char wanted[64];
  if (ReadFault(file, wanted, sizeof wanted) && text == wanted) (void)kill(getpid(), SIGKILL);
}

void FaultPause(const char* name) {
  char wanted[64];
  while (ReadFault("fault_pause", wanted, sizeof wanted) && strcmp(wanted, name) == 0)
    pg_usleep(1000);
}

}  // namespace polyglot::pg
