// SPDX-License-Identifier: Apache-2.0
// Writes new keys and values into the paged caches.
#include <algorithm>
#include <array>

#include "ops/attention/attention_step_cpu.h"
#include "ops/parallel.h"

namespace partita::ops::attention {
namespace {

void store(const Step& /*step*/, const float* from, int64_t count, float* to) {
  std::copy_n(from, count, to);
}
void store(const Step& /*step*/, const float* from, int64_t count, BFloat16* to) {
  std::transform(from, from + count, to, BFloat16::from_float);
}
void store(const Step& step, const float* from, int64_t count, Float16* to) {
  step.to_f16(from, count, to);
}

// Tokens [begin, end) of consecutive positions in one block.
struct Run {
  int64_t begin, end;
  int64_t block, row;
};

// The longest run that begins at a token.
Run run_at(const Step& step, int64_t begin) {
  const int64_t position = step.position(begin);
  Run run = {begin, begin + 1, step.block(begin, position), position % step.block_size};
  const int64_t last = std::min(step.tokens, begin + step.block_size - run.row);
  while (run.end < last && step.sequence(run.end) == step.sequence(begin) &&
         step.position(run.end) == position + run.end - begin) {
    ++run.end;
  }
  return run;
}

// Keys of `rows` tokens, `stride` apart, to consecutive places of a block.
template <typename Cache>
void store_keys(const float* key, int64_t stride, int64_t rows, const Step& step, Cache* to) {
  std::array<Cache, 64> line;
  for (int64_t row = 0; row < rows; ++row, key += stride) {
    for (int64_t begin = 0; begin < step.head_dim; begin += std::ssize(line)) {
      const int64_t count = std::min<int64_t>(std::ssize(line), step.head_dim - begin);
      store(step, key + begin, count, line.data());
      Cache* place = to + begin * step.block_size + row;
      for (int64_t e = 0; e < count; ++e, place += step.block_size) {
        *place = line[static_cast<size_t>(e)];
      }
    }
  }
}

// The same with keys that are rotated before, in `memory`.
template <typename Cache>
void store_rotated(
    const float* key, int64_t stride, const Run& run, const Step& step, float* memory, Cache* to) {
  for (int64_t token = run.begin; token < run.end; token += StepRotation::kRotatedKeys) {
    const int64_t rows = std::min(StepRotation::kRotatedKeys, run.end - token);
    for (int64_t row = 0; row < rows; ++row, key += stride) {
      step.rotation.rotation->rotate(key, 1, step.rotation.of(token + row),
                                     memory + row * step.head_dim);
    }
    store_keys(memory, step.head_dim, rows, step, to + (token - run.begin));
  }
}

// `memory`: see StepRotation::keys.
template <typename Cache>
void append_run(const Step& step, const Run& run, int64_t kv_head, float* memory) {
  const int64_t head_dim = step.head_dim;
  const int64_t token_stride = step.kv_heads * head_dim;
  const int64_t from = run.begin * token_stride + kv_head * head_dim;
  const float* key = step.inputs[kKey].as<const float>() + from;
  const float* value = step.inputs[kValue].as<const float>() + from;
  Cache* keys = step.inputs[kKeyCache].as<Cache>() + step.offset(kv_head, run.block) + run.row;
  Cache* values =
      step.inputs[kValueCache].as<Cache>() + step.offset(kv_head, run.block) + run.row * head_dim;
  const int64_t rows = run.end - run.begin;
  if (step.rotation.rotation == nullptr) {
    store_keys(key, token_stride, rows, step, keys);
  } else {
    store_rotated(key, token_stride, run, step, memory, keys);
  }
  for (int64_t row = 0; row < rows; ++row) {
    store(step, value + row * token_stride, head_dim, values + row * head_dim);
  }
}

}  // namespace

void append(const Step& step) {
  // All entries of the tables are looked up here first, where throwing is allowed.
  for (int64_t token = 0; token < step.tokens; token = run_at(step, token).end) continue;
  const Split heads = {.items = step.kv_heads,
                       .bytes_per_item = 8 * step.tokens * step.head_dim * int64_t{sizeof(float)},
                       .least_bytes = 256 << 10};
  visit_float_type(step.inputs[kKeyCache].dtype, [&]<typename Cache>(Cache) {
    const int64_t ranges = ranges_of(heads, team_size());
    parallel_for(ranges, [&](int64_t index) {
      const Range range = split_range(heads, index, ranges);
      float* memory = step.rotation.keys_of(index, step.head_dim);
      for (int64_t token = 0; token < step.tokens;) {
        const Run run = run_at(step, token);
        for (int64_t head = range.begin; head < range.end; ++head) {
          append_run<Cache>(step, run, head, memory);
        }
        token = run.end;
      }
    });
  });
}

}  // namespace partita::ops::attention
