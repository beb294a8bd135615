#include "common/files/provenance.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {
namespace {

constexpr std::int64_t kFormatVersion = 1;
const std::string kPrefix = "made_from.";

std::string Value(const Provenance& provenance, const std::string& name) {
  const auto found = provenance.find(name);
  return found == provenance.end() ? "absent" : "'" + found->second + "'";
}

}  // namespace

void WriteHeader(H5Writer& file, const std::string& format, const Provenance& made_from) {
  file.Attribute("format", format);
  file.Attribute("format_version", kFormatVersion);
  file.Attribute("program_version", std::string(kVersion));
  for (const auto& [name, value] : made_from) file.Attribute(kPrefix + name, value);
}

std::string FormatOf(const H5Reader& file) {
  return file.HasAttribute("format") ? file.TextAttribute("format") : "";
}

void CheckHeader(const H5Reader& file, const std::string& format) {
  const std::string found = FormatOf(file);
  if (found != format) {
    file.Fail(fmt::format("is a {} file, a {} file is needed here",
                          found.empty() ? "foreign" : Printable(found), format));
  }
  const std::int64_t version = file.IntAttribute("format_version");
  if (version != kFormatVersion) {
    file.Fail(fmt::format("has format version {}, this program reads {}; make it again", version,
                          kFormatVersion));
  }
}

Provenance ReadProvenance(const H5Reader& file) {
  Provenance provenance;
  for (const std::string& name : file.AttributeNames()) {
    if (name.starts_with(kPrefix))
      provenance[name.substr(kPrefix.size())] = file.TextAttribute(name);
  }
  return provenance;
}

std::string Difference(const Provenance& before, const Provenance& now) {
  std::set<std::string> names;
  for (const auto& entry : before) names.insert(entry.first);
  for (const auto& entry : now) names.insert(entry.first);
  std::string text;
  for (const std::string& name : names) {
    if (name == kImagesSha256 && before.count(name) != now.count(name)) continue;
    if (Value(before, name) == Value(now, name)) continue;
    text += fmt::format("{}{} was {}, now {}", text.empty() ? "" : "; ", name, Value(before, name),
                        Value(now, name));
  }
  return text;
}

void RequireSameOnAllRanks(Comm& comm, const Provenance& made_from) {
  std::string text;
  for (const auto& [name, value] : made_from) text += name + "=" + value + "\n";
  const std::string first = BroadcastString(comm, text);
  Agree(comm, [&] {
    if (text == first) return;
    const auto at = std::mismatch(text.begin(), text.end(), first.begin(), first.end()).first;
    const std::size_t start = text.rfind('\n', static_cast<std::size_t>(at - text.begin())) + 1;
    throw InputError(
        fmt::format("rank {} sees other input than rank 0 ({}); give every rank the same files, "
                    "build and kind of device",
                    comm.rank(), Printable(text.substr(start, text.find('\n', start) - start))));
  });
}

bool IsUpToDate(const std::filesystem::path& path, const std::string& format,
                const Provenance& made_from, IfPresent if_present) {
  if (if_present == IfPresent::kRecompute || !std::filesystem::exists(path)) return false;
  try {
    const H5Reader file(path);
    CheckHeader(file, format);
    const std::string difference = Difference(ReadProvenance(file), made_from);
    if (difference.empty()) return true;
    throw InputError(
        fmt::format("{}: exists and was made otherwise: {}; give --fresh to replace it",
                    path.string(), Printable(difference)));
  } catch (const Error& error) {
    if (if_present == IfPresent::kReuse || error.code() != ExitCode::kBadInput) throw;
    LogInfo("{}; it will be made again", error.what());
    return false;
  }
}

}  // namespace clipsweep
