// SPDX-License-Identifier: Apache-2.0
// Runs one operator on tensors in memory: for tests of kernels and of sharding strategies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ops/kernel.h"
#include "ops/op.h"

namespace partita::ops {

// A dense row-major tensor that owns its data. Value type.
struct HostTensor {
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  std::vector<std::byte> data;

  HostTensor() = default;
  HostTensor(DType element, std::vector<int64_t> dims);  // zeros
  [[nodiscard]] static HostTensor from_floats(std::vector<int64_t> dims,
                                              std::span<const float> values,
                                              DType element = DType::kF32);
  [[nodiscard]] static HostTensor from_integers(std::vector<int64_t> dims,
                                                std::span<const int64_t> values,
                                                DType element = DType::kI32);
  [[nodiscard]] int64_t elements() const;
  [[nodiscard]] TensorView view();
  [[nodiscard]] ir::TensorType type() const;
  // All elements as floats (any numeric type).
  [[nodiscard]] std::vector<float> floats() const;
  bool operator==(const HostTensor&) const = default;
};

struct EvaluateOptions {
  std::string_view kernel = {};  // only this kernel; empty = the first that accepts
  bool is_weight_given = false;  // bind as if every input but the first were a loaded weight
  Groups* groups = nullptr;      // for collectives
  // Types of the outputs where they cannot be inferred (uneven collectives, recv); empty =
  // infer_types().
  std::vector<ir::TensorType> output_types = {};
};

// Binds and runs `op` once and returns its outputs. State inputs (KV caches) are changed in place.
// Throws what binding throws.
[[nodiscard]] std::vector<HostTensor> evaluate(std::string_view op,
                                               const ir::Attributes& attributes,
                                               std::span<HostTensor> inputs,
                                               const EvaluateOptions& options = {});

// Names of the op's CPU kernels in order that accept the call, which is asked of each by binding
// it: what tests run so that a kernel may lack a type at some instruction level.
[[nodiscard]] std::vector<std::string_view> accepting_kernels(std::string_view op,
                                                              const ir::Attributes& attributes,
                                                              std::span<HostTensor> inputs);

// Names of the op's CPU kernels in order, without those for instructions that this process does not
// use (see device/cpu/instructions.h).
[[nodiscard]] std::vector<std::string_view> usable_kernels_of(std::string_view op);

// Inputs for a sample, or for one with other shapes: floats uniform in [low, high), integers as the
// sample says. The same seed gives the same values on every machine.
[[nodiscard]] std::vector<HostTensor> random_inputs(const OpSample& sample, uint64_t seed);

}  // namespace partita::ops
