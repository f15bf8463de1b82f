// SPDX-License-Identifier: Apache-2.0
// Types of graph values: element type and dims, some of them symbolic.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "support/dtype.h"

namespace partita::ir {

// A tensor dim: a known size, or a symbol bound at each step. Symbols of language models: t tokens
// of a step, s sequences, m blocks per sequence, r rows of logits, c blocks of the KV cache.
struct Dim {
  int64_t size = 0;    // -1 when symbolic
  std::string symbol;  // empty when known

  Dim() = default;
  Dim(int64_t known) : size(known) {}                // NOLINT(google-explicit-constructor)
  Dim(const char* name) : size(-1), symbol(name) {}  // NOLINT(google-explicit-constructor)
  [[nodiscard]] bool is_symbolic() const { return !symbol.empty(); }
  bool operator==(const Dim&) const = default;
};

using SymbolSizes = std::map<std::string, int64_t>;  // symbol -> size in one step (or its maximum)

struct TensorType {
  DType dtype = DType::kF32;
  std::vector<Dim> dims;

  // Known sizes, -1 for symbolic dims.
  [[nodiscard]] std::vector<int64_t> shape() const;
  // All dims with symbols replaced. CHECKs that every symbol is bound.
  [[nodiscard]] std::vector<int64_t> shape(const SymbolSizes& symbols) const;
  [[nodiscard]] bool is_static() const;
  // Elements and bytes with symbols replaced. bytes() throws where check_blocks() does.
  [[nodiscard]] int64_t elements(const SymbolSizes& symbols = {}) const;
  [[nodiscard]] int64_t bytes(const SymbolSizes& symbols = {}) const;
  bool operator==(const TensorType&) const = default;
};

// Throws kInvalidArgument unless the type is stored element by element, or its last dim is a known
// multiple of the blocks it is stored in.
void check_blocks(const TensorType& type);

// "f32[t,512]". parse_type() is the inverse and throws kInvalidFile.
[[nodiscard]] std::string to_string(const TensorType& type);
[[nodiscard]] TensorType parse_type(std::string_view text);

// Attribute values of nodes: integer, float, string, list of integers.
using Attribute = std::variant<int64_t, double, std::string, std::vector<int64_t>>;

// Sorted by name, so that dumps are stable.
class Attributes {
 public:
  void set(const std::string& name, Attribute value) { values_[name] = std::move(value); }
  [[nodiscard]] bool has(const std::string& name) const { return values_.contains(name); }
  // The attribute; throws kInvalidArgument naming it when missing or of another type.
  [[nodiscard]] int64_t integer(const std::string& name) const;
  [[nodiscard]] double number(const std::string& name) const;  // integers convert
  [[nodiscard]] const std::string& text(const std::string& name) const;
  [[nodiscard]] const std::vector<int64_t>& integers(const std::string& name) const;
  [[nodiscard]] int64_t integer_or(const std::string& name, int64_t fallback) const;
  [[nodiscard]] double number_or(const std::string& name, double fallback) const;
  [[nodiscard]] std::string text_or(const std::string& name, std::string fallback) const;
  [[nodiscard]] const std::map<std::string, Attribute>& values() const { return values_; }
  bool operator==(const Attributes&) const = default;

 private:
  std::map<std::string, Attribute> values_;
};

}  // namespace partita::ir
