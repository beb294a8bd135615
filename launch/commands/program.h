// The program behind main.cpp, a function so that tests/fault can run it with a faulty disk or a
// rank that fails.
#pragma once

namespace clipsweep {

// Parses, dispatches, maps errors to exit codes (common/process/error.h) and prints each once.
int RunProgram(int argc, char** argv);

}  // namespace clipsweep
