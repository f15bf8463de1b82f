// SPDX-License-Identifier: Apache-2.0
// matmul on the CPU: oneDNN, and a plain reference.
#include <algorithm>
#include <array>
#include <dnnl.hpp>
#include <vector>

#include "ops/cpu_kernel.h"
#include "ops/onednn_limit.h"

namespace partita::ops {
namespace {

using dnnl::memory;

using Shape = std::vector<int64_t>;

// `shape` with dims of size 1 in front, so that both operands have `rank` dims.
Shape with_rank(const Shape& shape, size_t rank) {
  Shape result(rank - shape.size(), 1);
  result.insert(result.end(), shape.begin(), shape.end());
  return result;
}

memory::desc row_major(const Shape& shape, memory::data_type type) {
  memory::dims strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return {memory::dims(shape.begin(), shape.end()), type, strides};
}

// One primitive for the sizes of a call.
struct PreparedCall {
  Shape a_shape;
  Shape b_shape;
  dnnl::matmul primitive;
  std::array<memory, 4> tensors;  // a, b, y, scratch
  std::array<dnnl_exec_arg_t, 4> arguments = {};
  int64_t scratch_bytes = 0;
};

// a[..,m,k] * b[..,k,n] gives y[..,m,n] f32, operands both f32 or both bf16; accumulation in f32.
// Where oneDNN has no bf16 (below AVX-512) the operands are widened first.
class OneDnnMatmul final : public BoundKernel {
 public:
  explicit OneDnnMatmul(const BindArgs& args)
      : scratch_(args),
        type_(args.inputs[0].dtype == DType::kBF16 ? memory::data_type::bf16
                                                   : memory::data_type::f32) {
    attributes_.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    widens_ = !describe({2, 2}, {2, 2}, {2, 2});
    if (widens_) type_ = memory::data_type::f32;
  }

  void run(Views inputs, Views outputs) override {
    const int64_t count = outputs[0].elements();
    if (count == 0) return;
    if (inputs[0].shape.back() == 0) {
      std::fill_n(outputs[0].as<float>(), count, 0.0F);
      return;
    }
    PreparedCall& call = prepared(inputs, outputs);
    void* scratch = scratch_->reserve(Scratch::kLibrary, call.scratch_bytes);
    std::array<void*, 4> data = {inputs[0].data, inputs[1].data, outputs[0].data, scratch};
    if (widens_) widen(inputs, data);
    for (size_t i = 0; i < data.size(); ++i) call.tensors[i].set_data_handle(data[i], stream_);
    const dnnl_status_t status =
        dnnl_primitive_execute(call.primitive.get(), stream_.get(),
                               static_cast<int>(call.arguments.size()), call.arguments.data());
    if (status != dnnl_success) {
      throw Error(ErrorCode::kSystem, str("[ops] matmul: oneDNN execute failed: status ", status));
    }
    stream_.wait();
  }

 private:
  // The operands as f32, one after the other in the scratch memory.
  void widen(Views inputs, std::array<void*, 4>& data) const {
    const int64_t a_count = inputs[0].elements();
    const int64_t b_count = inputs[1].elements();
    auto* a = reinterpret_cast<float*>(
        scratch_->reserve(Scratch::kInput, (a_count + b_count) * size_of(DType::kF32)));
    convert_to_f32(DType::kBF16, inputs[0].as<const std::byte>(), a, a_count);
    convert_to_f32(DType::kBF16, inputs[1].as<const std::byte>(), a + a_count, b_count);
    data[0] = a;
    data[1] = a + a_count;
  }

  // Shapes that differ from step to step are kept up to this many; then all are made anew.
  static constexpr size_t kMostCalls = 64;

  PreparedCall& prepared(Views inputs, Views outputs) {
    for (auto& call : calls_) {
      if (call->a_shape == inputs[0].shape && call->b_shape == inputs[1].shape) return *call;
    }
    if (calls_.size() == kMostCalls) calls_.clear();
    calls_.push_back(prepare(inputs[0].shape, inputs[1].shape, outputs[0].shape));
    return *calls_.back();
  }

  dnnl::matmul::primitive_desc describe(const Shape& a, const Shape& b, const Shape& y) const {
    return {dnnl::matmul::desc(row_major(a, type_), row_major(b, type_),
                               row_major(y, memory::data_type::f32)),
            attributes_, engine_, /*allow_empty=*/true};
  }

