// What the name of a file or folder says: a picture, something else, a system's own.
#pragma once

#include <string>
#include <string_view>

namespace clipsweep {

// With its dot and in lower case: up to 10 letters and digits behind the last dot. "" when there
// are none, as in "photo" and "photo.jpg?width=200".
std::string EndingOf(std::string_view name);

// Its ending, or "without ending".
std::string EndingOrNone(std::string_view name);

enum class NameSays {
  kPicture,  // ends as pictures of a format that is read do: .jpg, .png, .tiff ..
  kOther,  // ends as something else does: .txt, .xml, .mp4, a copy ".bak", half a download ".part"
  kNothing,  // no ending, or one not known: the first bytes tell
};
NameSays WhatNameSays(std::string_view name);

// Files and folders that systems, desktops and editors make: names that begin with a dot, and
// @eaDir, __MACOSX, Thumbs.db, $RECYCLE.BIN, lost+found and their kin in any case.
bool IsHiddenName(std::string_view name);

// The name, or "._*" for the many that begin so.
std::string HiddenKind(std::string_view name);

}  // namespace clipsweep
