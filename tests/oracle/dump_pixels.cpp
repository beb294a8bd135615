// Test tool: dump_pixels N OUT IMAGE.. writes [N, N, 3] bytes of each picture, resized and cropped,
// to OUT and one line an image to stdout: "ok" or "refused: why"; to stderr the seconds it took.
// dump_pixels --view SEED N OUT IMAGE..: an augmented view instead, seeded by the picture's number,
// with the crop and whether it was flipped in the line.
// dump_pixels --decode IMAGE..: decodes alone; no file, but the same lines and seconds.
// dump_pixels --whole IMAGE..: no file, but lines "ok WIDTH HEIGHT SHA256 NOTE.." of the decoded
// pictures; with --most N before the images no
// more than N pixels, with --usage also the seconds and the largest memory so far, in MiB.
#include <fmt/core.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/disk/atomic_file.h"
#include "common/disk/sha256.h"
#include "common/process/error.h"
#include "extract/images/augment.h"
#include "extract/images/preprocess.h"

namespace {

// Of the processor, by this process.
double Seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

// MiB. What getrusage says began with the process that started this one.
long LargestMemory() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    long kibibytes = 0;
    if (word == "VmHWM:" && status >> kibibytes) return kibibytes / 1024;
  }
  return 0;
}

int Whole(const std::vector<std::string>& paths, bool usage,
          const clipsweep::DecodeLimits& limits) {
  for (const std::string& path : paths) {
    const double begin = Seconds();
    std::string line;
    try {
      const auto image =
          clipsweep::DecodeImage(clipsweep::ReadFile(path, clipsweep::kMaxImageBytes), limits);
      clipsweep::Sha256 hash;
      hash.Update(std::as_bytes(std::span(image.rgb)));
      line = fmt::format("ok {} {} {}", image.width, image.height, hash.Hex());
      for (const auto& note : image.notes) {
        line += std::string(" ") + clipsweep::kNoteNames.at(static_cast<std::size_t>(note.kind));
      }
    } catch (const std::runtime_error& error) {
      line = fmt::format("refused: {}", error.what());
    }
    std::puts(line.c_str());
    if (usage) {
      std::printf("%.3f %ld\n", Seconds() - begin, LargestMemory());
    }
  }
  return 0;
}

int Decode(const std::vector<std::string>& paths) {
  const auto begin = std::chrono::steady_clock::now();
  for (const std::string& path : paths) {
    try {
      clipsweep::DecodeImage(clipsweep::ReadFile(path, clipsweep::kMaxImageBytes));
      std::puts("ok");
    } catch (const std::runtime_error& error) {
      std::printf("refused: %s\n", error.what());
    }
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  std::fprintf(stderr, "%.6f\n", seconds.count());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (std::string_view(argv[1]) == "--decode") return Decode({argv + 2, argv + argc});
  if (std::string_view(argv[1]) == "--whole") {
    const bool usage = argc > 2 && std::string_view(argv[2]) == "--usage";
    const bool most = argc > 3 && std::string_view(argv[2]) == "--most";
    clipsweep::DecodeLimits limits;
    if (most) limits.max_pixels = std::atol(argv[3]);
    return Whole({argv + (most ? 4 : usage ? 3 : 2), argv + argc}, usage, limits);
  }
  const bool view = std::string_view(argv[1]) == "--view";
  const int seed = view ? std::atoi(argv[2]) : 0;
  argv += view ? 2 : 0;
  argc -= view ? 2 : 0;
  const int n = std::atoi(argv[1]);
  std::ofstream out(argv[2], std::ios::binary);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 3; i < argc; ++i) {
    try {
      const auto image =
          clipsweep::DecodeImage(clipsweep::ReadFile(argv[i], clipsweep::kMaxImageBytes));
      clipsweep::Random random(static_cast<std::uint64_t>(seed), 0, static_cast<std::uint64_t>(i));
      const auto drawn = clipsweep::DrawView(image.height, image.width, random);
      const auto square =
          view ? clipsweep::MakeView(image, drawn, n) : clipsweep::ResizeAndCrop(image, n);
      out.write(reinterpret_cast<const char*>(square.rgb.data()),
                static_cast<std::streamsize>(square.rgb.size()));
      const auto& crop = drawn.crop;
      if (view) {
        std::printf("ok %ld %ld %ld %ld %d\n", static_cast<long>(crop.left),
                    static_cast<long>(crop.top), static_cast<long>(crop.width),
                    static_cast<long>(crop.height), drawn.flip ? 1 : 0);
      } else {
        std::puts("ok");
      }
    } catch (const std::runtime_error& error) {
      std::printf("refused: %s\n", error.what());
    }
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  std::fprintf(stderr, "%.6f\n", seconds.count());
  return 0;
}
