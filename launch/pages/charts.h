// Charts as SVG inside a page: no script, colours from the page's variables --s0 .. --s5, values in
// <title>. Every one has a title, named axes with units, and a text for those who cannot see it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace clipsweep {

struct Series {
  std::string name;          // plain text, escaped here
  std::vector<double> x, y;  // equally many
  std::vector<double> half;  // half-widths of error bars, 0 for none; or empty
  bool line = true;          // join the points
  int number = 0;  // 0..15: its colour, mark and dashes, all different
};

struct ChartOptions {
  std::string title, x_label, y_label;
  std::vector<double> x_ticks;  // empty: chosen
  bool log_x = false;           // x > 0
  bool diagonal = false;        // also y = x
  double width = 720, height = 340;
};

// Axes, grid lines, lines with points and error bars, a legend. Nothing for no points, or for
// values that are not finite.
std::string LineChart(const ChartOptions& options, const std::vector<Series>& series);

struct Bar {
  std::string name, note;  // note: for the pointer
  double value = 0;
};
// Horizontal bars from zero to both sides.
std::string BarChart(const std::string& title, const std::string& unit,
                     const std::vector<Bar>& bars);

struct Dot {
  double x = 0, y = 0;
  int colour = -1;  // -1: grey
};
std::string ScatterChart(const ChartOptions& options, const std::vector<Dot>& dots,
                         const std::vector<std::string>& legend);

// About `count` round numbers that cover [low, high]; none when doubles cannot hold such.
std::vector<double> RoundTicks(double low, double high, int count);

}  // namespace clipsweep
