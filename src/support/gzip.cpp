// SPDX-License-Identifier: Apache-2.0
#include "support/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

#include "support/error.h"

namespace partita {
namespace {

constexpr int kGzipWindow = 16 + MAX_WBITS;  // zlib's way to ask for gzip headers
constexpr size_t kChunkBytes = size_t{1} << 16;

// Owns the state of zlib.
class Inflater {
 public:
  explicit Inflater(std::string_view what) : what_(what) {
    if (inflateInit2(&stream_, kGzipWindow) != Z_OK)
      throw Error(ErrorCode::kSystem, "[gzip] zlib cannot be started; is there enough memory?");
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  std::string run(std::string_view bytes, int64_t max_bytes) {
    std::string content;
    std::string chunk(kChunkBytes, '\0');
    int state = Z_OK;
    while (state != Z_STREAM_END || !bytes.empty()) {
      if (state == Z_STREAM_END) inflateReset(&stream_);  // the next member
      const size_t given = std::min<size_t>(bytes.size(), std::numeric_limits<uInt>::max());
      // zlib does not write to its input; its C interface only lacks the const.
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
      stream_.avail_in = static_cast<uInt>(given);
      stream_.next_out = reinterpret_cast<Bytef*>(chunk.data());
      stream_.avail_out = static_cast<uInt>(chunk.size());
      state = inflate(&stream_, Z_NO_FLUSH);
      if (state != Z_OK && state != Z_STREAM_END) refuse(state);
      bytes.remove_prefix(given - stream_.avail_in);
      content.append(chunk, 0, chunk.size() - stream_.avail_out);
      check_size(content, max_bytes);
    }
    return content;
  }

 private:
  [[noreturn]] void refuse(int state) const {
    const char* reason = state == Z_BUF_ERROR     ? "it ends too early"
                         : stream_.msg != nullptr ? stream_.msg
                                                  : "zlib refuses it";
    throw Error(ErrorCode::kInvalidFile, str("[gzip] ", what_, " is not a whole gzip file: ",
                                             reason, "; download or write it again"));
  }

  void check_size(const std::string& content, int64_t max_bytes) const {
    if (static_cast<int64_t>(content.size()) <= max_bytes) return;
    throw Error(ErrorCode::kInvalidFile, str("[gzip] ", what_, " holds more than ", max_bytes,
                                             " bytes when unpacked; expected a smaller file"));
  }

  std::string_view what_;
  z_stream stream_ = {};
};

}  // namespace

bool is_gzip(std::string_view bytes) { return bytes.substr(0, 2) == "\x1f\x8b"; }

std::string gunzip(std::string_view bytes, std::string_view what, int64_t max_bytes) {
  return Inflater(what).run(bytes, max_bytes);
}

}  // namespace partita
