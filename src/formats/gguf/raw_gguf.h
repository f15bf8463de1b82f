// SPDX-License-Identifier: Apache-2.0
// Puts the bytes of GGUF files together, honest ones and lying ones. Tests only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace partita::formats {

// Appends fields in the order of the format; nothing is checked.
//   RawGguf().start(1, 1).text_pair("general.architecture", "llama").tensor("w", {4}, 0,
//   0).data(16)
class RawGguf {
 public:
  template <typename T>
  RawGguf& number(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  RawGguf& text(std::string_view value) {
    number<uint64_t>(value.size());
    bytes_ += value;
    return *this;
  }
  RawGguf& start(uint64_t tensors, uint64_t pairs, uint32_t version = 3) {
    bytes_ += "GGUF";
    return number(version).number(tensors).number(pairs);
  }
  // A key and the number of its type; the value follows.
  RawGguf& key(std::string_view name, uint32_t type) { return text(name).number(type); }
  RawGguf& text_pair(std::string_view name, std::string_view value) {
    return key(name, 8).text(value);
  }
  RawGguf& u32_pair(std::string_view name, uint32_t value) { return key(name, 4).number(value); }
  // Dims innermost first, as in the file.
  RawGguf& tensor(std::string_view name,
                  const std::vector<uint64_t>& dims,
                  uint32_t type,
                  uint64_t offset) {
    text(name).number(static_cast<uint32_t>(dims.size()));
    for (const uint64_t dim : dims) number(dim);
    return number(type).number(offset);
  }
  RawGguf& pad(size_t alignment = 32) {
    while (bytes_.size() % alignment != 0) bytes_ += '\0';
    return *this;
  }
  RawGguf& bytes_of(size_t count) {
    bytes_.append(count, '\1');
    return *this;
  }
  // Padding, then `count` bytes of tensors.
  RawGguf& data(size_t count) {
    pad();
    bytes_.append(count, '\1');
    return *this;
  }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace partita::formats
