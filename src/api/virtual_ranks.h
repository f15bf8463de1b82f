// SPDX-License-Identifier: Apache-2.0
// For tests: runs one step of any partitioned graph on threads, with weights and inputs from
// memory.
#pragma once

#include <algorithm>
#include <exception>
#include <map>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "comm/local/local.h"
#include "ir/weight_copy.h"
#include "partition/partition.h"
#include "runtime/executor.h"
#include "support/error.h"
#include "support/quant_blocks.h"

namespace partita::api {

// Data of a program by names: step inputs by value name, checkpoint tensors by tensor name.
struct MemoryModel {
  std::map<std::string, std::vector<float>> floats;
  std::map<std::string, std::vector<int32_t>> integers;
  std::map<std::string, ir::TensorType> tensors;  // types of the checkpoint tensors in `floats`
  ir::SymbolSizes sizes;
};

// One vector per graph output.
using StepOutputs = std::vector<std::vector<float>>;

// Weights that are stored in blocks are quantised.
inline runtime::WeightReader memory_reader(const MemoryModel& model) {
  return [&model](const ir::Value& weight, std::byte* to) {
    const auto type_of = [&](const std::string& name) { return model.tensors.at(name); };
    std::vector<float> values(static_cast<size_t>(weight.type.elements()));
    float* out = values.data();
    for (const ir::WeightCopy& copy : ir::plan_copies(weight.source, type_of)) {
      const float* from = model.floats.at(copy.tensor).data();
      const auto walk = [&](const auto& self, size_t dim, int64_t source, int64_t target) -> void {
        if (dim == copy.dims.size()) {
          out[target] = from[source];
          return;
        }
        const ir::CopyDim& step = copy.dims[dim];
        for (int64_t i = 0; i < step.count; ++i) {
          self(self, dim + 1, source + i * step.tensor_stride, target + i * step.dst_stride);
        }
      };
      walk(walk, 0, copy.tensor_start, copy.dst_start);
    }
    const auto count = static_cast<int64_t>(values.size());
    if (is_block_type(weight.type.dtype)) {
      CHECK(quantize(out, count, weight.type.dtype, to), weight.name, " cannot be quantised");
    } else {
      const auto bytes = std::as_bytes(std::span(values));
      std::copy(bytes.begin(), bytes.end(), to);  // a rank's part may be empty
    }
  };
}

inline StepOutputs run_step(runtime::Executor& executor, const MemoryModel& model) {
  std::vector<runtime::StepInput> inputs;
  for (const auto& [name, data] : model.floats) {
    inputs.push_back({name, DType::kF32, data.data(), static_cast<int64_t>(data.size())});
  }
  for (const auto& [name, data] : model.integers) {
    inputs.push_back({name, DType::kI32, data.data(), static_cast<int64_t>(data.size())});
  }
  std::vector<runtime::SymbolSize> symbols;
  for (const auto& [symbol, size] : model.sizes) symbols.push_back({symbol, size});
  StepOutputs outputs;
  for (const ops::TensorView& view : executor.run({inputs, symbols})) {
    outputs.emplace_back(view.as<const float>(), view.as<const float>() + view.elements());
  }
  return outputs;
}

// The uncut graph on one rank.
inline StepOutputs run_whole(const ir::Graph& graph, const MemoryModel& model) {
  runtime::Executor executor({0, graph, {}, model.sizes}, memory_reader(model), nullptr);
  return run_step(executor, model);
}

// All ranks of the plan; the outputs of every rank (none for ranks of earlier stages). Throws the
// first rank's error.
inline std::vector<StepOutputs> run_ranks(const ir::Graph& graph,
                                          const plan::Plan& plan,
                                          const MemoryModel& model) {
  const auto count = static_cast<size_t>(plan.ranks());
  auto worlds = comm::make_local_group(static_cast<int>(count));
  std::vector<StepOutputs> outputs(count);
  std::vector<std::exception_ptr> errors(count);
  std::vector<std::string> groups;
  for (const partition::Group& group : partition::groups_of(graph, plan))
    groups.push_back(group.name);
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < count; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        partition::RankProgram program =
            partition::partition_rank(graph, plan, static_cast<int>(rank));
        runtime::Executor executor({program.rank, std::move(program.graph), groups, model.sizes},
                                   memory_reader(model), worlds[rank].get());
        outputs[rank] = run_step(executor, model);
      } catch (...) {
        errors[rank] = std::current_exception();
        for (const auto& world : worlds) world->cancel();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  return outputs;
}

}  // namespace partita::api
