#!/usr/bin/env python3
"""The role that `vigild serve` runs as: it has the rights that it needs, no others, and owns nothing.

Prints a line for each check and ends with "N passed, N failed"."""

import os
import re
import subprocess
import sys
import threading

import place
from place import Coordinator, Postgres, Process, eventually, migrate

from checks import Failed, check, expect, expect_that

sys.path.append(os.path.join(place.ROOT, "tests", "clients"))
from python_client import NAMESPACE, STEP_SECONDS, Pod, generate_stubs

FULL = os.environ.get("VIGIL_SECURITY") == "full"
OWNER = "house_owner"
ROLE = 'vigil "run"-time'  # as somebody may call it who does not like us
PASSWORD = "of-the-role"
QUOTED = '"' + ROLE.replace('"', '""') + '"'
# In haste: everything that a coordinator does now and then it does within a second.
HASTE = ["--prune-interval", "200ms", "--recovery-interval", "200ms", "--log-poll-interval", "200ms",
         "--probe-interval", "200ms", "--ping-interval", "200ms", "--retention-events", "100"]  # fmt: skip

# Written down a second time on purpose: what the product grants is compared with this.
ALLOWED = {
    "coordinator_numbers": "U", "coordinators": "adrw", "events": "adr", "incarnation_numbers": "U",
    "last_probe": "rw", "namespaces": "arw", "pods": "adrw", "schema_migrations": "r", "session_numbers": "U", "suspicion_numbers": "U",
    "taken_sessions": "adr", "work_items": "adrw",
}  # fmt: skip
PRIVILEGES = {"a": "INSERT", "r": "SELECT", "w": "UPDATE", "d": "DELETE", "U": "USAGE"}
# Needed by a coordinator that begins, so only the look at the start can find that they are missing.
AT_THE_START = {("coordinators", "a"), ("coordinator_numbers", "U"), ("schema_migrations", "r")}

# All that anybody has granted to the role, or to everybody, outside of what Postgres brings along.
GRANTED = f"""
SELECT object, string_agg(privilege, '' ORDER BY privilege)
  FROM (SELECT relname AS object, left(relname, 0) || CASE privilege_type
               WHEN 'INSERT' THEN 'a' WHEN 'SELECT' THEN 'r' WHEN 'UPDATE' THEN 'w' WHEN 'DELETE' THEN 'd'
               WHEN 'USAGE' THEN 'U' ELSE privilege_type END AS privilege
          FROM pg_class, aclexplode(relacl)
         WHERE relnamespace = 'vigil'::regnamespace AND grantee IN (0, (SELECT oid FROM pg_roles WHERE rolname = $r${ROLE}$r$))
        UNION ALL
        SELECT 'function ' || proname, privilege_type
          FROM pg_proc, aclexplode(proacl)
         WHERE grantee = (SELECT oid FROM pg_roles WHERE rolname = $r${ROLE}$r$)
        UNION ALL
        SELECT 'schema ' || nspname, privilege_type
          FROM pg_namespace, aclexplode(nspacl)
         WHERE grantee = (SELECT oid FROM pg_roles WHERE rolname = $r${ROLE}$r$)) AS granted
 GROUP BY object ORDER BY object
"""
OWNED = f"""
SELECT count(*) FROM pg_shdepend
 WHERE refobjid = (SELECT oid FROM pg_roles WHERE rolname = $r${ROLE}$r$) AND deptype = 'o'
"""

