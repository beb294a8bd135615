// Errors a user can act on. One line: what (file or option), what is wrong, what to do.
#pragma once

#include <stdexcept>
#include <string>

namespace clipsweep {

// Process exit codes, the same for every command.
enum class ExitCode : int {
  kDone = 0,
  kInternal = 1,
  kUsage = 2,       // wrong option, configuration or combination of options
  kBadInput = 3,    // a file, image or number that cannot be used
  kRegression = 4,  // nightly: an answer or a time got worse
};

class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

// The same error known on every rank: rank 0 prints it, all ranks leave in step.
class AgreedError : public Error {
 public:
  using Error::Error;
};

// SIGINT or SIGTERM arrived and the stage stopped at a safe place. exit code 128 + signal.
class Interrupted : public std::runtime_error {
 public:
  explicit Interrupted(int signal)
      : std::runtime_error("stopped by signal " + std::to_string(signal)), signal_(signal) {}
  int signal() const { return signal_; }

 private:
  int signal_;
};

// What to exit with and the one line to print for any exception. Bad input are errors of the file
// system, which name the path, and memory that does not suffice, which names the stage entered.
struct ErrorDescription {
  ExitCode code;
  std::string message;
};
ErrorDescription DescribeError(const std::exception& error);

inline Error UsageError(const std::string& message) { return {ExitCode::kUsage, message}; }
inline Error InputError(const std::string& message) { return {ExitCode::kBadInput, message}; }
inline Error InternalError(const std::string& message) { return {ExitCode::kInternal, message}; }

}  // namespace clipsweep
