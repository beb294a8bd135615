// The table of methods. A new method is a file here and a row in all_methods.cpp.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "finetune/methods/method.h"

namespace clipsweep {

// In the order that help, tables and reports show them.
const std::vector<std::unique_ptr<Method>>& AllMethods();

// Throws UsageError naming `option`, the unknown name and the nearest one.
const Method& FindMethod(const std::string& name, const std::string& option);

// Adds a row until the end of the process: for tests.
void AddMethod(std::unique_ptr<Method> method);

}  // namespace clipsweep
