#include "core/json_writer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "core/json_reader.h"

namespace polyglot::core {
namespace {

std::string String(std::string_view text) {
  std::string out;
  AppendJsonString(text, &out);
  return out;
}

std::string ReadString(const std::string& json) {
  rapidjson::Document document;
  document.Parse<kTreeFlags | rapidjson::kParseValidateEncodingFlag>(json.data(), json.size());
  EXPECT_FALSE(document.HasParseError()) << json;
  return {document.GetString(), document.GetStringLength()};
}

TEST(JsonString, EscapesWhatJsonDemands) {
  EXPECT_EQ(String(""), "\"\"");
  EXPECT_EQ(String("a\"b\\c/"), R"("a\"b\\c/")");
  EXPECT_EQ(String("\b\f\n\r\t"), R"("\b\f\n\r\t")");
  EXPECT_EQ(String(std::string_view("\0\x1f", 2)), R"("\u0000\u001f")");
  EXPECT_EQ(String("\x7fгдé😀"), "\"\x7fгдé😀\"");
}

TEST(JsonString, EveryByteAtEveryPlace) {
  for (int c = 0; c < 0x80; ++c)
    for (std::size_t length = 1; length <= 20; ++length)
      for (std::size_t at = 0; at < length; ++at) {
        std::string text(length, 'x');
        text[at] = static_cast<char>(c);
        ASSERT_EQ(ReadString(String(text)), text);
      }
}

TEST(JsonString, MultiByteBesideEscapes) {
  std::string text;
  for (int i = 0; i < 40; ++i) {
    text += i % 3 == 0 ? "ü" : i % 3 == 1 ? "\"" : "漢";
    ASSERT_EQ(ReadString(String(text)), text);
  }
}

TEST(JsonNumber, Integers) {
  std::string out;
  AppendJsonInteger(std::numeric_limits<std::int64_t>::min(), &out);
  out.push_back(' ');
  AppendJsonInteger(0, &out);
  out.push_back(' ');
  AppendJsonInteger(std::numeric_limits<std::int64_t>::max(), &out);
  EXPECT_EQ(out, "-9223372036854775808 0 9223372036854775807");
}

std::string Double(double value) {
  std::string out;
  AppendJsonDouble(value, &out);
  return out;
}

TEST(JsonNumber, DoublesReadBackEqual) {
  EXPECT_EQ(Double(0.1), "0.1");
  EXPECT_EQ(Double(1), "1");
  EXPECT_EQ(Double(-0.0), "-0");
  EXPECT_EQ(Double(std::nan("")), "null");
  EXPECT_EQ(Double(-INFINITY), "null");
  std::mt19937_64 random(7);
  for (int i = 0; i < 100000; ++i) {
    const std::uint64_t bits = random();
    double value;
    std::memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value)) continue;
    rapidjson::Document document;
    const std::string json = Double(value);
    document.Parse<kTreeFlags>(json.c_str());
    ASSERT_FALSE(document.HasParseError()) << json;
    ASSERT_EQ(document.GetDouble(), value) << json;
  }
}

TEST(JsonNumber, Floats) {
  std::string out;
  AppendJsonFloat(0.1F, &out);
  out.push_back(' ');
  AppendJsonFloat(std::numeric_limits<float>::max(), &out);
  EXPECT_EQ(out, "0.1 3.4028235e+38");
}

std::string Decimal(std::string_view text) {
  std::string out;
  AppendJsonDecimal(text, &out);
  return out;
}

TEST(JsonNumber, DecimalsKeepTheirDigits) {
  EXPECT_EQ(Decimal("-12.50"), "-12.50");
  EXPECT_EQ(Decimal("0"), "0");
  EXPECT_EQ(Decimal("NaN"), "null");
  EXPECT_EQ(Decimal("Infinity"), "null");
  EXPECT_EQ(Decimal("-Infinity"), "null");
  const std::string limit(1000, '9');
  EXPECT_EQ(Decimal(limit), limit);
  EXPECT_EQ(Decimal("-" + limit), "-" + limit);
  EXPECT_EQ(Decimal(limit + "9"), "\"" + limit + "9\"");
  EXPECT_EQ(Decimal("0." + limit.substr(1)), "0." + limit.substr(1));
  EXPECT_EQ(Decimal("0." + limit), "\"0." + limit + "\"");
}

std::string Base64(std::string_view bytes) {
  std::string out;
  AppendJsonBase64(bytes, &out);
  return out;
}

TEST(JsonBase64, Rfc4648) {
  EXPECT_EQ(Base64(""), "\"\"");
  EXPECT_EQ(Base64("f"), "\"Zg==\"");
  EXPECT_EQ(Base64("fo"), "\"Zm8=\"");
  EXPECT_EQ(Base64("foo"), "\"Zm9v\"");
  EXPECT_EQ(Base64("foobar"), "\"Zm9vYmFy\"");
  EXPECT_EQ(Base64("\xff\xfe\xfd"), "\"//79\"");
}

TEST(JsonPadded, Width) {
  std::string out;
  AppendPadded(7, 4, &out);
  AppendPadded(123456, 2, &out);
  EXPECT_EQ(out, "0007123456");
}

TEST(JsonWriter, AStringStopsSoonAfterItsEnd) {
  std::string out = "{";
  EXPECT_TRUE(AppendJsonString("abc", 6, &out));
  EXPECT_EQ(out, R"({"abc")");
  EXPECT_FALSE(AppendJsonString("abc", 10, &out));
  const std::string escapes(1u << 20, '\x01');
  out.clear();
  EXPECT_FALSE(AppendJsonString(escapes, 2u << 20, &out));
  EXPECT_LT(out.size(), (2u << 20) + 6 * (1u << 16) + 2);
  out.clear();
  EXPECT_TRUE(AppendJsonString(escapes, 6u * escapes.size() + 2, &out));
  std::string whole;
  AppendJsonString(escapes, &whole);
  EXPECT_EQ(out, whole);
  out.clear();
  EXPECT_FALSE(AppendJsonString(escapes, 6u * escapes.size() + 1, &out));
}

}  // namespace
}  // namespace polyglot::core
