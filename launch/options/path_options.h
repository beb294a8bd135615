// Options that name files: what each does with its file is said where the option is, and one check
// over all of them, before any work, finds what would be lost.
#pragma once

#include <boost/program_options.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace clipsweep {

enum class PathRole {
  kInput,      // read: a file, a folder, or a word that is no path
  kOutput,     // a file that is written
  kRunFolder,  // a folder that a run fills
};

// What a file that an output may replace begins with.
struct OutputKind {
  std::string what;    // "a feature file"
  std::string format;  // of a sealed file: its attribute "format"; else "" ..
  std::string start;   // .. and how its text begins
  bool needed = true;  // false: the command warns where it cannot be written
  // Where one beginning does not suffice: whether the first 256 bytes are of such a file.
  bool (*begins)(std::string_view start) = nullptr;
};
OutputKind SealedOutput(std::string what, std::string format);
OutputKind JsonOutput();
OutputKind PageOutput();
OutputKind TextOutputOf(std::string what, std::string start);

struct PathUse {
  std::string option;  // without dashes
  std::string path;
  PathRole role = PathRole::kInput;
  OutputKind kind = {};
};

// The role of an option, found in its value's semantic by the check.
class PathOption {
 public:
  virtual ~PathOption() = default;
  virtual std::vector<std::string> Paths() const = 0;
  // Of an output that is a link: its target instead, so that the target is replaced.
  virtual void Replace(const std::string& path) = 0;

  PathRole role = PathRole::kInput;
  OutputKind kind;
};

// T: std::string, or a vector of them for inputs.
template <typename T>
class PathValue final : public boost::program_options::typed_value<T>, public PathOption {
 public:
  PathValue(T* target, PathRole of_role, OutputKind of_kind = {})
      : boost::program_options::typed_value<T>(target), target_(target) {
    role = of_role;
    kind = std::move(of_kind);
  }
  std::vector<std::string> Paths() const override {
    if constexpr (std::is_same_v<T, std::string>) {
      return {*target_};
    } else {
      return *target_;
    }
  }
  void Replace(const std::string& path) override {
    if constexpr (std::is_same_v<T, std::string>) *target_ = path;
  }

 private:
  T* target_;
};

// For AddOptions: (option, InputPath(&x)->required(), help).
template <typename T>
boost::program_options::typed_value<T>* InputPath(T* target) {
  return new PathValue<T>(target, PathRole::kInput);
}
boost::program_options::typed_value<std::string>* OutputPath(std::string* target, OutputKind kind);
boost::program_options::typed_value<std::string>* RunFolder(std::string* target);

// Where a chain of links ends, whether or not something is there. Throws InputError for a loop.
std::string LinkTarget(const std::string& path);

// Whether `path`, which need not be there, is `folder` or in it, however deep.
bool IsBelow(const std::string& path, const std::string& folder);

// The uses of paths by what was given; after notify. Links that outputs are become their targets.
// Throws UsageError for an empty path, naming the option.
std::vector<PathUse> PathsOf(const boost::program_options::options_description& options,
                             const boost::program_options::variables_map& values);

// Throws UsageError, naming options and file, where an output is an input, another output, a
// folder, or a file that holds something else than what would be written; InputError where it
// cannot be written. Reads beginnings of outputs only, and writes nothing.
void CheckPaths(const std::vector<PathUse>& uses);

}  // namespace clipsweep
