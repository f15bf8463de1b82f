// SPDX-License-Identifier: Apache-2.0
// Text forms of tensor specs: the long form is printed, the long and the short forms are parsed.
#include <algorithm>

#include "spec/tensor_spec.h"
#include "spec/text_cursor.h"
#include "support/error.h"

namespace partita::spec {
namespace {

// Where the name of a dim ends.
constexpr std::string_view kNameStops = ",:[](){}+ \t";

bool is_digit(char letter) { return letter >= '0' && letter <= '9'; }

// "S0", "S01": split over the mesh axes with these digits.
bool is_short_split(std::string_view entry) {
  return entry.size() > 1 && entry[0] == 'S' &&
         std::all_of(entry.begin() + 1, entry.end(), is_digit);
}

std::vector<Range> default_pieces(std::span<const int> axes, int64_t size, const Mesh& mesh) {
  std::vector<int64_t> axis_sizes;
  for (const int axis : axes) axis_sizes.push_back(mesh.size_of({&axis, 1}));
  return balanced_pieces(size, axis_sizes);
}

// Names that the parser would read as something else are printed as "_".
std::string printable_name(std::span<const std::string> dim_names, size_t dim) {
  if (dim >= dim_names.size()) return "_";
  const std::string& name = dim_names[dim];
  const bool is_clear =
      !name.empty() && name.find_first_of(kNameStops) == std::string::npos && !is_short_split(name);
  return is_clear ? name : "_";
}

std::string print_pieces(const std::vector<Range>& pieces) {
  std::string text;
  for (const Range& piece : pieces) {
    text += str(text.empty() ? "{" : ",", piece.begin, "-", piece.end);
  }
  return text + "}";
}

// The axis of that name, or all its sub-axes.
std::vector<int> axes_named(std::string_view name, const Mesh& mesh) {
  std::vector<int> axes;
  for (int axis = 0; axis < mesh.axis_count(); ++axis) {
    const std::string& known = mesh.axes()[static_cast<size_t>(axis)].name;
    if (known == name || parent_axis(known) == name) axes.push_back(axis);
  }
  return axes;
}

// "a*b"; where all sub-axes of an axis follow each other, the axis.
std::string axes_text(std::span<const int> axes, const Mesh& mesh) {
  std::string text;
  while (!axes.empty()) {
    std::string_view name = mesh.axes().at(static_cast<size_t>(axes.front())).name;
    const std::vector<int> family = axes_named(parent_axis(name), mesh);
    const bool is_whole =
        family.size() <= axes.size() && std::equal(family.begin(), family.end(), axes.begin());
    if (is_whole) name = parent_axis(name);
    text += str(text.empty() ? "" : "*", name);
    axes = axes.subspan(is_whole ? family.size() : 1);
  }
  return text;
}

class Parser {
 public:
  Parser(std::string_view text, std::span<const int64_t> shape, const Mesh& mesh)
      : cursor_(text, "spec", ErrorCode::kInvalidArgument),
        text_(text),
        shape_(shape),
        mesh_(mesh),
        spec_(TensorSpec::replicated(static_cast<int>(shape.size()))) {}

  TensorSpec parse() {
    const bool brackets = cursor_.accept('[');
    const bool round = !brackets && cursor_.accept('(');
    const char close = brackets ? ']' : (round ? ')' : '+');
    if (is_per_mesh_axis()) {
      parse_per_mesh_axis(close);
    } else {
      parse_per_dim(close);
    }
    if (close != '+') cursor_.expect(close);
    while (!cursor_.at_end()) parse_partials();
    std::sort(spec_.partials.begin(), spec_.partials.end());
    fill_pieces();
    validate(spec_, shape_, mesh_);
    return std::move(spec_);
  }

 private:
  // "S[1],R"; without any S[i] the two ways to count the entries differ only in their number.
  bool is_per_mesh_axis() const {
    if (text_.find("S[") != std::string_view::npos) return true;
    if (text_.find_first_not_of("R, \t()[]") != std::string_view::npos) return false;
    const auto entries = static_cast<size_t>(std::count(text_.begin(), text_.end(), 'R'));
    return entries != shape_.size() && entries == static_cast<size_t>(mesh_.axis_count());
  }

  bool at_close(char close) { return cursor_.at_end() || cursor_.peek() == close; }

  void parse_per_dim(char close) {
    size_t dim = 0;
    while (!at_close(close)) {
      if (dim > 0) cursor_.expect(',');
      if (dim == shape_.size()) cursor_.fail(str("more than the ", dim, " dims of the tensor"));
      parse_dim(spec_.dims[dim++]);
    }
    if (dim != shape_.size()) cursor_.fail(str("expected ", shape_.size(), " dims, got ", dim));
  }

