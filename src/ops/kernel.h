// SPDX-License-Identifier: Apache-2.0
// Kernels: code that runs one operator on one rank's pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "support/dtype.h"

namespace partita::comm {
class Communicator;
}

namespace partita::ops {

class PackedRows;

// A dense row-major tensor in host memory; does not own its data.
struct TensorView {
  void* data = nullptr;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;

  [[nodiscard]] int64_t elements() const;
  template <typename T>
  [[nodiscard]] T* as() const {
    return static_cast<T*>(data);
  }
};

// Gives collectives their group: communicators by the name in the node's attribute "group". The
// executor owns them.
class Groups {
 public:
  virtual ~Groups() = default;
  [[nodiscard]] virtual comm::Communicator& group(std::string_view name) = 0;
};

// Working memory that all kernels of one rank share, because they run one after another: what a
// kernel writes there is gone when its run() returns. Grows only; owned by the rank's thread.
class Scratch {
 public:
  enum Slot : uint8_t { kInput, kOutput, kLibrary, kSlots };

  Scratch();
  ~Scratch();
  // At least `bytes` at an address aligned to 64 bytes, valid until the next reserve() of the slot.
  std::byte* reserve(Slot slot, int64_t bytes);
  [[nodiscard]] int64_t bytes() const;  // of all slots

 private:
  struct Memory;
  std::unique_ptr<Memory> memory_;
};

// What a kernel sees when it is bound, once, at load.
struct BindArgs {
  const ir::Node& node;
  std::span<const ir::TensorType> inputs;  // local types; symbols may be unbound
  std::span<const ir::TensorType> outputs;
  // Per input: the weight's data when it is a weight (already loaded) that no other node reads but
  // perhaps by rows, else null. A kernel that keeps its own packed copy sets `release_weight[i]`,
  // and the loader frees the plain data, whose content may be gone by then (see
  // device::discard_pages()); who read rows of it get them from packed_rows().
  std::span<const TensorView* const> weights;
  std::span<bool> release_weight;
  const ir::SymbolSizes& max_sizes;  // largest size of every symbol over all steps
  Groups* groups;                    // null when the program has no collectives
  // Shared by the kernels of one rank; outlives them. Null: a kernel that needs any makes its own.
  Scratch* scratch = nullptr;
};

// A kernel bound to one node. run() is called once per step with views of this step's sizes;
// buffers never overlap, and sizes may be 0. No allocation in run() after the first call with a
// given size. Owned by the rank's thread.
class BoundKernel {
 public:
  virtual ~BoundKernel() = default;
  virtual void run(std::span<const TensorView> inputs, std::span<const TensorView> outputs) = 0;

  // Memory of at least `bytes`, aligned to 64 bytes, where the next run() would like its input 0 to
  // be made, so that it need not be moved; null = anywhere. Valid until that run(), if no
  // collective runs in between. A wish: the input may be elsewhere all the same.
  [[nodiscard]] virtual void* wished_input(int64_t bytes);

  // Where several nodes read one weight, a packed copy must serve all, or the weight stays as it
  // is. The rows of a weight that this kernel has released; null for others.
  [[nodiscard]] virtual const PackedRows* packed_rows(size_t input) const;
  // Whether the kernel only reads rows of that input, so that use_rows() may give it another source
  // than the plain data, before the first run(). The source outlives the last run().
  [[nodiscard]] virtual bool can_use_rows(size_t input) const;
  virtual void use_rows(size_t input, const PackedRows& rows);
};

// One implementation of an op on one device.
struct Kernel {
  std::string_view name;  // "reference", "onednn"
  // Null when it does not accept the dtypes or shapes of the call.
  std::unique_ptr<BoundKernel> (*bind)(const BindArgs& args);
};

// The ordered list of an op: the first kernel that accepts wins; the last is the plain reference.
struct KernelList {
  std::string_view op;
  std::span<const Kernel> kernels;
};

// Binds the first accepting CPU kernel of args.node.op; `only` (if not empty) admits just the
// kernel of that name, for tests. Throws kUnsupported naming op, dtypes and kernels tried.
[[nodiscard]] std::unique_ptr<BoundKernel> bind_cpu_kernel(const BindArgs& args,
                                                           std::string_view only = {});
[[nodiscard]] std::span<const Kernel> cpu_kernels_of(std::string_view op);

}  // namespace partita::ops
