#include "core/queue/queue_record.h"

#include <gtest/gtest.h>

#include <cstring>

namespace polyglot::core {
namespace {

template <typename T>
void Put(std::string* out, T value) {
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

void PutGroup(std::string* out, std::uint32_t source, const std::vector<CapturedColumn>& columns,
              std::uint16_t records) {
  Put(out, source);
  Put(out, static_cast<std::uint16_t>(columns.size()));
  Put(out, records);
  for (const auto& column : columns) {
    Put(out, column.attnum);
    Put(out, column.type);
  }
}

void PutRecord(std::string* out, EventKind kind, const std::string& values) {
  Put(out, static_cast<std::uint8_t>(kind));
  Put(out, static_cast<std::uint16_t>(values.size()));
  out->append(values);
}

std::string TwoGroups() {
  std::string data;
  std::string one, two;
  AppendValue(&one, "abcd");
  AppendNull(&two);
  PutGroup(&data, 17, {{1, 23}}, 2);
  PutRecord(&data, EventKind::kInsert, one);
  PutRecord(&data, EventKind::kDelete, two);
  PutGroup(&data, 18, {}, 1);
  PutRecord(&data, EventKind::kTruncate, "");
  return data;
}

TEST(RecordReader, WalksGroups) {
  std::string data = TwoGroups();
  RecordReader reader(data);
  KeyEvent event;
  std::vector<std::string_view> values;
  ASSERT_TRUE(reader.Next(&event));
  EXPECT_EQ(event.source, 17u);
  EXPECT_EQ(event.kind, EventKind::kInsert);
  ASSERT_EQ(event.columns->size(), 1u);
  EXPECT_EQ((*event.columns)[0], (CapturedColumn{1, 23}));
  ASSERT_TRUE(SplitValues(event.values, 1, &values));
  EXPECT_EQ(values[0], "abcd");
  ASSERT_TRUE(reader.Next(&event));
  EXPECT_EQ(event.kind, EventKind::kDelete);
  ASSERT_TRUE(SplitValues(event.values, 1, &values));
  EXPECT_EQ(values[0].data(), nullptr);
  ASSERT_TRUE(reader.Next(&event));
  EXPECT_EQ(event.source, 18u);
  EXPECT_EQ(event.kind, EventKind::kTruncate);
  EXPECT_TRUE(event.columns->empty());
  EXPECT_FALSE(reader.Next(&event));
  EXPECT_TRUE(reader.ok());
}

TEST(RecordReader, GroupWithoutRecordsIsSkipped) {
  std::string data;
  PutGroup(&data, 1, {{1, 20}}, 0);
  data += TwoGroups();
  RecordReader reader(data);
  KeyEvent event;
  ASSERT_TRUE(reader.Next(&event));
  EXPECT_EQ(event.source, 17u);
}

TEST(RecordReader, EveryCutIsNoticed) {
  const std::string data = TwoGroups();
  const std::size_t first_group = data.size() - kGroupHeader - kRecordHeader;
  for (std::size_t cut = 1; cut < data.size(); ++cut) {
    std::string part = data.substr(0, cut);
    RecordReader reader(part);
    KeyEvent event;
    while (reader.Next(&event)) {
    }
    EXPECT_EQ(reader.ok(), cut == first_group) << cut;
    EXPECT_FALSE(reader.Next(&event));
  }
}

TEST(PackedKey, RoundTrip) {
  const std::vector<CapturedColumn> columns{{1, 23}, {-2, 25}, {300, 4000000000u}};
  std::string packed;
  AppendKeyHeader(&packed, columns);
  AppendValue(&packed, std::string("\0\1\2\3", 4));
  AppendNull(&packed);
  AppendValue(&packed, "");
  std::vector<CapturedColumn> read;
  std::vector<std::string_view> values;
  ASSERT_TRUE(ParseKey(packed, &read, &values));
  EXPECT_EQ(read, columns);
  EXPECT_EQ(values[0], std::string_view("\0\1\2\3", 4));
  EXPECT_EQ(values[1].data(), nullptr);
  EXPECT_NE(values[2].data(), nullptr);
  EXPECT_TRUE(values[2].empty());
  for (std::size_t cut = 0; cut < packed.size(); ++cut)
    EXPECT_FALSE(ParseKey(std::string_view(packed).substr(0, cut), &read, &values)) << cut;
  EXPECT_FALSE(ParseKey(packed + "x", &read, &values));
}

TEST(PackedKey, AValueIsTakenByNumberAndTypeOnly) {
  const std::vector<CapturedColumn> columns{{1, 23}, {2, 25}, {3, 25}};
  const std::vector<std::string_view> values{"abcd", "text", std::string_view()};
  EXPECT_EQ(*FindValue(columns, values, {1, 23}), "abcd");
  EXPECT_EQ(FindValue(columns, values, {1, 25}), nullptr);
  EXPECT_EQ(FindValue(columns, values, {4, 23}), nullptr);
  EXPECT_EQ(FindValue(columns, values, {3, 25}), nullptr);  // NULL
  std::string packed;
  ASSERT_TRUE(PackColumns(columns, values, {{2, 25}, {1, 23}}, &packed));
  std::vector<CapturedColumn> read;
  std::vector<std::string_view> read_values;
  ASSERT_TRUE(ParseKey(packed, &read, &read_values));
  EXPECT_EQ(read, (std::vector<CapturedColumn>{{2, 25}, {1, 23}}));
  EXPECT_EQ(read_values[0], "text");
  EXPECT_FALSE(PackColumns(columns, values, {{1, 23}, {3, 25}}, &packed));
  EXPECT_FALSE(PackColumns(columns, values, {{1, 20}}, &packed));
}

TEST(PackedKey, LongestValue) {
  std::string packed;
  AppendKeyHeader(&packed, {{1, 25}});
  AppendValue(&packed, std::string(0xFFFE, 'x'));
  std::vector<CapturedColumn> columns;
  std::vector<std::string_view> values;
  ASSERT_TRUE(ParseKey(packed, &columns, &values));
  EXPECT_EQ(values[0].size(), 0xFFFEu);
}

}  // namespace
}  // namespace polyglot::core
