#include "common/data/image_kind.h"

#include <algorithm>
#include <cctype>
#include <string>

namespace clipsweep {
namespace {

using std::literals::string_view_literals::operator""sv;

// A kind has `magic` at `at` and, where one is not enough, `more` at `more_at`.
struct Kind {
  const char* name;
  std::size_t at;
  std::string_view magic;
  std::size_t more_at = 0;
  std::string_view more = {};
};

constexpr Kind kPictureKinds[] = {
    {"JPEG", 0, "\xff\xd8\xff"sv},
    {"PNG", 0, "\x89PNG\r\n\x1a\n"sv},
    {"WebP", 0, "RIFF"sv, 8, "WEBP"sv},
    {"GIF", 0, "GIF87a"sv},
    {"GIF", 0, "GIF89a"sv},
    {"BMP", 0, "BM"sv, 15, "\0\0\0"sv},  // the size of its second header is below 256
    {"TIFF", 0, "II*\0"sv},
    {"TIFF", 0, "MM\0*"sv},
    {"TIFF", 0, "II+\0"sv},
    {"TIFF", 0, "MM\0+"sv},
};

// Brands of ISO media files ("ftyp" at 4) come before "a video", which is any other.
constexpr Kind kOtherKinds[] = {
    {"an AVIF picture", 4, "ftypavif"sv},
    {"an AVIF picture", 4, "ftypavis"sv},
    {"a HEIC picture", 4, "ftyphei"sv},
    {"a HEIC picture", 4, "ftyphev"sv},
    {"a HEIF picture", 4, "ftypmif1"sv},
    {"a HEIF picture", 4, "ftypmsf1"sv},
    {"a Canon raw picture (CR3)", 4, "ftypcrx "sv},
    {"a video", 4, "ftyp"sv},
    {"a video", 0, "\x1a\x45\xdf\xa3"sv},
    {"a video", 0, "RIFF"sv, 8, "AVI "sv},
    {"a video", 0, "\0\0\x01\xba"sv},
    {"a video", 0, "\0\0\x01\xb3"sv},
    {"a sound file", 0, "RIFF"sv, 8, "WAVE"sv},
    {"a sound file", 0, "ID3"sv},
    {"a sound file", 0, "OggS"sv},
    {"a JPEG 2000 picture", 0, "\0\0\0\x0cjP  \r\n\x87\n"sv},
    {"a JPEG 2000 picture", 0, "\xff\x4f\xff\x51"sv},
    {"a JPEG XL picture", 0, "\xff\x0a"sv},
    {"a JPEG XL picture", 0, "\0\0\0\x0cJXL \r\n\x87\n"sv},
    {"an ICO icon", 0, "\0\0\x01\0"sv},
    {"a CUR cursor", 0, "\0\0\x02\0"sv},
    {"an ICNS icon", 0, "icns"sv},
    {"a Photoshop file (PSD)", 0, "8BPS"sv},
    {"a GIMP file (XCF)", 0, "gimp xcf"sv},
    {"a PDF", 0, "%PDF-"sv},
    {"a PostScript file", 0, "%!PS"sv},
    {"an EPS file", 0, "\xc5\xd0\xd3\xc6"sv},
    {"a DDS texture", 0, "DDS "sv},
    {"a QOI picture", 0, "qoif"sv},
    {"an OpenEXR picture", 0, "\x76\x2f\x31\x01"sv},
    {"a Radiance HDR picture", 0, "#?R"sv},
    {"a FITS file", 0, "SIMPLE  ="sv},
    {"a DICOM file", 128, "DICM"sv},
    {"a Fujifilm raw picture (RAF)", 0, "FUJIFILM"sv},
    {"a Panasonic raw picture (RW2)", 0, "IIU\0"sv},
    {"an Olympus raw picture (ORF)", 0, "IIRO"sv},
    {"an SGI picture", 0, "\x01\xda"sv},
    {"a Sun raster picture", 0, "\x59\xa6\x6a\x95"sv},
    {"a floating-point PNM (PFM)", 0, "PF\n"sv},
    {"a floating-point PNM (PFM)", 0, "Pf\n"sv},
    {"a PAM picture", 0, "P7\n"sv},
    {"a NumPy file", 0, "\x93NUMPY"sv},
    {"an HDF5 file", 0, "\x89HDF\r\n\x1a\n"sv},
    {"a ZIP archive", 0, "PK\x03\x04"sv},
    {"a 7-Zip archive", 0, "7z\xbc\xaf\x27\x1c"sv},
    {"a RAR archive", 0, "Rar!"sv},
    {"a gzip file", 0, "\x1f\x8b"sv},
    {"a Zstandard file", 0, "\x28\xb5\x2f\xfd"sv},
    {"an xz file", 0,
     "\xfd"
     "7zXZ\0"sv},
    {"a bzip2 file", 0, "BZh"sv},
    {"a tar archive", 257, "ustar"sv},
    {"a program", 0,
     "\x7f"
     "ELF"sv},
    {"a program", 0, "MZ"sv},
    {"an AppleDouble file (macOS's \"._\" file beside a picture)", 0, "\0\x05\x16\x07"sv},
    {"a Git LFS pointer, not the picture; run git lfs pull", 0,
     "version https://git-lfs.github.com/spec/"sv},
    {"a git-annex pointer, not the picture; run git annex get", 0, "/annex/objects/"sv},
};

// Text that is more than text: found in any case, behind white space; `at` says how far in.
constexpr Kind kTexts[] = {
    {"an HTML page (a failed download?)", 0, "<!doctype html"sv},
    {"an HTML page (a failed download?)", 0, "<html"sv},
    {"an HTML page (a failed download?)", 0, "<head"sv},
    {"an SVG drawing", 0, "<svg"sv},
    {"an SVG drawing", 0, "<!doctype svg"sv},
    {"an HTML page (a failed download?)", kKindBytes, "<html"sv},
    {"an SVG drawing", kKindBytes, "<svg"sv},
    {"an XML file", 0, "<?xml"sv},
    {"an XML file (a failed download?)", kKindBytes, "<error"sv},
    {"a JSON file (a failed download?)", 0, "{\""sv},
};

bool Has(std::string_view bytes, std::size_t at, std::string_view magic) {
  return bytes.size() >= at + magic.size() && bytes.substr(at, magic.size()) == magic;
}

template <std::size_t N>
const char* Find(const Kind (&kinds)[N], std::string_view bytes) {
  for (const Kind& kind : kinds) {
    if (Has(bytes, kind.at, kind.magic) && Has(bytes, kind.more_at, kind.more)) return kind.name;
  }
  return nullptr;
}

bool IsSpace(char c) { return std::string_view(" \t\n\v\f\r").find(c) != std::string_view::npos; }

// "P1" to "P6" and white space or a comment.
bool IsPnm(std::string_view bytes) {
  return bytes.size() >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' &&
         IsSpace(bytes[2]);
}

const char* TextKind(std::string_view bytes) {
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);
  // UTF-8 counts as text: a byte below 32 that is no white space does not.
  if (std::any_of(bytes.begin(), bytes.end(), [](char c) {
        return (static_cast<unsigned char>(c) < 32 && !IsSpace(c) && c != '\x1b') || c == 127;
      })) {
    return nullptr;
  }
  std::string lower(bytes);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  lower.erase(lower.begin(), std::find_if_not(lower.begin(), lower.end(), IsSpace));
  if (lower.empty()) return "white space";
  for (const Kind& kind : kTexts) {
    if (lower.find(kind.magic) <= kind.at) return kind.name;
  }
  const bool ascii = std::all_of(bytes.begin(), bytes.end(),
                                 [](char c) { return static_cast<unsigned char>(c) < 128; });
  return ascii ? "text" : nullptr;
}

}  // namespace

const char* ImageKind(std::string_view first_bytes) {
  if (IsPnm(first_bytes)) return "PNM";
  return Find(kPictureKinds, first_bytes);
}

const char* OtherKind(std::string_view first_bytes) {
  const std::string_view bytes = first_bytes.substr(0, kKindBytes);
  if (bytes.empty() || ImageKind(bytes) != nullptr) return nullptr;
  if (const char* name = Find(kOtherKinds, bytes)) return name;
  if (std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; })) {
    return "nothing but zero bytes (a copy that was cut off?)";
  }
  return TextKind(bytes);
}

}  // namespace clipsweep
