#include "core/queue/control_record.h"

#include <cstring>
#include <limits>

#include "core/queue/queue_record.h"

namespace polyglot::core {
namespace {

template <typename T>
void Put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <typename T>
bool Take(std::string_view& in, T* value) {
  if (in.size() < sizeof *value) return false;
  std::memcpy(value, in.data(), sizeof *value);
  in.remove_prefix(sizeof *value);
  return true;
}

constexpr std::size_t kPartHeader = 8 + 2 + 2;  // sequence, part, parts
constexpr std::size_t kRowOverhead = kGroupHeader + kRecordHeader + kPartHeader;

std::string Serialize(const ControlRecord& control) {
  std::string out;
  std::vector<const Snapshot*> snapshots;
  std::map<std::int32_t, std::uint32_t> index;
  for (const auto& [sync, position] : control.positions) {
    std::uint32_t at = 0;
    while (at < snapshots.size() && !(*snapshots[at] == position.snapshot)) ++at;
    if (at == snapshots.size()) snapshots.push_back(&position.snapshot);
    index[sync] = at;
  }
  Put(out, static_cast<std::uint32_t>(snapshots.size()));
  for (const Snapshot* s : snapshots) {
    Put(out, s->xmin);
    Put(out, s->xmax);
    Put(out, static_cast<std::uint32_t>(s->running.size()));
    for (std::uint64_t xid : s->running) Put(out, xid);
  }
  Put(out, static_cast<std::uint32_t>(control.positions.size()));
  for (const auto& [sync, position] : control.positions) {
    Put(out, sync);
    Put(out, index[sync]);
    Put(out, position.counters);
  }
  return out;
}

bool TakeSnapshot(std::string_view& in, Snapshot* s) {
  std::uint32_t running;
  if (!Take(in, &s->xmin) || !Take(in, &s->xmax) || !Take(in, &running)) return false;
  if (running > in.size() / sizeof(std::uint64_t)) return false;
  s->running.resize(running);
  for (std::uint64_t& xid : s->running) Take(in, &xid);
  return true;
}

bool Deserialize(std::string_view in, ControlRecord* control) {
  std::uint32_t count;
  if (!Take(in, &count) || count > in.size()) return false;
  std::vector<Snapshot> snapshots(count);
  for (Snapshot& s : snapshots)
    if (!TakeSnapshot(in, &s)) return false;
  if (!Take(in, &count)) return false;
  for (std::uint32_t i = 0; i < count; ++i) {
    std::int32_t sync;
    std::uint32_t at;
    SyncPosition position;
    if (!Take(in, &sync) || !Take(in, &at) || !Take(in, &position.counters)) return false;
    if (at >= snapshots.size()) return false;
    position.snapshot = snapshots[at];
    control->positions[sync] = std::move(position);
  }
  return in.empty();
}

std::string EncodePart(std::uint64_t sequence, std::uint16_t part, std::uint16_t parts,
                       std::string_view bytes) {
  std::string row;
  Put(row, std::uint32_t{0});
  Put(row, std::uint16_t{0});
  Put(row, std::uint16_t{1});
  row.push_back(static_cast<char>(EventKind::kControl));
  Put(row, static_cast<std::uint16_t>(kPartHeader + bytes.size()));
  Put(row, sequence);
  Put(row, part);
  Put(row, parts);
  row.append(bytes);
  return row;
}

}  // namespace

std::vector<std::string> EncodeControl(const ControlRecord& control, std::size_t max_row) {
  const std::string bytes = Serialize(control);
  const std::size_t room = max_row - kRowOverhead;
  const std::size_t parts = (bytes.size() + room - 1) / room;
  std::vector<std::string> rows;
  if (parts > std::numeric_limits<std::uint16_t>::max()) return rows;
  for (std::size_t i = 0; i < parts; ++i)
    rows.push_back(EncodePart(control.sequence, static_cast<std::uint16_t>(i),
                              static_cast<std::uint16_t>(parts),
                              std::string_view(bytes).substr(i * room, room)));
  return rows;
}

void ControlAssembler::Add(std::string_view values) {
  std::uint64_t sequence;
  std::uint16_t part, parts;
  if (!Take(values, &sequence) || !Take(values, &part) || !Take(values, &parts)) return;
  if (part >= parts) return;
  parts_[sequence][part] = std::string(values);
  totals_[sequence] = parts;
}

bool ControlAssembler::Newest(ControlRecord* out) const {
  for (auto it = parts_.rbegin(); it != parts_.rend(); ++it) {
    if (it->second.size() != totals_.at(it->first)) continue;
    std::string bytes;
    for (const auto& [part, fragment] : it->second) bytes += fragment;
    ControlRecord record;
    record.sequence = it->first;
    if (!Deserialize(bytes, &record)) continue;
    *out = std::move(record);
    return true;
  }
  return false;
}

}  // namespace polyglot::core
