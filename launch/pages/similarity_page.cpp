#include "launch/pages/similarity_page.h"

#include <fmt/core.h>

#include <algorithm>

#include "launch/pages/markup.h"

namespace clipsweep {
namespace {

constexpr int kCell = 112, kRow = 44, kTop = 150, kGap = 2;

constexpr const char* kStyle = R"(
svg text { font: 14px system-ui, sans-serif; fill: var(--text); }
svg .name { font-size: 11px; }
svg .value { text-anchor: middle; font-variant-numeric: tabular-nums; }
svg .best { font-weight: 700; }
)";

int LabelWidth(const Similarity& similarity) {
  std::size_t longest = 0;
  for (const std::string& text : similarity.texts) longest = std::max(longest, text.size());
  return static_cast<int>(std::min<std::size_t>(420, 30 + 8 * longest));
}

}  // namespace

std::string SimilarityPage(const Similarity& similarity) {
  const int left = LabelWidth(similarity);
  const int columns = static_cast<int>(similarity.images.size());
  const int rows = static_cast<int>(similarity.texts.size());
  float low = similarity.cosines[0][0], high = low;
  for (const auto& row : similarity.cosines) {
    low = std::min(low, *std::min_element(row.begin(), row.end()));
    high = std::max(high, *std::max_element(row.begin(), row.end()));
  }
  std::string page =
      PageHead("Image and text similarity", kStyle) + "<h1>Image and text similarity</h1>\n";
  page += fmt::format(
      "<p>Cosine of image and text features of {}: {} pictures, {} texts. Bold: the best text of a "
      "picture. Colours go from {:.3f} to {:.3f}.</p>\n<figure>\n",
      EscapeHtml(similarity.model), columns, rows, low, high);
  const int width = left + columns * kCell, height = kTop + rows * kRow;
  page += fmt::format(
      "<svg role=\"img\" aria-label=\"Cosine of every text with every picture\" width=\"{0}\" "
      "height=\"{1}\" viewBox=\"0 0 {0} {1}\" xmlns=\"http://www.w3.org/2000/svg\">\n",
      width, height);
  for (int i = 0; i < columns; ++i) {
    const auto u = static_cast<std::size_t>(i);
    const std::string name = similarity.images[u].filename().string();
    const int x = left + i * kCell;
    page += fmt::format(
        "<g><title>{}</title><image x=\"{}\" y=\"2\" width=\"{}\" height=\"{}\" href=\"{}\"/>"
        "<text class=\"name\" x=\"{}\" y=\"{}\">{}</text></g>\n",
        EscapeHtml(name), x, kCell - kGap, kCell - kGap, similarity.thumbnails[u], x, kTop - 18,
        EscapeHtml(Shorten(name, 17)));
  }
  for (int t = 0; t < rows; ++t) {
    const auto row = static_cast<std::size_t>(t);
    const int y = kTop + t * kRow;
    page += fmt::format("<text x=\"0\" y=\"{}\"><title>{}</title>{}</text>\n", y + 27,
                        EscapeHtml(similarity.texts[row]),
                        EscapeHtml(Shorten(similarity.texts[row], 52)));
    for (int i = 0; i < columns; ++i) {
      const auto u = static_cast<std::size_t>(i);
      const float value = similarity.cosines[row][u];
      const bool best = std::all_of(similarity.cosines.begin(), similarity.cosines.end(),
                                    [&](const auto& other) { return other[u] <= value; });
      const Shade shade = ShadeOf(value, low, high);
      const int x = left + i * kCell;
      page += fmt::format(
          "<g><title>{} / {}: cosine {:.4f}, probability {:.4f}</title><rect x=\"{}\" y=\"{}\" "
          "width=\"{}\" height=\"{}\" fill=\"{}\"/><text class=\"value{}\" x=\"{}\" y=\"{}\" "
          "style=\"fill:{}\">{:.3f}</text></g>\n",
          EscapeHtml(similarity.texts[row]), EscapeHtml(similarity.images[u].filename().string()),
          value, similarity.probabilities[row][u], x, y, kCell - kGap, kRow - kGap, shade.fill,
          best ? " best" : "", x + (kCell - kGap) / 2, y + 27, shade.ink, value);
    }
  }
  page += "</svg>\n</figure>\n</body>\n</html>\n";
  return page;
}

std::string SimilarityCsv(const Similarity& similarity) {
  std::string csv = "\"text\"";
  for (const auto& image : similarity.images) csv += ',' + CsvCell(image.filename().string());
  csv += '\n';
  for (std::size_t t = 0; t < similarity.texts.size(); ++t) {
    csv += CsvCell(similarity.texts[t]);
    for (const float value : similarity.cosines[t]) csv += fmt::format(",{:.6f}", value);
    csv += '\n';
  }
  return csv;
}

}  // namespace clipsweep
