// SPDX-License-Identifier: Apache-2.0
#include "planner/pins/pin_decision.h"

#include <algorithm>

#include "spec/strategy.h"
#include "spec/text_cursor.h"
#include "support/error.h"

namespace partita::planner {
namespace {

using Kind = PinDecision::Kind;

constexpr std::string_view kForms =
    "expected a spec as \"[_, _:tp]\", a strategy as \"n:tp\", \"replicated\" or \"stage 0\"";
constexpr int64_t kMaxStage = 65535;
constexpr std::string_view kPartial = "partial";

[[noreturn]] void refuse(std::string_view source, std::string_view text, const std::string& rule) {
  throw Error(ErrorCode::kInvalidArgument,
              str("[pins] ", source, ": decision \"", text.substr(0, 200), "\": ", rule));
}

bool starts_as_spec(std::string_view text) {
  return text.find(':') == std::string_view::npos || text.front() == '[' || text.front() == '(';
}

void add_axis(std::string_view axis, std::vector<std::string>& axes) {
  if (axis != kAllAxes) axes.emplace_back(axis);
}

// "n:tp k:dp"
void read_terms(std::string_view text, std::string_view source, PinDecision& decision) {
  try {
    spec::TextCursor cursor(text, "strategy", ErrorCode::kInvalidArgument);
    while (!cursor.at_end()) {
      StrategyTerm term;
      term.factor = cursor.name();
      cursor.expect(':');
      term.axis = cursor.accept('*') ? std::string(kAllAxes) : std::string(cursor.name());
      add_axis(term.axis, decision.axes);
      decision.terms.push_back(std::move(term));
      static_cast<void>(cursor.accept(','));
    }
  } catch (const Error& error) {
    refuse(source, text, str(error.what(), "; ", kForms));
  }
}

// The names of the axes in a spec: behind ':' and '*', and within "+sum(...)". What they split, and
// whether the text is right, is seen when the tensor is known.
void read_spec_axes(std::string_view text, PinDecision& decision) {
  constexpr std::string_view kStops = ",:*[](){}+ \t";
  const size_t reductions = text.find('+');
  for (size_t at = 0; at < text.size(); ++at) {
    const bool in_reductions = at > reductions;
    if (text[at] != ':' && text[at] != '*' && !(in_reductions && text[at] == '(')) continue;
    size_t begin = at + 1;
    while (begin < text.size() && text[begin] == ' ') ++begin;
    const size_t end = std::min(text.find_first_of(kStops, begin), text.size());
    if (end > begin) add_axis(text.substr(begin, end - begin), decision.axes);
  }
}

bool read_stage(std::string_view text, std::string_view source, PinDecision& decision) {
  constexpr std::string_view kWord = "stage ";
  if (!text.starts_with(kWord) || text.find(':') != std::string_view::npos) {
    return false;
  }
  const std::string_view number = text.substr(kWord.size());
  decision.kind = Kind::kStage;
  decision.stage = PinDecision::kLastStage;
  if (number == "last") return true;
  const bool is_number =
      !number.empty() && number.size() <= 5 &&
      std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
  const int64_t stage = is_number ? std::stoll(std::string(number)) : -1;
  if (stage < 0 || stage > kMaxStage)
    refuse(source, text, "expected \"stage N\", N from 0 on, or \"stage last\"");
  decision.stage = static_cast<int>(stage);
  return true;
}

// Axes of more than one rank, as "a*b".
std::string all_axes(const spec::Mesh& mesh) {
  std::string names;
  for (const spec::MeshAxis& axis : mesh.axes()) {
    if (axis.size > 1) names += str(names.empty() ? "" : "*", axis.name);
  }
  return names;
}

// ":*" written out.
std::string with_axes(std::string_view text, const spec::Mesh& mesh) {
  std::string result;
  const std::string all = all_axes(mesh);
  for (size_t at = 0; at < text.size(); ++at) {
    const bool is_all = text[at] == ':' && at + 1 < text.size() && text[at + 1] == '*';
    if (!is_all) {
      result += text[at];
      continue;
    }
    if (!all.empty()) result += ":" + all;
    ++at;
  }
  return result;
}

void drop_single_axes(spec::TensorSpec& spec, const spec::Mesh& mesh) {
  const auto is_single = [&](int axis) { return mesh.axes()[static_cast<size_t>(axis)].size == 1; };
  for (spec::DimSpec& dim : spec.dims) {
    std::erase_if(dim.axes, is_single);
    if (dim.axes.empty()) dim.pieces.clear();
  }
  std::erase_if(spec.partials, [&](const spec::PartialAxis& axis) { return is_single(axis.axis); });
}

int factor_code(const std::string& name,
                const spec::Notation& notation,
                std::span<const std::string> names) {
  const auto named = std::find(names.begin(), names.end(), name);
  if (named != names.end()) return static_cast<int>(named - names.begin());
  for (size_t i = 0; i < notation.factors.size(); ++i) {
    if (notation.factors[i].name == name) return static_cast<int>(i);
  }
  if (name.starts_with(kPartial)) {
    for (size_t set = 0; set < notation.linear_in.size(); ++set) {
      if (name == str(kPartial, set)) return spec::Strategy::kPassPartial - static_cast<int>(set);
    }
  }
  std::string known;
  for (const std::string& factor : names) known += " " + factor;
  for (size_t set = 0; set < notation.linear_in.size(); ++set) known += str(" ", kPartial, set);
  throw Error(ErrorCode::kInvalidArgument,
              str("the operator has no factor \"", name, "\"; it has", known));
}

}  // namespace

PinDecision parse_decision(std::string_view text, std::string_view source) {
  PinDecision decision;
  decision.text = text;
  if (text.empty()) refuse(source, text, std::string(kForms));
  if (text == "replicated") return decision;
  if (read_stage(text, source, decision)) return decision;
  if (starts_as_spec(text)) {
    if (text.find_first_of("[(RS") != 0) refuse(source, text, std::string(kForms));
    decision.kind = Kind::kSpec;
    read_spec_axes(text, decision);
    return decision;
  }
  decision.kind = Kind::kStrategy;
  read_terms(text, source, decision);
  return decision;
}

std::string_view missing_axis(const PinDecision& decision, const spec::Mesh& mesh) {
  for (const std::string& axis : decision.axes) {
    if (mesh.axis_index(axis) < 0) return axis;
  }
  return {};
}

WantedSpec::WantedSpec(const PinDecision& decision,
                       std::span<const int64_t> shape,
                       const spec::Mesh& mesh)
    : wanted_(spec::TensorSpec::replicated(static_cast<int>(shape.size()))) {
  CHECK(decision.kind == Kind::kReplicated || decision.kind == Kind::kSpec, "no spec");
  if (decision.kind == Kind::kReplicated) return;
  wanted_ = spec::parse_tensor_spec(with_axes(decision.text, mesh), shape, mesh);
  has_pieces_ = decision.text.find('{') != std::string::npos;
  drop_single_axes(wanted_, mesh);
}

bool WantedSpec::allows(const spec::TensorSpec& spec) const {
  if (has_pieces_) return spec == wanted_;
  return spec.partials == wanted_.partials &&
         std::equal(spec.dims.begin(), spec.dims.end(), wanted_.dims.begin(), wanted_.dims.end(),
                    [](const auto& a, const auto& b) { return a.axes == b.axes; });
}

std::vector<int> wanted_strategy(const PinDecision& decision,
                                 const spec::Notation& notation,
                                 std::span<const std::string> names,
                                 const spec::Mesh& mesh) {
  std::vector<int> wanted(static_cast<size_t>(mesh.axis_count()), spec::Strategy::kNone);
  for (const StrategyTerm& term : decision.terms) {
    const int code = factor_code(term.factor, notation, names);
    for (int axis = 0; axis < mesh.axis_count(); ++axis) {
      const spec::MeshAxis& named = mesh.axes()[static_cast<size_t>(axis)];
      if (named.size == 1 || (term.axis != kAllAxes && term.axis != named.name)) continue;
      int& entry = wanted[static_cast<size_t>(axis)];
      if (entry != spec::Strategy::kNone) {
        throw Error(ErrorCode::kInvalidArgument, str("axis ", named.name, " is given twice"));
      }
      entry = code;
    }
  }
  return wanted;
}

}  // namespace partita::planner
