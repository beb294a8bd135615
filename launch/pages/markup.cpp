#include "launch/pages/markup.h"

#include <fmt/core.h>

#include <cmath>

#include "common/process/unsafe_text.h"

namespace clipsweep {
const char* const kChartStyle = R"(
:root { --s0: #6b6b6b; --s1: #0b62a8; --s2: #b3420a; --s3: #1d7a3c; --s4: #8a2d8c; --s5: #8a6d00; }
@media (prefers-color-scheme: dark) { :root { --s0: #a9a9a9; --s1: #6cb6ff; --s2: #ff9e64; --s3: #7ee08f; --s4: #e39be4; --s5: #e6c84f; } }
svg.chart { max-width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--text); font-variant-numeric: tabular-nums; }
svg .title { font-weight: 600; font-size: 14px; }
svg .label { font-size: 12.5px; }
svg .down { text-anchor: end; }
svg .across { text-anchor: middle; }
svg .grid { stroke: var(--line); fill: none; }
svg .axis { stroke: var(--quiet); fill: none; }
svg .gain, svg .right { fill: var(--s3); } svg .loss { fill: var(--s2); }
.item svg .right { fill-opacity: .45; } .item svg .wrong { fill: var(--s0); fill-opacity: .3; }
svg .other { fill: var(--s0); fill-opacity: .25; }
svg .f0 { fill: var(--s0); } svg .f1 { fill: var(--s1); } svg .f2 { fill: var(--s2); }
svg .f3 { fill: var(--s3); } svg .f4 { fill: var(--s4); } svg .f5 { fill: var(--s5); }
svg .l0, svg .l1, svg .l2, svg .l3, svg .l4, svg .l5 { fill: none; stroke-width: 2; }
svg .l0 { stroke: var(--s0); } svg .l1 { stroke: var(--s1); } svg .l2 { stroke: var(--s2); }
svg .l3 { stroke: var(--s3); } svg .l4 { stroke: var(--s4); } svg .l5 { stroke: var(--s5); }
svg .c0 { fill: #1f77b4; } svg .c1 { fill: #ff7f0e; } svg .c2 { fill: #2ca02c; } svg .c3 { fill: #d62728; }
svg .c4 { fill: #9467bd; } svg .c5 { fill: #8c564b; } svg .c6 { fill: #e377c2; } svg .c7 { fill: #7f7f7f; }
svg .c8 { fill: #bcbd22; } svg .c9 { fill: #17becf; }
@media (max-width: 40rem) { svg.chart text { font-size: 17px; } svg.chart .title { font-size: 18px; } }
svg .cell:hover { stroke: #fff; stroke-width: 1.5; }
svg .plateau { fill: none; stroke: #fff; stroke-width: 1.5; }
svg .best { fill: none; stroke: #e4002b; stroke-width: 2.5; pointer-events: none; }
)";

std::string PageHead(const std::string& title, const std::string& style) {
  return std::string(kPageStart) +
         " content=\"default-src 'none'; img-src "
         "data:; "
         "style-src 'unsafe-inline'\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
         "<link rel=\"icon\" href=\"data:,\">\n<title>" +
         EscapeHtml(title) +
         R"(</title>
<style>
:root { color-scheme: light dark; --text: #1a1a1a; --page: #ffffff; --quiet: #5c5c5c; --line: #dcdcdc; --link: #0b57d0; }
@media (prefers-color-scheme: dark) { :root { --text: #ececec; --page: #16181d; --quiet: #a8a8a8; --line: #3a3d44; --link: #8ab4f8; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); margin: 1.5rem; }
figure { overflow-x: auto; margin: 1rem 0; }
)" + style +
         "</style>\n</head>\n<body>\n";
}

std::string EscapeHtml(std::string_view text) {
  std::string out;
  for (const char c : ReplacedText(text)) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string Shorten(const std::string& text, std::size_t most) {
  if (text.size() <= most) return text;
  std::size_t cut = most;
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;
  return text.substr(0, cut) + "\xe2\x80\xa6";
}

std::string CsvCell(std::string_view text) {
  constexpr std::string_view kFormula = "=+-@\t\r";
  std::string out = "\"";
  if (!text.empty() && kFormula.find(text[0]) != std::string_view::npos) out += '\'';
  for (const char c : ReplacedText(text, "\n\t")) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

Shade ShadeOf(double value, double low, double high) {
  const double t = high > low ? (value - low) / (high - low) : 0.5;
  const auto mix = [t](int from, int middle, int to) {
    return static_cast<int>(std::lround(t < 0.5 ? from + 2 * t * (middle - from)
                                                : middle + (2 * t - 1) * (to - middle)));
  };
  return {
      fmt::format("#{:02x}{:02x}{:02x}", mix(59, 33, 253), mix(28, 145, 231), mix(100, 140, 37)),
      t < 0.62 ? "#ffffff" : "#1a1a1a"};
}

}  // namespace clipsweep
