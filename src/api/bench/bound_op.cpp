// SPDX-License-Identifier: Apache-2.0
#include "api/bench/bound_op.h"

#include <string_view>

#include "ir/graph.h"

namespace partita::api {
namespace {

class OneGroup final : public ops::Groups {
 public:
  explicit OneGroup(comm::Communicator& group) : group_(group) {}
  comm::Communicator& group(std::string_view /*name*/) override { return group_; }

 private:
  comm::Communicator& group_;
};

}  // namespace

BoundOp::BoundOp(const Node& given, comm::Communicator& group)
    : groups_(std::make_unique<OneGroup>(group)) {
  ir::Node node;
  node.op = given.op;
  node.name = given.op;
  node.attributes.set("eps", 1e-5);
  node.attributes.set("group", "all");
  std::vector<ir::TensorType> types;
  for (const auto& shape : given.inputs) {
    ir::TensorType type{DType::kF32, {}};
    for (const int64_t size : shape) type.dims.emplace_back(size);
    types.push_back(type);
    inputs_.push_back(view_of(shape));
  }
  const std::vector<ir::TensorType> out_types(given.outputs, types[0]);
  for (size_t i = 0; i < given.outputs; ++i) outputs_.push_back(view_of(given.inputs[0]));
  const std::vector<const ops::TensorView*> weights(given.inputs.size(), nullptr);
  const auto release = std::make_unique<bool[]>(given.inputs.size());  // NOLINT: a span of bool
  kernel_ = ops::bind_cpu_kernel(
      {node, types, out_types, weights, {release.get(), given.inputs.size()}, {}, groups_.get()});
}

BoundOp::~BoundOp() = default;

void BoundOp::run() {
  void* wish = kernel_->wished_input(inputs_[0].elements() * int64_t{sizeof(float)});
  void* home = inputs_[0].data;
  if (wish != nullptr) inputs_[0].data = wish;
  kernel_->run(inputs_, outputs_);
  inputs_[0].data = home;
}

ops::TensorView BoundOp::view_of(const std::vector<int64_t>& shape) {
  ops::TensorView view{nullptr, DType::kF32, shape};
  memory_.emplace_back(static_cast<size_t>(view.elements()), 0.5F);
  view.data = memory_.back().data();
  return view;
}

}  // namespace partita::api
