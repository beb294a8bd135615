// --config FILE: options as lines of "name = value".
#pragma once

#include <boost/program_options.hpp>
#include <filesystem>
#include <string>
#include <vector>

namespace clipsweep {

// Adds what `text` sets to `values`; what is set there already stays. A value in quotes loses them;
// paths are as on the command line (home_folder.h), `given` gets them. Throws
// boost::program_options::error for an unknown name or a value of another type, for "config" and
// "help", and where there is no home.
void StoreConfig(const std::string& text,
                 const boost::program_options::options_description& options,
                 boost::program_options::variables_map& values, std::vector<std::string>& given);

// The same for a file; throws InputError when it cannot be read, is no UTF-8, or holds nothing.
void ReadConfig(const std::filesystem::path& path,
                const boost::program_options::options_description& options,
                boost::program_options::variables_map& values, std::vector<std::string>& given);

// The option of `options` that `name` was probably meant to be: the one of
// fewest letters to change.
std::string NearestOption(const std::string& name,
                          const boost::program_options::options_description& options);

}  // namespace clipsweep
