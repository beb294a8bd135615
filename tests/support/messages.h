// What an error says.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "common/process/error.h"

namespace clipsweep::testing {

// Empty where nothing is thrown.
inline std::string MessageOf(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// The same of what must be bad input.
inline std::string BadInputOf(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kBadInput) << error.what();
    return error.what();
  }
  return "";
}

}  // namespace clipsweep::testing
