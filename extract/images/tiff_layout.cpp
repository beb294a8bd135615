#include "extract/images/tiff_layout.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

namespace clipsweep {

void RefuseTiff(const std::string& what) {
  throw ImageError(fmt::format("is TIFF {}, which is not read here; convert it to PNG", what));
}

namespace {

struct Name {
  std::uint16_t value;
  const char* name;
};

std::string NameOf(std::uint16_t value, const std::vector<Name>& names) {
  for (const Name& known : names) {
    if (known.value == value) return known.name;
  }
  return fmt::format("number {}", value);
}

void CheckCompression(std::uint16_t compression) {
  static constexpr std::uint16_t kRead[] = {
      COMPRESSION_NONE,    COMPRESSION_CCITTRLE, COMPRESSION_CCITTFAX3, COMPRESSION_CCITTFAX4,
      COMPRESSION_LZW,     COMPRESSION_JPEG,     COMPRESSION_PACKBITS,  COMPRESSION_ADOBE_DEFLATE,
      COMPRESSION_DEFLATE, COMPRESSION_LZMA,     COMPRESSION_ZSTD};
  if (std::find(std::begin(kRead), std::end(kRead), compression) == std::end(kRead) ||
      TIFFIsCODECConfigured(compression) == 0) {
    RefuseTiff("with compression " + NameOf(compression, {{COMPRESSION_OJPEG, "old-style JPEG"},
                                                          {COMPRESSION_WEBP, "WebP"},
                                                          {COMPRESSION_LZMA, "LZMA"},
                                                          {COMPRESSION_ZSTD, "Zstandard"},
                                                          {COMPRESSION_LERC, "LERC"},
                                                          {COMPRESSION_THUNDERSCAN, "ThunderScan"},
                                                          {34712, "JPEG 2000"}}));
  }
}

void CheckSampleFormat(const TiffFile& file, const TiffLayout& layout) {
  const auto format = file.Field<std::uint16_t>(TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT);
  const bool grey8 = layout.bits == 8 && layout.samples == 1 &&
                     layout.photometric == PHOTOMETRIC_MINISBLACK && format == SAMPLEFORMAT_INT;
  if (format == SAMPLEFORMAT_UINT || grey8) return;
  RefuseTiff(fmt::format("with {}-bit {} samples", layout.bits,
                         NameOf(format, {{SAMPLEFORMAT_INT, "signed"},
                                         {SAMPLEFORMAT_IEEEFP, "floating point"},
                                         {SAMPLEFORMAT_VOID, "untyped"},
                                         {SAMPLEFORMAT_COMPLEXINT, "complex"},
                                         {SAMPLEFORMAT_COMPLEXIEEEFP, "complex"}})));
}

// Holds samples and bits to what the photometric kind may have; finds whether colours are
// premultiplied.
void CheckSamples(const TiffFile& file, TiffLayout& layout) {
  std::uint16_t extras = 0, *kinds = nullptr;
  if (TIFFGetField(file.get(), TIFFTAG_EXTRASAMPLES, &extras, &kinds) != 1) extras = 0;
  const std::uint16_t first = extras > 0 ? kinds[0] : std::uint16_t{EXTRASAMPLE_UNSPECIFIED};
  const std::string bits = fmt::format("{} samples of {} bits", layout.samples, layout.bits);
  const auto base = [&](std::uint16_t samples) {
    // RGB may have a fourth sample that is not declared.
    const bool undeclared = samples == 3 && layout.samples == 4 && extras == 0;
    if (!undeclared && layout.samples != samples + extras) RefuseTiff("with " + bits);
    for (std::uint16_t i = 1; i < extras; ++i) {
      if (kinds[i] != EXTRASAMPLE_UNSPECIFIED) RefuseTiff("with two alpha channels");
    }
    if (extras > (samples == 1 ? 1 : 3) || (layout.bits == 16 && extras > 1))
      RefuseTiff("with " + bits);
  };
  const bool premultiplied = extras > 0 && first == EXTRASAMPLE_ASSOCALPHA;
  switch (layout.photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
      base(1);
      if (premultiplied) RefuseTiff("of grey multiplied by alpha");
      if (extras > 0 && (layout.bits != 8 || layout.photometric == PHOTOMETRIC_MINISWHITE)) {
        RefuseTiff("with " + bits);
      }
      if (layout.bits == 16 && layout.photometric == PHOTOMETRIC_MINISBLACK) {
        layout.clips = true;
      } else if (layout.bits != 1 && layout.bits != 2 && layout.bits != 4 && layout.bits != 8) {
        RefuseTiff(
            fmt::format("with {}-bit grey{}", layout.bits,
                        layout.photometric == PHOTOMETRIC_MINISWHITE ? ", 0 for white" : ""));
      }
      return;
    case PHOTOMETRIC_PALETTE:
      base(1);
      if (premultiplied ||
          (layout.bits != 1 && layout.bits != 2 && layout.bits != 4 && layout.bits != 8) ||
          (extras > 0 && layout.bits != 8)) {
        RefuseTiff("of palette colours with " + bits);
      }
      return;
    case PHOTOMETRIC_RGB:
      base(3);
      layout.premultiplied = premultiplied;
      if (layout.bits != 8 && layout.bits != 16) RefuseTiff("with " + bits);
      return;
    case PHOTOMETRIC_SEPARATED:
      base(4);
      if (premultiplied || (layout.bits != 8 && (layout.bits != 16 || extras > 0))) {
        RefuseTiff("of CMYK colours with " + bits);
      }
      return;
    case PHOTOMETRIC_YCBCR:
      // libjpeg makes RGB of it.
      if (layout.compression == COMPRESSION_JPEG && layout.planar == PLANARCONFIG_CONTIG &&
          layout.samples == 3 && layout.bits == 8) {
        TIFFSetField(file.get(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
        return;
      }
      RefuseTiff("of YCbCr colours without JPEG compression");
    default:
      RefuseTiff("of colours of the kind " +
                 NameOf(layout.photometric, {{PHOTOMETRIC_CIELAB, "CIE Lab"},
                                             {PHOTOMETRIC_ICCLAB, "ICC Lab"},
                                             {PHOTOMETRIC_ITULAB, "ITU Lab"},
                                             {PHOTOMETRIC_LOGL, "LogL"},
                                             {PHOTOMETRIC_LOGLUV, "LogLuv"},
                                             {PHOTOMETRIC_CFA, "colour filter array"},
                                             {34892, "linear raw"}}));
  }
}

}  // namespace

TiffLayout ReadTiffLayout(const TiffFile& file) {
  TiffLayout layout;
  layout.width = file.Field<std::uint32_t>(TIFFTAG_IMAGEWIDTH, 0);
  layout.height = file.Field<std::uint32_t>(TIFFTAG_IMAGELENGTH, 0);
  layout.bits = file.Field<std::uint16_t>(TIFFTAG_BITSPERSAMPLE, 1);
  layout.samples = file.Field<std::uint16_t>(TIFFTAG_SAMPLESPERPIXEL, 1);
  layout.photometric = file.Field<std::uint16_t>(TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISWHITE);
  layout.compression = file.Field<std::uint16_t>(TIFFTAG_COMPRESSION, COMPRESSION_NONE);
  layout.planar = file.Field<std::uint16_t>(TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
  layout.tiled = TIFFIsTiled(file.get()) != 0;
  CheckCompression(layout.compression);
#ifdef TIFFTAG_DEFLATE_SUBCODEC
  // libdeflate leaves a strip black, without an error, where it holds more than it should.
  if (layout.compression == COMPRESSION_ADOBE_DEFLATE ||
      layout.compression == COMPRESSION_DEFLATE) {
    TIFFSetField(file.get(), TIFFTAG_DEFLATE_SUBCODEC, DEFLATE_SUBCODEC_ZLIB);
  }
#endif
  CheckSampleFormat(file, layout);
  CheckSamples(file, layout);
  if (layout.planar == PLANARCONFIG_SEPARATE && layout.samples > 1) {
    if (layout.bits == 16 && layout.compression == COMPRESSION_NONE)
      RefuseTiff("in planes of 16 bits");
    if (layout.samples > 4) RefuseTiff(fmt::format("in {} planes", layout.samples));
  }
  if (layout.photometric == PHOTOMETRIC_PALETTE) {
    std::uint16_t *red = nullptr, *green = nullptr, *blue = nullptr;
    if (TIFFGetField(file.get(), TIFFTAG_COLORMAP, &red, &green, &blue) != 1) {
      throw ImageError("TIFF decoder: has no palette");
    }
    for (std::size_t i = 0; i < std::size_t{1} << layout.bits; ++i) {
      layout.palette.colour[i] = {static_cast<std::uint8_t>(red[i] >> 8),
                                  static_cast<std::uint8_t>(green[i] >> 8),
                                  static_cast<std::uint8_t>(blue[i] >> 8)};
    }
  }
  return layout;
}

}  // namespace clipsweep
