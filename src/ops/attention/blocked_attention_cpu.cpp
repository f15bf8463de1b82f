// SPDX-License-Identifier: Apache-2.0
// Shares one step's attention among threads: units of some tokens and the heads of one KV head, and
// for few tokens with long contexts also ranges of keys.
#include <algorithm>
#include <atomic>
#include <optional>
#include <vector>

#include "ops/attention/attention_step_cpu.h"
#include "ops/attention/block_kernels.h"
#include "ops/parallel.h"
#include "ops/rope/rope_attributes.h"

namespace partita::ops::attention {
namespace {

using device::Instructions;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

const BlockKernels& block_kernels(Instructions level) {
  switch (level) {
    case Instructions::kPortable:
      return kBlockKernelsPortable;
    case Instructions::kAvx2:
      return kBlockKernelsAvx2;
    case Instructions::kAvx512:
      return kBlockKernelsAvx512;
  }
  return kBlockKernelsPortable;
}

// Units whose ranges of keys may go to several threads have at most so many rows, which bounds the
// memory of their partial results.
constexpr int64_t kMostSplitRows = 16;
// With so many units per thread, threads are busy without splitting keys.
constexpr int64_t kUnitsPerThread = 4;

// Consecutive tokens of one sequence, and where their units begin among those of the step.
struct Run {
  int64_t token, tokens;
  int64_t keys;  // highest position + 1
  int64_t first_unit;
};

// Tokens [token, token + tokens) and heads [head, head + heads), all of one KV head.
struct Unit {
  int64_t token, tokens;
  int64_t head, heads;
  int64_t kv_head;
  int64_t keys;

  [[nodiscard]] int64_t rows() const { return tokens * heads; }
};

int64_t segments_of(int64_t keys) { return ceil_div(keys, kSegment); }

// What of a call does not change from step to step, in floats.
struct Sizes {
  int64_t head_dim, width;
  int64_t unit_heads, unit_tokens;  // most of a unit
  int64_t head_parts;               // units that share a KV head's query heads

  Sizes(const Settings& settings, int64_t head_elements)
      : head_dim(head_elements),
        width(ceil_div(head_elements, kPanel) * kPanel),
        unit_heads(std::min(settings.group, kMostRows)),
        unit_tokens(kMostRows / unit_heads),
        head_parts(ceil_div(settings.group, unit_heads)) {}

  [[nodiscard]] int64_t queries() const { return kMostRows * head_dim; }
  [[nodiscard]] int64_t partial(int64_t rows) const { return Partial::floats(rows, width); }
  // Working memory of a thread; a multiple of a cache line.
  [[nodiscard]] int64_t thread() const {
    const int64_t floats =
        queries() + Block::work_floats(kMostRows, head_dim) + 2 * partial(kMostRows);
    return ceil_div(floats, 16) * 16;
  }
};

class BlockedAttention final : public BoundKernel {
 public:
  BlockedAttention(const BindArgs& args, Instructions level)
      : settings_(settings_of(args)),
        kernels_(block_kernels(level)),
        sizes_(settings_, args.inputs[kQuery].dims[2].size),
        scratch_(args) {
    const int64_t most_tokens = args.inputs[kPositions].shape(args.max_sizes)[0];
    runs_.reserve(static_cast<size_t>(most_tokens));
    if (has_rope(args.node.attributes)) {
      rotation_.emplace(args.node.attributes, sizes_.head_dim, level);
      static_cast<void>(rotation_memory(most_tokens));
    }
    const int64_t most_keys = args.inputs[kBlockTables].shape(args.max_sizes)[1] *
                              args.inputs[kKeyCache].shape(args.max_sizes)[3];
    // All threads' memory, and the partial results of a step that splits keys.
    reserve(team_size(), kUnitsPerThread * team_size() * segments_of(most_keys));
  }

  void run(Views inputs, Views outputs) override {
    Step step(inputs, outputs[0], settings_);
    step.to_f16 = kernels_.to_f16;
    if (rotation_) step.rotation = make_angles(step);
    append(step);
    const int64_t units = find_runs(step);
    if (units == 0) return;
    const bool splits = units < kUnitsPerThread * team_size() && runs_are_short();
    splits ? run_split(step, units) : run_whole(step, units);
  }

