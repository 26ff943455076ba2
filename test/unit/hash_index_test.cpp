#include "core/hash_index.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>

namespace polyglot::core {
namespace {

struct Entry {
  int key;
};

// Few different hashes: most entries stand where others belong.
std::size_t HashOf(int key, int hashes) { return static_cast<std::size_t>(key % hashes) * 7; }

void CompareWithMap(int hashes) {
  std::mt19937 random(static_cast<unsigned>(hashes));
  std::deque<Entry> entries;
  std::map<int, Entry*> expected;
  HashIndex<Entry> index;
  for (int step = 0; step < 20'000; ++step) {
    const int key = static_cast<int>(random() % 300);
    const std::size_t hash = HashOf(key, hashes);
    Entry* found = index.Find(hash, [key](const Entry& entry) { return entry.key == key; });
    const auto known = expected.find(key);
    ASSERT_EQ(found, known == expected.end() ? nullptr : known->second) << step;
    if (found == nullptr) {
      Entry* entry = &entries.emplace_back(Entry{key});
      index.Insert(hash, entry);
      expected[key] = entry;
    } else {
      index.Erase(hash, found);
      expected.erase(key);
    }
    ASSERT_EQ(index.size(), expected.size());
  }
}

TEST(HashIndex, FindsWhatAMapFinds) {
  for (int hashes : {1, 2, 10, 1000}) CompareWithMap(hashes);
}

TEST(HashIndex, AnEmptyOneFindsNothing) {
  const HashIndex<Entry> index;
  EXPECT_EQ(index.Find(7, [](const Entry&) { return true; }), nullptr);
}

TEST(HashIndex, ABurstIsForgotten) {
  std::deque<Entry> entries;
  HashIndex<Entry> index;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 10'000; ++i)
      index.Insert(static_cast<std::size_t>(i), &entries.emplace_back(Entry{i}));
    for (Entry& entry : entries) index.Erase(static_cast<std::size_t>(entry.key), &entry);
    entries.clear();
    EXPECT_EQ(index.size(), 0u);
  }
}

}  // namespace
}  // namespace polyglot::core