  void parse_dim(DimSpec& dim) {
    const std::string_view name = cursor_.until(kNameStops);
    if (name.empty()) cursor_.fail("expected a dim: a name, 'R' or 'S' with axis numbers");
    if (is_short_split(name)) {
      for (const char digit : name.substr(1)) use_axis(digit - '0', dim);
      return;
    }
    if (!cursor_.accept(':')) return;
    do {
      for (const int axis : parse_axes()) use_axis(axis, dim);
    } while (cursor_.accept('*'));
    if (cursor_.accept('{')) parse_pieces(dim.pieces);
  }

  // "S[1],R": one entry per mesh axis, naming the dim that the axis splits.
  void parse_per_mesh_axis(char close) {
    int axis = 0;
    while (!at_close(close)) {
      if (axis > 0) cursor_.expect(',');
      const std::string_view entry = cursor_.until("[,)]+");
      if (axis == mesh_.axis_count()) {
        cursor_.fail(str("more than the ", axis, " axes of the mesh"));
      }
      if (entry == "S") {
        cursor_.expect('[');
        const int64_t dim = cursor_.integer();
        if (dim >= static_cast<int64_t>(shape_.size())) cursor_.fail("no such dim of the tensor");
        cursor_.expect(']');
        spec_.dims[static_cast<size_t>(dim)].axes.push_back(axis);
      } else if (entry != "R") {
        cursor_.fail("expected 'R' or 'S[dim]'");
      }
      ++axis;
    }
    if (axis != mesh_.axis_count()) {
      cursor_.fail(str("expected ", mesh_.axis_count(), " mesh axes, got ", axis));
    }
  }

  // One axis, or all sub-axes of one.
  std::vector<int> parse_axes() {
    const std::string_view name = cursor_.axis_name();
    std::vector<int> axes = axes_named(name, mesh_);
    if (axes.empty()) cursor_.fail(str("unknown mesh axis '", name, "'"));
    return axes;
  }

  // Refuses a second use here, because the number of pieces is the product of the axes.
  void use_axis(int axis, DimSpec& dim) {
    if (axis >= mesh_.axis_count()) cursor_.fail(str("the mesh has no axis ", axis));
    for (const DimSpec& other : spec_.dims) {
      if (std::find(other.axes.begin(), other.axes.end(), axis) != other.axes.end()) {
        cursor_.fail("a mesh axis splits at most one dim");
      }
    }
    dim.axes.push_back(axis);
  }

  void parse_pieces(std::vector<Range>& pieces) {
    do {
      const int64_t begin = cursor_.integer();
      cursor_.expect('-');
      pieces.push_back({begin, cursor_.integer()});
    } while (cursor_.accept(','));
    cursor_.expect('}');
  }

  void parse_partials() {
    cursor_.expect('+');
    const auto kind = parse_reduce_kind(cursor_.name());
    if (!kind) cursor_.fail("unknown reduction");
    cursor_.expect('(');
    do {
      for (const int axis : parse_axes()) spec_.partials.push_back({axis, *kind});
    } while (cursor_.accept('*'));
    cursor_.expect(')');
  }

  void fill_pieces() {
    for (size_t dim = 0; dim < shape_.size(); ++dim) {
      DimSpec& split = spec_.dims[dim];
      if (split.axes.empty() || !split.pieces.empty()) continue;
      if (shape_[dim] < 0) cursor_.fail(str("dim ", dim, " is symbolic and cannot be split"));
      split.pieces = default_pieces(split.axes, shape_[dim], mesh_);
    }
  }

  TextCursor cursor_;
  std::string_view text_;
  std::span<const int64_t> shape_;
  const Mesh& mesh_;
  TensorSpec spec_;
};

}  // namespace

std::string to_string(const TensorSpec& spec,
                      std::span<const int64_t> shape,
                      const Mesh& mesh,
                      std::span<const std::string> dim_names) {
  CHECK(spec.dims.size() == shape.size(), "spec and shape differ in their number of dims");
  std::string text = "[";
  for (size_t dim = 0; dim < spec.dims.size(); ++dim) {
    const DimSpec& split = spec.dims[dim];
    text += str(dim == 0 ? "" : ", ", printable_name(dim_names, dim));
    if (!split.axes.empty()) text += ":" + axes_text(split.axes, mesh);
    if (!split.axes.empty() && split.pieces != default_pieces(split.axes, shape[dim], mesh)) {
      text += print_pieces(split.pieces);
    }
  }
  text += "]";
  for (const PartialAxis& partial : spec.partials) {
    const std::string& axis = mesh.axes().at(static_cast<size_t>(partial.axis)).name;
    text += str(" +", to_string(partial.kind), "(", axis, ")");
  }
  return text;
}

TensorSpec parse_tensor_spec(std::string_view text,
                             std::span<const int64_t> shape,
                             const Mesh& mesh) {
  return Parser(text, shape, mesh).parse();
}

}  // namespace partita::spec
