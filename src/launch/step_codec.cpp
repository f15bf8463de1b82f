// SPDX-License-Identifier: Apache-2.0
#include "launch/step_codec.h"

#include <bit>
#include <cstring>

#include "support/checked_math.h"
#include "support/error.h"

namespace partita::launch {
namespace {

// Writes arrays one behind the other.
class Writer {
 public:
  explicit Writer(std::vector<std::byte>& out) : at_(out.data()) {}

  template <typename T>
  void put(std::span<const T> values) {
    if (!values.empty()) std::memcpy(at_, values.data(), values.size_bytes());
    at_ += values.size_bytes();
  }

 private:
  std::byte* at_;
};

// Takes arrays from the front of a byte span; every size is checked first.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <typename T>
  void take(int64_t count, std::vector<T>& values) {
    const auto bytes = checked_mul(count, sizeof(T));
    if (!bytes || *bytes < 0 || static_cast<uint64_t>(*bytes) > rest_.size()) fail();
    values.resize(static_cast<size_t>(count));
    copy_to(values.data(), static_cast<size_t>(*bytes));
  }
  template <typename T, size_t kCount>
  std::array<T, kCount> take_array() {
    std::array<T, kCount> values{};
    if (sizeof(values) > rest_.size()) fail();
    copy_to(values.data(), sizeof(values));
    return values;
  }
  [[nodiscard]] std::span<const std::byte> rest() const { return rest_; }
  void expect_end() const {
    if (!rest_.empty()) fail();
  }
  [[noreturn]] static void fail() {
    throw Error(ErrorCode::kInvalidFile,
                "[launch] a step message has sizes that do not match its length; do frontend and "
                "ranks run the same version?");
  }

 private:
  void copy_to(void* to, size_t bytes) {
    if (bytes > 0) std::memcpy(to, rest_.data(), bytes);
    rest_ = rest_.subspan(bytes);
  }

  std::span<const std::byte> rest_;
};

}  // namespace

void encode(const engine::StepBatch& batch, std::vector<std::byte>& out) {
  const std::array<int64_t, 4> counts = {static_cast<int64_t>(batch.token_ids.size()),
                                         batch.sequences, batch.blocks_per_sequence,
                                         static_cast<int64_t>(batch.logit_rows.size())};
  const std::array<std::span<const int32_t>, 5> arrays = {
      batch.token_ids, batch.positions, batch.sequence_ids, batch.block_tables, batch.logit_rows};
  size_t bytes = sizeof(counts);
  for (const std::span<const int32_t> array : arrays) bytes += array.size_bytes();
  out.resize(bytes);
  Writer writer(out);
  writer.put<int64_t>(counts);
  for (const std::span<const int32_t> array : arrays) writer.put(array);
}

void decode_batch(std::span<const std::byte> bytes, engine::StepBatch& batch) {
  Reader reader(bytes);
  const auto counts = reader.take_array<int64_t, 4>();
  // Two negative counts have a positive product.
  if (counts[1] < 0 || counts[2] < 0) Reader::fail();
  batch.sequences = counts[1];
  batch.blocks_per_sequence = counts[2];
  reader.take(counts[0], batch.token_ids);
  reader.take(counts[0], batch.positions);
  reader.take(counts[0], batch.sequence_ids);
  reader.take(checked_mul(counts[1], counts[2]).value_or(-1), batch.block_tables);
  reader.take(counts[3], batch.logit_rows);
  reader.expect_end();
}

std::array<std::byte, kSpanBytes> encode_span(const engine::RankSpan& span) {
  const std::array<double, 4> times = {span.begin, span.end, span.receiving, span.sending};
  return std::bit_cast<std::array<std::byte, kSpanBytes>>(times);
}

RankResult decode_result(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  const auto times = reader.take_array<double, 4>();
  if (reader.rest().size() % sizeof(float) != 0) Reader::fail();
  return {.span = {.begin = times[0], .end = times[1], .receiving = times[2], .sending = times[3]},
          .logits = reader.rest()};
}

}  // namespace partita::launch
