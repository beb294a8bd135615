// Work that a hostile or damaged file could crash, done in a child process.
#pragma once

#include <functional>
#include <string>

namespace clipsweep {

struct ChildResult {
  bool ended = false;  // by itself and with success: not by a signal, a throw or the time limit
  std::string output;  // what it wrote, up to its end
};

// Forks; `work` gets a function that sends text to this process. Call it before threads of LibTorch
// have worked: a child has none of them. The child prints nothing and runs no destructors.
ChildResult RunInChild(
    const std::function<void(const std::function<void(const std::string&)>& send)>& work,
    unsigned limit_seconds);

}  // namespace clipsweep
