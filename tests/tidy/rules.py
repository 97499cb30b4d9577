#!/usr/bin/env python3
"""The house's rules as tests. Each rule is a function from the tree to its findings; rules_test.py shows that each can
fail. Prints the findings and ends with "N passed, N failed", a rule being one test."""

import os
import re
import sys

from tree import code_alone, line_of, load, sql_alone

RULES = []


def rule(function):
    RULES.append(function)
    return function


# --- layers -----------------------------------------------------------------------------------------------------------

# Directory of server/ -> the directories whose headers it may include. Its own it always may.
LAYERS = {
    "base": set(),
    "core": {"base"},
    "pg": {"base"},
    "store": {"core", "base"},
    "store/postgres": {"store", "pg", "core", "base"},
    "store/memory": {"store", "core", "base"},
    "coordinator": {"store", "core", "base"},
    "access": {"core", "base"},
    "rpc": {"access", "coordinator", "store", "core", "base", "proto"},
    "http": {"access", "coordinator", "core", "base"},
    "metrics": {"coordinator", "store", "core", "base"},
    "app": {"rpc", "http", "metrics", "access", "coordinator", "store/postgres", "store/memory", "store", "pg", "core", "base", "proto"},
    "main": {"app", "base"},
}

# Prefix of a third party's header -> the layers that may know that it exists.
THIRD_PARTIES = {
    "libpq": {"pg"},
    "postgres": {"pg"},
    "asio": {"base", "pg", "store/postgres", "http", "app"},
    "grpc": {"rpc", "app"},
    "google/": {"rpc", "app"},
    "CLI/": {"app", "main"},
    "boost/": {"http"},
    "openssl/": {"access", "pg", "rpc"},
    "prometheus/": {"metrics"},
}

_INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)


def includes(text):
    for match in _INCLUDE.finditer(text):
        yield line_of(text, match.start()), match[2]


def layer_of(path):
    """The layer of a path below server/: the longest directory that the table names; files beside main.cc are main's."""
    directory = os.path.dirname(path)
    while directory and directory not in LAYERS:
        directory = os.path.dirname(directory)
    return directory or "main"


def _included_layer(tree, include):
    if include.startswith("vigil/v1/"):
        return "proto"
    return layer_of(include) if "server/" + include in tree.texts else None


@rule
def layers_include_downwards(tree):
    """The include graph of server/ is the one that server/README.md draws."""
    for path, text in tree.files(".h", ".cc", under="server/"):
        layer = layer_of(path.removeprefix("server/"))
        for line, include in includes(text):
            other = _included_layer(tree, include)
            if other not in (None, layer) and other not in LAYERS[layer]:
                yield path, line, f"{layer} may not include {other}: {include}"
            for prefix, allowed in THIRD_PARTIES.items():
                if other is None and include.startswith(prefix) and layer not in allowed:
                    yield path, line, f"{layer} may not know {include}; only {', '.join(sorted(allowed))} may"


@rule
def directories_are_layers(tree):
    """A new directory under server/ is a new layer, and says so in the table above."""
    for path, _ in tree.files(".h", ".cc", under="server/"):
        if os.path.dirname(path) not in {"server", *("server/" + layer for layer in LAYERS)}:
            yield path, 1, "its directory is no layer: add it to LAYERS in tests/tidy/rules.py, and to server/README.md"


@rule
def client_stands_alone(tree):
    """The client is built and installed without the server, and its public headers ask for no generated code."""
    for path, text in tree.files(".h", ".cc", under="client/"):
        roots = (os.path.dirname(path), "client/include", "client/src", "client")
        for line, include in includes(text):
            its_own = any(f"{root}/{include}" in tree.texts for root in roots)
            if "server/" + include in tree.texts and not its_own:
                yield path, line, f"the client may not include the server's {include}"
            if path.startswith("client/include/") and include.startswith(("grpc", "google/", "vigil/v1/")):
                yield path, line, f"a public header may not ask its reader for {include}"


# No word of the domain belongs there: these could be lifted into another project as they are.
PURE_LAYERS = ("server/base/", "server/pg/")
DOMAIN_WORDS = {
    "pod", "pods", "coordinator", "coordinators", "incarnation", "incarnations", "lease", "leases", "suspect",
    "suspicion", "orphan", "orphans", "heartbeat", "heartbeats", "liveness", "fenced", "vigild",
}  # fmt: skip


