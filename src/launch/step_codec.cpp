// SPDX-License-Identifier: Apache-2.0
#include "launch/step_codec.h"

#include <array>
#include <cstring>

#include "support/checked_math.h"
#include "support/error.h"

namespace partita::launch {
namespace {

template <typename T>
void append(std::vector<std::byte>& out, std::span<const T> values) {
  const auto bytes = std::as_bytes(values);
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// Takes arrays from the front of a byte span; every size is checked first.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <typename T>
  std::vector<T> take(int64_t count) {
    const auto bytes = checked_mul(count, sizeof(T));
    if (!bytes || static_cast<uint64_t>(*bytes) > rest_.size()) fail();
    std::vector<T> values(static_cast<size_t>(count));
    if (count > 0) std::memcpy(values.data(), rest_.data(), static_cast<size_t>(*bytes));
    rest_ = rest_.subspan(static_cast<size_t>(*bytes));
    return values;
  }
  [[nodiscard]] size_t left() const { return rest_.size(); }
  void expect_end() const {
    if (!rest_.empty()) fail();
  }
  [[noreturn]] static void fail() {
    throw Error(ErrorCode::kInvalidFile,
                "[launch] a step message has sizes that do not match its length; do frontend and "
                "ranks run the same version?");
  }

 private:
  std::span<const std::byte> rest_;
};

}  // namespace

std::vector<std::byte> encode(const engine::StepBatch& batch) {
  const std::array<int64_t, 4> counts = {static_cast<int64_t>(batch.token_ids.size()),
                                         batch.sequences, batch.blocks_per_sequence,
                                         static_cast<int64_t>(batch.logit_rows.size())};
  std::vector<std::byte> out;
  append<int64_t>(out, counts);
  append<int32_t>(out, batch.token_ids);
  append<int32_t>(out, batch.positions);
  append<int32_t>(out, batch.sequence_ids);
  append<int32_t>(out, batch.block_tables);
  append<int32_t>(out, batch.logit_rows);
  return out;
}

engine::StepBatch decode_batch(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  const std::vector<int64_t> counts = reader.take<int64_t>(4);
  // Two negative counts have a positive product.
  if (counts[1] < 0 || counts[2] < 0) Reader::fail();
  engine::StepBatch batch;
  batch.sequences = counts[1];
  batch.blocks_per_sequence = counts[2];
  batch.token_ids = reader.take<int32_t>(counts[0]);
  batch.positions = reader.take<int32_t>(counts[0]);
  batch.sequence_ids = reader.take<int32_t>(counts[0]);
  batch.block_tables = reader.take<int32_t>(checked_mul(counts[1], counts[2]).value_or(-1));
  batch.logit_rows = reader.take<int32_t>(counts[3]);
  reader.expect_end();
  return batch;
}

std::vector<std::byte> encode_result(const engine::RankSpan& span, std::span<const float> logits) {
  const std::array<double, 4> times = {span.begin, span.end, span.receiving, span.sending};
  std::vector<std::byte> out;
  out.reserve(sizeof(times) + logits.size_bytes());
  append<double>(out, times);
  append<float>(out, logits);
  return out;
}

RankResult decode_result(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  const std::vector<double> times = reader.take<double>(4);
  RankResult result;
  result.span = {.begin = times[0], .end = times[1], .receiving = times[2], .sending = times[3]};
  result.logits = reader.take<float>(static_cast<int64_t>(reader.left() / sizeof(float)));
  reader.expect_end();
  return result;
}

}  // namespace partita::launch
