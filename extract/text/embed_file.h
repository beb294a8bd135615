// Puts a file's bytes into the program's read-only data, as SYMBOL_begin[] .. SYMBOL_end[]. The
// path comes from CMake, which also tracks the file's changes.
#pragma once

#define CLIPSWEEP_EMBED_FILE(symbol, path)         \
  asm(".section .rodata\n"                         \
      ".global " #symbol                           \
      "_begin\n"                                   \
      ".global " #symbol "_end\n" #symbol          \
      "_begin:\n"                                  \
      ".incbin \"" path "\"\n" #symbol             \
      "_end:\n"                                    \
      ".previous\n");                              \
  extern "C" const unsigned char symbol##_begin[]; \
  extern "C" const unsigned char symbol##_end[]
