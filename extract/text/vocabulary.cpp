#include "extract/text/vocabulary.h"

#include <zlib.h>

#include <cstddef>

#include "common/process/error.h"
#include "extract/text/embed_file.h"

CLIPSWEEP_EMBED_FILE(clipsweep_vocabulary, CLIPSWEEP_VOCABULARY_FILE);

namespace clipsweep {

std::string VocabularyText() {
  z_stream stream{};
  stream.next_in = const_cast<unsigned char*>(clipsweep_vocabulary_begin);
  stream.avail_in =
      static_cast<unsigned int>(clipsweep_vocabulary_end - clipsweep_vocabulary_begin);
  inflateInit2(&stream, 15 + 16);  // 16: a gzip header
  std::string text;
  char buffer[1 << 16];
  int status = Z_OK;
  while (status == Z_OK) {
    stream.next_out = reinterpret_cast<unsigned char*>(buffer);
    stream.avail_out = sizeof buffer;
    status = inflate(&stream, Z_NO_FLUSH);
    text.append(buffer, sizeof buffer - stream.avail_out);
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END) throw InternalError("the built-in vocabulary cannot be unpacked");
  return text;
}

}  // namespace clipsweep
