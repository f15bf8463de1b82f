// SPDX-License-Identifier: Apache-2.0
// The load loop.
#include "runtime/loader.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "ops/parallel.h"
#include "runtime/node_error.h"
#include "support/error.h"

namespace partita::runtime {
namespace {

using ir::ValueId;

// Reads of each weight that are still to be bound; views and graph outputs read the plain data for
// ever.
constexpr int64_t kForEver = -1;

// Read before they are used: enough to keep the readers busy.
constexpr int64_t kAheadBytes = int64_t{24} << 20;
// Memory of weights that kernels have packed, kept for the next weights: the first use of new
// memory costs as much as reading the file.
constexpr int64_t kReusedBytes = int64_t{24} << 20;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Loader {
 public:
  Loader(const LoadRequest& request, device::Device& device)
      : request_(request),
        graph_(request.graph),
        device_(device),
        open_reads_(graph_.values().size(), 0),
        stream_(request.read_weight, ops::team_size()) {
    program_.weights.resize(graph_.values().size());
    row_readers_.resize(graph_.values().size());
    views_.resize(graph_.values().size());
    total_bytes_ = weight_bytes_of(graph_);
    for (const ir::Node& node : graph_.nodes()) {
      for (const ValueId input : node.inputs) count_read(input, request.buffers.is_view(node));
    }
    for (const ValueId output : graph_.outputs()) count_read(output, true);
    std::vector<bool> is_listed(graph_.values().size(), false);
    for (const ir::Node& node : graph_.nodes()) list_weights(node.inputs, is_listed);
    list_weights(graph_.outputs(), is_listed);
  }

  LoadedProgram load() {
    for (const ir::Node& node : graph_.nodes()) {
      with_node_context(node, [&] {
        for (const ValueId input : node.inputs) load_weight_once(input);
        program_.kernels.push_back(request_.buffers.is_view(node) ? nullptr : bind(node));
      });
    }
    for (const ValueId output : graph_.outputs()) load_weight_once(output);
    return std::move(program_);
  }

 private:
  void count_read(ValueId value, bool for_ever) {
    int64_t& reads = open_reads_[static_cast<size_t>(value)];
    if (for_ever) reads = kForEver;
    if (reads != kForEver) ++reads;
  }

  // Appends the weights among `values` to the order in which they are loaded.
  void list_weights(const std::vector<ValueId>& values, std::vector<bool>& is_listed) {
    for (const ValueId id : values) {
      const auto index = static_cast<size_t>(id);
      if (graph_.value(id).kind != ir::ValueKind::kWeight || is_listed[index]) continue;
      is_listed[index] = true;
      order_.push_back(id);
    }
  }

  // Keeps the readers busy with the weights that come next.
  void read_ahead() {
    while (next_ < order_.size() && ahead_bytes_ < kAheadBytes) {
      const ir::Value& value = graph_.value(order_[next_]);
      device::Buffer& buffer = program_.weights[static_cast<size_t>(order_[next_])];
      buffer = memory_for(value.type.bytes());
      stream_.add(value, buffer.data());
      ahead_bytes_ += value.type.bytes();
      ++next_;
    }
  }

  // Some that was used before and is not much larger, else new.
  device::Buffer memory_for(int64_t bytes) {
    for (device::Buffer& used : reusable_) {
      if (used.bytes() < bytes || used.bytes() - bytes > bytes / 8) continue;
      device::Buffer buffer = std::move(used);
      reusable_bytes_ -= buffer.bytes();
      std::swap(used, reusable_.back());
      reusable_.pop_back();
      return buffer;
    }
    return device_.allocate(bytes);
  }

  void reuse(device::Buffer buffer) {
    if (buffer.bytes() > kReusedBytes) return;
    if (reusable_bytes_ + buffer.bytes() > kReusedBytes) {
      reusable_.clear();
      reusable_bytes_ = 0;
    }
    reusable_bytes_ += buffer.bytes();
    reusable_.push_back(std::move(buffer));
  }

  void load_weight_once(ValueId id) {
    const ir::Value& value = graph_.value(id);
    const auto index = static_cast<size_t>(id);
    if (value.kind != ir::ValueKind::kWeight || views_[index].loaded) return;
    const Clock::time_point start = Clock::now();
    read_ahead();
    stream_.wait();
    program_.read_seconds += seconds_since(start);
    ahead_bytes_ -= value.type.bytes();
    read_ahead();
    views_[index] = {{program_.weights[index].data(), value.type.dtype, value.type.shape()}, true};
    done_bytes_ += value.type.bytes();
    if (request_.on_progress) request_.on_progress(done_bytes_, total_bytes_);
  }

  std::unique_ptr<ops::BoundKernel> bind(const ir::Node& node) {
    std::vector<ir::TensorType> inputs;
    std::vector<ir::TensorType> outputs;
    std::vector<const ops::TensorView*> weights;
    const size_t count = node.inputs.size();
    for (size_t i = 0; i < count; ++i) {
      const ValueId id = node.inputs[i];
      // A weight that others read too must stay as it is, but for those that read rows of it: a
      // packed copy would be a second one.
      const bool is_weight = graph_.value(id).kind == ir::ValueKind::kWeight &&
                             open_reads_[static_cast<size_t>(id)] == 1;
      inputs.push_back(graph_.value(id).type);
      weights.push_back(is_weight ? &views_[static_cast<size_t>(id)].view : nullptr);
    }
    for (const ValueId id : node.outputs) outputs.push_back(graph_.value(id).type);
    const auto released = std::make_unique<bool[]>(count);
    const Clock::time_point start = Clock::now();
    auto kernel =
        ops::bind_cpu_kernel({node, inputs, outputs, weights, std::span(released.get(), count),
                              request_.max_sizes, request_.groups, request_.scratch});
    for (size_t i = 0; i < count; ++i) note_bound(node.inputs[i], *kernel, i, released[i]);
    program_.bind_seconds += seconds_since(start);
    return kernel;
  }

  void note_bound(ValueId id, ops::BoundKernel& kernel, size_t input, bool released) {
    const auto index = static_cast<size_t>(id);
    if (graph_.value(id).kind != ir::ValueKind::kWeight || open_reads_[index] == kForEver) return;
    if (!released) {
      if (open_reads_[index] > 1 && kernel.can_use_rows(input)) {
        --open_reads_[index];
        row_readers_[index].push_back({&kernel, input});
      } else {
        open_reads_[index] = kForEver;
      }
      return;
    }
    for (const RowReader& reader : row_readers_[index]) {
      const ops::PackedRows* rows = kernel.packed_rows(input);
      CHECK(rows != nullptr, "a kernel keeps a packed copy whose rows others need");
      reader.kernel->use_rows(reader.input, *rows);
    }
    if (--open_reads_[index] == 0) reuse(std::exchange(program_.weights[index], {}));
  }

  struct WeightView {
    ops::TensorView view;
    bool loaded = false;
  };

  // A bound kernel that reads rows of a weight, which a later one may pack.
  struct RowReader {
    ops::BoundKernel* kernel;
    size_t input;
  };

  const LoadRequest& request_;
  const ir::Graph& graph_;
  device::Device& device_;
  LoadedProgram program_;
  std::vector<int64_t> open_reads_;                  // by value
  std::vector<WeightView> views_;                    // by value
  std::vector<std::vector<RowReader>> row_readers_;  // by value
  int64_t done_bytes_ = 0;
  int64_t total_bytes_ = 0;
  std::vector<ValueId> order_;  // of loading
  size_t next_ = 0;             // in order_: the first that is not being read
  int64_t ahead_bytes_ = 0;     // being read and not used yet
  std::vector<device::Buffer> reusable_;
  int64_t reusable_bytes_ = 0;
  WeightStream stream_;  // last: its threads end before the buffers do
};

}  // namespace

int64_t weight_bytes_of(const ir::Graph& graph) {
  const auto consumers = graph.consumers();
  int64_t bytes = 0;
  for (size_t i = 0; i < graph.values().size(); ++i) {
    const ir::Value& value = graph.values()[i];
    if (value.kind == ir::ValueKind::kWeight && !consumers[i].empty()) bytes += value.type.bytes();
  }
  return bytes;
}

LoadedProgram load_program(const LoadRequest& request, device::Device& device) {
  return Loader(request, device).load();
}

}  // namespace partita::runtime
