#include "common/data/picture_names.h"

#include <algorithm>
#include <iterator>

namespace clipsweep {
namespace {

constexpr std::size_t kLongestEnding = 10;

constexpr std::string_view kPictures[] = {
    ".jpg",  ".jpeg", ".jpe", ".jfif", ".jfi", ".jif",  ".pjpeg", ".pjp", ".png", ".apng",
    ".webp", ".bmp",  ".dib", ".gif",  ".tif", ".tiff", ".ppm",   ".pgm", ".pbm", ".pnm"};

// Pictures of other formats are not here: what is called .heic is a JPEG often enough.
constexpr std::string_view kOthers[] = {
    // text and tables
    ".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml",
    ".ini", ".cfg", ".conf", ".log", ".html", ".htm", ".css", ".pdf", ".doc", ".docx", ".xls",
    ".xlsx", ".odt", ".ods", ".ppt", ".pptx", ".rtf", ".tex",
    // programs
    ".py", ".pyc", ".ipynb", ".js", ".sh", ".bat", ".exe", ".dll", ".so", ".c", ".cpp", ".h",
    ".java", ".m",
    // arrays, models, databases
    ".mat", ".npy", ".npz", ".h5", ".hdf5", ".pt", ".pth", ".pkl", ".pickle", ".tfrecord",
    ".parquet", ".arrow", ".db", ".sqlite", ".lmdb", ".mdb",
    // sound, film, archives
    ".mp3", ".wav", ".flac", ".ogg", ".mp4", ".m4v", ".avi", ".mov", ".mkv", ".webm", ".mpg",
    ".mpeg", ".wmv", ".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar",
    // links
    ".lnk", ".url"};

// Copies and halves of files.
constexpr std::string_view kRemains[] = {".bak",  ".orig",    ".tmp",        ".temp",     ".swp",
                                         ".part", ".partial", ".crdownload", ".download", ".lock"};

constexpr std::string_view kSystem[] = {"@eadir",
                                        "#recycle",
                                        "#snapshot",
                                        "@recycle",
                                        "@recently-snapshot",
                                        "__macosx",
                                        "thumbs.db",
                                        "ehthumbs.db",
                                        "desktop.ini",
                                        "$recycle.bin",
                                        "system volume information",
                                        "lost+found",
                                        "__pycache__",
                                        "icon\r"};

// ASCII only, whatever the locale.
char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string Lowered(std::string_view text) {
  std::string lowered(text);
  std::transform(lowered.begin(), lowered.end(), lowered.begin(), Lower);
  return lowered;
}

bool IsLetterOrDigit(char c) {
  return (c >= '0' && c <= '9') || (Lower(c) >= 'a' && Lower(c) <= 'z');
}

template <typename List>
bool Holds(const List& list, std::string_view text) {
  return std::find(std::begin(list), std::end(list), text) != std::end(list);
}

}  // namespace

std::string EndingOf(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return "";
  const std::string_view ending = name.substr(dot + 1);
  if (ending.empty() || ending.size() > kLongestEnding ||
      !std::all_of(ending.begin(), ending.end(), IsLetterOrDigit)) {
    return "";
  }
  return Lowered(name.substr(dot));
}

std::string EndingOrNone(std::string_view name) {
  const std::string ending = EndingOf(name);
  return ending.empty() ? "without ending" : ending;
}

NameSays WhatNameSays(std::string_view name) {
  if (name.ends_with('~')) return NameSays::kOther;
  const std::string ending = EndingOf(name);
  if (Holds(kPictures, ending)) return NameSays::kPicture;
  return Holds(kOthers, ending) || Holds(kRemains, ending) ? NameSays::kOther : NameSays::kNothing;
}

bool IsHiddenName(std::string_view name) {
  return name.starts_with('.') || Holds(kSystem, Lowered(name));
}

std::string HiddenKind(std::string_view name) {
  return name.starts_with("._") ? "._*" : std::string(name);
}

}  // namespace clipsweep
