#include "core/queue/control_record.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "core/queue/queue_record.h"

namespace polyglot::core {
namespace {

constexpr std::size_t kMaxRow = 200;

ControlRecord Record(std::uint64_t sequence, std::int32_t syncs) {
  ControlRecord record;
  record.sequence = sequence;
  for (std::int32_t sync = 1; sync <= syncs; ++sync) {
    SyncPosition& position = record.positions[sync];
    const auto xmin = sequence * 1000 + static_cast<std::uint64_t>(sync % 3);
    position.snapshot = {xmin, xmin + 10, {xmin, xmin + 4}};
    position.counters = {1, 2, 3, 4, static_cast<std::uint64_t>(sync), -5};
  }
  return record;
}

// What the worker finds in the rows when it walks them.
std::vector<std::string> Values(const std::vector<std::string>& rows) {
  std::vector<std::string> out;
  for (const std::string& row : rows) {
    RecordReader reader(row);
    KeyEvent event;
    while (reader.Next(&event)) {
      EXPECT_EQ(event.source, 0u);
      EXPECT_EQ(event.kind, EventKind::kControl);
      EXPECT_TRUE(event.columns->empty());
      out.emplace_back(event.values);
    }
    EXPECT_TRUE(reader.ok());
  }
  return out;
}

ControlAssembler Assemble(const std::vector<std::string>& values) {
  ControlAssembler assembler;
  for (const std::string& value : values) assembler.Add(value);
  return assembler;
}

void ExpectNewest(const ControlAssembler& assembler, const ControlRecord& expected) {
  ControlRecord newest;
  ASSERT_TRUE(assembler.Newest(&newest));
  EXPECT_EQ(newest.sequence, expected.sequence);
  EXPECT_EQ(newest.positions, expected.positions);
}

template <typename T>
std::string Bytes(std::initializer_list<T> numbers) {
  std::string out;
  for (T number : numbers) out.append(reinterpret_cast<const char*>(&number), sizeof number);
  return out;
}
std::string Part(std::uint64_t sequence, std::uint16_t part, std::uint16_t parts,
                 const std::string& bytes) {
  return Bytes<std::uint64_t>({sequence}) + Bytes<std::uint16_t>({part, parts}) + bytes;
}

TEST(ControlRecord, RoundTrip) {
  const ControlRecord record = Record(7, 2);
  const auto rows = EncodeControl(record, 8000);
  ASSERT_EQ(rows.size(), 1u);
  ExpectNewest(Assemble(Values(rows)), record);
}

TEST(ControlRecord, RoundTripWithoutSyncs) {
  ExpectNewest(Assemble(Values(EncodeControl(Record(1, 0), kMaxRow))), Record(1, 0));
}

TEST(ControlRecord, SplitsIntoRowsOfTheGivenSize) {
  const ControlRecord record = Record(7, 50);
  const auto rows = EncodeControl(record, kMaxRow);
  ASSERT_GT(rows.size(), 10u);
  for (const std::string& row : rows) EXPECT_LE(row.size(), kMaxRow);
  EXPECT_EQ(rows.front().size(), kMaxRow);
  ExpectNewest(Assemble(Values(rows)), record);
}

TEST(ControlRecord, EqualSnapshotsAreWrittenOnce) {
  ControlRecord record;
  Snapshot snapshot{1, 2000, {}};
  for (std::uint64_t xid = 1; xid < 1000; ++xid) snapshot.running.push_back(xid);
  for (std::int32_t sync = 1; sync <= 100; ++sync) record.positions[sync].snapshot = snapshot;
  std::size_t bytes = 0;
  const auto rows = EncodeControl(record, 8000);
  for (const std::string& row : rows) bytes += row.size();
  EXPECT_LT(bytes, 16'000u);
  ExpectNewest(Assemble(Values(rows)), record);
}

TEST(ControlRecord, RowsInAnyOrderAndTwice) {
  const ControlRecord record = Record(7, 50);
  auto values = Values(EncodeControl(record, kMaxRow));
  const auto again = values;
  std::reverse(values.begin(), values.end());
  values.insert(values.end(), again.begin(), again.end());
  ExpectNewest(Assemble(values), record);
}

TEST(ControlRecord, NewestOfSeveral) {
  auto values = Values(EncodeControl(Record(9, 20), kMaxRow));
  for (std::uint64_t sequence : {3u, 12u, 11u})
    for (auto& value : Values(EncodeControl(Record(sequence, 20), kMaxRow)))
      values.push_back(value);
  ExpectNewest(Assemble(values), Record(12, 20));
}

TEST(ControlRecord, IncompleteOneDoesNotCount) {
  const auto newer = Values(EncodeControl(Record(8, 20), kMaxRow));
  ASSERT_GT(newer.size(), 2u);
  for (std::size_t missing = 0; missing < newer.size(); ++missing) {
    auto values = Values(EncodeControl(Record(7, 20), kMaxRow));
    for (std::size_t i = 0; i < newer.size(); ++i)
      if (i != missing) values.push_back(newer[i]);
    ExpectNewest(Assemble(values), Record(7, 20));
  }
}

TEST(ControlRecord, NothingThere) {
  ControlRecord newest = Record(5, 1);
  EXPECT_FALSE(ControlAssembler().Newest(&newest));
  EXPECT_EQ(newest.sequence, 5u);
}

TEST(ControlRecord, ShortOrForeignBytesAreIgnored) {
  ControlAssembler assembler;
  const std::string good = Values(EncodeControl(Record(7, 2), 8000))[0];
  for (std::size_t cut = 0; cut < good.size(); ++cut)
    assembler.Add(std::string_view(good).substr(0, cut));
  ControlRecord newest;
  EXPECT_FALSE(assembler.Newest(&newest));
  assembler.Add(good);
  assembler.Add("x");
  assembler.Add(Part(99, 0, 1, "foreign"));
  assembler.Add(Part(98, 0, 0, ""));
  ExpectNewest(assembler, Record(7, 2));
}

TEST(ControlRecord, TrailingBytesSpoilIt) {
  const std::string good = Values(EncodeControl(Record(7, 2), 8000))[0];
  ControlRecord newest;
  EXPECT_FALSE(Assemble({good + "x"}).Newest(&newest));
}

TEST(ControlRecord, CountsBeyondTheBytesAreRefused) {
  const std::uint32_t huge = 0xFFFFFFFF;
  const std::string empty_snapshot = Bytes<std::uint64_t>({1, 2}) + Bytes<std::uint32_t>({0});
  ControlRecord newest;
  for (const std::string& body :
       {Bytes<std::uint32_t>({huge}),  // snapshots
        Bytes<std::uint32_t>({1}) + Bytes<std::uint64_t>({1, 2}) + Bytes<std::uint32_t>({huge}),
        Bytes<std::uint32_t>({1}) + empty_snapshot + Bytes<std::uint32_t>({huge}),  // positions
        Bytes<std::uint32_t>({1}) + empty_snapshot + Bytes<std::uint32_t>({1, 5, 1}) +
            std::string(sizeof(SavedCounters), '\0')})  // a snapshot that is not there
    EXPECT_FALSE(Assemble({Part(1, 0, 1, body)}).Newest(&newest));
}

// Two writers of one sequence number cannot be, but a damaged row could claim it.
TEST(ControlRecord, PartOutsideItsTotalIsIgnored) {
  const auto values = Values(EncodeControl(Record(7, 2), 8000));
  ExpectNewest(Assemble({values[0], Part(7, 4, 1, "damaged")}), Record(7, 2));
}

}  // namespace
}  // namespace polyglot::core
