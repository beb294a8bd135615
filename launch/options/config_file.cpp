#include "launch/options/config_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <sstream>
#include <vector>

#include "common/disk/text_input.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "launch/options/home_folder.h"

namespace clipsweep {

namespace {

std::string WithoutQuotes(const std::string& value) {
  for (const char quote : {'"', '\''}) {
    if (value.size() >= 2 && value.front() == quote && value.find(quote, 1) == value.size() - 1) {
      return value.substr(1, value.size() - 2);
    }
  }
  return value;
}

}  // namespace

void StoreConfig(const std::string& text,
                 const boost::program_options::options_description& options,
                 boost::program_options::variables_map& values, std::vector<std::string>& given) {
  std::istringstream lines(text);
  auto parsed = boost::program_options::parse_config_file(lines, options);
  for (auto& option : parsed.options) {
    if (option.string_key == "config" || option.string_key == "help") {
      throw boost::program_options::error(
          fmt::format("'{}' has no place in a configuration; leave it out", option.string_key));
    }
    for (std::string& value : option.value) value = WithoutQuotes(value);
  }
  ExpandHome(parsed, given);
  boost::program_options::store(parsed, values);
}

void ReadConfig(const std::filesystem::path& path,
                const boost::program_options::options_description& options,
                boost::program_options::variables_map& values, std::vector<std::string>& given) {
  constexpr std::size_t kMostBytes = std::size_t{1} << 20;
  const std::string text = ReadTextInput(path, kMostBytes);
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    throw InputError(fmt::format("{}: is empty; write options as lines of name = value",
                                 Printable(path.string())));
  }
  StoreConfig(text, options, values, given);
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
