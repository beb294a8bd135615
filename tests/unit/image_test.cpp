// Decoders and the transform on pictures made here; the oracle tests compare real ones with Pillow.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <png.h>

#include "common/random.h"
#include "extract/image_decode.h"
#include "extract/model_config.h"
#include "extract/pixel_scale.h"
#include "extract/preprocess.h"

namespace clipsweep {
namespace {

std::string MakePng(int width, int height, int color, int depth,
                    const std::vector<std::uint8_t>& rows) {
  std::string out;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  png_set_write_fn(
      png, &out,
      [](png_structp p, png_bytep data, png_size_t count) {
        static_cast<std::string*>(png_get_io_ptr(p))->append(reinterpret_cast<char*>(data), count);
      },
      nullptr);
  png_set_IHDR(png, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), depth,
               color, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, info);
  const std::size_t stride = rows.size() / static_cast<std::size_t>(height);
  for (int y = 0; y < height; ++y) {
    png_write_row(png, const_cast<png_bytep>(rows.data() + stride * static_cast<std::size_t>(y)));
  }
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return out;
}

TEST(Png, GreyAlphaAndSixteenBits) {
  const Image grey = DecodeImage(MakePng(2, 1, PNG_COLOR_TYPE_GRAY, 8, {7, 200}));
  EXPECT_EQ(grey.rgb, (std::vector<std::uint8_t>{7, 7, 7, 200, 200, 200}));
  const Image rgba = DecodeImage(MakePng(1, 1, PNG_COLOR_TYPE_RGB_ALPHA, 8, {1, 2, 3, 0}));
  EXPECT_EQ(rgba.rgb, (std::vector<std::uint8_t>{1, 2, 3}));
  const Image deep = DecodeImage(MakePng(1, 1, PNG_COLOR_TYPE_RGB, 16, {1, 99, 2, 99, 3, 99}));
  EXPECT_EQ(deep.rgb, (std::vector<std::uint8_t>{1, 2, 3}));
  const Image bit = DecodeImage(MakePng(8, 1, PNG_COLOR_TYPE_GRAY, 1, {0xF0}));
  EXPECT_EQ(bit.rgb[0], 255);
  EXPECT_EQ(bit.rgb[23], 0);
}

TEST(Decode, RefusesWithoutCrashing) {
  EXPECT_THROW(DecodeImage(""), ImageError);
  EXPECT_THROW(DecodeImage("GIF89a"), ImageError);
  EXPECT_THROW(DecodeImage("\xff\xd8\xff"), ImageError);
  EXPECT_THROW(CheckImageSize(100'000, 100'000), ImageError);
  EXPECT_THROW(CheckImageSize(0, 3), ImageError);
  std::vector<std::uint8_t> rows(30 * 20 * 3);
  Random random(1, 1, 1);
  for (auto& value : rows) value = static_cast<std::uint8_t>(random.Below(256));
  const std::string good = MakePng(30, 20, PNG_COLOR_TYPE_RGB, 8, rows);
  EXPECT_EQ(DecodeImage(good).rgb, rows);
  for (std::size_t length = 0; length < good.size(); length += 7) {
    EXPECT_THROW(DecodeImage(good.substr(0, length)), ImageError) << length;
  }
  for (int i = 0; i < 500; ++i) {
    std::string bad = good;
    bad[random.Below(bad.size())] ^= static_cast<char>(1 + random.Below(255));
    try {
      DecodeImage(bad);
    } catch (const ImageError&) {
    }
  }
}

TEST(Preprocess, ShapesAreTheReferences) {
  // int(n * long / short), as torchvision's Resize(n).
  EXPECT_EQ(ResizedShape(480, 640, 224).width, 298);
  EXPECT_EQ(ResizedShape(640, 480, 224).height, 298);
  EXPECT_EQ(ResizedShape(10, 10, 224).width, 224);
}

TEST(Preprocess, AConstantPictureStaysConstant) {
  Image image;
  image.width = 50;
  image.height = 31;
  image.rgb.assign(50 * 31 * 3, 128);
  const Image square = ResizeAndCrop(image, 64);
  EXPECT_EQ(square.rgb, std::vector<std::uint8_t>(64 * 64 * 3, 128));
}

TEST(PixelScale, EveryLevelIsTheReferences) {
  ModelConfig config;
  config.mean = {0.5f, 0.4f, 0.3f};
  config.deviation = {0.25f, 0.26f, 0.27f};
  at::Tensor pixels = at::arange(256, at::kByte).view({1, 16, 16, 1}).repeat({1, 1, 1, 3});
  const at::Tensor scaled = PixelScale(config, {}).Apply(pixels);
  EXPECT_EQ(scaled.sizes(), (std::vector<std::int64_t>{1, 3, 16, 16}));
  EXPECT_TRUE(scaled.is_contiguous(at::MemoryFormat::ChannelsLast));
  for (int v = 0; v < 256; ++v) {
    for (std::size_t c = 0; c < 3; ++c) {
      const float want = (static_cast<float>(v) / 255.0f - config.mean[c]) / config.deviation[c];
      EXPECT_EQ(scaled[0][static_cast<int>(c)][v / 16][v % 16].item<float>(), want);
    }
  }
}

TEST(Models, TheTableHasNineRows) {
  EXPECT_EQ(KnownModels().size(), 9u);
  EXPECT_EQ(
      ModelOfPublishedArchive("afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762"),
      "RN50");
  EXPECT_EQ(ModelOfPublishedArchive(""), "");
}

}  // namespace
}  // namespace clipsweep