FORBIDDEN = [
    "CREATE TABLE vigil.mine (n int)", "CREATE TABLE public.mine (n int)", "CREATE SCHEMA mine",
    "CREATE TABLE elsewhere.mine (n int)", "DROP TABLE vigil.events", "ALTER TABLE vigil.pods ADD COLUMN mine int",
    "CREATE INDEX mine ON vigil.pods (name)", "TRUNCATE vigil.events", "TRUNCATE vigil.work_items",
    "UPDATE vigil.schema_migrations SET checksum = ''", "DELETE FROM vigil.schema_migrations",
    "INSERT INTO vigil.schema_migrations (version, name, checksum) VALUES (99, 'mine', '')",
    "UPDATE vigil.events SET kind = 'POD_DIED'", "DELETE FROM vigil.namespaces",
    "UPDATE vigil.taken_sessions SET session = 1", "SELECT setval('vigil.incarnation_numbers', 1)",
    "SELECT * FROM elsewhere.secrets", "CREATE FUNCTION vigil.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE TRIGGER mine BEFORE INSERT ON vigil.pods EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE ROLE mine", "SELECT pg_read_file('/etc/passwd')",
    "COPY vigil.pods TO PROGRAM 'cat'", f"SET ROLE {OWNER}",
]  # fmt: skip


class Cluster:
    def __init__(self, kept):
        self.postgres = Postgres()
        kept.append(self.postgres)
        for sql in (f"CREATE ROLE {OWNER} LOGIN PASSWORD '{PASSWORD}'", f"CREATE ROLE {QUOTED} LOGIN PASSWORD '{PASSWORD}'"):
            self.postgres.sql("postgres", sql)
        self.postgres.database("house", OWNER)
        self.postgres.sql("house", "CREATE SCHEMA elsewhere; CREATE TABLE elsewhere.secrets (n int)")
        self.owner = self.postgres.conninfo("house", OWNER, PASSWORD)
        self.runtime = self.postgres.conninfo("house", f"'{ROLE}'", PASSWORD)

    def granted(self):
        rows = self.postgres.sql("house", GRANTED).splitlines()
        return dict(row.split("|") for row in rows)

    def as_role(self, sql):
        return self.postgres.sql("house", sql, ROLE, PASSWORD)

    def refusals(self, name):
        return len(re.findall(rf"permission denied for \w+ {name}\b", self.postgres.own_log()))

    def change(self, verb, name, letter):
        kind = "SEQUENCE" if letter == "U" else "TABLE"
        word = "FROM" if verb == "REVOKE" else "TO"
        self.postgres.sql("house", f"{verb} {PRIVILEGES[letter]} ON {kind} vigil.{name} {word} {QUOTED}", OWNER, PASSWORD)


def expect_refused(attempt, words, what):
    try:
        attempt()
    except Failed as error:
        expect_that(re.search(words, str(error)), f"{what} is refused with '{words}', and not: {error}")
        return
    raise Failed(f"{what} is not refused")


