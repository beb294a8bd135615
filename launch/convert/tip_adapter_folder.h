// The folder of caches that the official Tip-Adapter code writes: keys_Kshots.pt [D, K],
// values_Kshots.pt [K, C], val_f.pt and val_l.pt, test_f.pt and test_l.pt ([N, D] and [N]),
// clip_weights.pt [D, C]. https://github.com/gaopengcuhk/Tip-Adapter
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "launch/convert/layout.h"

namespace clipsweep {

inline constexpr const char* kOfficialText = "clip_weights.pt";

class TipAdapterFolder {
 public:
  // `shots`: which keys_Kshots.pt, where there are several. Throws InputError.
  TipAdapterFolder(std::filesystem::path folder, std::optional<int> shots);

  const std::filesystem::path& path() const { return folder_; }
  // Both "" where the folder has no keys.
  const std::filesystem::path& keys() const { return keys_; }
  const std::filesystem::path& values() const { return values_; }

  // The cache; throws InputError where there is none.
  LabelledRows Cache(std::optional<Layout> asked, std::vector<std::string>& notes) const;
  // `part`: "val" or "test".
  LabelledRows Split(const std::string& part, std::optional<Layout> asked,
                     std::vector<std::string>& notes) const;
  std::filesystem::path SplitFile(const std::string& part, char letter) const;

 private:
  std::filesystem::path folder_, keys_, values_;
};

}  // namespace clipsweep
