#!/usr/bin/env python3
"""Secrets that nobody may see: passwords, tokens and a passfile with a canary in them, every error that can be forced, and
every place where somebody could read it afterwards.

Prints a line for each check and ends with "N passed, N failed"."""

import base64
import glob
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import place
from place import STEP_SECONDS, VIGIL, VIGILD, Coordinator, Files, Postgres, Process, eventually

from checks import Failed, check, expect, expect_that

FULL = os.environ.get("VIGIL_SECURITY") == "full"
CANARY = "kanarienvogel"
PASSWORD = f"{CANARY}-password-5f1d"
TOKEN = f"{CANARY}-token-77aa90"
UNKNOWN_TOKEN = f"{CANARY}-token-of-nobody"
# At once, or not at all: what fails here fails soon.
COMMAND_SECONDS = 20


class Sieve:
    """Everything that was written somewhere goes through it."""

    def __init__(self):
        self.seen = 0
        plain = [CANARY, CANARY.upper(), CANARY[::-1]]
        coded = [base64.b64encode(text.encode())[4:-4].decode() for text in (PASSWORD, TOKEN, UNKNOWN_TOKEN)]
        self.forms = plain + coded + [CANARY.encode().hex()]

    def look(self, text, where):
        self.seen += len(text)
        for form in self.forms:
            if form in text:
                at = text.index(form)
                raise Failed(f"{where} has it: ...{text[max(0, at - 120) : at + 60]!r}")


class Stage:
    """Processes with secrets, and a look at all that they say."""

    def __init__(self, sieve, directory):
        self.sieve = sieve
        self.directory = directory

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o600)
        return path

    def fails(self, words, environment=None, what=""):
        """The command fails, and says why without the secret."""
        done = subprocess.run(words, env={**os.environ, **(environment or {})}, capture_output=True, text=True,
                              timeout=COMMAND_SECONDS, check=False, stdin=subprocess.DEVNULL)  # fmt: skip
        said = done.stdout + done.stderr
        self.sieve.look(said, f"{' '.join(words[1:4])} {what}")
        expect_that(done.returncode > 0, f"{words[1:]} {what} fails with an exit code: {done.returncode}, {said[-300:]}")
        expect_that(said.strip(), f"{words[1:]} {what} says something")

    def waits(self, database, words_of_failure, what, environment=None):
        """`serve` cannot use its database, says so, and waits or gives up."""
        words = [VIGILD, "serve", "--insecure", "true", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0",
                 "--log-level", "debug"]  # fmt: skip
        server = Process(words, {"VIGIL_DATABASE": database, **(environment or {})})
        try:
            eventually(lambda: any(word in server.text() for word in words_of_failure), f"serve fails: {what}")
            with open(f"/proc/{server.pid}/cmdline", "rb") as line:
                self.sieve.look(line.read().decode(), f"the command line of serve ({what})")
            port = server.says(r"Serving HTTP\..*\bport\W+(\d+)")[1] if "Serving HTTP" in server.text() else None
            try:
                if port:
                    self.pages(port)
            except (urllib.error.URLError, ConnectionError):
                expect_that(server.stop() == 1, "who answers no page any more has given up")
        finally:
            server.kill()
            self.sieve.look(server.text(), f"the log of serve ({what})")

    def pages(self, port, headers=None):
        for path in ("/readyz", "/readyz?verbose", "/livez?verbose", "/metrics", "/", f"/v1/events?token={TOKEN}",
                     "/v1/events?namespace=default", "/v1/overview?namespace=default", "/nothing"):  # fmt: skip
            request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers or {})
            try:
                with urllib.request.urlopen(request, timeout=STEP_SECONDS) as answer:
                    # A stream has no end: its head and its beginning are enough.
                    text = str(answer.headers) + answer.read1(65536).decode(errors="replace")
            except urllib.error.HTTPError as error:
                text = str(error.headers) + error.read().decode(errors="replace")
            self.sieve.look(text, f"the page {path}")


