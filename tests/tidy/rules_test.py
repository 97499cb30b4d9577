#!/usr/bin/env python3
"""Shows that every rule of rules.py can fail: each is given a planted violation, which it must find, and the same thing
done right, which it must let pass. Ends with "N passed, N failed", a sample being one test."""

import sys

import rules
from tree import Tree

HEADER = "// Says what it is for.\n#pragma once\n"
ALL_CITED = "".join(f"// {promise}\n" for promise in rules.PROMISES)
DOOR = "verb_build() {\n"


def lines(number):
    return "//\n" * number


# rule -> [(planted violation, the same done right)], each a tree.
SAMPLES = {
    "layers_include_downwards": [
        (
            {"server/core/lease.h": '#include "store/store.h"\n', "server/store/store.h": ""},
            {"server/store/store.h": '#include "core/lease.h"\n', "server/core/lease.h": ""},
        ),
        (
            {"server/coordinator/death.cc": '#include "store/postgres/sql.h"\n', "server/store/postgres/sql.h": ""},
            {"server/coordinator/death.cc": '#include "store/store.h"\n', "server/store/store.h": ""},
        ),
        (
            {"server/coordinator/work.h": '#include "vigil/v1/work.pb.h"\n'},
            {"server/rpc/work.h": '#include "vigil/v1/work.pb.h"\n'},
        ),
        ({"server/rpc/work.cc": "#include <libpq-fe.h>\n"}, {"server/pg/row.cc": "#include <libpq-fe.h>\n"}),
    ],
    "mutants_apply": [
        (
            {"tests/sim/mutants/a.patch": "Why.\n--- a/x.cc\n+++ b/x.cc\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n", "x.cc": "a\nd\n"},
            {"tests/sim/mutants/a.patch": "Why.\n--- a/x.cc\n+++ b/x.cc\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n", "x.cc": "a\nb\n"},
        )
    ],
    "directories_are_layers": [({"server/common/a.h": ""}, {"server/base/a.h": "", "server/main.cc": ""})],
    "client_stands_alone": [
        (
            {"client/src/pod.cc": '#include "base/clock.h"\n', "server/base/clock.h": ""},
            {"client/src/pod.cc": '#include "src/clock.h"\n', "client/src/clock.h": "", "server/src/clock.h": ""},
        ),
        (
            {"client/include/vigil/client.h": "#include <grpcpp/channel.h>\n"},
            {"client/src/channel.cc": "#include <grpcpp/channel.h>\n"},
        ),
    ],
    "base_and_pg_know_no_domain": [
        ({"server/base/clock.h": "// When the pod died.\n"}, {"server/base/clock.h": "// Releases the podium.\n"}),
        ({"server/pg/row.cc": "int lease_length;\n"}, {"server/core/lease.cc": "int lease_length;\n"}),
        ({"server/pg/row.cc": "class PodRow;\n"}, {"server/pg/row.cc": "class RowReader;\n"}),
    ],
    "files_have_one_job": [
        ({"server/core/a.cc": lines(451)}, {"server/core/a.cc": lines(450)}),
        ({"server/core/a.h": lines(251)}, {"server/core/a.h": lines(250)}),
    ],
    "headers_state_their_contract": [
        ({"server/core/a.h": "#pragma once\n"}, {"server/core/a.h": HEADER}),
        ({"server/core/a.h": "// Says what it is for.\n"}, {"server/core/a.h": HEADER}),
    ],
    "names_say_something": [
        ({"server/core/a.h": "class SessionManager {"}, {"server/core/a.h": "class Sessions {  // no Manager"}),
        ({"client/src/a.cc": "struct Client::Impl"}, {"client/src/a.cc": "struct Implicit;\nclass Utility;"}),
        ({"server/core/string_util.h": ""}, {"server/core/utilization.h": ""}),
        ({"server/core/common.h": ""}, {"server/core/commonality.h": ""}),
    ],
    "one_word_for_one_thing": [
        (
            {"proto/vigil/v1/a.proto": "message NodeState {}"},
            {"proto/vigil/v1/a.proto": "// A node.\nmessage PodState {}"},
        ),
        (
            {"migrations/0001_pods.sql": "CREATE TABLE pods (epoch bigint);"},
            {"migrations/0001_pods.sql": "-- The epoch.\nSELECT extract(epoch FROM interval '1 s');"},
        ),
    ],
    "cpp_has_no_smell": [
        (
            {"tests/unit/a.cc": "std::this_thread::sleep_for(1s);"},
            {"tests/unit/a.cc": '// sleep_for\nRun("sleep (1)"); timer.sleep(1);'},
        ),
        ({"server/core/a.cc": "sleep(1);"}, {"server/core/a.cc": "auto n = 1'000; // sleep(1)\nauto m = 1'000;"}),
        ({"server/core/a.cc": "std::chrono::steady_clock::now();"}, {"server/base/clock.cc": "clock_gettime(x);"}),
        ({"tests/unit/a.cc": "x = time(nullptr);"}, {"client/src/boot_clock.cc": "clock_gettime(x);"}),
        ({"server/core/a.cc": "sleep_for(1s);"}, {"client/src/call.cc": "sleep_for(1s);"}),
        ({"client/src/call.cc": "system_clock::now();"}, {"client/src/call.cc": "// No system_clock.\n"}),
        ({"server/core/a.cc": "throw 1;"}, {"server/core/a.cc": 'Log("throw 1");'}),
        ({"tests/unit/a.cc": "TEST(A, DISABLED_B)"}, {"tests/unit/a.cc": "TEST(A, B)"}),
    ],
    "nothing_is_left_unfinished": [({"dev": "# TODO: more"}, {"dev": "# mastodon"})],
    "links_of_pages_lead_somewhere": [
        ({"README.md": "[a](server/README.md)"}, {"README.md": "[a](server/README.md)", "server/README.md": ""}),
        ({"server/README.md": "[a](proto)"}, {"server/README.md": "[a](../proto/)", "proto/a.proto": ""}),
        ({"README.md": "# One\n[a](#two)"}, {"README.md": "# One: `and` two\n[a](#one-and-two) [b](https://b/c)"}),
        ({"README.md": "[a](b.md)"}, {"README.md": "```\n[a](b.md)\n```"}),
    ],
    "verbs_of_pages_exist": [
        ({"README.md": "`./dev biuld`", "dev": DOOR}, {"README.md": "`./dev build`", "dev": DOOR}),
        ({".ci/run": "exec ./dev tests", "dev": DOOR}, {".ci/run": "exec ./dev build", "dev": DOOR}),
    ],
    "every_rpc_states_its_contract": [
        (
            {"proto/vigil/v1/a.proto": "  // Gets.\n  rpc Get(A) returns (B);"},
            {"proto/vigil/v1/a.proto": "  // Gets.\n  // Idempotency: yes.\n  // Errors: A.\n  rpc Get(A) returns (B);"},
        ),
        (
            {"proto/vigil/v1/a.proto": "  // Idempotency: yes. Errors: A.\n  rpc A(A) returns (B);\n  rpc B(A) returns (B);"},
            {"proto/grpc/health/v1/health.proto": "rpc Check(A) returns (B);"},
        ),
    ],
    "every_promise_is_tested": [
        ({"tests/unit/a.cc": ALL_CITED.replace("P4\n", "\n")}, {"tests/unit/a.cc": ALL_CITED}),
        ({"tests/unit/a.cc": ALL_CITED + "// P99\n"}, {"tests/unit/a.cc": ALL_CITED + "int P99;\n"}),
    ],
}


def main():
    passed = failed = 0

    def expect(holds, what):
        nonlocal passed, failed
        passed, failed = passed + holds, failed + (not holds)
        if not holds:
            print(f"FAILED {what}")

    for check in rules.RULES:
        samples = SAMPLES.get(check.__name__, [])
        expect(bool(samples), f"{check.__name__} has no sample")
        for bad, good in samples:
            expect(any(check(Tree(bad))), f"{check.__name__} does not find {bad}")
            found = list(check(Tree(good)))
            expect(not found, f"{check.__name__} is wrong about {good}: {found}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
