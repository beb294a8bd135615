// Text that a user asks for by name, as --json and --csv: a file is replaced whole or not at all; a
// pipe, a device and an open descriptor (/dev/stdout) are written to in place; "-" is standard
// output.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

#include "common/disk/file_system.h"

namespace clipsweep {

// The descriptor of this process that a path leads to, by name or through links.
std::optional<int> DescriptorNamed(const std::filesystem::path& path);

// Whether `path` is written to in place.
bool IsWrittenInPlace(const std::filesystem::path& path);

class TextOutput {
 public:
  // Throws InputError. A pipe without a reader is waited for; SIGINT and SIGTERM end that.
  explicit TextOutput(const std::filesystem::path& path);
  ~TextOutput();
  TextOutput(const TextOutput&) = delete;
  TextOutput& operator=(const TextOutput&) = delete;

  void Write(std::string_view text);
  // What was written counts from here on. Not called: a file stays as it was.
  void Commit();

 private:
  std::filesystem::path path_, temporary_;
  std::unique_ptr<OutputFile> file_;
  off_t written_ = 0;
  int in_place_ = -1;
  bool close_ = false;
};

void WriteTextOutput(const std::filesystem::path& path, std::string_view text);

}  // namespace clipsweep