def bad_strings(stage, postgres):
    """Connection strings in which something is wrong, most of it right beside the password."""
    good = f"host={postgres.directory} port={postgres.port} user=postgres dbname=postgres password={PASSWORD}"
    at = f"127.0.0.1:{postgres.port}"
    return {
        "nonsense=1": f"{good} nonsense=1",
        "no value": f"{good} sslmode",
        "an open quote": f"{good} application_name='oops",
        "only a password": PASSWORD,
        "a password with a blank": f"host=127.0.0.1 password={PASSWORD} {PASSWORD}",
        "a bad number": f"{good} connect_timeout=soon",
        "a bad sslmode": f"{good} sslmode=sometimes",
        "a bad attribute": f"{good} target_session_attrs=any-of-them",
        "a bad port": f"host=127.0.0.1 port={PASSWORD} password={PASSWORD}",
        "an unencoded slash": f"postgresql://vigil:{PASSWORD}/x@{at}/vigil",
        "an unencoded percent": f"postgresql://vigil:{PASSWORD}%zz@{at}/vigil",
        "an unencoded at": f"postgresql://vigil:one@{PASSWORD}@{at}/vigil",
        "an open bracket": f"postgresql://vigil:{PASSWORD}@[::1/vigil",
        "a bad option": f"postgresql://vigil:{PASSWORD}@{at}/vigil?nonsense=1",
        "no scheme": f"vigil:{PASSWORD}@{at}/vigil",
    }  # fmt: skip


def refused_before_connecting(stage, postgres):
    with check("BadConnectionStrings_AreNotQuoted"):
        for number, (what, text) in enumerate(bad_strings(stage, postgres).items()):
            for command in some_commands(number):
                stage.fails([VIGILD, *command], {"VIGIL_DATABASE": text}, what)
            stage.waits(text, ("not ready", "cannot use the database"), what)
    with check("APasswordOnTheCommandLine_IsRefusedWithoutBeingRepeated"):
        for text in (f"host=x password={PASSWORD}", f"postgresql://a:{PASSWORD}@x/y", f"dbname=x sslpassword={PASSWORD}"):
            for words in (["--database", text], [f"--database={text}"]):
                stage.fails([VIGILD, "migrate", "status", *words])
    with check("AFileOfSettings_IsNotQuoted"):
        for what, text in {
            "no =": f"database 'host=x password={PASSWORD}'", "an unknown setting": f"databas = '{PASSWORD}'",
            "a bad setting": f"database = 'host=x password={PASSWORD} nonsense=1'\ntrust-window = '{PASSWORD}x'",
            "a section": f"[{PASSWORD}]\ndatabase = x", "nothing but it": PASSWORD,
        }.items():  # fmt: skip
            stage.fails([VIGILD, "migrate", "status", "--config", stage.write("settings", text)], None, what)
    with check("WrongUsage_QuotesNoVariable"):
        secrets = {"VIGIL_DATABASE": f"host=/nowhere password={PASSWORD}", "PGPASSWORD": PASSWORD}
        for words in (["serve", "--nonsense"], ["serve", "--trust-window", "never"], ["serve"], ["migrate"], [], ["up"],
                      ["serve", "--insecure", "true", "--grants", "x"], ["migrate", "status", "more"],
                      ["migrate", "up", "--grant-to"], ["healthcheck", "--http", "x"], ["prestop", "--delay", "x"]):  # fmt: skip
            stage.fails([VIGILD, *words], secrets)
        for words in (["--help"], ["serve", "--help"], ["dev", "--help"], ["migrate", "--help"], ["migrate", "up", "--help"],
                      ["migrate", "status", "--help"], ["doctor", "--help"]):  # fmt: skip
            done = subprocess.run([VIGILD, *words], env={**os.environ, **secrets}, capture_output=True, text=True,
                                  timeout=COMMAND_SECONDS, check=True)  # fmt: skip
            stage.sieve.look(done.stdout + done.stderr, " ".join(words))


def some_commands(number):
    """Those that look at the database: in the short form, which connect in the same way, one after another."""
    commands = (["migrate", "up"], ["migrate", "status"], ["doctor"])
    return commands if FULL else (commands[number % len(commands)],)


