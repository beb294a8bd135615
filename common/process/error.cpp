#include "common/process/error.h"

#include <filesystem>
#include <new>
#include <optional>
#include <string_view>
#include <system_error>

#include "common/process/liveness.h"

namespace clipsweep {
namespace {

// What stages hold most of, and what makes that less; by the beginning of a stage's name.
struct Appetite {
  std::string_view stage, holds, lower;
};
constexpr Appetite kAppetites[] = {
    {"extract", "a batch of pictures for each thread, and the model",
     "fewer --threads, a smaller --batch of extract, or a lower --max-pixels"},
    {"repair", "a batch of pictures for each thread, and the model", "fewer --threads"},
    {"text", "the text encoder and its prompts", "fewer --threads"},
    {"sweep", "the cache, the query features and the counts of the grid",
     "fewer --threads, larger steps in --alpha and --beta, or sweep --partition classes on more "
     "ranks"},
    {"finetune", "the cache's keys with their gradients and moments",
     "fewer --threads, a smaller --batch, or more ranks on other hosts, which divide the keys"},
    {"evaluate", "the cache and the test features", "fewer --threads"},
};
constexpr Appetite kOther = {
    "", "its input",
    "fewer --threads, a smaller --batch where there is one, or a lower --max-pixels"};

// "1.2 GiB" of "tried to allocate 1.2 GiB", as LibTorch words it for a CPU and for a GPU.
std::string Asked(const std::string& message) {
  constexpr std::string_view kBefore = "ried to allocate ";
  const std::size_t at = message.find(kBefore);
  if (at == std::string::npos) return "";
  const std::size_t from = at + kBefore.size();
  std::string amount = message.substr(from, message.find_first_of(",\n", from) - from);
  // A sentence ends, "2.00 GiB. GPU 0 has .."; a number does not.
  if (const std::size_t stop = amount.find(". "); stop != std::string::npos) amount.resize(stop);
  while (!amount.empty() && amount.back() == '.') amount.pop_back();
  return amount.substr(0, 40);
}

// What could not be had; nothing for any other error.
std::optional<std::string> OutOfMemory(const std::exception& error) {
  const std::string text = error.what();
  const auto says = [&](const char* words) { return text.find(words) != std::string::npos; };
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return "out of memory";
  if (dynamic_cast<const std::length_error*>(&error) != nullptr) {
    return "out of memory (more was asked for than there can be)";
  }
  const auto* system = dynamic_cast<const std::system_error*>(&error);
  if (system != nullptr && (system->code() == std::errc::not_enough_memory ||
                            system->code() == std::errc::resource_unavailable_try_again)) {
    return "out of memory or threads (no further thread could be started)";
  }
  // What oneDNN, LibTorch's arithmetic on CPUs, says when it gets no memory.
  if (says("could not create a primitive") || says("could not create a memory") ||
      says("could not execute a primitive")) {
    return "out of memory";
  }
  const bool gpu = says("CUDA out of memory") || says("CUDA error: out of memory");
  if (!gpu && !says("can't allocate memory") && !says("not enough memory")) return std::nullopt;
  const std::string asked = Asked(text);
  return std::string(gpu ? "out of GPU memory" : "out of memory") +
         (asked.empty() ? "" : " (" + asked + " more were asked for)");
}

std::string WhatToLower(const std::string& problem) {
  const std::string stage = ReadLiveness().stage;
  const Appetite* appetite = &kOther;
  for (const Appetite& known : kAppetites) {
    if (stage.starts_with(known.stage)) appetite = &known;
  }
  // Commands without stages are at the start of one.
  const std::string where =
      stage == "start" ? ", which holds " : " in '" + stage + "', which holds ";
  return problem + where + std::string(appetite->holds) + "; give " + std::string(appetite->lower) +
         "; fewer ranks on a host leave each more";
}

}  // namespace

ErrorDescription DescribeError(const std::exception& error) {
  if (const auto* ours = dynamic_cast<const Error*>(&error)) return {ours->code(), ours->what()};
  if (const auto* disk = dynamic_cast<const std::filesystem::filesystem_error*>(&error)) {
    return {ExitCode::kBadInput, disk->path1().string() + ": " + disk->code().message() +
                                     "; check its permissions and free space"};
  }
  if (const auto problem = OutOfMemory(error)) {
    return {ExitCode::kBadInput, WhatToLower(*problem)};
  }
  return {ExitCode::kInternal, std::string("internal error, please report it: ") + error.what()};
}

}  // namespace clipsweep
