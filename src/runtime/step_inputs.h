// SPDX-License-Identifier: Apache-2.0
// What one step gives to a rank program: data of its inputs and sizes of its symbols.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "support/dtype.h"

namespace partita::runtime {

// Dense data of one graph input; borrowed until the step is done.
struct StepInput {
  std::string_view name;  // Value::name of the input
  DType dtype = DType::kI32;
  const void* data = nullptr;
  int64_t elements = 0;
};

struct SymbolSize {
  std::string_view symbol;
  int64_t size = 0;
};

// Inputs that a program does not have are ignored (a stage uses only some); symbols that are not
// listed keep their maximum.
struct StepInputs {
  std::span<const StepInput> inputs;
  std::span<const SymbolSize> symbols;
};

}  // namespace partita::runtime
