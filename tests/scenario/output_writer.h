// An owner that writes the output of a work item, and does not look whether it still may.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "support/reporting_process.h"

namespace vigil {

// It registers, starts the item or waits until it can claim it, appends the lines `LINE by NAME` of
// the output to the file from its checkpoint on, with a checkpoint every ten lines, and completes
// the item. What is refused to it does not stop it.
//
// It reports `registered`, `owns` (fence, from), `holding`, and `done` (completed).
struct OutputWriter {
  std::vector<std::string> addresses;
  std::string name;
  std::string key;
  std::string file;
  int lines = 0;
  // Before it writes this line, or before it says that those before it are settled, it is paused as
  // by SIGSTOP; never when negative.
  int pause_before_line = -1;
  int pause_before_settling = -1;
  // Before it writes this line, it waits for SIGUSR1.
  int hold_before_line = -1;
};

Result<std::unique_ptr<ReportingProcess>> RunOutputWriter(const OutputWriter& writer);

// In main: the exit code, if this process was started to be such a writer.
std::optional<int> PlayWriterIfAsked(int argc, char** argv);

}  // namespace vigil
