// libtiff over bytes in memory, its errors as ImageError.
#pragma once

#include <tiffio.h>

#include <memory>
#include <string>
#include <string_view>

namespace clipsweep {

class TiffFile {
 public:
  // Reads the first directory. Throws ImageError.
  explicit TiffFile(std::string_view bytes);

  TIFF* get() const { return tiff_.get(); }

  // A field of one number, or `otherwise` where the file has none.
  template <typename T>
  T Field(std::uint32_t tag, T otherwise) const {
    T value = otherwise;
    return TIFFGetField(tiff_.get(), tag, &value) == 1 ? value : otherwise;
  }

  // Throws the last error libtiff reported.
  [[noreturn]] void Fail() const;

 private:
  struct State {
    std::string_view bytes;
    toff_t at = 0;
    char error[200] = {};
  };
  struct Close {
    void operator()(TIFF* tiff) const { TIFFClose(tiff); }
  };

  static int OnError(TIFF*, void* state, const char*, const char* format, va_list values);
  static int OnWarning(TIFF*, void*, const char*, const char*, va_list) { return 1; }
  static tmsize_t Read(thandle_t handle, void* out, tmsize_t count);
  static tmsize_t Write(thandle_t, void*, tmsize_t) { return 0; }
  static toff_t Seek(thandle_t handle, toff_t offset, int from);
  static int CloseFile(thandle_t) { return 0; }
  static toff_t Size(thandle_t handle);
  static int Map(thandle_t, void**, toff_t*) { return 0; }
  static void Unmap(thandle_t, void*, toff_t) {}

  std::unique_ptr<State> state_;
  std::unique_ptr<TIFF, Close> tiff_;
};

}  // namespace clipsweep
