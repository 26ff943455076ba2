#include "pg/document/key_parameters.h"

#include <algorithm>

namespace polyglot::pg {

namespace {

constexpr std::size_t kFewest = 64;  // of fewer it makes no difference

}  // namespace

void KeyArrays(const ReadPlan& plan, const std::string_view* key_values, std::size_t count,
               Datum* parameters) {
  auto* datums = static_cast<Datum*>(palloc(sizeof(Datum) * (count + 1)));
  for (int position = 0; position < plan.key_count; ++position) {
    const KeyOrder& order = plan.order[position];
    const KeyColumn& key = plan.key[order.key];
    for (std::size_t i = 0; i < count; ++i)
      datums[i] = ValueFromBytes(key, key_values[i * plan.key_count + order.key]);
    parameters[position] = PointerGetDatum(construct_array(
        datums, static_cast<int>(count), order.operand, key.length, key.by_value, key.align));
  }
}

std::int64_t KeyRange::Number(const KeyColumn& key, Datum value) {
  if (key.form == KeyForm::kInt2) return DatumGetInt16(value);
  return key.form == KeyForm::kInt4 ? DatumGetInt32(value) : DatumGetInt64(value);
}

bool KeyRange::Cover(const ReadPlan& plan, const std::string_view* key_values, std::size_t count) {
  if (!plan.in_ranges || count < kFewest) return false;
  const KeyColumn& key = plan.key[0];
  std::vector<std::int64_t> numbers;
  numbers.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (key_values[i].size() != static_cast<std::size_t>(key.length)) return false;
    numbers.push_back(Number(key, ValueFromBytes(key, key_values[i])));
  }
  const auto [first, last] = std::minmax_element(numbers.begin(), numbers.end());
  // As many as a quarter more rows may be read in vain.
  const std::uint64_t beyond =
      static_cast<std::uint64_t>(*last) - static_cast<std::uint64_t>(*first);
  if (beyond >= count + count / 4) return false;
  first_ = *first;
  last_ = *last;
  wanted_.assign(beyond + 1, false);
  for (std::int64_t number : numbers) wanted_[static_cast<std::size_t>(number - first_)] = true;
  return true;
}

void KeyRange::Parameters(const ReadPlan& plan, Datum* parameters) const {
  const KeyForm form = plan.key[0].form;
  const std::int64_t ends[] = {first_, last_};
  for (int i = 0; i < 2; ++i)
    parameters[i] = form == KeyForm::kInt2   ? Int16GetDatum(static_cast<int16>(ends[i]))
                    : form == KeyForm::kInt4 ? Int32GetDatum(static_cast<int32>(ends[i]))
                                             : Int64GetDatum(ends[i]);
}

}  // namespace polyglot::pg
