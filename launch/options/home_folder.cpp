#include "launch/options/home_folder.h"

#include <fmt/core.h>

#include <cstdlib>
#include <filesystem>

#include "common/process/log.h"

namespace clipsweep {

namespace fs = std::filesystem;

std::string WithHome(std::string value) {
  if (value != "~" && !value.starts_with("~/")) return value;
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') {
    throw boost::program_options::error(
        fmt::format("'{}' needs HOME, which is not set; write the whole path", Printable(value)));
  }
  return home + value.substr(1);
}

void ExpandHome(boost::program_options::parsed_options& parsed, std::vector<std::string>& given) {
  for (auto& option : parsed.options) {
    for (std::string& value : option.value) {
      value = WithHome(std::move(value));
      given.push_back(value);
    }
  }
}

std::string WithFolderOfPaths(const std::string& message, const std::vector<std::string>& given) {
  for (const std::string& value : given) {
    const fs::path path(value);
    std::error_code code;
    if (value.empty() || path.is_absolute() || fs::exists(path, code)) continue;
    const std::string shown = Printable(value);
    const bool named = message.starts_with(shown + ":") ||
                       (message.find("--templates: '" + shown + "'") != std::string::npos &&
                        !path.extension().empty());
    if (!named) continue;
    return fmt::format("{} (paths start from the current folder, {}{})", message,
                       Printable(fs::current_path(code).string()),
                       value.front() == '~' ? "; of '~' only ~/ is understood" : "");
  }
  return message;
}

}  // namespace clipsweep