def grant(cluster):
    with check("Grant_ToNobodyIsRefusedWithWhatToDo"):
        expect_refused(lambda: migrate(cluster.owner, "--grant-to", "nobody"), 'CREATE ROLE "nobody"', "nobody")
    with check("Grant_ToTheOwnerIsRefused"):
        expect_refused(lambda: migrate(cluster.owner, "--grant-to", OWNER), "owns the schema", "the owner")
    with check("Serve_WithoutRightsIsRefusedWithWhatToDo"):
        server = Process([place.VIGILD, "serve", "--insecure", "true", "--listen", "127.0.0.1:0", "--http-listen", "off"],
                         {"VIGIL_DATABASE": cluster.runtime})  # fmt: skip
        expect(server.process.wait(timeout=STEP_SECONDS), 1, "its exit code")
        expect_that("lacks USAGE on schema vigil, SELECT on vigil.schema_migrations" in server.text(), server.text())
        expect_that("migrate up --grant-to" in server.text(), "the hint names the command")
    with check("Grant_GivesExactlyWhatIsNeeded"):
        expect(migrate(cluster.owner, "--grant-to", ROLE), f"nothing to apply\ngranted to {ROLE}\n", "what it says")
        expect(cluster.granted(), {**ALLOWED, "schema vigil": "USAGE"}, "the rights")
    with check("Grant_RepeatedTakesWhatIsTooMuch"):
        for more in ("TRUNCATE, TRIGGER, REFERENCES ON vigil.events", "ALL ON vigil.schema_migrations", "CREATE ON SCHEMA vigil"):
            cluster.postgres.sql("house", f"GRANT {more} TO {QUOTED}", OWNER, PASSWORD)
        migrate(cluster.owner, "--grant-to", ROLE)
        expect(cluster.granted(), {**ALLOWED, "schema vigil": "USAGE"}, "the rights")
    with check("Grant_EveryTableAndSequenceIsDecidedOn"):
        names = cluster.postgres.sql("house", "SELECT relname FROM pg_class WHERE relnamespace = 'vigil'::regnamespace"
                                              " AND relkind IN ('r', 'S', 'v', 'm', 'p') ORDER BY 1")  # fmt: skip
        expect(names.splitlines(), sorted(ALLOWED), "what is in the schema")
    with check("Role_OwnsNothing"):
        expect(cluster.postgres.sql("house", OWNED), "0", "the number of things that it owns")
    with check("Role_CannotDoAnythingElse"):
        denied = "permission denied|must be "
        for sql in FORBIDDEN:
            expect_refused(lambda sql=sql: cluster.as_role(sql), denied, sql)
    with check("Role_CanDoWhatItMay"):  # so that the refusals above are not those of a role that cannot log in
        expect(cluster.as_role("SELECT count(*) FROM vigil.events"), "0", "the events")


class Product:
    """Everything that changes a row: a pod's life and death, its work, what is claimed and pruned."""

    def __init__(self, server):
        import grpc
        from vigil.v1 import pod_event_service_pb2_grpc, pod_registry_service_pb2_grpc, work_service_pb2_grpc

        self.channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc}")
        self.registry = pod_registry_service_pb2_grpc.PodRegistryServiceStub(self.channel)
        self.events = pod_event_service_pb2_grpc.PodEventServiceStub(self.channel)
        self.work = work_service_pb2_grpc.WorkServiceStub(self.channel)
        self.rounds = 0

    def live(self):
        """One round: a pod dies with work, another claims and completes it, and leaves."""
        from vigil.v1 import pod_registry_service_pb2 as pods
        from vigil.v1 import types_pb2 as types
        from vigil.v1 import work_service_pb2 as messages

        self.rounds += 1
        item = {"namespace": NAMESPACE, "key": f"item-{self.rounds}"}
        victim = Pod(self.registry, f"victim-{self.rounds}")
        suspect = Pod(self.registry, f"suspect-{self.rounds}", profile=types.PROFILE_STRICT)
        superseded = Pod(self.registry, f"twice-{self.rounds}", supersede_key="known-to-both-of-them")
        Pod(self.registry, f"twice-{self.rounds}", supersede_key="known-to-both-of-them").vanish()
        superseded.vanish()
        started = self.work.StartWork(messages.StartWorkRequest(**item, incarnation=victim.incarnation), timeout=5).item
        survivor = Pod(self.registry, f"survivor-{self.rounds}")
        victim.vanish()
        suspect.vanish()  # SUSPECT until its lease has ended

        def dead():
            request = pods.GetPodRequest(namespace=NAMESPACE, name=f"victim-{self.rounds}")
            return self.registry.GetPod(request, timeout=5).pod.state == types.POD_STATE_DEAD

        eventually(dead, "the victim is dead", 10)
        claim = messages.ClaimWorkRequest(**item, incarnation=survivor.incarnation, expected_owner=victim.incarnation,
                                          expected_fence=started.fence)  # fmt: skip
        claimed = self.work.ClaimWork(claim, timeout=5)
        expect(claimed.outcome, messages.CLAIM_OUTCOME_CLAIMED, "the outcome of the claim")
        self.work.CompleteWork(messages.CompleteWorkRequest(**item, incarnation=survivor.incarnation,
                                                            fence=claimed.item.fence), timeout=5)  # fmt: skip
        survivor.leave()


