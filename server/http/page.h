// The status page: its files, which are part of the program (page/).
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "http/resource.h"

namespace vigil {

struct PageFile {
  // Where it is served.
  std::string_view path;
  std::string_view content_type;
  std::string_view text;
};

std::span<const PageFile> PageFiles();

// A resource for each. They are open to whoever reaches the port: they tell nothing of the cluster,
// and load nothing from anywhere else, nor may anybody put them into a frame.
std::vector<Resource> PageResources();

}  // namespace vigil
