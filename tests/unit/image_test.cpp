// Decoders and the transform on pictures made here; the oracle tests compare real ones with Pillow.
#include <gtest/gtest.h>
#include <png.h>
#include <zlib.h>

#include <algorithm>

#include "common/compute/random.h"
#include "common/compute/tensors.h"
#include "common/data/image_kind.h"
#include "extract/checkpoints/model_config.h"
#include "extract/images/image_decode.h"
#include "extract/images/preprocess.h"
#include "extract/images/resample_rows.h"
#include "extract/models/pixel_scale.h"

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
  EXPECT_THROW(StartImage(100'000, 100'000, {}), ImageError);
  EXPECT_THROW(StartImage(0, 3, {}), ImageError);
  std::vector<std::uint8_t> rows(30 * 20 * 3);
  Random random(1, 1, 1);
  for (auto& value : rows) value = static_cast<std::uint8_t>(random.Below(256));
  const std::string good = MakePng(30, 20, PNG_COLOR_TYPE_RGB, 8, rows);
  EXPECT_EQ(DecodeImage(good).rgb, rows);
  // Before IEND stand its length and the checksum of the pixel data; Pillow needs none of the
  // three.
  const std::size_t data_end = good.rfind("IEND") - 8;
  for (std::size_t length = 0; length < data_end; ++length) {
    EXPECT_THROW(DecodeImage(good.substr(0, length)), ImageError) << length << " of " << data_end;
  }
  for (std::size_t length = data_end; length < good.size(); ++length) {
    EXPECT_EQ(DecodeImage(good.substr(0, length)).rgb, rows) << length;
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

std::string Why(const std::string& bytes, const DecodeLimits& limits = {}) {
  try {
    DecodeImage(bytes, limits);
    return "";
  } catch (const ImageError& error) {
    return error.what();
  }
}

std::vector<NoteKind> Notes(const Image& image) {
  std::vector<NoteKind> kinds;
  for (const ImageNote& note : image.notes) kinds.push_back(note.kind);
  return kinds;
}

TEST(Limits, RefusesAndWarnsWherePillowDoes) {
  EXPECT_TRUE(StartImage(1000, 89'478, {}).notes.empty());
  EXPECT_EQ(Notes(StartImage(1000, 89'479, {})), std::vector{NoteKind::kLarge});
  EXPECT_EQ(StartImage(2000, 89'478, {}).width, 2000);
  EXPECT_THROW(StartImage(2000, 89'479, {}), ImageError);
  EXPECT_EQ(StartImage(1, 1'000'000, {}).height, 1'000'000);
  EXPECT_THROW(StartImage(1, 1'000'001, {}), ImageError);
  const std::string png = MakePng(2, 1, PNG_COLOR_TYPE_GRAY, 8, {7, 200});
  EXPECT_EQ(Why(png, {2}), "");
  EXPECT_NE(Why(png, {1}).find("2 x 1 pixels"), std::string::npos);
}

TEST(Kinds, AreToldByFirstBytes) {
  EXPECT_STREQ(ImageKind("\xff\xd8\xff"), "JPEG");
  EXPECT_STREQ(ImageKind("GIF89a"), "GIF");
  EXPECT_STREQ(ImageKind("P6\n"), "PNM");
  EXPECT_EQ(ImageKind("P7\n"), nullptr);
  EXPECT_EQ(ImageKind("BMW is a car, not a picture"), nullptr);
  EXPECT_EQ(ImageKind(""), nullptr);
  const std::pair<std::string, std::string> named[] = {
      {std::string("\0\0\0\x1c", 4) + "ftypavif", "AVIF"},
      {std::string("\0\0\0\x1c", 4) + "ftypheic", "HEIC"},
      {"\xff\x0a", "JPEG XL"},
      {"8BPS", "PSD"},
      {"%PDF-1.7", "PDF"},
      {std::string("\0\0\1\0", 4), "ICO"},
      {"\r\n<!DOCTYPE html><html>", "HTML page"},
      {"<?xml version=\"1.0\"?>\n<svg xmlns=\"\">", "SVG"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:00", "Git LFS pointer"},
      {"404 not found", "text"},
      {std::string(50, '\0'), "zero bytes"},
  };
  for (const auto& [bytes, name] : named) {
    EXPECT_NE(Why(bytes).find(name), std::string::npos) << name << ": " << Why(bytes);
  }
  EXPECT_NE(Why("\x80\x81\x82").find("is not one of JPEG"), std::string::npos);
}

TEST(Png, Grey16ClipsAndSaysSo) {
  const Image image = DecodeImage(MakePng(3, 1, PNG_COLOR_TYPE_GRAY, 16, {0, 9, 0, 255, 1, 0}));
  EXPECT_EQ(image.rgb, (std::vector<std::uint8_t>{9, 9, 9, 255, 255, 255, 255, 255, 255}));
  EXPECT_EQ(Notes(image), std::vector{NoteKind::kGrey16Clipped});
  EXPECT_TRUE(DecodeImage(MakePng(1, 1, PNG_COLOR_TYPE_GRAY, 16, {0, 255})).notes.empty());
}

// A chunk of a PNG, with the right checksum or a wrong one.
std::string Chunk(const std::string& type, const std::string& data, bool good = true) {
  const std::string body = type + data;
  auto sum = static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size())));
  if (!good) ++sum;
  const auto number = [](std::size_t value) {
    std::string text;
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 255);
    return text;
  };
  return number(data.size()) + body + number(sum);
}

std::string Deflated(std::size_t zeros) {
  const std::string plain(zeros, '\0');
  uLongf size = compressBound(static_cast<uLong>(zeros));
  std::string packed(size, '\0');
  compress(reinterpret_cast<Bytef*>(packed.data()), &size,
           reinterpret_cast<const Bytef*>(plain.data()), static_cast<uLong>(zeros));
  packed.resize(size);
  return packed;
}

TEST(Png, TextAndChecksumsAreHeldToPillowsRules) {
  const std::string good = MakePng(2, 1, PNG_COLOR_TYPE_GRAY, 8, {7, 200});
  const std::size_t behind_header = 8 + 25;
  const auto with = [&](const std::string& chunk) {
    return std::string(good).insert(behind_header, chunk);
  };
  const std::string nul(1, '\0');
  EXPECT_EQ(Why(with(Chunk("zTXt", "a" + nul + nul + Deflated(1 << 20)))), "");
  EXPECT_NE(Why(with(Chunk("zTXt", "a" + nul + nul + Deflated((1 << 20) + 1)))), "");
  EXPECT_NE(Why(with(Chunk("iCCP", "a" + nul + nul + Deflated(2 << 20)))), "");
  std::string many;
  const std::string megabyte = Chunk("zTXt", "a" + nul + nul + Deflated(1 << 20));
  for (int i = 0; i < 64; ++i) many += megabyte;
  EXPECT_EQ(Why(with(many)), "");
  EXPECT_NE(Why(with(many + megabyte)).find("texts and profiles"), std::string::npos);
  EXPECT_EQ(Why(with(Chunk("abCd", "x"))), "");
  EXPECT_NE(Why(with(Chunk("abCd", "x", false))).find("checksum"), std::string::npos);
  // Pillow does not look at the checksum of the pixels; damage there is seen by zlib's own.
  std::string damaged = good;
  damaged[good.size() - 12 - 1] ^= 1;
  const Image image = DecodeImage(damaged);
  EXPECT_EQ(image.rgb, (std::vector<std::uint8_t>{7, 7, 7, 200, 200, 200}));
  EXPECT_EQ(Notes(image), std::vector{NoteKind::kBadChecksum});
}

TEST(Bmp, RowsGoUpAndPalettesMayBeShort) {
  const std::string head("BM\0\0\0\0\0\0\0\0\x1a\0\0\0\x0c\0\0\0\1\0\2\0\1\0\x18\0", 26);
  const std::string rows("\1\2\3\0\4\5\6\0", 8);
  EXPECT_EQ(DecodeImage(head + rows).rgb, (std::vector<std::uint8_t>{6, 5, 4, 3, 2, 1}));
  EXPECT_NE(Why(head + rows.substr(0, 6)), "");
}

TEST(Pnm, ScalesToTheLargestValue) {
  EXPECT_EQ(DecodeImage("P2 2 1 3 1 3").rgb,
            (std::vector<std::uint8_t>{85, 85, 85, 255, 255, 255}));
  EXPECT_EQ(DecodeImage("P1 2 1 # bits\n01").rgb,
            (std::vector<std::uint8_t>{255, 255, 255, 0, 0, 0}));
  EXPECT_NE(Why("P2 2 1 3 1 4"), "");
  EXPECT_NE(Why("P5 200000 200000 255\n"), "");
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

// One to eight taps a position.
AxisTaps SomeTaps(std::int64_t size, Random& random) {
  AxisTaps axis;
  for (std::int64_t p = 0; p < size; ++p) {
    axis.taps.push_back({7 * p, 1 + p % 8, static_cast<std::int64_t>(axis.weights.size())});
    for (std::int64_t i = 0; i <= p % 8; ++i) {
      axis.weights.push_back(static_cast<std::int32_t>(random.Below(1'300'000)) - 400'000);
    }
  }
  return axis;
}

std::vector<std::uint8_t> SomeBytes(std::int64_t count, Random& random) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(count));
  for (auto& value : bytes) value = static_cast<std::uint8_t>(random.Below(256));
  return bytes;
}

// What output position p is, of values `step` apart.
int PlainSum(const AxisTaps& axis, std::int64_t p, const std::uint8_t* in, std::int64_t step) {
  const Taps& taps = axis.taps[static_cast<std::size_t>(p)];
  std::int64_t sum = 1 << (kWeightBits - 1);
  for (std::int64_t i = 0; i < taps.count; ++i) {
    sum += std::int64_t{axis.weights[static_cast<std::size_t>(taps.at + i)]} *
           in[(taps.first + i) * step];
  }
  return static_cast<int>(std::clamp<std::int64_t>(sum >> kWeightBits, 0, 255));
}

// For counts about those of the vectors; rows are 5 bytes longer than what is read of them.
TEST(Resample, AddsUpAsPlainCodeDoes) {
  Random random(2, 2, 2);
  for (const std::int64_t size : {1, 2, 5, 6, 16, 17, 21, 22, 43, 64}) {
    const AxisTaps axis = SomeTaps(size, random);
    const std::int64_t length = axis.End(), other = 1 + size * 3 / 4, width = 3 * other;
    std::int64_t stride = 3 * length + 5;
    std::vector<std::uint8_t> in = SomeBytes(other * stride - 5, random);
    std::vector<std::uint8_t> out(static_cast<std::size_t>(width * size));
    ResizeAcross({in.data(), stride}, other, axis, out.data());
    for (std::int64_t i = 0; i < width * size; ++i) {
      const std::int64_t y = i / (3 * size), x = i % (3 * size) / 3;
      ASSERT_EQ(out[static_cast<std::size_t>(i)],
                PlainSum(axis, x, in.data() + y * stride + i % 3, 3));
    }
    stride = width + 5;
    in = SomeBytes(length * stride - 5, random);
    ResizeDown({in.data(), stride}, other, axis, out.data());
    for (std::int64_t i = 0; i < width * size; ++i) {
      ASSERT_EQ(out[static_cast<std::size_t>(i)],
                PlainSum(axis, i / width, in.data() + i % width, stride));
    }
  }
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
