// Test tool: dump_pixels N OUT IMAGE.. writes [N, N, 3] bytes of each picture, resized and cropped,
// to OUT and one line an image to stdout: "ok" or "refused: why"; to stderr the seconds it took.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "common/atomic_file.h"
#include "common/error.h"
#include "extract/preprocess.h"

int main(int argc, char** argv) {
  const int n = std::atoi(argv[1]);
  std::ofstream out(argv[2], std::ios::binary);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 3; i < argc; ++i) {
    try {
      const auto image =
          clipsweep::DecodeImage(clipsweep::ReadFile(argv[i], clipsweep::kMaxImageBytes));
      const auto square = clipsweep::ResizeAndCrop(image, n);
      out.write(reinterpret_cast<const char*>(square.rgb.data()),
                static_cast<std::streamsize>(square.rgb.size()));
      std::puts("ok");
    } catch (const std::runtime_error& error) {
      std::printf("refused: %s\n", error.what());
    }
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  std::fprintf(stderr, "%.6f\n", seconds.count());
  return 0;
}
