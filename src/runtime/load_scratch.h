// SPDX-License-Identifier: Apache-2.0
// Working memory of reading weights, kept from part to part.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace partita::runtime {

// Arrays that only grow. Used by one thread at a time.
struct LoadScratch {
  std::vector<std::byte> raw;        // as in the file
  std::vector<float> floats;         // the same as f32
  std::vector<std::byte> converted;  // and as the wanted type
  std::vector<float> values;         // of rows that are about to be quantised
};

// At least `count` elements, contents unspecified.
template <typename T>
[[nodiscard]] T* at_least(std::vector<T>& array, int64_t count) {
  if (array.size() < static_cast<size_t>(count)) array.resize(static_cast<size_t>(count));
  return array.data();
}

// As many scratches as threads have ever been reading at once. Thread-safe.
class LoadScratchPool {
 public:
  template <typename Work>
  void with_scratch(const Work& work) {
    std::unique_ptr<LoadScratch> scratch = take();
    work(*scratch);
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(scratch));
  }

 private:
  std::unique_ptr<LoadScratch> take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<LoadScratch>();
    std::unique_ptr<LoadScratch> scratch = std::move(free_.back());
    free_.pop_back();
    return scratch;
  }

  std::mutex mutex_;  // guards free_
  std::vector<std::unique_ptr<LoadScratch>> free_;
};

}  // namespace partita::runtime
