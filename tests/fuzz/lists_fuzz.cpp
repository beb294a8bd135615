// libFuzzer target: any bytes as an image list, class names, templates or a subset file end in a
// list whose parts fit together or an Error. The first byte chooses the reader.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "common/data/class_names.h"
#include "common/data/image_list.h"
#include "common/process/error.h"
#include "common/process/log.h"
#include "sweep/subset_file.h"
#include "tests/fuzz/fuzz_file.h"

namespace {

void ReadLists(const std::filesystem::path& path, int reader) {
  using namespace clipsweep;
  if (reader == 0) {
    const ClassNames names = ReadClassNames(path);
    if (names.classes.empty() || names.classes.size() != names.names.size()) std::abort();
  } else if (reader == 1) {
    for (const std::string& text : ReadTemplates(path.string())) FillTemplate(text, "tench");
  } else if (reader == 2) {
    const ImageList list = ReadImageList("/", path, {});
    if (list.paths.size() != list.labels.size()) std::abort();
    for (const std::int32_t label : list.labels) {
      if (label < 0 || static_cast<std::size_t>(label) >= list.classes.size()) std::abort();
    }
  } else {
    static const std::vector<std::string> classes{"cat", "dog"};
    static const std::vector<std::string> paths{"cat/1.png", "cat/2.png", "dog/1.png"};
    static const std::vector<std::int32_t> labels{0, 0, 1};
    const auto rows = ReadSubsetFile(path, {classes, paths, labels, "cache.h5"});
    if (rows.size() != classes.size()) std::abort();
    for (std::size_t c = 0; c < rows.size(); ++c) {
      for (const std::int64_t row : rows[c]) {
        if (labels.at(static_cast<std::size_t>(row)) != static_cast<std::int32_t>(c)) std::abort();
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  clipsweep::InitLog(clipsweep::LogLevel::kOff, 0, 1);
  const clipsweep::FuzzFile file(data + 1, size - 1);
  try {
    ReadLists(file.path(), data[0] % 4);
  } catch (const clipsweep::Error&) {
  }
  return 0;
}