  std::unique_ptr<PreparedCall> prepare(const Shape& a, const Shape& b, const Shape& y) const {
    const auto description = describe(with_rank(a, y.size()), with_rank(b, y.size()), y);
    CHECK(description, "oneDNN has no matmul of these ", y.size(), "-dim shapes");
    auto call = std::make_unique<PreparedCall>();
    call->a_shape = a;
    call->b_shape = b;
    call->primitive = dnnl::matmul(description);
    const std::array descriptions = {description.src_desc(), description.weights_desc(),
                                     description.dst_desc(), description.scratchpad_desc()};
    constexpr std::array kArguments = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST,
                                       DNNL_ARG_SCRATCHPAD};
    for (size_t i = 0; i < descriptions.size(); ++i) {
      call->tensors[i] = memory(descriptions[i], engine_, DNNL_MEMORY_NONE);
      call->arguments[i] = {kArguments[i], call->tensors[i].get()};
    }
    call->scratch_bytes = static_cast<int64_t>(description.scratchpad_desc().get_size());
    return call;
  }

  OneDnnLimit limit_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::primitive_attr attributes_;
  ScratchHandle scratch_;
  memory::data_type type_;
  bool widens_;
  std::vector<std::unique_ptr<PreparedCall>> calls_;
};

std::unique_ptr<BoundKernel> bind_onednn(const BindArgs& args) {
  const DType dtype = args.inputs[0].dtype;
  const bool is_accepted = (dtype == DType::kF32 || dtype == DType::kBF16) &&
                           args.inputs[1].dtype == dtype && args.outputs[0].dims.size() <= 6;
  if (!is_accepted) return nullptr;
  return std::make_unique<OneDnnMatmul>(args);
}

// Index of the matrix of an operand that belongs to batch `batch` of the output.
int64_t matrix_of(const Shape& operand, const Shape& output, int64_t batch) {
  int64_t index = 0;
  int64_t stride = 1;
  for (size_t i = 2; i < output.size(); ++i) {  // i-th dim from the end, past the matrix dims
    const int64_t size = output[output.size() - 1 - i];
    const int64_t coordinate = batch % size;
    batch /= size;
    if (i >= operand.size()) continue;
    const int64_t own = operand[operand.size() - 1 - i];
    if (own != 1) index += coordinate * stride;
    stride *= own;
  }
  return index;
}

// y = a * b per batch, accumulated in double.
template <typename A, typename B>
void reference_matmul(Views inputs, Views outputs) {
  const Shape& shape = outputs[0].shape;
  const int64_t m = shape[shape.size() - 2];
  const int64_t n = shape.back();
  const int64_t k = inputs[0].shape.back();
  const int64_t batches = elements_of(shape, 0, shape.size() - 2);
  for (int64_t batch = 0; batch < batches; ++batch) {
    const A* a = inputs[0].as<const A>() + matrix_of(inputs[0].shape, shape, batch) * m * k;
    const B* b = inputs[1].as<const B>() + matrix_of(inputs[1].shape, shape, batch) * k * n;
    float* y = outputs[0].as<float>() + batch * m * n;
    for (int64_t row = 0; row < m; ++row) {
      for (int64_t column = 0; column < n; ++column) {
        double sum = 0;
        for (int64_t i = 0; i < k; ++i) {
          sum += static_cast<double>(to_float(a[row * k + i])) * to_float(b[i * n + column]);
        }
        y[row * n + column] = static_cast<float>(sum);
      }
    }
  }
}

std::unique_ptr<BoundKernel> bind_reference(const BindArgs& args) {
  std::unique_ptr<BoundKernel> kernel;
  visit_float_type(args.inputs[0].dtype, [&]<typename A>(A) {
    visit_float_type(args.inputs[1].dtype,
                     [&]<typename B>(B) { kernel = make_kernel(reference_matmul<A, B>); });
  });
  return kernel;
}

constexpr std::array<Kernel, 2> kKernels = {
    {{"onednn", bind_onednn}, {"reference", bind_reference}}};
constexpr std::array<KernelList, 1> kLists = {{{"matmul", kKernels}}};

}  // namespace

std::span<const KernelList> matmul_cpu_kernels() { return kLists; }

}  // namespace partita::ops
