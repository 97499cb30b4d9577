// A file that is nowhere but in memory, for what wants the name of one.
#pragma once

#include <string>
#include <string_view>

namespace vigil {

// Has no name in any directory and is gone with the object, or the process. Others than this user
// cannot read it.
//
// `Replace` by one thread at a time; whoever opens `path` meanwhile finds one text or the next,
// whole.
class MemoryFile {
 public:
  MemoryFile() = default;
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  // False, with errno, when there is no room for it; nothing is changed then.
  bool Replace(std::string_view text);

  // Where this process finds it, once it has a text: from then on the same one.
  std::string path() const;

 private:
  int descriptor_ = -1;
};

}  // namespace vigil
