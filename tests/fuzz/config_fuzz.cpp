// libFuzzer target: any bytes as a configuration file end in option values or an error of
// Boost.Program_options, which main.cpp turns into exit code 2. The grids in it are parsed too.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "common/process/error.h"
#include "launch/options/config_file.h"
#include "sweep/math/grid.h"

namespace po = boost::program_options;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string alpha, shots;
  std::int64_t epochs = 0;
  bool quiet = false;
  po::options_description options;
  options.add_options()("alpha", po::value(&alpha))("shots", po::value(&shots))(
      "epochs", po::value(&epochs))("lr", po::value<double>())("quiet", po::bool_switch(&quiet));
  try {
    po::variables_map values;
    std::vector<std::string> given;
    clipsweep::StoreConfig(std::string(reinterpret_cast<const char*>(data), size), options, values,
                           given);
    po::notify(values);
    if (!alpha.empty() && clipsweep::ParseAxis(alpha, "--alpha").count < 1) std::abort();
    if (!shots.empty()) {
      for (const std::int64_t value : clipsweep::ParseIntegers(shots, "--shots", 1)) {
        if (value < 1) std::abort();
      }
    }
  } catch (const po::error&) {
  } catch (const clipsweep::Error&) {
  }
  return 0;
}
