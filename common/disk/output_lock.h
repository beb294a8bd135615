// One job at a time on one output.
#pragma once

#include <filesystem>

namespace clipsweep {

// Held while a job writes `path`, by PATH.lock: a second job on the same output gets InputError.
// The lock is flock's, where a file system has none fcntl's (both end with the process, however it
// ends), and where it has neither a file with host and process in it; the last is said in a
// warning, and is taken over when that process is gone from this host. Temporaries that a killed
// job left beside `path` are removed. A link or another thing called PATH.lock is refused, not
// followed.
class OutputLock {
 public:
  explicit OutputLock(const std::filesystem::path& path);
  ~OutputLock();
  OutputLock(const OutputLock&) = delete;
  OutputLock& operator=(const OutputLock&) = delete;

 private:
  bool TryHold();
  void HoldByFile(const std::filesystem::path& path);

  std::filesystem::path lock_path_;
  int descriptor_ = -1;
};

// Throws InputError when another job holds the lock of `path`. Makes and changes nothing.
void RefuseLocked(const std::filesystem::path& path);

}  // namespace clipsweep
