// clipsweep COMMAND [options]; program.h does the work.
#include "launch/program.h"

int main(int argc, char** argv) { return clipsweep::RunProgram(argc, argv); }
