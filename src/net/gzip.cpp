#include "net/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <climits>

namespace polyglot::net {
namespace {

constexpr int kGzip = 15 + 16;  // zlib's way to say: largest window, with a gzip header
constexpr int kMemoryLevel = 8;
constexpr std::size_t kPiece = 64 * 1024;

/// Hands zlib the next piece of the input. Returns how the piece is to be flushed.
int Feed(std::string_view* data, z_stream* stream) {
  const std::size_t size = std::min<std::size_t>(data->size(), INT_MAX);
  stream->next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data->data()));
  stream->avail_in = static_cast<uInt>(size);
  data->remove_prefix(size);
  return data->empty() ? Z_FINISH : Z_NO_FLUSH;
}

bool Pack(std::string_view data, z_stream* stream, std::string* packed) {
  std::array<char, kPiece> piece;
  int flush = Feed(&data, stream);
  for (;;) {
    stream->next_out = reinterpret_cast<Bytef*>(piece.data());
    stream->avail_out = static_cast<uInt>(piece.size());
    const int result = deflate(stream, flush);
    if (result == Z_STREAM_ERROR) return false;
    packed->append(piece.data(), piece.size() - stream->avail_out);
    if (result == Z_STREAM_END) return true;
    if (stream->avail_in == 0 && flush != Z_FINISH) flush = Feed(&data, stream);
  }
}

}  // namespace

bool Gzip(std::string_view data, std::string* packed) {
  packed->clear();
  // Bulk bodies repeat the same names all the time: the fastest level takes most of it away, and
  // one process delivers for a whole server.
  struct Owner {
    z_stream stream{};
    bool open = false;
    ~Owner() {
      if (open) deflateEnd(&stream);
    }
  } owner;
  owner.open = deflateInit2(&owner.stream, Z_BEST_SPEED, Z_DEFLATED, kGzip, kMemoryLevel,
                            Z_DEFAULT_STRATEGY) == Z_OK;
  return owner.open && Pack(data, &owner.stream, packed);
}

}  // namespace polyglot::net
