// SPDX-License-Identifier: Apache-2.0
// Tensors of any element type for the communicator suite, and checks that throw.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/dtype.h"
#include "support/error.h"
#include "support/reduce_kind.h"

namespace partita::comm {

inline void expect(bool condition, const std::string& message) {
  if (!condition) throw std::runtime_error(message);
}

// Runs `body`, which must throw Error of this code, and returns its message.
template <typename Body>
std::string expect_error(ErrorCode code, Body body) {
  try {
    body();
  } catch (const Error& error) {
    expect(error.code() == code, str("expected ", to_string(code), ", got ", error.what()));
    return error.what();
  }
  throw std::runtime_error(str("expected ", to_string(code), ", got no error"));
}

// A flat tensor whose elements are set from numbers, rounded or wrapped as the type does.
class Values {
 public:
  Values(DType dtype, int64_t count);

  void set(int64_t index, double value);
  [[nodiscard]] double get(int64_t index) const;
  [[nodiscard]] std::byte* data() { return bytes_.data(); }
  [[nodiscard]] const std::byte* at(int64_t index) const {
    return bytes_.data() + index * size_of(dtype_);
  }
  [[nodiscard]] int64_t count() const { return count_; }
  bool operator==(const Values&) const = default;

 private:
  DType dtype_;
  int64_t count_;
  std::vector<std::byte> bytes_;
};

// Small whole numbers that differ by rank and place: sums of 8 ranks are exact in every type.
[[nodiscard]] Values pattern(DType dtype, int64_t count, int rank, int64_t first = 0);

// pattern() of ranks 0 .. ranks - 1 reduced one after the other.
[[nodiscard]] Values reduced_pattern(
    DType dtype, int64_t count, int ranks, ReduceKind kind, int64_t first = 0);

// Numbers between -1 and 1 whose sum depends on the order of addition.
[[nodiscard]] std::vector<float> rough_numbers(int64_t count, int rank);

}  // namespace partita::comm
