// SPDX-License-Identifier: Apache-2.0
// One kernel with buffers of its own, for measuring it by itself.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "ops/kernel.h"

namespace partita::api {

// A node of `op` on f32 values; collectives work on `group`, which must outlive it. Used by the
// rank's thread. Example:
//   BoundOp norm({"add_rms_norm", {{rows, 2048}, {rows, 2048}, {2048}}, 2}, group);
//   norm.run();
class BoundOp {
 public:
  struct Node {
    std::string op;
    std::vector<std::vector<int64_t>> inputs;  // shapes
    size_t outputs = 1;                        // all of the first input's shape
  };
  BoundOp(const Node& node, comm::Communicator& group);
  ~BoundOp();
  BoundOp(const BoundOp&) = delete;
  BoundOp& operator=(const BoundOp&) = delete;

  // Once, with the first input where the kernel wishes it.
  void run();

 private:
  [[nodiscard]] ops::TensorView view_of(const std::vector<int64_t>& shape);

  std::unique_ptr<ops::Groups> groups_;
  std::vector<std::vector<float>> memory_;
  std::vector<ops::TensorView> inputs_;
  std::vector<ops::TensorView> outputs_;
  std::unique_ptr<ops::BoundKernel> kernel_;
};

}  // namespace partita::api
