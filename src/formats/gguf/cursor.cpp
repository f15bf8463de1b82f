// SPDX-License-Identifier: Apache-2.0
// A window that moves over the head of the file.
#include "formats/gguf/cursor.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "support/error.h"

namespace partita::formats {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they lie");

// Vocabularies are read in few calls; small files do not cost more than they hold.
constexpr int64_t kWindowBytes = int64_t{256} << 10;

}  // namespace

GgufCursor::GgufCursor(const ReadAt& read, int64_t file_bytes, std::string_view what)
    : read_(read), limit_(std::min(file_bytes, kMaxGgufHeaderBytes)), what_(what) {}

void GgufCursor::refuse(std::string_view where, std::string_view rule) const {
  throw Error(ErrorCode::kInvalidFile, str("[gguf] ", what_, ": ", where, ": ", rule));
}

void GgufCursor::take(std::span<std::byte> to, std::string_view where) {
  if (static_cast<int64_t>(to.size()) > rest()) {
    refuse(where, str("needs ", to.size(), " bytes at byte ", position_, ", but ", rest(),
                      " are left; the file is truncated"));
  }
  while (!to.empty()) {
    const int64_t window_end = window_begin_ + static_cast<int64_t>(window_.size());
    if (position_ >= window_end) {
      window_.resize(static_cast<size_t>(std::min(kWindowBytes, rest())));
      window_begin_ = position_;
      read_(position_, window_);
      continue;
    }
    const auto bytes = std::min(to.size(), static_cast<size_t>(window_end - position_));
    std::memcpy(to.data(), window_.data() + (position_ - window_begin_), bytes);
    position_ += static_cast<int64_t>(bytes);
    to = to.subspan(bytes);
  }
}

std::string GgufCursor::text(std::string_view where) {
  const auto length = number<uint64_t>(where);
  if (length > static_cast<uint64_t>(rest())) {
    refuse(where, str("a text claims ", length, " bytes at byte ", position_, ", but ", rest(),
                      " are left"));
  }
  std::string value(static_cast<size_t>(length), '\0');
  take(std::as_writable_bytes(std::span(value)), where);
  return value;
}

int64_t GgufCursor::count(int64_t least_bytes, std::string_view where) {
  return checked_count(number<uint64_t>(where), least_bytes, where);
}

int64_t GgufCursor::checked_count(uint64_t count, int64_t least_bytes, std::string_view where) {
  if (count > static_cast<uint64_t>(rest() / least_bytes)) {
    refuse(where, str("claims ", count, " entries of at least ", least_bytes, " bytes, but ",
                      rest(), " bytes are left"));
  }
  return static_cast<int64_t>(count);
}

}  // namespace partita::formats
