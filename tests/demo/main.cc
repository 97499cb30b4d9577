// vigil_demo: a cluster on this machine, and what happens when parts of it are killed.
#include <cstdio>
#include <string_view>

#include "screen.h"
#include "show.h"

int main(int argc, char** argv) {
  const std::string_view word = argc > 1 ? argv[1] : "";
  const bool tls = word == "--tls" && argc == 2;
  if (argc > 1 && !tls) {
    const bool asked = word == "--help";
    std::fprintf(
        asked ? stdout : stderr,
        "usage: vigil_demo [--tls]\n\n"
        "Starts a private Postgres, three coordinators and five pods on this machine, kills "
        "some of them,\nand checks what must follow. Leaves nothing behind.\n"
        "  --tls  over mutual TLS, with a certificate and a role for everybody\n"
        "Exit codes: 0 all checks held, 1 not, 2 wrong usage.\n");
    return asked ? 0 : 2;
  }
  vigil::Screen screen;
  {
    vigil::Show show(screen, tls);
    if (const auto played = show.Play(); !played) {
      std::fprintf(stderr, "vigil_demo: %s\n  %s\n", played.error().message.c_str(),
                   played.error().hint.c_str());
      screen.Check(false, "the demonstration could not begin");
    }
  }  // nobody speaks any more
  return screen.Close();
}
