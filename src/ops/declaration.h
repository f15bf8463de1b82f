// SPDX-License-Identifier: Apache-2.0
// What the declaration of an operator is written with: checks of a call and pieces of index
// notation.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ops/op.h"
#include "spec/notation.h"

namespace partita::ops {

// Throws Error(kInvalidArgument) that names the op.
[[noreturn]] void fail(const OpCall& call, const std::string& what);

void require_inputs(const OpCall& call, size_t count);
void require_rank(const OpCall& call, size_t input, size_t rank);
void require_min_rank(const OpCall& call, size_t input, size_t rank);
// Input `input` must have an integer element type (ids, positions, tables).
void require_integers(const OpCall& call, size_t input);

// The attribute as a dim of a tensor of that rank; negative counts from the end. Throws when
// outside.
[[nodiscard]] size_t dim_attribute(const OpCall& call, const std::string& name, size_t rank);
[[nodiscard]] size_t dim_attribute_or(const OpCall& call,
                                      const std::string& name,
                                      size_t rank,
                                      int64_t fallback);

// "d0,d1," for count = 2, and "" for none: names of leading dims in a notation text, for tensors of
// any rank. As a list of factors ("map" line): "d0 d1 ".
[[nodiscard]] std::string leading_dims(size_t count);
[[nodiscard]] std::string leading_factors(size_t count);

// parse_notation() and spec::bind() with the shapes of the call.
[[nodiscard]] spec::Notation bind_text(const OpCall& call,
                                       std::string_view text,
                                       std::span<const spec::NamedInteger> integers = {});

// For notations that are computed rather than written: adds a factor and returns its number.
int add_factor(spec::Notation& notation,
               std::string name,
               spec::FactorKind kind,
               int64_t size = -1);
// [f0, f1, ...]: one factor per dim; -1 stands for a dim of size 1 that is broadcast.
[[nodiscard]] spec::TensorIndex index_of(std::span<const int> factors);
// Adds one map factor "d<i>" per dim and returns their numbers.
[[nodiscard]] std::vector<int> add_map_dims(spec::Notation& notation, size_t count);
// spec::bind() with the shapes of the call.
[[nodiscard]] spec::Notation bound(const OpCall& call, spec::Notation notation);

// Product of the dims [begin, end) of a type with symbols replaced.
[[nodiscard]] double product_of_dims(const ir::TensorType& type,
                                     const ir::SymbolSizes& symbols,
                                     size_t begin,
                                     size_t end);
[[nodiscard]] double product_of_dims(const ir::TensorType& type, const ir::SymbolSizes& symbols);

// For OpDef::flops and OpDef::bytes of views and copies.
[[nodiscard]] double no_cost(const OpCall& call, const ir::SymbolSizes& symbols);
// For OpDef::output_dtypes of ops that give f32 whatever they take.
[[nodiscard]] std::vector<DType> f32_output(const OpCall& call);

// Sample types: f32({5, 7}) = f32[5,7].
[[nodiscard]] ir::TensorType f32(std::initializer_list<int64_t> shape);
[[nodiscard]] ir::TensorType bf16(std::initializer_list<int64_t> shape);
[[nodiscard]] ir::TensorType q8(std::initializer_list<int64_t> shape);  // q8_0
[[nodiscard]] ir::TensorType q4(std::initializer_list<int64_t> shape);  // q4_0
[[nodiscard]] ir::TensorType i32(std::initializer_list<int64_t> shape);
// A sample whose inputs are all floats.
[[nodiscard]] OpSample float_sample(std::vector<ir::TensorType> inputs,
                                    ir::Attributes attributes = {});
// Attributes from a list: attributes({{"dim", int64_t{1}}}).
[[nodiscard]] ir::Attributes attributes(
    std::initializer_list<std::pair<std::string, ir::Attribute>> list);

}  // namespace partita::ops
