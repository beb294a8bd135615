#include "extract/images/tiff_file.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "extract/images/image_decode.h"

namespace clipsweep {

TiffFile::TiffFile(std::string_view bytes) : state_(std::make_unique<State>()) {
  state_->bytes = bytes;
  const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> options(
      TIFFOpenOptionsAlloc(), TIFFOpenOptionsFree);
  if (options == nullptr) throw ImageError("TIFF decoder: out of memory");
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), static_cast<tmsize_t>(kMaxExtraBytes));
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), OnError, state_.get());
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), OnWarning, state_.get());
  // m: no mapping; c: strips as they are in the file.
  tiff_.reset(TIFFClientOpenExt("picture", "rmc", state_.get(), Read, Write, Seek, CloseFile, Size,
                                Map, Unmap, options.get()));
  if (tiff_ == nullptr) Fail();
}

void TiffFile::Fail() const {
  throw ImageError(std::string("TIFF decoder: ") +
                   (state_->error[0] != '\0' ? state_->error : "the file is damaged"));
}

int TiffFile::OnError(TIFF*, void* state, const char*, const char* format, va_list values) {
  char* error = static_cast<State*>(state)->error;
  if (error[0] != '\0') return 1;  // the first tells most
  std::vsnprintf(error, sizeof State::error, format, values);
  for (char* at = error; *at != '\0'; ++at) {  // an error is one line
    if (static_cast<unsigned char>(*at) < 0x20) *at = ' ';
  }
  return 1;
}

tmsize_t TiffFile::Read(thandle_t handle, void* out, tmsize_t count) {
  auto* state = static_cast<State*>(handle);
  if (count <= 0 || state->at >= state->bytes.size()) return 0;
  const std::size_t taken =
      std::min(static_cast<std::size_t>(count), state->bytes.size() - state->at);
  std::memcpy(out, state->bytes.data() + state->at, taken);
  state->at += taken;
  return static_cast<tmsize_t>(taken);
}

toff_t TiffFile::Seek(thandle_t handle, toff_t offset, int from) {
  auto* state = static_cast<State*>(handle);
  if (from == SEEK_CUR) offset += state->at;
  if (from == SEEK_END) offset += state->bytes.size();
  state->at = offset;
  return offset;
}

toff_t TiffFile::Size(thandle_t handle) { return static_cast<State*>(handle)->bytes.size(); }

}  // namespace clipsweep
