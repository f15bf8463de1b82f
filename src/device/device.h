// SPDX-License-Identifier: Apache-2.0
// The seam between a rank and the hardware it drives: memory and copies. Kernels live in ops/.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace partita::device {

enum class DeviceKind : uint8_t { kCpu, kCuda };
[[nodiscard]] std::string_view to_string(DeviceKind kind);  // "cpu", "cuda"

// Device memory that frees itself. Movable; the Device must outlive it. data() is a device address:
// only for a CPU device may the host read it.
class Buffer {
 public:
  using Release = void (*)(std::byte* data);

  Buffer() = default;
  Buffer(std::byte* data, int64_t bytes, Release release)
      : data_(data), bytes_(bytes), release_(release) {}
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer(std::move(other)).swap(*this);
    return *this;
  }
  ~Buffer() {
    if (data_ != nullptr) release_(data_);
  }

  [[nodiscard]] std::byte* data() const { return data_; }
  [[nodiscard]] int64_t bytes() const { return bytes_; }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(release_, other.release_);
  }

  std::byte* data_ = nullptr;
  int64_t bytes_ = 0;
  Release release_ = nullptr;
};

// One hardware unit. Thread-compatible: driven by the thread of its rank.
class Device {
 public:
  virtual ~Device() = default;
  [[nodiscard]] virtual DeviceKind kind() const = 0;
  [[nodiscard]] virtual std::string name() const = 0;      // as the maker calls it, for reports
  [[nodiscard]] virtual int64_t memory_bytes() const = 0;  // all of it, not what is free now

  // At least `bytes` (>= 0) with unspecified contents, aligned to 64 bytes or more. Throws
  // Error(kOutOfMemory). cudaMalloc.
  [[nodiscard]] virtual Buffer allocate(int64_t bytes) = 0;
  // Copies between any two of host and this device; ordered with earlier work, the ranges must not
  // overlap. May return before the copy is done: see synchronize(). cudaMemcpyAsync.
  virtual void copy(void* to, const void* from, int64_t bytes) = 0;
  // Waits until all earlier work is done. cudaStreamSynchronize.
  virtual void synchronize() = 0;
};

[[nodiscard]] std::unique_ptr<Device> make_cpu_device();

[[nodiscard]] bool cuda_built();
// Device `index` of this process. Throws Error(kUnsupported) when partita was built without CUDA.
[[nodiscard]] std::unique_ptr<Device> make_cuda_device(int index);

}  // namespace partita::device
