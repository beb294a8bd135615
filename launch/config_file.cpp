#include "launch/config_file.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <sstream>
#include <vector>

namespace clipsweep {

void StoreConfig(const std::string& text,
                 const boost::program_options::options_description& options,
                 boost::program_options::variables_map& values) {
  // Editors of Windows begin a file with a byte order mark.
  std::istringstream lines(text.starts_with("\xef\xbb\xbf") ? text.substr(3) : text);
  boost::program_options::store(boost::program_options::parse_config_file(lines, options), values);
}

namespace {

// Letters to insert, drop or change (Levenshtein).
std::size_t Distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, changed});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string NearestOption(const std::string& name,
                          const boost::program_options::options_description& options) {
  const std::string wanted = name.substr(0, 64);  // longer than any of ours
  std::string nearest;
  std::size_t least = SIZE_MAX;
  for (const auto& option : options.options()) {
    const std::size_t distance = Distance(wanted, option->long_name());
    if (distance >= least) continue;
    least = distance;
    nearest = option->long_name();
  }
  return nearest;
}

}  // namespace clipsweep
