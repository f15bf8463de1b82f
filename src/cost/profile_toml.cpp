// SPDX-License-Identifier: Apache-2.0
// Device files: TOML in and out, strict.
#include <toml++/toml.h>
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <initializer_list>

#include "cost/profile.h"
#include "support/error.h"

namespace partita::cost {
namespace {

// A number of the [device] table or of a [[link]]: its key, the factor to SI units, and the range
// of values that any machine of the last and next decade can have. What lies outside is a typing
// error.
struct NumberKey {
  std::string_view key;
  double unit;
  double min;
  double max;
};
constexpr NumberKey kMemory = {"memory_gb", 1e9, 0.01, 1e6};
constexpr NumberKey kReserve = {"reserve_gb", 1e9, 0, 1e6};
constexpr NumberKey kMemoryBandwidth = {"memory_bandwidth_gbps", 1e9, 0.01, 1e6};
constexpr NumberKey kF32 = {"tflops_f32", 1e12, 1e-5, 1e6};
constexpr NumberKey kBf16 = {"tflops_bf16", 1e12, 1e-5, 1e6};
constexpr NumberKey kLaunch = {"launch_us", 1e-6, 0.001, 1e6};
constexpr NumberKey kLatency = {"latency_us", 1e-6, 0.001, 1e7};
constexpr NumberKey kBandwidth = {"bandwidth_gbps", 1e9, 1e-4, 1e6};

// Shortest text that reads back to the same double; TOML wants a dot or exponent in floats.
std::string float_text(double value) {
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  std::string text(buffer.data(), end);
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

// Numbers are kept in SI units and written in the units of the file; three digits too many of a
// division by the unit would read as noise, so 12 significant digits are written.
std::string number_line(const NumberKey& key, double value) {
  const double in_unit = value / key.unit;
  if (in_unit == 0) return str(key.key, " = 0.0\n");
  const double scale = std::pow(10.0, 11 - std::floor(std::log10(std::abs(in_unit))));
  return str(key.key, " = ", float_text(std::round(in_unit * scale) / scale), "\n");
}

std::string in_quotes(std::string_view text) { return str('"', text, '"'); }

class TomlReader {
 public:
  explicit TomlReader(std::string_view what) : what_(what) {}

  [[nodiscard]] Profile read(const toml::table& root) const {
    check_keys(root, "the file", {"name", "mesh", "device", "link"});
    Profile profile;
    profile.name = name(root, "name", "the file");
    profile.axes = axes(table(root, "mesh"));
    profile.device = device(table(root, "device"));
    const toml::array* links = root["link"].as_array();
    if (links == nullptr || links->empty()) refuse("[[link]]", "is missing; expected one per axis");
    for (const toml::node& node : *links) {
      if (node.as_table() == nullptr) refuse("link", "must be written as [[link]] tables");
      profile.links.push_back(link(*node.as_table(), profile));
    }
    for (const auto& axis : profile.axes) (void)checked_link(profile, axis.name);
    return profile;
  }

  [[noreturn]] void refuse(std::string_view key, std::string_view rule) const {
    throw Error(ErrorCode::kInvalidFile, str("[profile] ", what_, ": ", key, " ", rule));
  }

 private:
  void check_keys(const toml::table& table,
                  std::string_view place,
                  std::initializer_list<std::string_view> known) const {
    for (const auto& [key, value] : table) {
      if (std::find(known.begin(), known.end(), key.str()) == known.end()) {
        refuse(str("key \"", key.str(), "\""), str("of ", place, " is unknown; remove it"));
      }
    }
  }

  [[nodiscard]] const toml::table& table(const toml::table& root, std::string_view key) const {
    const toml::table* found = root[key].as_table();
    if (found == nullptr) refuse(str("[", key, "]"), "is missing; expected a table");
    return *found;
  }

  // Names go into mesh texts and plans, so they are kept simple.
  [[nodiscard]] std::string name(const toml::table& table,
                                 std::string_view key,
                                 std::string_view place) const {
    const auto text = table[key].value<std::string>();
    const auto is_plain = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '_' || c == '-' || c == '.';
    };
    const bool any = text == kAnyAxis && key == "axis";
    if (!text || text->empty() || text->size() > 100 ||
        (!any && !std::all_of(text->begin(), text->end(), is_plain))) {
      refuse(str("key \"", key, "\""),
             str("of ", place, " must be a name of letters, digits, '_', '-' and '.'"));
    }
    return *text;
  }

  [[nodiscard]] double number(const toml::table& table, const NumberKey& key) const {
    const toml::node* node = table.get(key.key);
    if (node == nullptr || !node->is_number()) {
      refuse(str("key \"", key.key, "\""),
             node == nullptr ? "is missing; expected a number" : "is no number");
    }
    const double value = node->value<double>().value_or(-1);
    if (!(value >= key.min && value <= key.max)) {
      refuse(str("key \"", key.key, "\""),
             str("is ", value, "; expected a number within [", key.min, ",", key.max, "]"));
    }
    return value * key.unit;
  }

  [[nodiscard]] std::vector<spec::MeshAxis> axes(const toml::table& mesh) const {
    check_keys(mesh, "[mesh]", {"axes"});
    const toml::array* list = mesh["axes"].as_array();
    if (list == nullptr) refuse("key \"axes\" of [mesh]", "must be a list of { name, size }");
    std::vector<spec::MeshAxis> result;
    for (const toml::node& node : *list) {
      const toml::table* axis = node.as_table();
      if (axis == nullptr) refuse("key \"axes\" of [mesh]", "must be a list of { name, size }");
      check_keys(*axis, "an axis", {"name", "size"});
      const auto size = (*axis)["size"].value_exact<int64_t>().value_or(0);
      if (size < 1 || size > 65536) refuse("key \"size\" of an axis", "must be within [1,65536]");
      result.push_back({name(*axis, "name", "an axis"), size});
      for (size_t i = 0; i + 1 < result.size(); ++i) {
        if (result[i].name == result.back().name) {
          refuse(str("axis \"", result.back().name, "\""), "is listed twice");
        }
      }
    }
    return result;
  }

  [[nodiscard]] Device device(const toml::table& table) const {
    check_keys(table, "[device]",
               {kMemory.key, kReserve.key, kMemoryBandwidth.key, kF32.key, kBf16.key, kLaunch.key});
    Device device;
    device.memory_bytes = std::llround(number(table, kMemory));
    device.reserve_bytes = std::llround(number(table, kReserve));
    device.memory_bandwidth = number(table, kMemoryBandwidth);
    device.f32_flops = number(table, kF32);
    device.bf16_flops = number(table, kBf16);
    device.launch_s = number(table, kLaunch);
    if (device.reserve_bytes >= device.memory_bytes) {
      refuse("key \"reserve_gb\"", "must be below memory_gb");
    }
    return device;
  }

  [[nodiscard]] Link link(const toml::table& table, const Profile& profile) const {
    check_keys(table, "[[link]]", {"axis", kLatency.key, kBandwidth.key});
    Link link = {name(table, "axis", "[[link]]"), number(table, kLatency),
                 number(table, kBandwidth)};
    for (const Link& other : profile.links) {
      if (other.axis == link.axis)
        refuse(str("[[link]] of axis \"", link.axis, "\""), "is given twice");
    }
    const bool known = std::any_of(profile.axes.begin(), profile.axes.end(),
                                   [&](const auto& axis) { return axis.name == link.axis; });
    if (!known && link.axis != kAnyAxis) {
      refuse(str("[[link]] of axis \"", link.axis, "\""), "names no axis of [mesh]");
    }
    return link;
  }

  [[nodiscard]] const Link& checked_link(const Profile& profile, const std::string& axis) const {
    try {
      return profile.link(axis);
    } catch (const Error&) {
      refuse(str("axis \"", axis, "\""), "has no [[link]]");
    }
  }

  std::string_view what_;
};

}  // namespace

std::string to_toml(const Profile& profile) {
  std::string text = str("name = ", in_quotes(profile.name), "\n\n[mesh]\naxes = [");
  for (size_t i = 0; i < profile.axes.size(); ++i) {
    text += str(i == 0 ? " " : ", ", "{ name = ", in_quotes(profile.axes[i].name),
                ", size = ", profile.axes[i].size, " }");
  }
  text += profile.axes.empty() ? "]\n\n[device]\n" : " ]\n\n[device]\n";
  const Device& device = profile.device;
  text += number_line(kMemory, static_cast<double>(device.memory_bytes));
  text += number_line(kMemoryBandwidth, device.memory_bandwidth);
  text += number_line(kF32, device.f32_flops);
  text += number_line(kBf16, device.bf16_flops);
  text += number_line(kLaunch, device.launch_s);
  text += number_line(kReserve, static_cast<double>(device.reserve_bytes));
  for (const Link& link : profile.links) {
    text += str("\n[[link]]\naxis = ", in_quotes(link.axis), "\n");
    text += number_line(kLatency, link.latency_s);
    text += number_line(kBandwidth, link.bandwidth);
  }
  return text;
}

Profile parse_profile(std::string_view text, std::string_view what) {
  const TomlReader reader(what);
  try {
    return reader.read(toml::parse(text, what));
  } catch (const toml::parse_error& error) {
    reader.refuse(str("line ", error.source().begin.line),
                  str("is no valid TOML: ", error.description()));
  }
}

}  // namespace partita::cost
