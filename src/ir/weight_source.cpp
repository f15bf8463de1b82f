// SPDX-License-Identifier: Apache-2.0
// Source expressions of weights: construction and text form.
#include "ir/weight_source.h"

#include <algorithm>

#include "ir/scanner.h"
#include "ir/weight_text.h"
#include "support/error.h"

namespace partita::ir {
namespace {

// Deep enough for every layout seen; shallow enough that recursion cannot exhaust the stack.
constexpr int kMaxDepth = 64;
constexpr int64_t kMaxDims = 16;

bool is_permutation_of_dims(std::vector<int64_t> permutation) {
  std::sort(permutation.begin(), permutation.end());
  for (size_t i = 0; i < permutation.size(); ++i) {
    if (permutation[i] != static_cast<int64_t>(i)) return false;
  }
  return true;
}

int scan_dim(Scanner& scanner) {
  const int64_t dim = scanner.integer();
  if (dim < 0 || dim >= kMaxDims) scanner.fail("a dim of 0 .. 15 before here");
  return static_cast<int>(dim);
}

WeightSource scan(Scanner& scanner, int depth);

WeightSource scan_slice(Scanner& scanner, int depth) {
  const WeightSource whole = scan(scanner, depth);
  scanner.expect(",");
  const int dim = scan_dim(scanner);
  scanner.expect(",");
  const int64_t begin = scanner.integer();
  scanner.expect(",");
  const int64_t end = scanner.integer();
  if (begin < 0 || end < begin) scanner.fail("0 <= begin <= end before here");
  return whole.slice(dim, {begin, end});
}

WeightSource scan_transpose(Scanner& scanner, int depth) {
  const WeightSource whole = scan(scanner, depth);
  scanner.expect(",");
  std::vector<int64_t> permutation = scanner.integers();
  if (!is_permutation_of_dims(permutation)) scanner.fail("a permutation of the dims before here");
  return whole.transpose(std::move(permutation));
}

WeightSource scan_reshape(Scanner& scanner, int depth) {
  const WeightSource whole = scan(scanner, depth);
  scanner.expect(",");
  std::vector<int64_t> shape = scanner.integers();
  if (std::any_of(shape.begin(), shape.end(), [](int64_t size) { return size < 0; })) {
    scanner.fail("sizes of 0 or more before here");
  }
  return whole.reshape(std::move(shape));
}

WeightSource scan_concat(Scanner& scanner, int depth) {
  const int dim = scan_dim(scanner);
  std::vector<WeightSource> parts;
  while (scanner.accept(",")) parts.push_back(scan(scanner, depth));
  if (parts.empty()) scanner.fail("at least one part of concat");
  return WeightSource::concat(dim, std::move(parts));
}

WeightSource scan_stack(Scanner& scanner, int depth) {
  std::vector<WeightSource> parts;
  do {
    parts.push_back(scan(scanner, depth));
  } while (scanner.accept(","));
  return WeightSource::stack(std::move(parts));
}

WeightSource scan(Scanner& scanner, int depth) {
  if (depth > kMaxDepth) scanner.fail("at most 64 nested source expressions");
  const std::string kind = scanner.identifier();
  scanner.expect("(");
  WeightSource source;
  if (kind == "tensor") {
    source = WeightSource::from_tensor(scanner.quoted());
  } else if (kind == "slice") {
    source = scan_slice(scanner, depth + 1);
  } else if (kind == "transpose") {
    source = scan_transpose(scanner, depth + 1);
  } else if (kind == "reshape") {
    source = scan_reshape(scanner, depth + 1);
  } else if (kind == "concat") {
    source = scan_concat(scanner, depth + 1);
  } else if (kind == "stack") {
    source = scan_stack(scanner, depth + 1);
  } else {
    scanner.fail(str("tensor, slice, transpose, reshape, concat or stack before here, not ", kind));
  }
  scanner.expect(")");
  return source;
}

}  // namespace

WeightSource WeightSource::from_tensor(std::string name) {
  WeightSource source;
  source.tensor = std::move(name);
  return source;
}

WeightSource WeightSource::slice(int sliced_dim, Range sliced_range) const {
  const auto parts = static_cast<int64_t>(inputs.size());
  if (kind == Kind::kStack && sliced_dim == 0 && !sliced_range.empty() && sliced_range.begin >= 0 &&
      sliced_range.end <= parts) {
    return stack({inputs.begin() + sliced_range.begin, inputs.begin() + sliced_range.end});
  }
  WeightSource source;
  source.kind = Kind::kSlice;
  source.dim = sliced_dim;
  source.range = sliced_range;
  source.inputs = {*this};
  return source;
}

WeightSource WeightSource::transpose(std::vector<int64_t> permutation) const {
  WeightSource source;
  source.kind = Kind::kTranspose;
  source.integers = std::move(permutation);
  source.inputs = {*this};
  return source;
}

WeightSource WeightSource::reshape(std::vector<int64_t> shape) const {
  WeightSource source;
  source.kind = Kind::kReshape;
  source.integers = std::move(shape);
  source.inputs = {*this};
  return source;
}

WeightSource WeightSource::concat(int dim, std::vector<WeightSource> parts) {
  WeightSource source;
  source.kind = Kind::kConcat;
  source.dim = dim;
  source.inputs = std::move(parts);
  return source;
}

WeightSource WeightSource::stack(std::vector<WeightSource> parts) {
  WeightSource source;
  source.kind = Kind::kStack;
  source.inputs = std::move(parts);
  return source;
}

std::string to_string(const WeightSource& source) {
  using Kind = WeightSource::Kind;
  switch (source.kind) {
    case Kind::kTensor:
      return str("tensor(", quote(source.tensor), ")");
    case Kind::kSlice:
      return str("slice(", to_string(source.inputs.at(0)), ", ", source.dim, ", ",
                 source.range.begin, ", ", source.range.end, ")");
    case Kind::kTranspose:
      return str("transpose(", to_string(source.inputs.at(0)), ", ", to_string(source.integers),
                 ")");
    case Kind::kReshape:
      return str("reshape(", to_string(source.inputs.at(0)), ", ", to_string(source.integers), ")");
    case Kind::kConcat: {
      std::string text = str("concat(", source.dim);
      for (const WeightSource& part : source.inputs) text += ", " + to_string(part);
      return text + ")";
    }
    case Kind::kStack: {
      std::string text;
      for (const WeightSource& part : source.inputs) {
        text += (text.empty() ? "stack(" : ", ") + to_string(part);
      }
      return text + ")";
    }
  }
  return {};
}

WeightSource scan_weight_source(Scanner& scanner) { return scan(scanner, 0); }

WeightSource parse_weight_source(std::string_view text) {
  Scanner scanner(text, "weight source");
  WeightSource source = scan_weight_source(scanner);
  if (!scanner.at_end()) scanner.fail("the end of the expression");
  return source;
}

}  // namespace partita::ir