def words(text):
    """(position, lower-case word) of every word, with snake_case and CamelCase taken apart."""
    for match in re.finditer(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", text):
        yield match.start(), match[0].lower()


@rule
def base_and_pg_know_no_domain(tree):
    """server/base and server/pg use no word of the domain, in code or comment."""
    for directory in PURE_LAYERS:
        for path, text in tree.files(".h", ".cc", under=directory):
            for position, word in words(text):
                if word in DOMAIN_WORDS:
                    yield path, line_of(text, position), f"'{word}' is a word of the domain"


# --- size and shape ---------------------------------------------------------------------------------------------------

SOURCE_LINES = 450
HEADER_LINES = 250


@rule
def files_have_one_job(tree):
    """Past these lengths a file has two jobs. The length of functions is clang-tidy's to watch."""
    for path, text in tree.files(".h", ".cc", ".py", ".sql", ".js", ".mjs"):
        limit, lines = HEADER_LINES if path.endswith(".h") else SOURCE_LINES, text.count("\n")
        if lines > limit:
            yield path, lines, f"{lines} lines, and {limit} are the limit: split it by what it does"


@rule
def headers_state_their_contract(tree):
    """A header begins with a comment that says what it is for, and is included once."""
    for path, text in tree.files(".h"):
        if not text.startswith("//"):
            yield path, 1, "begins with no comment that states its contract"
        if "\n#pragma once\n" not in text:
            yield path, 1, "has no #pragma once"


# --- names ------------------------------------------------------------------------------------------------------------

_EMPTY_NAME = re.compile(
    r"\b(?:class|struct|enum|union|using|concept)\s+(?:class\s+)?([\w:]*?(?:Manager|Helper|Utils?|Impl)(?![a-z])\w*)"
)
_EMPTY_FILE = re.compile(r"(?:^|_)(?:manager|helpers?|utils?|impl|common|misc)(?:_|\.)")


@rule
def names_say_something(tree):
    """Manager, Helper, Util, Impl and common are no names, of types or of files."""
    for path, text in tree.files(".h", ".cc"):
        code = code_alone(text)
        for match in _EMPTY_NAME.finditer(code):
            yield path, line_of(code, match.start(1)), f"{match[1]}: say what it does"
    for path, _ in tree.files(".h", ".cc", ".py", ".proto", ".sql"):
        if _EMPTY_FILE.search(os.path.basename(path)):
            yield path, 1, "this file name says nothing: name what is in it"


# What the contract and the schema must not call things -> the house's word.
SYNONYMS = {
    **dict.fromkeys(("node", "peer", "instance", "worker", "member"), "pod"),
    **dict.fromkeys(("leader", "master", "broker"), "coordinator"),
    **dict.fromkeys(("epoch", "generation", "term"), "incarnation"),
    **dict.fromkeys(("job", "task", "run"), "work item"),
    **dict.fromkeys(("acquire", "steal", "ticket"), "claim, fence"),
    **dict.fromkeys(("offset", "bookmark"), "cursor"),
    **dict.fromkeys(("reattach", "handover", "failover"), "resume, move"),
    **dict.fromkeys(("down", "offline", "evicted"), "DEAD"),
    **dict.fromkeys(("backfill", "catchup"), "replay"),
    "connection": "session",
    "disconnect": "leave, detach",
    "ttl": "lease",
    "reap": "declare dead",
}


@rule
def one_word_for_one_thing(tree):
    """No identifier of the contract or of the schema uses a synonym of the house's words."""
    sources = [(path, text, code_alone(text)) for path, text in tree.files(".proto")]
    sources += [(path, text, sql_alone(text)) for path, text in tree.files(".sql")]
    for path, text, code in sources:
        code = re.sub(r"(?i)extract\s*\(\s*epoch\b", lambda m: " " * len(m[0]), code)
        for position, word in words(code):
            if word in SYNONYMS:
                yield path, line_of(text, position), f"'{word}': the word here is '{SYNONYMS[word]}'"


# --- smells -----------------------------------------------------------------------------------------------------------

# What must not stand in C++ -> why, and the paths that may.
SMELLS = [
    (
        re.compile(r"\bsleep_for\b|\bsleep_until\b|\busleep\b|\bnanosleep\b|(?<![\w.])sleep\s*\("),
        "nothing sleeps: wait for the event, with a limit",
        re.compile(r"^client/"),  # a blocking call of the library may back off in its caller's thread
    ),
    (
        re.compile(r"\bsystem_clock\b|\bsteady_clock\b|\bhigh_resolution_clock\b|\bclock_gettime\b|\bgettimeofday\b"
                   r"|\bgpr_now\b|(?<!\w)time\s*\(\s*(?:nullptr|NULL|0)\s*\)"),
        "only the clock's own file reads a system clock (a deadline for grpc: gpr_time_from_millis(n, GPR_TIMESPAN))",
        re.compile(r"^server/base/clock\.cc$|^client/src/boot_clock\.cc$|^tests/client/fake_clock/fake_clock\.cc$"
                   r"|^tests/bench/measuring_clocks\.cc$"),
    ),
    (
        re.compile(r"(?<!\w)throw\b"),
        "no exception crosses a function of ours: return an Error",
        re.compile(r"^$"),
    ),
    (
        re.compile(r"\bDISABLED_\w+|\bGTEST_FLAG\w*\(\s*retry|--gtest_repeat"),
        "a test runs and holds, or it goes",
        re.compile(r"^$"),
    ),
]  # fmt: skip


@rule
def cpp_has_no_smell(tree):
    """No sleep, no stray clock, no throw, no disabled test."""
    for path, text in tree.files(".h", ".cc"):
        code = code_alone(text)
        for pattern, why, allowed in SMELLS:
            for match in pattern.finditer(code):
                if not allowed.search(path):
                    yield path, line_of(code, match.start()), f"{match[0].strip()}: {why}"


_UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX)\b")


