// SPDX-License-Identifier: Apache-2.0
// Collectives on host memory: packing around the dim, then one call of the communicator.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "comm/communicator.h"
#include "ops/collective/pieces.h"
#include "ops/cpu_kernel.h"
#include "ops/dim_range_copy.h"

namespace partita::ops {
namespace {

bool is_supported(DType dtype) {
  constexpr std::array kDTypes = {DType::kF32, DType::kBF16, DType::kF16, DType::kI32, DType::kI64};
  return std::ranges::find(kDTypes, dtype) != kDTypes.end();
}

comm::Communicator& group_of(const BindArgs& args) {
  const std::string& name = args.node.attributes.text("group");
  if (args.groups == nullptr) {
    throw Error(ErrorCode::kInvalidArgument,
                str("[ops] ", args.node.name, " (", args.node.op, ") needs group \"", name,
                    "\", but the program was bound without groups"));
  }
  return args.groups->group(name);
}

[[noreturn]] void fail_bind(const BindArgs& args, const std::string& what) {
  throw Error(ErrorCode::kInvalidArgument,
              str("[ops] ", args.node.name, " (", args.node.op, "): ", what));
}

std::vector<Range> group_pieces(const BindArgs& args, std::string_view prefix, int group_size) {
  std::vector<Range> pieces = pieces_of(args.node.attributes, prefix, args.node.op);
  if (pieces.size() != static_cast<size_t>(group_size)) {
    fail_bind(args, str(pieces.size(), " pieces for a group of ", group_size));
  }
  return pieces;
}

int group_position(const BindArgs& args, const std::string& name, int group_size) {
  const int64_t position = args.node.attributes.integer(name);
  if (position < 0 || position >= group_size) {
    fail_bind(args, str(name, " = ", position, " in a group of ", group_size));
  }
  return static_cast<int>(position);
}

ReduceKind reduce_kind(const BindArgs& args) {
  const auto kind = parse_reduce_kind(args.node.attributes.text("reduce"));
  if (!kind) fail_bind(args, "unknown reduce");
  return *kind;
}

// The pieces of one dim, and what the ranks of a group send or get of it. In "rank order" the
// pieces follow each other in one buffer, each dense: [outer, piece, inner].
class DimPieces {
 public:
  DimPieces(std::vector<Range> pieces, size_t dim) : pieces_(std::move(pieces)), dim_(dim) {
    counts_.resize(pieces_.size());
    int64_t end = 0;
    for (const Range& piece : pieces_) {
      if (piece.empty()) continue;
      is_consecutive_ = is_consecutive_ && piece.begin == end;
      end = piece.end;
    }
  }

  // Sets the sizes of a step; `shape` is the whole tensor, which all pieces lie in.
  void set_shape(std::span<const int64_t> shape) {
    whole_ = around(shape, dim_);
    CHECK(covered_size(pieces_) <= whole_.size, "pieces end at ", covered_size(pieces_), " of ",
          whole_.size);
    for (size_t i = 0; i < pieces_.size(); ++i) {
      counts_[i] = whole_.outer * pieces_[i].size() * whole_.inner;
    }
  }

  std::span<const int64_t> counts() const { return counts_; }

  int64_t total() const {
    int64_t total = 0;
    for (const int64_t count : counts_) total += count;
    return total;
  }

  // The whole tensor is its pieces in rank order: nothing to pack.
  bool is_in_rank_order() const {
    return is_consecutive_ && (whole_.outer == 1 || pieces_.size() == 1) &&
           covered_size(pieces_) == whole_.size;
  }

  void pack(const void* whole, std::byte* packed, int64_t element_bytes) const {
    for (size_t i = 0; i < pieces_.size(); ++i) {
      const Range& piece = pieces_[i];
      copy_dim_range({whole, whole_.size, piece.begin}, {packed, piece.size(), 0}, whole_.outer,
                     piece.size(), whole_.inner * element_bytes);
      packed += counts_[i] * element_bytes;
    }
  }

  void unpack(const std::byte* packed, void* whole, int64_t element_bytes) const {
    for (size_t i = 0; i < pieces_.size(); ++i) {
      const Range& piece = pieces_[i];
      copy_dim_range({packed, piece.size(), 0}, {whole, whole_.size, piece.begin}, whole_.outer,
                     piece.size(), whole_.inner * element_bytes);
      packed += counts_[i] * element_bytes;
    }
  }