class Restless:
    """Lives on whatever fails, so that a right that is missing is missed."""

    def __init__(self, product):
        self.product = product
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.over.is_set():
            try:
                self.product.live()
            except Exception:
                self.over.wait(0.1)  # that is the point

    def stop(self):
        self.over.set()
        self.thread.join(STEP_SECONDS)


def serve(cluster, kept):
    denials = cluster.postgres.own_log().count("permission denied")
    server = Coordinator(cluster.runtime, *HASTE)
    kept.append(server)
    product = Product(server)
    with check("Product_WorksAsARuleUnderTheRole"):
        oldest = "SELECT min(seq) FROM vigil.events"
        eventually(lambda: product.live() or int(cluster.postgres.sql("house", oldest)) > 1, "it prunes")
        expect(cluster.postgres.own_log().count("permission denied"), denials, "what Postgres has denied")
    other = Coordinator(cluster.runtime, *HASTE)
    kept.append(other)
    with check("Product_OutlivesACoordinatorUnderTheRole"):
        other.kill()
        query = "SELECT count(*) FROM vigil.coordinators WHERE state = 'DEAD'"
        eventually(lambda: cluster.postgres.sql("house", query) == "1", "the lost coordinator is given up")
    with check("Doctor_FindsTheRoleAsItShouldBe"):
        done = subprocess.run([place.VIGILD, "doctor"], env={**os.environ, "VIGIL_DATABASE": cluster.runtime},
                              capture_output=True, text=True, timeout=STEP_SECONDS * 3, check=False)  # fmt: skip
        expect_that("may use the tables of vigil\n" in done.stdout, f"it may, and does not own them: {done.stdout}")
    with check("Upgrade_GrantsAgainUnderARunningCoordinator"):
        migrate(cluster.owner, "--grant-to", ROLE)
        product.live()
    return server, product


def each_is_needed(cluster, product):
    """Whichever right is taken away, something that a coordinator does is refused."""
    restless = Restless(product)
    rights = [(name, letter) for name, letters in ALLOWED.items() for letter in letters]
    for name, letter in rights:
        if (name, letter) in AT_THE_START:
            continue
        with check(f"Right_{PRIVILEGES[letter].title()}On_{name}_IsNeeded"):
            before = cluster.refusals(name)
            cluster.change("REVOKE", name, letter)
            eventually(lambda name=name, before=before: cluster.refusals(name) > before, "its lack is noticed", 30)
            cluster.change("GRANT", name, letter)
    restless.stop()


def each_is_looked_for(cluster):
    """Whichever right is missing, a coordinator does not start, and says which."""
    rights = [(name, letter) for name, letters in ALLOWED.items() for letter in letters]
    for name, letter in rights if FULL else sorted(AT_THE_START):
        with check(f"Serve_Without{PRIVILEGES[letter].title()}On_{name}_IsRefused"):
            cluster.change("REVOKE", name, letter)
            server = Process([place.VIGILD, "serve", "--insecure", "true", "--listen", "127.0.0.1:0",
                              "--http-listen", "off"], {"VIGIL_DATABASE": cluster.runtime})  # fmt: skip
            expect(server.process.wait(timeout=STEP_SECONDS), 1, "its exit code")
            expect_that(f"lacks {PRIVILEGES[letter]} on vigil.{name}" in server.text(), server.text())
            cluster.change("GRANT", name, letter)


def tell(stubs, kept):
    generate_stubs(stubs)
    cluster = Cluster(kept)
    migrate(cluster.owner)
    grant(cluster)
    server, product = serve(cluster, kept)
    each_is_looked_for(cluster)
    if FULL:
        each_is_needed(cluster, product)
    with check("Coordinator_StopsAsItShould"):
        product.channel.close()
        expect(server.stop(), 0, "the exit code")


if __name__ == "__main__":
    sys.exit(place.run("role", tell))
