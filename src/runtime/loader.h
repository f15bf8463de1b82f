// SPDX-License-Identifier: Apache-2.0
// Reads the weights of a rank program and binds its kernels, so that no more than the shards are
// ever in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "device/device.h"
#include "ir/graph.h"
#include "ops/kernel.h"
#include "runtime/buffers.h"
#include "runtime/weight_stream.h"

namespace partita::runtime {

// Called after each weight with the bytes read so far and in all.
using LoadProgress = std::function<void(int64_t done_bytes, int64_t total_bytes)>;

// Bytes of all weights that some node reads.
[[nodiscard]] int64_t weight_bytes_of(const ir::Graph& graph);

struct LoadRequest {
  const ir::Graph& graph;
  const BufferPlan& buffers;
  const ir::SymbolSizes& max_sizes;
  ops::Groups* groups = nullptr;    // null when the program has no collectives
  ops::Scratch* scratch = nullptr;  // must outlive the kernels
  const WeightReader& read_weight;
  const LoadProgress& on_progress;  // may be empty
};

struct LoadedProgram {
  std::vector<std::unique_ptr<ops::BoundKernel>> kernels;  // by node; null for views
  std::vector<device::Buffer> weights;  // by value; empty when the kernels keep packed copies
  double read_seconds = 0;  // in which no kernel could be bound: reading, or waiting for readers
  double bind_seconds = 0;  // binding kernels, which packs their weights
};

// Loads the weights in node order and binds each kernel as soon as its weights are there, while
// other threads read the next ones. A weight that all its kernels have released, or take
// rows of from the one that has packed it, is freed at once.
// Throws what reading and binding throw, naming node and op.
[[nodiscard]] LoadedProgram load_program(const LoadRequest& request, device::Device& device);

}  // namespace partita::runtime
