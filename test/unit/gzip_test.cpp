#include "net/gzip.h"

#include <zlib.h>
#include <gtest/gtest.h>

namespace polyglot::net {
namespace {

std::string Unpack(const std::string& packed, std::size_t room) {
  std::string out(room, '\0');
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  EXPECT_EQ(stream.avail_in, 0u);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

TEST(Gzip, UnpacksToTheSame) {
  std::string noise;
  for (std::uint32_t i = 0, x = 1; i < 300'000; ++i) {
    x = x * 1664525 + 1013904223;
    noise.push_back(static_cast<char>(x >> 24));
  }
  for (const std::string& data :
       {std::string(), std::string("{}"), std::string(5u << 20, 'x'), noise}) {
    std::string packed = "left over";
    ASSERT_TRUE(Gzip(data, &packed));
    EXPECT_EQ(Unpack(packed, data.size() + 1), data);
  }
}

}  // namespace
}  // namespace polyglot::net
