// Paths that a user gives, on the command line or in a configuration alike: they start from the
// current folder, "~/" is the home folder.
#pragma once

#include <boost/program_options.hpp>
#include <string>
#include <vector>

namespace clipsweep {

// `value`, with the home folder for a "~" alone or before a '/' at its beginning. Throws
// boost::program_options::error where HOME is not set.
std::string WithHome(std::string value);

// WithHome for every value of every option; what is given is added to `given`.
void ExpandHome(boost::program_options::parsed_options& parsed, std::vector<std::string>& given);

// For an error about a relative path of those given that is not there: the message with the folder
// that the path was looked for in. Any other message as it is.
std::string WithFolderOfPaths(const std::string& message, const std::vector<std::string>& given);

}  // namespace clipsweep
