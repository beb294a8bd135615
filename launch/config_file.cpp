#include "launch/config_file.h"

#include <sstream>

namespace clipsweep {

void StoreConfig(const std::string& text,
                 const boost::program_options::options_description& options,
                 boost::program_options::variables_map& values) {
  std::istringstream lines(text);
  boost::program_options::store(boost::program_options::parse_config_file(lines, options), values);
}

}  // namespace clipsweep
