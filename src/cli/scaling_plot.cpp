// SPDX-License-Identifier: Apache-2.0
#include "cli/scaling_plot.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace partita::cli {
namespace {

constexpr int kPanelHeight = 220;
constexpr int kTop = 70;
constexpr int kSide = 40;
constexpr int kBarWidth = 34;
constexpr int kStep = 62;  // from bar to bar: their labels do not touch
constexpr int kGap = 60;   // between the panels
constexpr int kBottom = 60;
// Readable beside each other, also for people who do not tell red from green.
constexpr std::array<const char*, 5> kColors = {"#1f5fa8", "#a8481f", "#4f8f3f", "#7a4fa8",
                                                "#8a7a1f"};

template <typename... Arguments>
std::string line(const char* format, Arguments... arguments) {
  std::array<char, 320> text{};
  std::snprintf(text.data(), text.size(), format, arguments...);
  return std::string(text.data()) + "\n";
}

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '<') {
      result += "&lt;";
    } else if (c == '&') {
      result += "&amp;";
    } else {
      result += c;
    }
  }
  return result;
}

const char* color_of(const std::vector<ScalingBar>& bars, int64_t batch) {
  std::vector<int64_t> batches;
  for (const ScalingBar& bar : bars) {
    if (std::ranges::find(batches, bar.batch) == batches.end()) batches.push_back(bar.batch);
  }
  const auto place = static_cast<size_t>(std::ranges::find(batches, batch) - batches.begin());
  return kColors[place % kColors.size()];
}

std::string panel(const char* name,
                  int left,
                  const std::vector<ScalingBar>& bars,
                  double ScalingBar::*value) {
  double most = 1e-9;
  for (const ScalingBar& bar : bars) most = std::max(most, bar.*value);
  const int width = static_cast<int>(bars.size()) * kStep;
  std::string text =
      line(R"(<text x="%d" y="%d" font-size="13">%s, tokens/s</text>)", left, kTop - 24, name);
  text += line(R"(<line x1="%d" x2="%d" y1="%d" y2="%d" stroke="#888"/>)", left, left + width,
               kTop + kPanelHeight, kTop + kPanelHeight);
  for (size_t i = 0; i < bars.size(); ++i) {
    const ScalingBar& bar = bars[i];
    const double height = bar.*value / most * kPanelHeight;
    const int x = left + static_cast<int>(i) * kStep + (kStep - kBarWidth) / 2;
    const int middle = x + kBarWidth / 2;
    const double y = kTop + kPanelHeight - height;
    text += line(R"(<rect x="%d" y="%.1f" width="%d" height="%.1f" fill="%s"/>)", x, y, kBarWidth,
                 height, color_of(bars, bar.batch));
    text += line(R"(<text x="%d" y="%.1f" text-anchor="middle">%.*f</text>)", middle, y - 4,
                 bar.*value < 100 ? 1 : 0, bar.*value);
    text += line(R"(<text x="%d" y="%d" text-anchor="middle">%d x %d</text>)", middle,
                 kTop + kPanelHeight + 16, bar.ranks, bar.threads);
    text += line(R"(<text x="%d" y="%d" text-anchor="middle" fill="#555">b %lld</text>)", middle,
                 kTop + kPanelHeight + 32, static_cast<long long>(bar.batch));
  }
  return text;
}

}  // namespace

std::string scaling_plot(const std::string& title, const std::vector<ScalingBar>& bars) {
  const int width = static_cast<int>(bars.size()) * kStep;
  const int all = 2 * kSide + 2 * width + kGap;
  const int height = kTop + kPanelHeight + kBottom;
  std::string text = line(
      R"(<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" )"
      R"(font-size="12">)",
      all, height);
  text += line(R"(<rect width="%d" height="%d" fill="white"/>)", all, height);
  text += "<text x=\"" + std::to_string(kSide) + "\" y=\"22\" font-size=\"14\">" + escaped(title) +
          "</text>\n";
  text += panel("prefill", kSide, bars, &ScalingBar::prefill_tokens_per_second);
  text += panel("decode", kSide + width + kGap, bars, &ScalingBar::decode_tokens_per_second);
  text += line(R"(<text x="%d" y="%d" fill="#555">below each bar: ranks x threads, and b = )"
               R"(requests at once</text>)",
               kSide, height - 8);
  return text + "</svg>\n";
}

}  // namespace partita::cli
