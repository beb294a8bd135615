#include "extract/weights.h"

#include <fmt/core.h>

#include <array>
#include <fstream>
#include <string_view>

#include "common/error.h"
#include "extract/hugging_face.h"
#include "extract/safetensors.h"
#include "extract/torch_archive.h"

namespace clipsweep {
namespace {

std::string FirstBytes(const std::filesystem::path& path, std::size_t count) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes(count, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(count));
  if (file.bad() || (!file && file.gcount() == 0 && !file.eof())) {
    throw InputError(fmt::format("{}: cannot be read; check --model", path.string()));
  }
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  return bytes;
}

// Files that are met in place of a checkpoint, by how they begin.
void RefuseKnownStrangers(const std::filesystem::path& path, std::string_view start) {
  struct Stranger {
    std::string_view start, what;
  };
  constexpr std::array<Stranger, 6> kStrangers{{
      {"\x80\x02",
       "is a pickle, which can run code, and is not opened; save its tensors as safetensors"},
      {"<", "is an HTML or XML page, perhaps a server's error message; fetch the checkpoint again"},
      {"version https://git-lfs", "is a Git LFS pointer, not the file itself; run git lfs pull"},
      {"{", "is JSON; give the checkpoint itself"},
      {"\x89HDF", "is an HDF5 file; give a CLIP checkpoint"},
      {"\x1f\x8b", "is gzip; unpack it first"},
  }};
  for (const Stranger& stranger : kStrangers) {
    if (start.starts_with(stranger.start)) {
      throw InputError(fmt::format("{}: {}", path.string(), stranger.what));
    }
  }
}

}  // namespace

OpenedWeights OpenWeights(const std::filesystem::path& path, bool trusted) {
  const std::string start = FirstBytes(path, 32);
  if (start.empty()) throw InputError(fmt::format("{}: is empty; fetch it again", path.string()));
  // A safetensors file begins with a length; its ninth byte opens the header.
  const bool safetensors = start.size() > 8 && start[8] == '{';
  if (!safetensors) RefuseKnownStrangers(path, start);
  if (start.starts_with("PK\x03\x04")) {
    if (!trusted) {
      throw InputError(
          fmt::format("{}: is a PyTorch archive of no published SHA-256; opening it can run code. "
                      "Give --trust-checkpoint if you trust where it comes from",
                      path.string()));
    }
    return {CheckpointForm::kOpenAi, std::make_unique<TorchArchive>(path)};
  }
  auto weights = std::make_unique<Safetensors>(path);
  if (HuggingFaceWeights::Recognises(*weights)) {
    return {CheckpointForm::kHuggingFace, std::make_unique<HuggingFaceWeights>(std::move(weights))};
  }
  return {CheckpointForm::kOpenClip, std::move(weights)};
}

}  // namespace clipsweep
