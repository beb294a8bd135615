#include "common/process/library_warnings.h"

#include <c10/util/Exception.h>

#include "common/process/log.h"

namespace clipsweep {
namespace {

class ToLog final : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override { LogWarning("LibTorch: {}", warning.msg()); }
};

}  // namespace

void LogLibraryWarnings() {
  static ToLog to_log;
  c10::WarningUtils::set_warning_handler(&to_log);
}

}  // namespace clipsweep
