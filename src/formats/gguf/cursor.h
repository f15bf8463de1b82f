// SPDX-License-Identifier: Apache-2.0
// Reads little-endian numbers and texts of a GGUF head, each checked against the end of the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf/header.h"

namespace partita::formats {

// Owned by one thread. `where` names in messages what is being read.
class GgufCursor {
 public:
  GgufCursor(const ReadAt& read, int64_t file_bytes, std::string_view what);

  template <typename T>
  [[nodiscard]] T number(std::string_view where) {
    T value;
    take(std::as_writable_bytes(std::span(&value, 1)), where);
    return value;
  }
  // A length and so many bytes.
  [[nodiscard]] std::string text(std::string_view where);
  // A count of things that take at least `least_bytes` each in the rest of the file.
  [[nodiscard]] int64_t count(int64_t least_bytes, std::string_view where);
  // As count(), for a count that was read before.
  [[nodiscard]] int64_t checked_count(uint64_t count, int64_t least_bytes, std::string_view where);

  [[nodiscard]] int64_t position() const { return position_; }

  // Throws kInvalidFile "[gguf] FILE: WHERE: RULE".
  [[noreturn]] void refuse(std::string_view where, std::string_view rule) const;

 private:
  void take(std::span<std::byte> to, std::string_view where);
  [[nodiscard]] int64_t rest() const { return limit_ - position_; }

  const ReadAt& read_;
  int64_t limit_;  // end of what may be the head
  std::string_view what_;
  int64_t position_ = 0;
  std::vector<std::byte> window_;  // bytes of the file from window_begin_
  int64_t window_begin_ = 0;
};

}  // namespace partita::formats
