// Hostile checkpoint files, built byte by byte; each is refused by an Error.
#include "extract/checkpoints/safetensors.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstring>

#include "common/compute/random.h"
#include "common/compute/tensors.h"
#include "common/process/error.h"
#include "extract/checkpoints/checkpoint.h"
#include "extract/checkpoints/file_kind.h"
#include "extract/checkpoints/model_config.h"
#include "extract/checkpoints/model_folder.h"
#include "extract/checkpoints/safetensors_index.h"
#include "extract/checkpoints/wrapped_names.h"
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
      {"a tensor twice", File(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                              R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
                              data)},
      {"bytes after the last tensor", File(kTwo, data + "12345678")},
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

// What the error says.
template <typename Call>
std::string Message(const Call& call) {
  try {
    call();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

TEST(Safetensors, SaysHowMuchOfAFileIsThere) {
  const TempFolder folder;
  const std::string whole = File(kTwo, std::string(8, '\0'));
  for (std::size_t size = 9; size < whole.size(); ++size) {
    WriteText(folder / "a.safetensors", whole.substr(0, size));
    const std::string said = Message([&] { Safetensors(folder / "a.safetensors"); });
    EXPECT_NE(said.find(fmt::format("has {} of ", size)), std::string::npos) << said;
    EXPECT_NE(said.find("broke off"), std::string::npos) << said;
  }
  WriteText(folder / "a.safetensors", whole.substr(0, whole.size() - 3));
  EXPECT_NE(Message([&] {
              Safetensors(folder / "a.safetensors");
            }).find(fmt::format("has {} of {} bytes", whole.size() - 3, whole.size())),
            std::string::npos);
}

TEST(SafetensorsIndex, ReadsAndRefuses) {
  const auto files = ParseSafetensorsIndex(
      R"({"metadata":{"total_size":8,"a":1},"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})");
  EXPECT_EQ(files.at("b"), "2.safetensors");
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"", "not JSON"},
      {"[]", "not JSON"},
      {"{}", "no weight_map"},
      {R"({"weight_map":{}})", "no weight_map"},
      {R"({"weight_map":[]})", "no weight_map"},
      {R"({"weight_map":{"a":3}})", "no file name"},
      {R"({"weight_map":{"a":"1","a":"2"}})", "twice"},
      {R"({"weight_map":{"a":"../1"}})", "plain names"},
      {R"({"weight_map":{"a":"/etc/passwd"}})", "plain names"},
      {R"({"weight_map":{"a":"sub/1"}})", "plain names"},
      {R"({"weight_map":{"a":"..\\1"}})", "plain names"},
      {R"({"weight_map":{"a":".."}})", "plain names"},
      {R"({"weight_map":{"a":"x\u0000y"}})", "plain names"},
      {R"({"weight_map":{"a":""}})", "plain names"},
      {R"({"weight_map":{"a":[[[[[[[[[[1]]]]]]]]]]}})", "nested too deep"}};
  for (const auto& [text, wanted] : cases) {
    const std::string said = Message([&, t = text] { ParseSafetensorsIndex(t); });
    EXPECT_NE(said.find(wanted), std::string::npos) << text << ": " << said;
  }
}

TEST(WrappedNames, AreUnwrapped) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"visual.conv1.weight", "visual.conv1.weight"},
      {"module.visual.conv1.weight", "visual.conv1.weight"},
      {"_orig_mod.module.visual.conv1.weight", "visual.conv1.weight"},
      {"state_dict.model.clip.visual.proj", "visual.proj"},
      {"visual._orig_mod.conv1.weight", "visual.conv1.weight"},
      {"visual._fsdp_wrapped_module.transformer.module.ln.bias", "visual.transformer.ln.bias"},
      {"clip_model.text_model.final_layer_norm.bias", "text_model.final_layer_norm.bias"},
      {"transformer.model.weight", "transformer.model.weight"},  // leads no name
      {"module", "module"},
      {"model.module", "module"},
      {"", ""}};
  for (const auto& [wrapped, plain] : cases) EXPECT_EQ(Unwrapped(wrapped), plain) << wrapped;
}

TEST(PublishedArchives, HaveTheirSizes) {
  EXPECT_EQ(PublishedArchiveBytes("RN50"), 255'827'503U);
  EXPECT_EQ(PublishedArchiveBytes("ViT-L-14-336px"), 934'088'680U);
  EXPECT_EQ(PublishedArchiveBytes("RN5"), 0U);
  EXPECT_EQ(BrokenOff(100'000'000, 255'827'503),
            "has 100000000 of 255827503 bytes (100 MB of 256 MB); the download broke off, fetch it "
            "again");
}

TEST(Checkpoint, RefusesWhatIsNoClip) {
  const TempFolder folder;
  WriteText(folder / "a.safetensors", File(kTwo, std::string(8, '\0')));
  EXPECT_THROW(Checkpoint(folder / "a.safetensors"), Error);
  EXPECT_THROW(FindModel("no-such-model"), Error);
}

}  // namespace
}  // namespace clipsweep