 private:
  std::vector<Range> pieces_;
  size_t dim_;
  bool is_consecutive_ = true;
  AroundDim whole_;
  std::vector<int64_t> counts_;  // elements of each piece in this step
};

DimPieces dim_pieces(const BindArgs& args, std::string_view prefix, int group_size) {
  const std::string dim = str(prefix, "dim");
  return {group_pieces(args, prefix, group_size),
          node_dim(args.node, args.inputs[0].dims.size(), dim.c_str())};
}

class AllReduce final : public BoundKernel {
 public:
  explicit AllReduce(const BindArgs& args) : group_(group_of(args)), kind_(reduce_kind(args)) {}

  void run(Views inputs, Views outputs) override {
    group_.all_reduce(inputs[0].data, outputs[0].data, inputs[0].elements(), inputs[0].dtype,
                      kind_);
  }

  void* wished_input(int64_t bytes) override { return group_.reserve(bytes); }

 private:
  comm::Communicator& group_;
  ReduceKind kind_;
};

class AllGather final : public BoundKernel {
 public:
  explicit AllGather(const BindArgs& args)
      : group_(group_of(args)), pieces_(dim_pieces(args, "", group_.size())), scratch_(args) {}

  void run(Views inputs, Views outputs) override {
    const DType dtype = inputs[0].dtype;
    pieces_.set_shape(outputs[0].shape);
    if (pieces_.is_in_rank_order()) {
      return group_.all_gather(inputs[0].data, outputs[0].data, pieces_.counts(), dtype);
    }
    std::byte* packed = scratch_->reserve(Scratch::kInput, pieces_.total() * size_of(dtype));
    group_.all_gather(inputs[0].data, packed, pieces_.counts(), dtype);
    pieces_.unpack(packed, outputs[0].data, size_of(dtype));
  }

 private:
  comm::Communicator& group_;
  DimPieces pieces_;
  ScratchHandle scratch_;
};

class ReduceScatter final : public BoundKernel {
 public:
  explicit ReduceScatter(const BindArgs& args)
      : group_(group_of(args)),
        kind_(reduce_kind(args)),
        pieces_(dim_pieces(args, "", group_.size())),
        scratch_(args) {}

  void run(Views inputs, Views outputs) override {
    const DType dtype = inputs[0].dtype;
    pieces_.set_shape(inputs[0].shape);
    const void* packed = inputs[0].data;
    if (!pieces_.is_in_rank_order()) {
      std::byte* buffer = scratch_->reserve(Scratch::kInput, pieces_.total() * size_of(dtype));
      pieces_.pack(inputs[0].data, buffer, size_of(dtype));
      packed = buffer;
    }
    group_.reduce_scatter(packed, outputs[0].data, pieces_.counts(), dtype, kind_);
  }

 private:
  comm::Communicator& group_;
  ReduceKind kind_;
  DimPieces pieces_;
  ScratchHandle scratch_;
};

// Sends the pieces of `dim`, which the input has whole; receives the pieces of `from_dim`, which
// the output has whole.
class AllToAll final : public BoundKernel {
 public:
  explicit AllToAll(const BindArgs& args)
      : group_(group_of(args)),
        sent_(dim_pieces(args, "", group_.size())),
        received_(dim_pieces(args, "from_", group_.size())),
        scratch_(args) {}

  void run(Views inputs, Views outputs) override {
    const DType dtype = inputs[0].dtype;
    const int64_t element_bytes = size_of(dtype);
    sent_.set_shape(inputs[0].shape);
    received_.set_shape(outputs[0].shape);
    const void* send = inputs[0].data;
    if (!sent_.is_in_rank_order()) {
      std::byte* packed = scratch_->reserve(Scratch::kInput, sent_.total() * element_bytes);
      sent_.pack(inputs[0].data, packed, element_bytes);
      send = packed;
    }
    if (received_.is_in_rank_order()) {
      return group_.all_to_all(send, sent_.counts(), outputs[0].data, received_.counts(), dtype);
    }
    std::byte* packed = scratch_->reserve(Scratch::kOutput, received_.total() * element_bytes);
    group_.all_to_all(send, sent_.counts(), packed, received_.counts(), dtype);
    received_.unpack(packed, outputs[0].data, element_bytes);
  }

