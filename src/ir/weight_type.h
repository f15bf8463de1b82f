// SPDX-License-Identifier: Apache-2.0
// The type of a weight source, given the types of the checkpoint's tensors.
#pragma once

#include <functional>
#include <string>

#include "ir/types.h"
#include "ir/weight_source.h"

namespace partita::ir {

// Gives the type of a checkpoint tensor; throws when there is none of that name.
using TensorTypeLookup = std::function<TensorType(const std::string& tensor)>;

// Static type of the whole expression. Throws kInvalidFile naming the part of the expression whose
// rule is broken (range outside the dim, dims that do not fit, unlike parts of a concat) and the
// shape it met.
[[nodiscard]] TensorType type_of(const WeightSource& source, const TensorTypeLookup& lookup);

// Names of all tensors of the expression, in order of appearance.
[[nodiscard]] std::vector<std::string> tensors_of(const WeightSource& source);

}  // namespace partita::ir