 private:
  // Memory to rotate keys in, then the angles of `tokens` tokens.
  float* rotation_memory(int64_t tokens) const {
    return floats(Scratch::kLibrary, rotated_keys() + tokens * rotation_->angle_floats());
  }
  int64_t rotated_keys() const {
    return team_size() * StepRotation::kRotatedKeys * sizes_.head_dim;
  }

  StepRotation make_angles(const Step& step) const {
    float* keys = rotation_memory(step.tokens);
    float* angles = keys + rotated_keys();
    const int64_t token_floats = rotation_->angle_floats();
    const Split tokens = {.items = step.tokens,
                          .bytes_per_item = 8 * token_floats * int64_t{sizeof(float)},
                          .least_bytes = 256 << 10};
    parallel_ranges(tokens, [&](Range range) {
      for (int64_t token = range.begin; token < range.end; ++token) {
        rotation_->make_angles(step.position(token), angles + token * token_floats);
      }
    });
    return {&*rotation_, angles, keys};
  }

  void reserve(int64_t threads, int64_t partials) {
    work_ = floats(Scratch::kInput, threads * sizes_.thread());
    partials_ = floats(Scratch::kOutput, partials * sizes_.partial(kMostSplitRows));
  }
  float* floats(Scratch::Slot slot, int64_t count) const {
    return reinterpret_cast<float*>(scratch_->reserve(slot, count * int64_t{sizeof(float)}));
  }

  // Lists the runs of the step, checks their tables, and returns the number of units.
  int64_t find_runs(const Step& step) {
    runs_.clear();
    int64_t units = 0;
    for (int64_t token = 0; token < step.tokens;) {
      Run run = {.token = token, .tokens = 0, .keys = 0, .first_unit = units};
      while (token < step.tokens && step.sequence(token) == step.sequence(run.token)) {
        run.keys = std::max(run.keys, step.position(token) + 1);
        ++run.tokens;
        ++token;
      }
      for (int64_t key = 0; key < run.keys; key += step.block_size) {
        static_cast<void>(step.block(run.token, key));
      }
      units += token_parts(run) * step.kv_heads * sizes_.head_parts;
      runs_.push_back(run);
    }
    return step.heads == 0 ? 0 : units;
  }

  int64_t token_parts(const Run& run) const { return ceil_div(run.tokens, sizes_.unit_tokens); }

  bool runs_are_short() const {
    return std::ranges::all_of(runs_, [&](const Run& run) {
      return std::min(run.tokens, sizes_.unit_tokens) * sizes_.unit_heads <= kMostSplitRows;
    });
  }

  // The units of a run go by KV head, then by heads, then by tokens, the longest first.
  Unit unit_at(const Step& step, int64_t index) const {
    const auto next = std::ranges::upper_bound(runs_, index, {}, &Run::first_unit);
    const Run& run = *(next - 1);
    const int64_t parts = token_parts(run);
    const int64_t local = index - run.first_unit;
    const int64_t part = parts - 1 - local % parts;
    const int64_t head_part = local / parts % sizes_.head_parts;
    Unit unit = {};
    unit.kv_head = local / parts / sizes_.head_parts;
    unit.token = run.token + part * sizes_.unit_tokens;
    unit.tokens = std::min(sizes_.unit_tokens, run.token + run.tokens - unit.token);
    const int64_t group_begin = unit.kv_head * settings_.group - settings_.h_phase;
    const int64_t begin = group_begin + head_part * sizes_.unit_heads;
    const int64_t end = std::min(begin + sizes_.unit_heads, group_begin + settings_.group);
    unit.head = std::clamp<int64_t>(begin, 0, step.heads);
    unit.heads = std::clamp<int64_t>(end, 0, step.heads) - unit.head;
    for (int64_t i = 0; i < unit.tokens; ++i) {
      unit.keys = std::max(unit.keys, step.position(unit.token + i) + 1);
    }
    return unit;
  }

  // The unit with its queries rotated and scaled into `memory`, for any range of keys.
  Block block_of(const Step& step, const Unit& unit, float* memory) const {
    const int64_t token_floats = unit.heads * step.head_dim;
    for (int64_t i = 0; i < unit.tokens; ++i) {
      const float* query = step.query(unit.token + i, unit.head);
      float* scaled = memory + i * token_floats;
      if (rotation_) {
        rotation_->rotate(query, unit.heads, step.rotation.of(unit.token + i), scaled);
        query = scaled;
      }
      kernels_.scale(query, settings_.scale, token_floats, scaled);
    }
    const TensorView& keys = step.inputs[kKeyCache];
    const int64_t offset = step.offset(unit.kv_head, 0) * size_of(keys.dtype);
    Block block = {};
    block.queries = memory;
    block.rows = unit.rows();
    block.heads = unit.heads;
    block.positions = step.inputs[kPositions].as<const int32_t>() + unit.token;
    block.keys = keys.as<const std::byte>() + offset;
    block.values = step.inputs[kValueCache].as<const std::byte>() + offset;
    block.dtype = keys.dtype;
    block.rounds_factors = !settings_.near_f32;
    block.block_size = step.block_size;
    block.head_dim = step.head_dim;
    block.table = step.table(unit.token);
    block.work = memory + sizes_.queries();
    return block;
  }

