// clipsweep COMMAND [options]; program.h does the work.
#include "common/process/library_warnings.h"
#include "launch/commands/program.h"

int main(int argc, char** argv) {
  clipsweep::LogLibraryWarnings();
  return clipsweep::RunProgram(argc, argv);
}
