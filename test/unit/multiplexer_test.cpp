#include "net/multiplexer.h"

#include <poll.h>
#include <unistd.h>
#include <gtest/gtest.h>

#include <array>

namespace polyglot::net {
namespace {

bool Readable(int fd, int milliseconds) {
  pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
  return poll(&p, 1, milliseconds) > 0;
}

class MultiplexerTest : public ::testing::Test {
 protected:
  std::size_t Collect() { return multiplexer.Collect(ready.data(), ready.size()); }
  Multiplexer multiplexer;
  std::array<Multiplexer::Ready, 8> ready;
};

TEST_F(MultiplexerTest, TimerMakesItReadableOnce) {
  EXPECT_FALSE(Readable(multiplexer.fd(), 0));
  ASSERT_TRUE(multiplexer.SetTimer(0));
  EXPECT_TRUE(Readable(multiplexer.fd(), 1000));
  ASSERT_EQ(Collect(), 1u);
  EXPECT_EQ(ready[0].fd, -1);
  EXPECT_FALSE(Readable(multiplexer.fd(), 0));
  ASSERT_TRUE(multiplexer.SetTimer(5));
  ASSERT_TRUE(multiplexer.SetTimer(-1));
  EXPECT_FALSE(Readable(multiplexer.fd(), 20));
}

TEST_F(MultiplexerTest, WakeIsNoEventOfItsOwn) {
  multiplexer.Wake();
  multiplexer.Wake();
  EXPECT_TRUE(Readable(multiplexer.fd(), 0));
  EXPECT_EQ(Collect(), 0u);
  EXPECT_FALSE(Readable(multiplexer.fd(), 0));
}

TEST_F(MultiplexerTest, WatchesWhatItIsTold) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_TRUE(multiplexer.Watch(ends[0], true, false));
  ASSERT_TRUE(multiplexer.Watch(ends[0], true, false)) << "again: a change, no error";
  EXPECT_EQ(Collect(), 0u);
  ASSERT_EQ(write(ends[1], "x", 1), 1);
  EXPECT_TRUE(Readable(multiplexer.fd(), 1000));
  ASSERT_EQ(Collect(), 1u);
  EXPECT_EQ(ready[0].fd, ends[0]);
  EXPECT_TRUE(ready[0].readable);
  EXPECT_TRUE(Readable(multiplexer.fd(), 0)) << "level-triggered";
  multiplexer.Forget(ends[0]);
  EXPECT_FALSE(Readable(multiplexer.fd(), 0));
  EXPECT_FALSE(multiplexer.Watch(-1, true, false));
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace polyglot::net
