// SPDX-License-Identifier: Apache-2.0
#include "launch/step_codec.h"

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
    const size_t bytes = checked_bytes(count, sizeof(T));
    values.resize(static_cast<size_t>(count));
    copy_to(values.data(), bytes);
  }
  template <typename T, size_t kCount>
  std::array<T, kCount> take_array() {
    std::array<T, kCount> values{};
    if (sizeof(values) > rest_.size()) fail();
    copy_to(values.data(), sizeof(values));
    return values;
  }
  std::span<const std::byte> take_bytes(int64_t count, size_t element_bytes) {
    const size_t bytes = checked_bytes(count, element_bytes);
    const std::span<const std::byte> taken = rest_.first(bytes);
    rest_ = rest_.subspan(bytes);
    return taken;
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
  // Of so many elements, which the rest holds.
  [[nodiscard]] size_t checked_bytes(int64_t count, size_t element_bytes) const {
    const auto bytes = checked_mul(count, static_cast<int64_t>(element_bytes));
    if (!bytes || *bytes < 0 || static_cast<uint64_t>(*bytes) > rest_.size()) fail();
    return static_cast<size_t>(*bytes);
  }
  void copy_to(void* to, size_t bytes) {
    if (bytes > 0) std::memcpy(to, rest_.data(), bytes);
    rest_ = rest_.subspan(bytes);
  }

  std::span<const std::byte> rest_;
};

}  // namespace

void encode(const engine::StepBatch& batch, std::vector<std::byte>& out) {
  const std::array<int64_t, 5> counts = {
      static_cast<int64_t>(batch.token_ids.size()), batch.sequences, batch.blocks_per_sequence,
      static_cast<int64_t>(batch.logit_rows.size()), batch.whole_logits ? 1 : 0};
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
  const auto counts = reader.take_array<int64_t, 5>();
  // Two negative counts have a positive product.
  if (counts[1] < 0 || counts[2] < 0 || counts[4] < 0 || counts[4] > 1) Reader::fail();
  batch.sequences = counts[1];
  batch.blocks_per_sequence = counts[2];
  reader.take(counts[0], batch.token_ids);
  reader.take(counts[0], batch.positions);
  reader.take(counts[0], batch.sequence_ids);
  reader.take(checked_mul(counts[1], counts[2]).value_or(-1), batch.block_tables);
  reader.take(counts[3], batch.logit_rows);
  batch.whole_logits = counts[4] == 1;
  reader.expect_end();
}

std::array<std::byte, kResultHeadBytes> encode_result_head(const engine::RankSpan& span,
                                                           const engine::Candidates& candidates) {
  const std::array<double, 4> times = {span.begin, span.end, span.receiving, span.sending};
  const auto count = static_cast<int64_t>(candidates.tokens.size());
  std::array<std::byte, kResultHeadBytes> head;
  std::memcpy(head.data(), times.data(), sizeof(times));
  std::memcpy(head.data() + sizeof(times), &count, sizeof(count));
  return head;
}

OutgoingFrame result_frame(std::span<const std::byte> head,
                           std::span<const float> logits,
                           const engine::Candidates& candidates) {
  CHECK(head.size() == kResultHeadBytes && candidates.logits.size() == candidates.tokens.size());
  return {FrameType::kStepDone,
          {head, std::as_bytes(candidates.logits), std::as_bytes(candidates.tokens),
           std::as_bytes(logits)}};
}

RankResult decode_result(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  const auto times = reader.take_array<double, 4>();
  const int64_t candidates = reader.take_array<int64_t, 1>()[0];
  RankResult result;
  result.span = {.begin = times[0], .end = times[1], .receiving = times[2], .sending = times[3]};
  result.candidate_logits = reader.take_bytes(candidates, sizeof(float));
  result.candidate_tokens = reader.take_bytes(candidates, sizeof(int32_t));
  result.logits = reader.rest();
  if (result.logits.size() % sizeof(float) != 0) Reader::fail();
  return result;
}

}  // namespace partita::launch