@rule
def nothing_is_left_unfinished(tree):
    """What is not built yet is an issue, not a remark in a file."""
    for path, text in tree.files(""):
        if not path.startswith("tests/tidy/") and not path.endswith(".png"):
            for match in _UNFINISHED.finditer(text):
                yield path, line_of(text, match.start()), f"{match[0]}: build it or file it"


# --- pages and contract -----------------------------------------------------------------------------------------------

_LINK = re.compile(r"\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
_VERB_USED = re.compile(r"\./dev\s+([a-z]+)")
_VERB_DEFINED = re.compile(r"^verb_(\w+)\(\)", re.MULTILINE)


def anchors(markdown):
    """The anchors that the headings of a page make."""
    for heading in re.findall(r"^#+\s+(.*)$", markdown, re.MULTILINE):
        yield re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading.strip().lower()))


@rule
def links_of_pages_lead_somewhere(tree):
    """Every relative link of a page names a file or directory, and its anchor a heading there."""
    for path, text in tree.files(".md"):
        for match in _LINK.finditer(re.sub(r"```.*?```", lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.DOTALL)):
            target, _, anchor = match[1].partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            file = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
            if not tree.exists("" if file == "." else file):
                yield path, line_of(text, match.start()), f"leads nowhere: {match[1]}"
            elif anchor and file.endswith(".md") and anchor not in anchors(tree.texts[file]):
                yield path, line_of(text, match.start()), f"no such heading: {match[1]}"


@rule
def verbs_of_pages_exist(tree):
    """Every `./dev VERB` that a page or CI names is a verb."""
    verbs = set(_VERB_DEFINED.findall(tree.texts.get("dev", "")))
    for path, text in [*tree.files(".md"), *tree.files("", under=".ci/")]:
        for match in _VERB_USED.finditer(text):
            if match[1] not in verbs:
                yield path, line_of(text, match.start()), f"./dev has no verb '{match[1]}'"


@rule
def every_rpc_states_its_contract(tree):
    """An rpc's comment says its effect, its idempotency and its errors."""
    for path, text in tree.files(".proto"):
        for match in re.finditer(r"((?:^[ \t]*//[^\n]*\n)*)^[ \t]*rpc (\w+)", text, re.MULTILINE):
            for part in ("Idempotency", "Errors"):
                if part not in match[1]:
                    yield path, line_of(text, match.start(2)), f"the comment of {match[2]} has no '{part}:'"


# --- promises ---------------------------------------------------------------------------------------------------------

PROMISES = [f"P{number}" for number in range(1, 12)]


@rule
def every_promise_is_tested(tree):
    """Each promise is cited as `// P3` in a test."""
    cited = set()
    for path, text in tree.files(".h", ".cc", ".py", ".js", ".mjs", under="tests/"):
        if not path.startswith("tests/tidy/"):
            for comment in re.findall(r"(?://|#)(.*)", text):
                cited.update(re.findall(r"\bP\d+\b", comment))
    for promise in PROMISES:
        if promise not in cited:
            yield "tests", 1, f"no test cites {promise}"
    for unknown in sorted(cited.difference(PROMISES)):
        yield "tests", 1, f"there is no promise {unknown}"


def _hunks(patch):
    """The path and the first side (what is there and what goes) of each hunk, with its line in the patch."""
    path, side, begins = None, None, 0
    for number, line in enumerate(patch.splitlines(), 1):
        if line.startswith("+++ b/"):
            path = line.removeprefix("+++ b/")
        if line.startswith(("--- a/", "@@")):
            if side:
                yield path, begins, side
            side, begins = ([], number) if line.startswith("@@") else (None, number)
        elif side is not None and line.startswith((" ", "-")):
            side.append(line[1:])
        elif side is not None and not line:
            side.append("")
    if side:
        yield path, begins, side


@rule
def mutants_apply(tree):
    """A mutant of the simulation that no longer applies proves nothing; what it changes is there, word for word."""
    for patch, text in tree.files(".patch", under="tests/"):
        for path, line, side in _hunks(text):
            if "\n".join(side).rstrip("\n") not in tree.texts.get(path, ""):
                yield patch, line, f"does not apply to {path} any more"


def main():
    tree = load(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    failed = 0
    for check in RULES:
        findings = sorted(set(check(tree)))
        failed += bool(findings)
        print(f"{'FAILED' if findings else 'ok':6} {check.__name__}")
        for path, line, message in findings:
            print(f"  {path}:{line}: {message}")
    print(f"{len(RULES) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
