// Work that a hostile or damaged file could crash, done in a child process.
#pragma once

#include <functional>
#include <string>

namespace clipsweep {

struct ChildResult {
  bool ended = false;    // by itself and with success: not by a signal, a throw or for silence
  bool hostile = false;  // a crash, or silence while it was computing: the work is to blame, not
                         // the machine
  std::string output;    // what it wrote, up to its end
};

// Damage can also make a library turn in circles: a child that sends nothing for so long is
// killed.
inline constexpr int kChildSilenceSeconds = 20;

// Forks; `work` gets a function that sends text to this process, to be called after every piece of
// work of at most a few seconds. Call it before threads of LibTorch
// have worked: a child has none of them. The child prints nothing and runs no destructors.
ChildResult RunInChild(
    const std::function<void(const std::function<void(const std::string&)>& send)>& work,
    int silence_seconds = kChildSilenceSeconds);

}  // namespace clipsweep
