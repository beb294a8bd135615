#include "common/files/stage_output.h"

#include "common/disk/parts_folder.h"

namespace clipsweep {

StageOutput OpenOutput(Comm& comm, const std::filesystem::path& path, const std::string& format,
                       const Provenance& made_from, IfPresent if_present) {
  RequireSameOnAllRanks(comm, made_from);
  StageOutput output;
  std::int64_t up_to_date = 0;
  Agree(comm, [&] {
    if (!comm.is_root()) return;
    output.lock = std::make_unique<OutputLock>(path);
    up_to_date = IsUpToDate(path, format, made_from, if_present) ? 1 : 0;
    if (up_to_date != 0) {  // a kill between the output's commit and this left its parts behind
      PartsFolder(path).Remove();
    }
  });
  comm.Broadcast(std::as_writable_bytes(std::span(&up_to_date, 1)), 0);
  output.up_to_date = up_to_date != 0;
  return output;
}

}  // namespace clipsweep
