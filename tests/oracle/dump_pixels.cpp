// Test tool: dump_pixels N OUT IMAGE.. writes [N, N, 3] bytes of each picture, resized and cropped,
// to OUT and one line an image to stdout: "ok" or "refused: why"; to stderr the seconds it took.
// dump_pixels --view SEED N OUT IMAGE..: an augmented view instead, seeded by the picture's number,
// with the crop and whether it was flipped in the line.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string_view>

#include "common/atomic_file.h"
#include "common/error.h"
#include "extract/augment.h"
#include "extract/preprocess.h"

int main(int argc, char** argv) {
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
