// What the output of a work item comes to, whoever wrote it and whoever wrote it again.
#pragma once

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

// Each line of the stream begins with the fence of the owner that wrote it:
//
//     2 from 20        the owner with fence 2 goes on from here: the number of lines that its
//     checkpoint covers 2 20 some text   line 20 of the output 2 settled 30     the 30 lines before
//     this are covered by a checkpoint
//
// An owner begins with `from`. It settles lines in this order: it writes them, makes a checkpoint
// of their number, and says `settled` when the checkpoint was accepted.
//
// So what an owner wrote after the checkpoint that the next one went on from is dropped when the
// next one says `from`, and all that it writes later carries a lower fence and is dropped, too. A
// line that is settled stays: the next owner goes on from there or later.
class ItemOutput {
 public:
  // Lines of the stream, in its order. False: this is not such a line, or lines before it are
  // missing.
  bool Read(const std::string& line) {
    std::istringstream fields(line);
    std::uint64_t fence = 0;
    std::string word;
    if (!(fields >> fence >> word)) return false;
    if (fence < fence_) return true;  // From an owner that was overtaken.
    std::size_t position = 0;
    if (word == "from") {
      return static_cast<bool>(fields >> position) && GoOnFrom(fence, position);
    }
    if (fence > fence_) return false;
    if (word == "settled") {
      return static_cast<bool>(fields >> position) && Settle(position);
    }
    std::istringstream number(word);
    if (!(number >> position) || position > lines_.size()) return false;
    // An append whose outcome was not known may come twice.
    if (position < lines_.size()) return true;
    fields.get();  // the space
    std::string text;
    std::getline(fields, text);
    lines_.push_back(text);
    return true;
  }

  // All that counts as far as is known. The end of it may still be dropped.
  const std::vector<std::string>& lines() const { return lines_; }
  // How many of the lines nobody will write again.
  std::size_t settled() const { return settled_; }

 private:
  bool GoOnFrom(std::uint64_t fence, std::size_t position) {
    if (fence == fence_) return true;
    if (position < settled_ || position > lines_.size()) return false;
    fence_ = fence;
    lines_.resize(position);
    settled_ = position;
    return true;
  }

  bool Settle(std::size_t position) {
    if (position > lines_.size()) return false;
    if (position > settled_) settled_ = position;
    return true;
  }

  std::uint64_t fence_ = 0;
  std::vector<std::string> lines_;
  std::size_t settled_ = 0;
};
