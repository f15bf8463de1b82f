// SPDX-License-Identifier: Apache-2.0
// Text form of index notation: the parser of operator declarations and the printer.
#include <algorithm>
#include <array>

#include "spec/notation.h"
#include "spec/text_cursor.h"
#include "support/error.h"

namespace partita::spec {
namespace {

struct KindName {
  std::string_view name;
  FactorKind kind;
  ReduceKind reduce;
};
constexpr std::array<KindName, 7> kKindNames = {{
    {"map", FactorKind::kMap, ReduceKind::kSum},
    {"sum", FactorKind::kReduce, ReduceKind::kSum},
    {"max", FactorKind::kReduce, ReduceKind::kMax},
    {"min", FactorKind::kReduce, ReduceKind::kMin},
    {"prod", FactorKind::kReduce, ReduceKind::kProd},
    {"gather", FactorKind::kGather, ReduceKind::kSum},
    {"whole", FactorKind::kWhole, ReduceKind::kSum},
}};

// Declarations stand in the code, so a bad one is a bug: kInternal, as a failed CHECK.
class Parser {
 public:
  Parser(std::string_view text, std::span<const NamedInteger> integers)
      : cursor_(text, "notation", ErrorCode::kInternal), integers_(integers) {}

  Notation parse() {
    parse_outputs();
    while (!at_clause_end()) {
      if (!cursor_.accept('*')) static_cast<void>(cursor_.accept(','));
      input_names_.push_back(cursor_.name());
      notation_.inputs.push_back(parse_tensor_index());
    }
    while (cursor_.accept(';')) parse_clause();
    cursor_.expect_end();
    for (size_t i = 0; i < notation_.factors.size(); ++i) {
      if (!has_kind_[i]) cursor_.fail(str("no kind for factor '", notation_.factors[i].name, "'"));
    }
    return std::move(notation_);
  }

 private:
  bool at_clause_end() { return cursor_.at_end() || cursor_.peek() == ';'; }

  void parse_outputs() {
    do {
      cursor_.name();
      notation_.outputs.push_back(parse_tensor_index());
    } while (cursor_.accept(','));
    static_cast<void>(cursor_.accept('+'));
    cursor_.expect('=');
  }

  TensorIndex parse_tensor_index() {
    TensorIndex index;
    cursor_.expect('[');
    while (!cursor_.accept(']')) {
      if (!index.empty()) cursor_.expect(',');
      index.push_back(parse_dim());
    }
    return index;
  }

  DimIndex parse_dim() {
    if (cursor_.accept('1')) return {};
    if (!cursor_.accept('(')) return {parse_term()};
    DimIndex terms;
    while (!cursor_.accept(')')) terms.push_back(parse_term());
    return terms;
  }

  IndexTerm parse_term() {
    IndexTerm term;
    const std::string_view name = cursor_.name();
    term.factor = factor_index(name, /*may_add=*/true);
    if (cursor_.accept('/')) {
      const std::string_view divisor = cursor_.name();
      const auto found = std::find_if(integers_.begin(), integers_.end(),
                                      [&](const NamedInteger& i) { return i.name == divisor; });
      if (found == integers_.end()) cursor_.fail(str("unknown integer '", divisor, "'"));
      if (found->value < 1) cursor_.fail(str("'", divisor, "' is ", found->value));
      term.divide = found->value;
    }
    return term;
  }

  int factor_index(std::string_view name, bool may_add) {
    for (size_t i = 0; i < notation_.factors.size(); ++i) {
      if (notation_.factors[i].name == name) return static_cast<int>(i);
    }
    if (!may_add) cursor_.fail(str("factor '", name, "' is in no tensor"));
    notation_.factors.push_back({.name = std::string(name)});
    has_kind_.push_back(false);
    return static_cast<int>(notation_.factors.size()) - 1;
  }

  void parse_clause() {
    if (at_clause_end()) return;
    const std::string_view word = cursor_.name();
    if (word == "linear") return parse_linear();
    const auto kind = std::find_if(kKindNames.begin(), kKindNames.end(),
                                   [&](const KindName& row) { return row.name == word; });
    if (kind == kKindNames.end()) cursor_.fail(str("unknown kind '", word, "'"));
    while (!at_clause_end()) {
      static_cast<void>(cursor_.accept(','));
      const auto factor = static_cast<size_t>(factor_index(cursor_.name(), /*may_add=*/false));
      if (has_kind_[factor]) cursor_.fail("the factor has a kind already");
      has_kind_[factor] = true;
      notation_.factors[factor].kind = kind->kind;
      notation_.factors[factor].reduce = kind->reduce;
    }
  }

  void parse_linear() {
    do {
      std::vector<int>& inputs = notation_.linear_in.emplace_back();
      while (!at_clause_end() && cursor_.peek() != '|') {
        const auto found = std::find(input_names_.begin(), input_names_.end(), cursor_.name());
        if (found == input_names_.end()) cursor_.fail("'linear' names no input");
        inputs.push_back(static_cast<int>(found - input_names_.begin()));
      }
      if (inputs.empty()) cursor_.fail("expected the name of an input");
    } while (cursor_.accept('|'));
  }

  TextCursor cursor_;
  std::span<const NamedInteger> integers_;
  Notation notation_;
  std::vector<bool> has_kind_;
  std::vector<std::string_view> input_names_;
};

std::string print_dim(const DimIndex& dim, const Notation& notation) {
  if (dim.empty()) return "1";
  std::string text;
  for (const IndexTerm& term : dim) {
    text += str(text.empty() ? "" : " ", notation.factors[static_cast<size_t>(term.factor)].name);
    if (term.divide != 1) text += str("/", term.divide);
  }
  return dim.size() == 1 ? text : str("(", text, ")");
}

std::string print_tensors(const std::vector<TensorIndex>& tensors, const Notation& notation) {
  std::string text;
  for (const TensorIndex& tensor : tensors) {
    text += text.empty() ? "[" : ", [";
    for (size_t dim = 0; dim < tensor.size(); ++dim) {
      text += str(dim == 0 ? "" : ",", print_dim(tensor[dim], notation));
    }
    text += "]";
  }
  return text;
}

std::string_view kind_name(const Factor& factor) {
  for (const KindName& row : kKindNames) {
    const bool same_reduce = factor.kind != FactorKind::kReduce || row.reduce == factor.reduce;
    if (row.kind == factor.kind && same_reduce) return row.name;
  }
  return to_string(factor.reduce);
}

}  // namespace

Notation parse_notation(std::string_view text, std::span<const NamedInteger> integers) {
  return Parser(text, integers).parse();
}

std::string to_string(const Notation& notation) {
  std::string text =
      print_tensors(notation.outputs, notation) + " <- " + print_tensors(notation.inputs, notation);
  for (const KindName& row : kKindNames) {
    std::string names;
    for (const Factor& factor : notation.factors) {
      if (kind_name(factor) == row.name) names += str(names.empty() ? "" : ",", factor.name);
    }
    if (!names.empty()) text += str("; ", names, " ", row.name);
  }
  for (size_t set = 0; set < notation.linear_in.size(); ++set) {
    text += set == 0 ? "; linear" : " |";
    for (const int input : notation.linear_in[set]) text += str(" ", input);
  }
  return text;
}

}  // namespace partita::spec