  void attend(Block& block, const Unit& unit, int64_t segment, const Partial& to) const {
    block.begin = segment * kSegment;
    block.end = std::min(unit.keys, block.begin + kSegment);
    kernels_.attend(block, to);
  }

  void write(const Step& step, const Unit& unit, const Partial& sum) const {
    for (int64_t row = 0; row < unit.rows(); ++row) {
      float* out = step.output(unit.token + row / unit.heads, unit.head + row % unit.heads);
      kernels_.divide(sum.values + row * sizes_.width, sum.weights[row], step.head_dim, out);
    }
  }

  // Calls function(item, memory) for every item on the team; who is free takes the next.
  template <typename Function>
  void share(int64_t items, const Function& function) {
    const int64_t threads = std::min<int64_t>(team_size(), items);
    reserve(threads, 0);
    std::atomic<int64_t> next = 0;
    parallel_for(threads, [&](int64_t thread) {
      float* memory = work_ + thread * sizes_.thread();
      for (int64_t item = next++; item < items; item = next++) function(item, memory);
    });
  }

  void run_whole(const Step& step, int64_t units) {
    share(units, [&](int64_t index, float* memory) {
      const Unit unit = unit_at(step, index);
      if (unit.rows() == 0) return;
      Block block = block_of(step, unit, memory);
      float* partials = block.work + Block::work_floats(kMostRows, step.head_dim);
      const Partial sum = Partial::in(partials, unit.rows(), sizes_.width);
      const Partial part =
          Partial::in(partials + sizes_.partial(kMostRows), unit.rows(), sizes_.width);
      attend(block, unit, 0, sum);
      for (int64_t segment = 1; segment < segments_of(unit.keys); ++segment) {
        attend(block, unit, segment, part);
        kernels_.merge(sum, part, unit.rows(), sizes_.width);
      }
      write(step, unit, sum);
    });
  }

  // The same sums in the same order, with every segment of keys by any thread.
  void run_split(const Step& step, int64_t units) {
    int64_t most_keys = 0;
    for (const Run& run : runs_) most_keys = std::max(most_keys, run.keys);
    const int64_t segments = segments_of(most_keys);
    reserve(team_size(), units * segments);
    const auto partial = [&](const Unit& unit, int64_t index, int64_t segment) {
      float* memory = partials_ + (index * segments + segment) * sizes_.partial(kMostSplitRows);
      return Partial::in(memory, unit.rows(), sizes_.width);
    };
    share(units * segments, [&](int64_t item, float* memory) {
      const int64_t index = item / segments;
      const int64_t segment = item % segments;
      const Unit unit = unit_at(step, index);
      if (unit.rows() == 0 || segment >= segments_of(unit.keys)) return;
      Block block = block_of(step, unit, memory);
      attend(block, unit, segment, partial(unit, index, segment));
    });
    for (int64_t index = 0; index < units; ++index) {
      const Unit unit = unit_at(step, index);
      if (unit.rows() == 0) continue;
      const Partial sum = partial(unit, index, 0);
      for (int64_t segment = 1; segment < segments_of(unit.keys); ++segment) {
        kernels_.merge(sum, partial(unit, index, segment), unit.rows(), sizes_.width);
      }
      write(step, unit, sum);
    }
  }

  Settings settings_;
  const BlockKernels& kernels_;
  Sizes sizes_;
  ScratchHandle scratch_;
  float* work_ = nullptr;      // of all threads
  float* partials_ = nullptr;  // by unit and segment
  std::vector<Run> runs_;
  std::optional<Rotation> rotation_;
};

}  // namespace

std::unique_ptr<BoundKernel> bind_blocked(const BindArgs& args, Instructions level) {
  return std::make_unique<BlockedAttention>(args, level);
}

}  // namespace partita::ops::attention
