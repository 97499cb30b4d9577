"""The figures of the benches as people read them: which of them are the targets, what they mean, and the pages that
show them. What a figure may be at most or at least, and whether it is, the bench itself says in its row."""

import datetime
import os
import re
from dataclasses import dataclass


class Unusable(Exception):
    """The results are not what the pages are made of."""


@dataclass
class Figure:
    """What a row of a bench means to a reader."""

    what: str
    bench: str
    row: str
    # Only where other systems are installed.
    may_be_absent: bool = False


# Each target of the project, and the row that shows whether it is met: written down here alone. Ratios come first.
TARGETS = [
    Figure("SIGKILL of a pod until its work is claimed (FAST, median), to the bare chain of libpq, by an advisory lock",
           "death", "claim_p50_over_lock_floor"),
    Figure("the same to the bare chain by a socket", "death", "claim_p50_over_floor"),
    Figure("commit of an event until 5,000 subscribers have it (p99), to a raw gRPC fan-out of the same bytes",
           "fanout", "5000/received_p99_over_raw"),
    Figure("memory of an idle subscriber, to that of the raw fan-out",
           "fanout", "5000/memory_per_idle_subscriber_over_raw"),
    Figure("claims a second by 8 claimers, to pgbench with the same transaction", "work", "8/claims_over_pgbench"),
    Figure("the same by 32 claimers", "work", "32/claims_over_pgbench"),
    Figure("SIGKILL of a pod until a survivor knows (STRICT, lease 1 s, p99)", "death", "strict/event_p99"),
    Figure("SIGKILL of a coordinator until the last of its 500 pods has resumed on another (p99)",
           "mass", "500/all_resumed_p99"),
    Figure("pods that died of that", "mass", "500/deaths"),
    Figure("pods that were LOST by that", "mass", "500/lost"),
    Figure("1,000 pods with 10 work items each killed at once, until the last item has a new owner (worst)",
           "mass", "1000x10/recovered_max"),
    Figure("the claim of a killed pod's work (FAST, median): how many times sooner than with the polling design",
           "peers", "polling_over_vigil"),
    Figure("the same than with the best of etcd, ZooKeeper, NATS JetStream and Redis, tuned",
           "peers", "best_peer_over_vigil", may_be_absent=True),
    Figure("processor time of the database for a living pod, 100 pods: how many times less than with the polling design",
           "peers", "100/database_cpu_polling_over_vigil"),
    Figure("processor time of a heartbeat, 10,000 pods, to an empty gRPC stream that echoes the same messages",
           "scale", "10000/shared/cpu_per_heartbeat_over_raw"),
    Figure("the same, 5,000 pods with a connection each", "scale", "5000/own/cpu_per_heartbeat_over_raw"),
    Figure("memory of such a pod, to that of the empty stream", "scale", "5000/own/memory_per_pod_over_raw"),
    Figure("what is the pod's own of that", "scale", "5000/own/memory_per_pod_own"),
    Figure("power with which the database's processor time grows from 100 to 10,000 pods",
           "scale", "database_cpu_exponent"),
    Figure("probe of 10,000 held locks (median)", "scale", "10000/shared/probe_p50"),
    Figure("such probes in an interval, over three coordinators", "scale", "10000/over_3/probes_per_interval"),
]  # fmt: skip

# What users ask beside the targets.
KEY_FIGURES = [
    Figure("SIGKILL of a pod until a survivor knows (FAST, median)", "death", "event_p50"),
    Figure("SIGKILL of a pod until a survivor has its work (FAST, median)", "death", "claim_p50"),
    Figure("the same for the bare chain", "death", "floor_all_p50"),
    Figure("SIGKILL of a coordinator until a pod has resumed on another, 500 pods (median)", "mass", "500/resumed_p50"),
    Figure("the same with 100 pods", "mass", "100/resumed_p50"),
    Figure("claims a second by 8 claimers", "work", "8/claims"),
    Figure("processor time of PostgreSQL with 10,000 living pods, in a second", "scale", "10000/shared/database_cpu"),
    Figure("registrations a second", "scale", "10000/shared/registrations"),
]

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"


def number(value):
    """As many digits as a reader can use."""
    size = abs(value)
    if value == int(value) or size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.1 else f"{value:.3f}"


