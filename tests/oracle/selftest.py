#!/usr/bin/env python3
"""Shows the oracle broken worlds, and expects it to see what is broken in each.

One world is real: a PostgreSQL whose role has a password that is stored nowhere.
"""

import base64
import copy
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import shutil
import socket
import socketserver
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from checks import violations
from look import store_findings
from target import matches


def scram(password, salt=b"0123456789abcdef", iterations=4096):
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${iterations}:{parts[0]}${parts[1]}:{parts[2]}"


def good_world():
    def version(name, number, stage, login):
        return {"id": name, "number": number, "stage": stage, "is_destroyed": False, "password": "pw-" + name,
                "role": "app", "login": login}
    events = [{"kind": "rotation." + kind} for kind in ("planned", "sealed", "applying", "applied", "verified", "published")]
    secret = {
        "name": "billing/db", "roles": [], "is_managed": True, "is_enabled": True, "has_schedule": True, "next_due_at": 1,
        "open_alerts": [], "versions": [version("v1", 1, "previous", "refused"), version("v2", 2, "current", "works")],
        "rotations": [{"id": "rot_1", "status": "published", "ended_at": 9, "events": events}],
        "occurrences": [{"id": "occ_1", "state": "done", "why": "", "ended_at": 9}],
    }
    return {"secrets": [secret], "roles": {"app": scram("pw-v2"), "postgres": scram("x")}, "open_doors": [], "store": []}


def spoil(world, path, value):
    *parents, last = path
    for key in parents:
        world = world[key]
    world[last] = value


S = ("secrets", 0)
V1, V2, R, O = (*S, "versions", 0), (*S, "versions", 1), (*S, "rotations", 0), (*S, "occurrences", 0)
BROKEN = {
    "no version logs in": ("I1", {(*V2, "login"): "refused"}),
    "the target is away": ("I1", {(*V1, "login"): "unreachable", (*V2, "login"): "unreachable"}),
    "stuck without an alert": ("I1", {(*V2, "login"): "refused", (*R, "status"): "stuck"}),
    "the one before still serves": ("I2", {(*V1, "login"): "works", (*V2, "login"): "refused"}),
    "two are current": ("I2", {(*V1, "stage"): "current"}),
    "published unverified": ("I2", {(*R, "events", 4, "kind"): "rotation.applied"}),
    "applied unsealed": ("I3", {(*R, "events", 1, "kind"): "rotation.planned"}),
    "published twice": ("I4", {(*R, "events", 3, "kind"): "rotation.published"}),
    "a lost password": ("I5", {("roles", "app"): scram("from nowhere")}),
    "a role that is gone": ("I5", {("roles",): {"postgres": ""}}),
    "an orphan": ("I5", {("roles", "app_2"): ""}),
    "a retired version lives": ("I5", {(*V1, "stage"): "retired", (*V1, "login"): "works"}),
    "an open occurrence": ("I6", {(*O, "ended_at"): None}),
    "an end without a reason": ("I6", {(*O, "state"): "missed"}),
    "nothing is due": ("I6", {(*S, "next_due_at"): None}),
    "a rotation that never ends": ("journal", {(*R, "ended_at"): None, (*R, "status"): "applying"}),
    "a number is missing": ("versions", {(*V2, "number"): 3}),
    "anybody gets in": ("control", {("open_doors",): ["app"]}),
}


class Worlds(unittest.TestCase):
    def test_a_good_world_has_no_violations(self):
        self.assertEqual(violations(good_world(), known={"postgres"}), [])

    def test_each_broken_world_is_seen_to_be_broken(self):
        for name, (rule, changes) in BROKEN.items():
            world = copy.deepcopy(good_world())
            for path, value in changes.items():
                spoil(world, path, value)
            with self.subTest(name):
                self.assertIn(rule, {found["invariant"] for found in violations(world, known={"postgres"})})

    def test_a_verifier_matches_its_own_password_only(self):
        self.assertTrue(matches(scram("right"), "app", "right"))
        self.assertFalse(matches(scram("right"), "app", "wrong"))
        md5 = "md5" + hashlib.md5(b"rightapp").hexdigest()
        self.assertTrue(matches(md5, "app", "right"))
        self.assertFalse(matches(md5, "app2", "right") or matches("", "app", ""))