def database_troubles(stage, postgres):
    def at(**changes):
        keys = {"host": postgres.directory, "port": postgres.port, "user": "canary", "dbname": "canary",
                "password": PASSWORD, **changes}  # fmt: skip
        return " ".join(f"{key}={value}" for key, value in keys.items())

    passfile = stage.write("passfile", f"*:*:*:*:{PASSWORD}-wrong\n")
    troubles = {
        "a wrong password": (at(password=f"{PASSWORD}-wrong"), {}),
        "a wrong password in a passfile": (at().replace(f" password={PASSWORD}", ""), {"PGPASSFILE": passfile}),
        "a wrong password in PGPASSWORD": (at().replace(f" password={PASSWORD}", ""), {"PGPASSWORD": f"{PASSWORD}-x"}),
        "nobody listens": (at(host="127.0.0.1", port="1"), {}),
        "no such host": (at(host="nowhere.invalid"), {}),
        "no such socket": (at(host="/nowhere"), {}),
        "no such database": (at(dbname="nothing"), {}),
        "no such role": (at(user="nobody"), {}),
        "no TLS": (at(host="127.0.0.1", sslmode="verify-full"), {}),
        "no authorities": (at(host="127.0.0.1", sslmode="verify-ca", sslrootcert="/nowhere"), {}),
        "not migrated": (at(), {}),
        "a URI": (f"postgresql://canary:{PASSWORD}-x@127.0.0.1:{postgres.port}/canary", {}),
    }  # fmt: skip
    reasons = ("not ready", "cannot use the database")
    with check("DatabaseTroubles_StandInNoLogOfServe"):
        for what, (text, environment) in troubles.items():
            stage.waits(text, reasons, what, environment)
    with check("DatabaseTroubles_AreToldByCommandsWithoutIt"):
        for number, (what, (text, environment)) in enumerate(troubles.items()):
            if what != "not migrated":
                for command in some_commands(number):
                    stage.fails([VIGILD, *command], {"VIGIL_DATABASE": text, **environment}, what)
    with check("MigrationTroubles_AreToldWithoutIt"):
        stage.fails([VIGILD, "migrate", "up"], {"VIGIL_DATABASE": at()}, "may not create")
        postgres.sql("postgres", "ALTER DATABASE canary OWNER TO canary")
        place.migrate(at())
        stage.fails([VIGILD, "migrate", "up", "--grant-to", "nobody"], {"VIGIL_DATABASE": at()})
        edit = "UPDATE vigil.schema_migrations SET checksum = '{}' WHERE version = 1"
        kept = postgres.sql("canary", "SELECT checksum FROM vigil.schema_migrations WHERE version = 1")
        postgres.sql("canary", edit.format("another"))
        stage.fails([VIGILD, "migrate", "up"], {"VIGIL_DATABASE": at()}, "changed")
        stage.waits(at(), ("another text",), "changed")
        postgres.sql("canary", edit.format(kept))
    return at()


def bad_tokens(stage, files, conninfo):
    server_side = {
        "three words": f"web {TOKEN} {TOKEN}\n", "one word": f"{TOKEN}\n", "too long": f"web {TOKEN * 400}\n",
        "too short an identity": f" {TOKEN}\n", "strange": f"web {TOKEN}\x01\n", "twice": f"web {TOKEN}\nops {TOKEN}\n",
        "too large": f"# {TOKEN}\n" * 60_000,
    }  # fmt: skip
    with check("FilesOfTokens_AreRefusedWithoutBeingQuoted"):
        for what, text in server_side.items():
            words = [VIGILD, "serve", "--listen", "127.0.0.1:0", "--http-listen", "off", "--tls-cert", files.path("tls.crt"),
                     "--tls-key", files.path("tls.key"), "--grants", files.path("grants"), "--tokens",
                     stage.write("bad-tokens", text), "--log-level", "debug"]  # fmt: skip
            stage.fails(words, {"VIGIL_DATABASE": conninfo}, what)
        stage.fails([*words[:-4], "--tokens", files.path("grants.none")], {"VIGIL_DATABASE": conninfo}, "no file")
    return server_side


def client_troubles(stage, files, server):
    address = f"127.0.0.1:{server.grpc}"
    ca = ["--tls-ca", files.path("ca.crt")]

    def fails(*words, environment=None, what=""):
        commands = (["pods", "list"], ["work", "list"], ["events", "tail"], ["run", "--pod", "x", "--work", "y", "--", "true"])
        for command in commands:
            stage.fails([VIGIL, "--address", address, *words, *command], environment, what)

    with check("Clients_TellNoTokenWhenTheyAreRefused"):
        fails(*ca, "--token-file", stage.write("unknown", UNKNOWN_TOKEN), what="unknown")
        fails(*ca, "--token-file", files.path("web.token"), "--namespace", "elsewhere", what="not granted")
        fails(*ca, "--token-file", stage.write("strange", f"{TOKEN} {TOKEN}"), what="two words")
        fails(*ca, "--token-file", stage.write("long", TOKEN * 400), what="too long")
        fails(*ca, "--token-file", files.path("none"), what="no file")
        fails("--token-file", files.path("web.token"), "--tls-server-name", "other", *ca, what="wrong name")
        fails(environment={"VIGIL_TOKEN": TOKEN}, what="a token in a variable")


