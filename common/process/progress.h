// How far a stage is: a live bar with rate and time left on a terminal, a log line every ten
// seconds elsewhere. Rank 0 only; other ranks pass enabled = false.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace clipsweep {

// Off for the whole process (--quiet).
void DisableProgress();

class Progress {
 public:
  // `unit` in the plural, as in "images".
  Progress(std::string label, std::string unit, std::int64_t total, bool enabled);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `note` is appended, as in "loss 0.42".
  void Update(std::int64_t done, const std::string& note = "");

 private:
  using Clock = std::chrono::steady_clock;
  void Draw(std::int64_t done, const std::string& note, double seconds);

  std::string label_, unit_;
  std::int64_t total_;
  bool enabled_, terminal_, drawn_ = false;
  Clock::time_point started_, last_;
};

// "1:02:03", "2:03", "9 s"
std::string FormatSeconds(double seconds);

}  // namespace clipsweep