 private:
  comm::Communicator& group_;
  DimPieces sent_;
  DimPieces received_;
  ScratchHandle scratch_;
};

// An all_to_all in which every rank sends all it has to one rank: unlike a cycle of sends, it
// cannot block.
class Permute final : public BoundKernel {
 public:
  explicit Permute(const BindArgs& args)
      : group_(group_of(args)),
        source_(0),
        destination_(0),
        sent_(static_cast<size_t>(group_.size()), 0),
        received_(sent_) {
    const std::vector<int64_t>& sources = args.node.attributes.integers("sources");
    if (sources.size() != sent_.size()) {
      fail_bind(args, str(sources.size(), " sources for a group of ", sent_.size()));
    }
    source_ = static_cast<size_t>(sources[static_cast<size_t>(group_.rank())]);
    const auto own = std::ranges::find(sources, static_cast<int64_t>(group_.rank()));
    destination_ = static_cast<size_t>(own - sources.begin());
  }

  void run(Views inputs, Views outputs) override {
    sent_[destination_] = inputs[0].elements();
    received_[source_] = outputs[0].elements();
    group_.all_to_all(inputs[0].data, sent_, outputs[0].data, received_, inputs[0].dtype);
  }

 private:
  comm::Communicator& group_;
  size_t source_;       // position of the rank that this one receives from
  size_t destination_;  // and of the one that it sends to
  std::vector<int64_t> sent_;
  std::vector<int64_t> received_;
};

class Broadcast final : public BoundKernel {
 public:
  explicit Broadcast(const BindArgs& args)
      : group_(group_of(args)), root_(group_position(args, "root", group_.size())) {}

  void run(Views inputs, Views outputs) override {
    const int64_t count = inputs[0].elements();
    if (group_.rank() == root_ && count > 0) {
      std::memcpy(outputs[0].data, inputs[0].data,
                  static_cast<size_t>(count * size_of(inputs[0].dtype)));
    }
    group_.broadcast(outputs[0].data, count, inputs[0].dtype, root_);
  }

 private:
  comm::Communicator& group_;
  int root_;
};

class Send final : public BoundKernel {
 public:
  explicit Send(const BindArgs& args)
      : group_(group_of(args)), to_(group_position(args, "to", group_.size())) {}

  void run(Views inputs, Views /*outputs*/) override {
    group_.send(inputs[0].data, inputs[0].elements(), inputs[0].dtype, to_);
  }

 private:
  comm::Communicator& group_;
  int to_;
};

class Recv final : public BoundKernel {
 public:
  explicit Recv(const BindArgs& args)
      : group_(group_of(args)), from_(group_position(args, "from", group_.size())) {}

  void run(Views /*inputs*/, Views outputs) override {
    group_.recv(outputs[0].data, outputs[0].elements(), outputs[0].dtype, from_);
  }

 private:
  comm::Communicator& group_;
  int from_;
};

template <typename Collective>
std::unique_ptr<BoundKernel> bind(const BindArgs& args) {
  for (const ir::TensorType& type : args.inputs) {
    if (!is_supported(type.dtype)) return nullptr;
  }
  for (const ir::TensorType& type : args.outputs) {
    if (!is_supported(type.dtype)) return nullptr;
  }
  return std::make_unique<Collective>(args);
}

template <typename Collective>
constexpr std::array<Kernel, 1> kKernels = {{{"reference", bind<Collective>}}};

constexpr std::array<KernelList, 8> kLists = {{{"all_reduce", kKernels<AllReduce>},
                                               {"all_gather", kKernels<AllGather>},
                                               {"reduce_scatter", kKernels<ReduceScatter>},
                                               {"all_to_all", kKernels<AllToAll>},
                                               {"permute", kKernels<Permute>},
                                               {"broadcast", kKernels<Broadcast>},
                                               {"send", kKernels<Send>},
                                               {"recv", kKernels<Recv>}}};

}  // namespace

std::span<const KernelList> collective_cpu_kernels() { return kLists; }

}  // namespace partita::ops
