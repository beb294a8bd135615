#include "launch/convert/torch_tensor.h"

#include <fmt/core.h>

#include "common/process/error.h"
#include "common/process/log.h"
#include "launch/convert/tensor_pickle.h"
#include "launch/convert/zip_archive.h"

namespace clipsweep {
namespace {

// Throws unless all elements lie among the `count` of the storage, and are no more than those.
void CheckInside(const PickledTensor& view, std::int64_t count) {
  if (view.sizes.size() != view.strides.size() || view.sizes.size() > 32) {
    throw TorchError("has sizes and strides that do not fit; save it again");
  }
  __extension__ using Wide = __int128;
  Wide elements = 1, last = view.offset;
  for (std::size_t axis = 0; axis < view.sizes.size(); ++axis) {
    if (view.sizes[axis] == 0) return;
    elements *= view.sizes[axis];
    last += static_cast<Wide>(view.sizes[axis] - 1) * view.strides[axis];
    if (elements > count || last >= count) break;
  }
  if (elements > count || last >= count || view.offset < 0) {
    throw TorchError("claims more numbers than are there; save tensor.contiguous()");
  }
}

std::string InOrder(const PickledTensor& view, const std::string& storage) {
  const std::size_t element_bytes = BytesOfType(view.type);
  std::string out;
  const auto count = static_cast<std::size_t>(ElementCount(view.sizes));
  if (count == 0) return out;
  bool in_order = true;  // already
  std::int64_t step = 1;
  for (std::size_t axis = view.sizes.size(); axis-- > 0; step *= view.sizes[axis]) {
    in_order = in_order && (view.sizes[axis] == 1 || view.strides[axis] == step);
  }
  if (in_order) {
    return storage.substr(static_cast<std::size_t>(view.offset) * element_bytes,
                          count * element_bytes);
  }
  out.reserve(count * element_bytes);
  std::vector<std::int64_t> at(view.sizes.size(), 0);
  for (std::size_t i = 0; i < count; ++i) {
    std::int64_t place = view.offset;
    for (std::size_t axis = 0; axis < at.size(); ++axis) place += at[axis] * view.strides[axis];
    out.append(storage, static_cast<std::size_t>(place) * element_bytes, element_bytes);
    for (std::size_t axis = at.size(); axis-- > 0 && ++at[axis] == view.sizes[axis];) at[axis] = 0;
  }
  return out;
}

Array Read(const ZipArchive& archive) {
  constexpr std::string_view kPickle = "/data.pkl";
  std::string root;
  for (const auto& [name, number] : archive.entries()) {
    if (name.ends_with(kPickle)) root = name.substr(0, name.size() - kPickle.size());
  }
  if (root.empty()) throw TorchError("is no file of torch.save: it has no data.pkl");
  if (archive.Has(root + "/byteorder") && archive.Read(root + "/byteorder") != "little") {
    throw TorchError("was saved big endian; save it on another machine");
  }
  const std::string pickle = archive.Read(root + std::string(kPickle));
  const PickledTensor tensor = ReadTensorPickle(pickle);
  const std::size_t element_bytes = BytesOfType(tensor.type);
  const std::string entry = root + "/data/" + tensor.key;
  if (!archive.Has(entry)) throw TorchError("lacks its numbers; save it again");
  const std::string numbers = archive.Read(entry);
  CheckInside(tensor, static_cast<std::int64_t>(numbers.size() / element_bytes));
  return {tensor.type, tensor.sizes, element_bytes, InOrder(tensor, numbers)};
}

}  // namespace

Array ReadTorchTensor(const std::filesystem::path& path) {
  const ZipArchive archive(path);
  try {
    return Read(archive);
  } catch (const TorchError& error) {
    throw InputError(fmt::format("{}: {}", Printable(path.string()), error.what()));
  }
}

}  // namespace clipsweep
