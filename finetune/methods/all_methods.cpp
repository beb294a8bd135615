#include "finetune/methods/all_methods.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "common/compute/tensors.h"
#include "common/data/name_match.h"
#include "common/process/error.h"
#include "common/process/log.h"

namespace clipsweep {

std::unique_ptr<Method> MakeZeroShot();
std::unique_ptr<Method> MakeTipAdapter();
std::unique_ptr<Method> MakeTipAdapterF();
std::unique_ptr<Method> MakeGda();
std::unique_ptr<Method> MakeApe();
std::unique_ptr<Method> MakeApeT();
std::unique_ptr<Method> MakeProker();
std::unique_ptr<Method> MakeLinearProbe();
std::unique_ptr<Method> MakeClap();
std::unique_ptr<Method> MakeLpPlusPlus();
std::unique_ptr<Method> MakeTaskres();
std::unique_ptr<Method> MakeClipAdapter();
std::unique_ptr<Method> MakeCrossModal();

namespace {

std::vector<std::unique_ptr<Method>>& Table() {
  static auto table = [] {
    std::vector<std::unique_ptr<Method>> methods;
    for (const auto make : {MakeZeroShot, MakeTipAdapter, MakeTipAdapterF, MakeGda, MakeApe,
                            MakeApeT, MakeProker, MakeLinearProbe, MakeClap, MakeLpPlusPlus,
                            MakeTaskres, MakeClipAdapter, MakeCrossModal}) {
      methods.push_back(make());
    }
    return methods;
  }();
  return table;
}

}  // namespace

const std::vector<std::unique_ptr<Method>>& AllMethods() { return Table(); }

void AddMethod(std::unique_ptr<Method> method) { Table().push_back(std::move(method)); }

const Method& FindMethod(const std::string& name, const std::string& option) {
  std::vector<std::string> names;
  for (const auto& method : AllMethods()) {
    names.push_back(method->Info().name);
    if (names.back() == name) return *method;
  }
  throw UsageError(fmt::format("{}: '{}' is not a method; did you mean '{}'? There are {}", option,
                               Printable(name), NearestWord(name, names), fmt::join(names, ", ")));
}

}  // namespace clipsweep
