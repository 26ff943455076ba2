// Who this server is in its leases: what a copy of its files cannot have too.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pg/worker/search/lease_keeper.h"

namespace polyglot::pg {
namespace {

// Another one after each start of the machine; empty where it cannot be had.
std::string BootId() {
  const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  char text[64];
  const ssize_t length = read(fd, text, sizeof text);
  close(fd);
  return length < 36 ? std::string() : std::string(text, 36);
}

// A copy of the data folder has files of its own, and PG_VERSION is never written anew.
std::string Home() {
  const std::string boot = BootId();
  struct stat file;
  if (boot.empty() || stat("PG_VERSION", &file) != 0) return {};
  return boot + "/" + std::to_string(file.st_dev) + "/" + std::to_string(file.st_ino);
}

std::vector<core::TimelineEnd> LoadHistory() {
  List* entries = readTimeLineHistory(GetWALInsertionTimeLine());
  std::vector<core::TimelineEnd> history;
  ListCell* cell;
  foreach (cell, entries) {
    auto* entry = static_cast<TimeLineHistoryEntry*>(lfirst(cell));
    if (entry->end != InvalidXLogRecPtr) history.push_back({entry->tli, entry->end});
  }
  return history;
}

}  // namespace

void LoadLeaseIdentity(WorkerContext* context) {
  context->home = Home();
  context->incarnation =
      context->home + "/" + std::to_string(PgStartTime) + "/" + std::to_string(PostmasterPid);
  context->history = LoadHistory();
}

}  // namespace polyglot::pg