def read_everything(stage, postgres, server):
    with check("Processes_ShowItInNoCommandLine"):
        for process in (server.pid, *children(server.pid)):
            with open(f"/proc/{process}/cmdline", "rb") as line:
                stage.sieve.look(line.read().decode(), "a command line")
    with check("Pages_HaveNone"):
        for headers in ({}, {"Authorization": f"Bearer {TOKEN}"}, {"Authorization": f"Bearer {UNKNOWN_TOKEN}"},
                        {"Authorization": f"Basic {UNKNOWN_TOKEN}", "Cookie": TOKEN, "Last-Event-ID": TOKEN}):  # fmt: skip
            stage.pages(server.http, headers)
    with check("Sessions_ShowNone"):
        shown = postgres.sql("postgres", "SELECT application_name, query FROM pg_stat_activity WHERE backend_type ="
                                         " 'client backend' AND usename = 'canary'")  # fmt: skip
        expect_that(shown.count("vigil") > 10, "the coordinator's sessions are seen")
        stage.sieve.look(shown, "pg_stat_activity")
    with check("BackendThatCrashes_PutsNoneIntoTheLog"):
        restarts = server.text().count("\n")
        victim = postgres.sql("postgres", "SELECT pid FROM pg_stat_activity WHERE usename = 'canary' LIMIT 1")
        os.kill(int(victim), signal.SIGKILL)  # Postgres resets itself; every session is lost
        eventually(lambda: server.text().count("\n") > restarts + 3, "the coordinator notices")
        stage.pages(server.http)
        # Its sessions are back.
        eventually(lambda: alive(postgres), "the database is back")
        stage.sieve.look(server.text(), "the log of serve")
    with check("PostgresOwnLog_HasNone"):
        stage.sieve.look(postgres.own_log(), "the log of Postgres")


def alive(postgres):
    try:
        return postgres.sql("postgres", "SELECT 1")
    except Failed:
        return False


def children(pid):
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with open(path, encoding="utf-8") as file:
            found += [int(child) for child in file.read().split()]
    return found


def tokens_change(stage, files, server, bad):
    def until(line, before):
        eventually(lambda: server.text().count(line) > before, f"the log says: {line}", 20)

    with check("FilesOfTokens_ThatBecomeBadAreNotQuotedInTheLog"):
        for number, what in enumerate(("three words", "twice")):
            complaints = server.text().count("What was in force stays")
            files.write("tokens", bad[what])
            until("What was in force stays", complaints)
            taken = server.text().count("Rights are in force.")
            files.write("tokens", f"web {TOKEN}\n# {number}\n")
            until("Rights are in force.", taken)
        stage.sieve.look(server.text(), "the log of serve")


def planted(stage, postgres, conninfo):
    """The sieve finds what is there."""

    def finds(attempt, where):
        try:
            attempt()
        except Failed as found:
            expect_that("has it" in str(found), f"{where}: {found}")
            return
        raise Failed(f"it was planted and not found: {where}")

    with check("Planted_ItIsFound"):
        for form in stage.sieve.forms:
            finds(lambda form=form: stage.sieve.look(f"a line with {form} in it", "text"), "text")
        server = Coordinator(conninfo, "--advertise", f"{CANARY}:7420")
        try:
            finds(lambda: stage.sieve.look(server.text(), "log"), "the log")
            with open(f"/proc/{server.pid}/cmdline", "rb") as line:
                text = line.read().decode()
            finds(lambda: stage.sieve.look(text, "command line"), "the command line")
        finally:
            server.kill()
        named = "SELECT application_name, query FROM pg_stat_activity WHERE query LIKE '%' || 'SELECT' || '%'"
        shown = postgres.sql("postgres", f"SET application_name = '{CANARY}'; {named}")
        finds(lambda: stage.sieve.look(shown, "sessions"), "pg_stat_activity")


def tell(directory, kept):
    sieve = Sieve()
    stage = Stage(sieve, directory)
    postgres = Postgres()
    kept.append(postgres)
    # A digest, as a careful operator sends it, so that no statement has the password.
    postgres.sql("postgres", "CREATE ROLE canary LOGIN")
    postgres.sql("postgres", f"SET log_min_error_statement = 'panic'; ALTER ROLE canary PASSWORD '{PASSWORD}'")
    postgres.database("canary")
    refused_before_connecting(stage, postgres)
    conninfo = database_troubles(stage, postgres)
    files = Files(directory, {"web": TOKEN}, "web default member,subscriber,claimer\n")
    bad = bad_tokens(stage, files, conninfo)
    server = Coordinator(conninfo, "--log-level", "debug", "--log-format", "json" if FULL else "text", files=files)
    kept.append(server)
    client_troubles(stage, files, server)
    tokens_change(stage, files, server, bad)
    read_everything(stage, postgres, server)
    with check("Crash_SaysNone"):
        server.stop(signal.SIGABRT)
        sieve.look(server.text(), "the last words of serve")
    planted(stage, postgres, conninfo)
    print(f"measured: {sieve.seen} characters were looked through", flush=True)


if __name__ == "__main__":
    sys.exit(place.run("secrets", tell))
