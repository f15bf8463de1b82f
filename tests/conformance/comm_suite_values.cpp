// SPDX-License-Identifier: Apache-2.0
// Numbers for the communicator suite.
#include "comm_suite_values.h"

#include <algorithm>
#include <cstring>

namespace partita::comm {
namespace {

template <typename T>
void store(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof(T));
}

template <typename T>
double load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  if constexpr (requires { value.to_float(); }) {
    return static_cast<double>(value.to_float());
  } else {
    return static_cast<double>(value);
  }
}

double combine(ReduceKind kind, double left, double right) {
  switch (kind) {
    case ReduceKind::kSum:
    case ReduceKind::kAvg:
      return left + right;
    case ReduceKind::kProd:
      return left * right;
    case ReduceKind::kMin:
      return std::min(left, right);
    case ReduceKind::kMax:
      return std::max(left, right);
  }
  return 0;
}

}  // namespace

Values::Values(DType dtype, int64_t count)
    : dtype_(dtype), count_(count), bytes_(static_cast<size_t>(count * size_of(dtype))) {}

void Values::set(int64_t index, double value) {
  std::byte* to = bytes_.data() + index * size_of(dtype_);
  const auto whole = static_cast<int64_t>(value);
  switch (dtype_) {
    case DType::kBool:
    case DType::kU8:
      return store(to, static_cast<uint8_t>(whole));
    case DType::kI8:
      return store(to, static_cast<int8_t>(whole));
    case DType::kI16:
      return store(to, static_cast<int16_t>(whole));
    case DType::kI32:
      return store(to, static_cast<int32_t>(whole));
    case DType::kI64:
      return store(to, whole);
    case DType::kF16:
      return store(to, Float16::from_float(static_cast<float>(value)));
    case DType::kBF16:
      return store(to, BFloat16::from_float(static_cast<float>(value)));
    case DType::kF32:
      return store(to, static_cast<float>(value));
    case DType::kF64:
      return store(to, value);
    case DType::kQ8_0:
    case DType::kQ4_0:
      break;  // weights in blocks are never sent
  }
}

double Values::get(int64_t index) const {
  switch (dtype_) {
    case DType::kBool:
    case DType::kU8:
      return load<uint8_t>(at(index));
    case DType::kI8:
      return load<int8_t>(at(index));
    case DType::kI16:
      return load<int16_t>(at(index));
    case DType::kI32:
      return load<int32_t>(at(index));
    case DType::kI64:
      return load<int64_t>(at(index));
    case DType::kF16:
      return load<Float16>(at(index));
    case DType::kBF16:
      return load<BFloat16>(at(index));
    case DType::kF32:
      return load<float>(at(index));
    case DType::kF64:
      return load<double>(at(index));
    case DType::kQ8_0:
    case DType::kQ4_0:
      break;
  }
  return 0;
}

Values pattern(DType dtype, int64_t count, int rank, int64_t first) {
  Values values(dtype, count);
  const int lowest = dtype == DType::kU8 || dtype == DType::kBool ? 0 : -1;
  for (int64_t i = 0; i < count; ++i) {
    values.set(i, static_cast<double>(((first + i) * 3 + rank * 5) % 4 + lowest));
  }
  return values;
}

Values reduced_pattern(DType dtype, int64_t count, int ranks, ReduceKind kind, int64_t first) {
  std::vector<double> totals;
  for (int rank = 0; rank < ranks; ++rank) {
    const Values values = pattern(dtype, count, rank, first);
    for (int64_t i = 0; i < count; ++i) {
      const auto place = static_cast<size_t>(i);
      if (rank == 0) totals.push_back(values.get(i));
      if (rank > 0) totals[place] = combine(kind, totals[place], values.get(i));
    }
  }
  Values result(dtype, count);
  for (int64_t i = 0; i < count; ++i) {
    const double total = totals[static_cast<size_t>(i)];
    result.set(i, kind == ReduceKind::kAvg ? total / ranks : total);
  }
  return result;
}

std::vector<float> rough_numbers(int64_t count, int rank) {
  std::vector<float> numbers;
  uint32_t state = 12345U + static_cast<uint32_t>(rank) * 7919U;
  for (int64_t i = 0; i < count; ++i) {
    state = state * 1664525U + 1013904223U;  // a linear congruence is rough enough
    numbers.push_back(static_cast<float>(state >> 8) / 8388608.0F - 1.0F);
  }
  return numbers;
}

}  // namespace partita::comm
