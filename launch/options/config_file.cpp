#include "launch/options/config_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <sstream>
#include <vector>

#include "common/disk/text_input.h"
#include "common/data/name_match.h"
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

std::string NearestOption(const std::string& name,
                          const boost::program_options::options_description& options) {
  std::vector<std::string> known;
  for (const auto& option : options.options()) known.push_back(option->long_name());
  return NearestWord(name, known);
}

}  // namespace clipsweep