def quantity(value, unit):
    return number(value) + ("" if unit == "ratio" else " " + unit)


def bound(row):
    """The target with its direction, which follows from whether it is met."""
    if row["target"] is None:
        return ""
    at_most = (row["value"] <= row["target"]) == row["met"]
    return ("≤ " if at_most else "≥ ") + quantity(row["target"], row["unit"])


def verdict(row):
    return {None: "", True: "yes", False: "**no**"}[row["met"]]


def wanted(bench):
    return [figure for figure in TARGETS + KEY_FIGURES if figure.bench == bench]


def check(bench, measured):
    """That the object is this bench's, with every row that the pages show."""
    if measured.get("bench") != bench:
        raise Unusable(f"the result of {bench} does not say that it is that")
    rows = {row["name"]: row for row in measured["rows"]}
    for figure in wanted(bench):
        if figure.row not in rows:
            if figure.may_be_absent:
                continue
            raise Unusable(f"{bench} has no row {figure.row}")
        if figure in TARGETS and rows[figure.row]["target"] is None:
            raise Unusable(f"the row {figure.row} of {bench} has no target")


class Results:
    """What all benches measured, by name in the order of the runs, each with the time of its file."""

    def __init__(self):
        self.measured = {}
        self.days = set()

    def add(self, bench, measured, time):
        check(bench, measured)
        self.measured[bench] = measured
        self.days.add(datetime.datetime.fromtimestamp(time, datetime.timezone.utc).date().isoformat())

    def row(self, figure):
        """None where there is none."""
        rows = self.measured[figure.bench]["rows"] if figure.bench in self.measured else []
        return next((row for row in rows if row["name"] == figure.row), None)

    def where(self):
        """When, on what, and with what. Figures of two machines do not belong into one table."""
        described = {
            f"Vigil {one['vigil']}, PostgreSQL {one['postgres']['version'].split()[0]}, "
            f"{one['machine']['cpus']} processors ({one['machine']['processor']}), Linux {one['machine']['kernel']}"
            for one in self.measured.values()
        }
        if len(described) != 1:
            raise Unusable("not all was measured on one machine with the same versions: " + "; ".join(sorted(described)))
        return f"{' to '.join(sorted({min(self.days), max(self.days)}))}, {described.pop()}"

    def missed(self):
        return [row["name"] for one in self.measured.values() for row in one["rows"] if row["met"] is False]


def _table(heads, rows):
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join("|" + "".join(f" {cell} |" if cell else " |" for cell in cells) + "\n" for cells in lines)


def key_table(results, with_rows):
    """The targets and the key figures; for those who look further, with the rows that they are."""
    lines = []
    for figure in TARGETS + KEY_FIGURES:
        row = results.row(figure)
        if row is None:
            continue
        cells = [figure.what, quantity(row["value"], row["unit"]), bound(row), verdict(row)]
        lines.append(cells + [f"`{figure.bench}` `{figure.row}`"] if with_rows else cells)
    return _table(["", "measured", "target", "met"] + (["row"] if with_rows else []), lines)


def whole_table(results):
    return _table(
        ["name", "value", "unit", "target", "met"],
        [[f"{bench} {row['name']}", number(row["value"]), row["unit"], bound(row).removesuffix(f" {row['unit']}"),
          verdict(row)] for bench, measured in results.measured.items() for row in measured["rows"]],
    )  # fmt: skip


def for_users(results):
    return f"{results.where()}:\n\n{key_table(results, with_rows=False)}"


def for_developers(results):
    return f"{results.where()}:\n\n{key_table(results, with_rows=True)}\nAll figures:\n\n{whole_table(results)}"


# Path from the root -> what stands there between the marks.
PAGES = {"README.md": for_users, os.path.join("tests", "bench", "README.md"): for_developers}


def write_pages(root, results):
    """All of them, or none."""
    written = {}
    for page, text_of in PAGES.items():
        path = os.path.join(root, page)
        with open(path, encoding="utf-8") as file:
            before = file.read()
        between = re.compile(f"{BEGIN}\n.*?{END}", re.DOTALL)
        if len(between.findall(before)) != 1:
            raise Unusable(f"{page} has no place for figures: {BEGIN} and {END}, once")
        written[path] = between.sub(lambda _: f"{BEGIN}\n{text_of(results)}{END}", before)
    for path, text in written.items():
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
