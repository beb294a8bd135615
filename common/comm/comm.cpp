#include "common/comm/comm.h"

#include <algorithm>
#include <limits>

#include "common/process/error.h"

namespace clipsweep {

void SelfComm::AllGather(std::span<const float> mine, std::span<float> all) {
  std::copy(mine.begin(), mine.end(), all.begin());
}

std::string BroadcastString(Comm& comm, const std::string& text, int root) {
  std::int64_t length = comm.rank() == root ? static_cast<std::int64_t>(text.size()) : 0;
  comm.Broadcast(std::as_writable_bytes(std::span(&length, 1)), root);
  std::string out =
      comm.rank() == root ? text : std::string(static_cast<std::size_t>(length), '\0');
  if (length > 0) comm.Broadcast(std::as_writable_bytes(std::span(out)), root);
  return out;
}

void Agree(Comm& comm, const std::function<void()>& work) {
  // A failing rank offers (size - rank), so that the maximum names the lowest failing rank.
  std::int64_t failed[2] = {0, 0};
  std::string message;
  try {
    work();
  } catch (const Interrupted&) {
    throw;  // every rank gets the signal; mpirun ends those that wait
  } catch (const std::exception& error) {
    const auto [code, text] = DescribeError(error);
    failed[0] = comm.size() - comm.rank();
    failed[1] = static_cast<std::int64_t>(code);
    message = text;
  }
  std::int64_t first = failed[0];
  comm.MaxInt64(std::span(&first, 1));
  if (first == 0) return;
  const int root = comm.size() - static_cast<int>(first);
  comm.Broadcast(std::as_writable_bytes(std::span(failed)), root);
  message = BroadcastString(comm, message, root);
  throw AgreedError(static_cast<ExitCode>(failed[1]), message);
}

std::vector<std::int64_t> ItemsOfRank(std::int64_t count, const Comm& comm) {
  std::vector<std::int64_t> items;
  for (std::int64_t item = comm.rank(); item < count; item += comm.size()) items.push_back(item);
  return items;
}

}  // namespace clipsweep
