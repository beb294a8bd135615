// libFuzzer target: any bytes as an .npy and as the pickle of a tensor end in what they say or in
// an error, and an array has as many bytes as its shape says.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "common/process/error.h"
#include "launch/convert/npy.h"
#include "launch/convert/tensor_pickle.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clipsweep;
  const std::string file(reinterpret_cast<const char*>(data), size);
  try {
    const Array array = DecodeNpy(file);
    const auto count = static_cast<std::size_t>(ElementCount(array.shape));
    if (array.bytes.size() != count * array.element_bytes) std::abort();
    if (BytesOfType(array.type) == 0) ToTexts(array, "");
  } catch (const NpyError&) {
  } catch (const Error&) {
  }
  try {
    ReadTensorPickle(file);
  } catch (const TorchError&) {
  }
  return 0;
}
