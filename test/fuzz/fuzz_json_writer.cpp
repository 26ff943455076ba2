// What is written reads back as the same value through an independent parser.
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "core/json_reader.h"
#include "core/json_writer.h"

using namespace polyglot::core;

namespace {

std::string DecodeBase64(std::string_view text) {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    const char* at = c == '=' ? nullptr : std::strchr(kAlphabet, c);
    if (at == nullptr) break;
    bits = bits << 6 | static_cast<std::uint32_t>(at - kAlphabet);
    if ((count += 6) >= 8) bytes.push_back(static_cast<char>(bits >> (count -= 8)));
  }
  return bytes;
}

std::string_view StringOf(const rapidjson::Value& value) {
  if (!value.IsString()) std::abort();
  return {value.GetString(), value.GetStringLength()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view data(reinterpret_cast<const char*>(bytes), size);
  double number = 0;
  float single = 0;
  std::int64_t integer = 0;
  if (size >= sizeof number) std::memcpy(&number, bytes, sizeof number);
  if (size >= sizeof single) std::memcpy(&single, bytes, sizeof single);
  if (size >= sizeof integer) std::memcpy(&integer, bytes, sizeof integer);
  std::string json = "[";
  AppendJsonString(data, &json);
  json.push_back(',');
  AppendJsonBase64(data, &json);
  json.push_back(',');
  AppendJsonDouble(number, &json);
  json.push_back(',');
  AppendJsonFloat(single, &json);
  json.push_back(',');
  AppendJsonInteger(integer, &json);
  json.push_back(']');
  rapidjson::Document read;
  read.Parse<kTreeFlags>(json.data(), json.size());
  if (read.HasParseError() || !read.IsArray() || read.Size() != 5) std::abort();
  if (StringOf(read[0]) != data || DecodeBase64(StringOf(read[1])) != data) std::abort();
  if (std::isfinite(number) ? read[2].GetDouble() != number : !read[2].IsNull()) std::abort();
  if (std::isfinite(single) ? static_cast<float>(read[3].GetDouble()) != single : !read[3].IsNull())
    std::abort();
  if (read[4].GetInt64() != integer) std::abort();
  return 0;
}
