// vigil_demo: a cluster on this machine, and what happens when parts of it are killed.
#include <cstdio>
#include <string_view>

#include "screen.h"
#include "show.h"

int main(int argc, char** argv) {
  if (argc > 1) {
    const bool asked = std::string_view(argv[1]) == "--help";
    std::fprintf(
        asked ? stdout : stderr,
        "usage: vigil_demo\n\n"
        "Starts a private Postgres, three coordinators and five pods on this machine, kills "
        "some of them,\nand checks what must follow. Takes no argument and leaves nothing "
        "behind.\nExit codes: 0 all checks held, 1 not, 2 wrong usage.\n");
    return asked ? 0 : 2;
  }
  vigil::Screen screen;
  {
    vigil::Show show(screen);
    if (const auto played = show.Play(); !played) {
      std::fprintf(stderr, "vigil_demo: %s\n  %s\n", played.error().message.c_str(),
                   played.error().hint.c_str());
      screen.Check(false, "the demonstration could not begin");
    }
  }  // nobody speaks any more
  return screen.Close();
}
