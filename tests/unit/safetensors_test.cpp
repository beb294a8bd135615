// Hostile checkpoint files, built byte by byte; each is refused by an Error.
#include "extract/safetensors.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstring>

#include "common/error.h"
#include "common/random.h"
#include "extract/checkpoint.h"
#include "extract/model_folder.h"
#include "tests/support/problems.h"

namespace clipsweep {
namespace {

using testing::TempFolder;
using testing::WriteText;

std::string File(const std::string& header, const std::string& data, std::int64_t length = -1) {
  const std::uint64_t bytes = length < 0 ? header.size() : static_cast<std::uint64_t>(length);
  std::string file(8, '\0');
  std::memcpy(file.data(), &bytes, 8);
  return file + header + data;
}

const char* kTwo =
    R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"k":"v"}})";

TEST(Safetensors, ReadsFloats) {
  const TempFolder folder;
  const float values[2] = {1.5f, -2.0f};
  std::string data(8, '\0');
  std::memcpy(data.data(), values, 8);
  WriteText(folder / "a.safetensors", File(kTwo, data));
  const Safetensors file(folder / "a.safetensors");
  EXPECT_EQ(file.Load("a")[1].item<float>(), -2.0f);
  EXPECT_EQ(file.Metadata("k"), "v");
  EXPECT_THROW(file.Load("b"), Error);
}

TEST(Safetensors, ReadsHalfAndBfloat) {
  const TempFolder folder;
  WriteText(folder / "a.safetensors",
            File(R"({"h":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},)"
                 R"("b":{"dtype":"BF16","shape":[1],"data_offsets":[2,4]}})",
                 std::string("\x00\x3e\x80\x3f", 4)));
  const Safetensors file(folder / "a.safetensors");
  EXPECT_EQ(file.Load("h").item<float>(), 1.5f);
  EXPECT_EQ(file.Load("b").item<float>(), 1.0f);
}

TEST(Safetensors, RefusesHostileHeaders) {
  const std::string data(8, '\0');
  const std::vector<std::pair<const char*, std::string>> cases = {
      {"empty", ""},
      {"shorter than the length field", "abc"},
      {"length past the end", File(kTwo, data, 1'000'000)},
      {"length of 2^63", File(kTwo, data, INT64_MAX)},
      {"not JSON", File("{{{{", data)},
      {"JSON, no object", File("[1]", data)},
      {"entry is no object", File(R"({"a":3})", data)},
      {"no offsets", File(R"({"a":{"dtype":"F32","shape":[2]}})", data)},
      {"one offset", File(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", data)},
      {"negative shape", File(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", data)},
      {"offsets backwards",
       File(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", data)},
      {"past the end", File(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", data)},
      {"shape and offsets differ",
       File(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", data)},
      {"size overflows",
       File(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", data)},
      {"unknown dtype", File(R"({"a":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}})", data)},
      {"overlap", File(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                       data)}};
  for (const auto& [what, bytes] : cases) {
    const TempFolder folder;
    WriteText(folder / "a.safetensors", bytes);
    EXPECT_THROW(Safetensors(folder / "a.safetensors"), Error) << what;
  }
}

TEST(Safetensors, RandomBytesNeverCrash) {
  const TempFolder folder;
  Random random(1, 0, 0);
  const std::string good = File(kTwo, std::string(8, '\1'));
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = good;
    for (std::uint64_t flips = 1 + random.Below(4); flips > 0; --flips) {
      bytes[random.Below(bytes.size())] = static_cast<char>(random.Below(256));
    }
    WriteText(folder / "a.safetensors", bytes);
    try {
      const Safetensors file(folder / "a.safetensors");
      for (const std::string& name : file.Names()) file.Load(name);
    } catch (const Error&) {
    }
  }
}

TEST(Checkpoint, RefusesWhatIsNoClip) {
  const TempFolder folder;
  WriteText(folder / "a.safetensors", File(kTwo, std::string(8, '\0')));
  EXPECT_THROW(Checkpoint(folder / "a.safetensors"), Error);
  EXPECT_THROW(FindModel("no-such-model"), Error);
}

}  // namespace
}  // namespace clipsweep
