#include "common/error.h"

#include <filesystem>
#include <new>

namespace clipsweep {

ErrorDescription DescribeError(const std::exception& error) {
  if (const auto* ours = dynamic_cast<const Error*>(&error)) return {ours->code(), ours->what()};
  if (const auto* disk = dynamic_cast<const std::filesystem::filesystem_error*>(&error)) {
    return {ExitCode::kBadInput, disk->path1().string() + ": " + disk->code().message() +
                                     "; check its permissions and free space"};
  }
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    return {ExitCode::kInternal,
            "out of memory; use fewer --threads, or more ranks on more machines"};
  }
  return {ExitCode::kInternal, std::string("internal error, please report it: ") + error.what()};
}

}  // namespace clipsweep