class Store(unittest.TestCase):
    def test_broken_rows_are_found_and_good_ones_are_not(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "keywheel.db"
            store = sqlite3.connect(path)
            store.executescript("""
                CREATE TABLE event (subject, seq); CREATE TABLE agenda (subject, due_at, holder);
                CREATE TABLE rotation (id, secret_id, status, ended_at); CREATE TABLE secret (id, rotation_id);
                CREATE TABLE occurrence (id, rotation_id, ended_at);
                INSERT INTO event VALUES ('s', 1), ('s', 2); INSERT INTO agenda VALUES ('s', 5, NULL);
                INSERT INTO rotation VALUES ('r', 's', 'applying', NULL); INSERT INTO secret VALUES ('s', 'r');
                INSERT INTO occurrence VALUES ('o', 'r', NULL);""")
            self.assertEqual(store_findings(path, True), [])
            store.executescript("""
                INSERT INTO event VALUES ('s', 4); UPDATE agenda SET due_at = NULL;
                INSERT INTO rotation VALUES ('e', 's', 'published', 9); INSERT INTO secret VALUES ('t', 'e');
                INSERT INTO occurrence VALUES ('p', 'e', NULL); INSERT INTO agenda VALUES ('u', NULL, 'me');""")
            store.close()
            rules = sorted(found["invariant"] for found in store_findings(path, True))
            self.assertEqual(rules, ["I4", "I4", "I6", "agenda", "journal"])


class FakeApi(http.server.BaseHTTPRequestHandler):
    """Serves one secret with two versions, as the native API is expected to."""

    passwords = {"v1": "first-password", "v2": "second-password"}

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass

    def answer_for(self, path, query):
        secret = {"name": "app/db", "target": "pg", "settings": {"role": "app"},
                  "schedule": {"next_due_at": "2030-01-01T00:00:00Z"}, "alerts": []}
        if path == "/secrets":
            is_last = "after" in query
            return {"secrets": [{"name": "app/db"}] if is_last else [], "next": None if is_last else "a"}
        if path == "/secrets/app%2Fdb":
            return secret
        if path == "/secrets/app%2Fdb/versions":
            versions = [("v1", 1, "previous"), ("v2", 2, "current")]
            return {"items": [{"id": id, "number": number, "stage": stage} for id, number, stage in versions]}
        if path == "/secrets/app%2Fdb/value":
            return {"value": {"password": self.passwords[query["version"][0]]}}
        return {"items": []} if path in ("/rotations", "/occurrences") else None

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        answer = self.answer_for(url.path.removeprefix("/api/v1"), urllib.parse.parse_qs(url.query))
        body = json.dumps(answer).encode()
        self.send_response(200 if answer is not None else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class Postgres:
    """A throwaway server on the loopback; as root it runs under another uid, as it must."""

    def __init__(self, folder):
        given = os.environ.get("KEYWHEEL_TEST_POSTGRES_BIN")
        bins = [given] if given else sorted(map(str, pathlib.Path("/usr/lib/postgresql").glob("*/bin")))
        self.bin = pathlib.Path(bins[-1] if bins else pathlib.Path(shutil.which("initdb") or "/nowhere").parent)
        self.data = pathlib.Path(folder) / "pg"
        self.data.mkdir(mode=0o700)
        self.prefix = []
        if os.geteuid() == 0:
            self.prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            os.chmod(folder, 0o711)
            os.chown(self.data, 65534, 65534)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        cluster = self.data / "cluster"
        self.run("initdb", "-D", cluster, "-U", "postgres", "-A", "trust", "-N", "--no-locale", "-E", "UTF8")
        hba = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (cluster / "pg_hba.conf").write_text(hba)
        command = [*self.prefix, self.bin / "postgres", "-D", cluster, "-p", str(self.port), "-h", "127.0.0.1",
                   "-k", self.data, "-F"]
        with open(pathlib.Path(folder) / "pg.log", "w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")

    def run(self, program, *arguments):
        subprocess.run([*self.prefix, self.bin / program, *arguments], check=True, capture_output=True, cwd="/", timeout=60)

    def sql(self, statement, host=None):
        command = [*self.prefix, "psql", "-X", "-q", "-w", "-h", host or self.data, "-p", str(self.port), "-U", "postgres", "-c", statement]
        return subprocess.run(command, capture_output=True, cwd="/", timeout=20).returncode == 0

    def wait(self, host=None):
        """Waits until it lets the superuser in without a password, over its socket or that host."""
        deadline = time.monotonic() + 30
        while not self.sql("SELECT 1", host):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("PostgreSQL did not start")
            time.sleep(0.05)


def leaves_postgres_out():
    return "postgres" in os.environ.get("KEYWHEEL_TEST_WITHOUT", "").split()


@unittest.skipIf(leaves_postgres_out(), "asked to do without postgres")
class RealServer(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.server = Postgres(folder.name)
        self.addCleanup(self.server.process.wait)
        self.addCleanup(self.server.process.terminate)
        self.server.wait()
        self.api = Server(str(self.folder / "keywheel.sock"), FakeApi)
        threading.Thread(target=self.api.serve_forever, daemon=True).start()
        self.addCleanup(self.api.server_close)
        self.addCleanup(self.api.shutdown)
        self.server.sql("ALTER ROLE postgres PASSWORD 'the-admin'")

    def oracle(self):
        url = f"postgres://postgres:the-admin@127.0.0.1:{self.server.port}/postgres"
        command = [sys.executable, HERE / "oracle.py", "--data", self.folder, "--no-store", "--target", url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        answer = json.loads(done.stdout)
        self.assertNotIn("error", answer)
        return done.returncode, {found["invariant"] for found in answer["violations"]}, answer["checked"]

    def test_a_lost_password_is_found_and_a_good_one_is_not(self):
        self.server.sql("CREATE ROLE app LOGIN PASSWORD 'second-password'")
        status, found, checked = self.oracle()
        self.assertEqual((status, found, checked["logins"], checked["roles"]), (0, set(), 2, 2))
        self.server.sql("ALTER ROLE app PASSWORD 'first-password'")
        self.assertEqual(self.oracle()[:2], (1, {"I2"}))
        self.server.sql("ALTER ROLE app PASSWORD 'stored-nowhere'")
        self.assertEqual(self.oracle()[:2], (1, {"I1", "I2", "I5"}))
        self.server.sql("ALTER ROLE app PASSWORD 'second-password'")
        self.server.sql("CREATE ROLE stranger LOGIN")
        self.assertEqual(self.oracle()[:2], (1, {"I5"}))

    def test_a_server_that_lets_anybody_in_proves_nothing(self):
        self.server.sql("CREATE ROLE app LOGIN PASSWORD 'second-password'")
        hba = self.server.data / "cluster" / "pg_hba.conf"
        hba.write_text("local all all trust\nhost all all 127.0.0.1/32 trust\n")
        self.server.sql("SELECT pg_reload_conf()")
        self.server.wait("127.0.0.1")
        self.assertIn("control", self.oracle()[1])


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=2).result
    bad = len(result.failures) + len(result.errors)
    good = result.testsRun - len(result.skipped) - bad
    word = "ok" if bad == 0 else "FAILED"
    print(f"test result: {word}. {good} passed; {bad} failed; {len(result.skipped)} ignored")
    sys.exit(bad != 0)
