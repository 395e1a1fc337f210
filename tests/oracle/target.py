"""A PostgreSQL target seen by psql, and its password verifiers checked with the standard library."""

import base64
import hashlib
import hmac
import os
import secrets
import subprocess
import urllib.parse

WORKS, REFUSED, UNREACHABLE = "works", "refused", "unreachable"

# What the server says with messages in English, as the tests' servers do.
REFUSALS = ("password authentication failed", "is not permitted to log in", "does not exist")


class Postgres:
    def __init__(self, admin_url, timeout=10):
        url = urllib.parse.urlsplit(admin_url)
        self.host = url.hostname or "127.0.0.1"
        self.port = str(url.port or 5432)
        self.database = url.path.lstrip("/") or "postgres"
        self.admin = urllib.parse.unquote(url.username or "postgres")
        self.admin_password = urllib.parse.unquote(url.password or "")
        self.timeout = timeout

    def psql(self, user, password, statement):
        """The status, the output and the error of one statement. Values go by the environment."""
        env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "PGPASSWORD": password,
               "PGHOST": self.host, "PGPORT": self.port, "PGUSER": user, "PGDATABASE": self.database,
               "PGCONNECT_TIMEOUT": str(self.timeout), "PGPASSFILE": "/dev/null", "PSQLRC": "/dev/null"}
        command = ["psql", "-w", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-F", "\t", "-f", "-"]
        try:
            done = subprocess.run(command, env=env, input=statement, text=True, capture_output=True,
                                  timeout=self.timeout * 2)
        except subprocess.TimeoutExpired:
            return 124, "", "psql did not end"
        return done.returncode, done.stdout, done.stderr

    def login(self, user, password):
        status, output, error = self.psql(user, password, "SELECT current_user;")
        if status == 0 and output.rstrip("\n") == user:
            return WORKS
        return REFUSED if any(text in error for text in REFUSALS) else UNREACHABLE

    def lets_anybody_in(self, user):
        """The negative control: where any password is accepted, a login proves nothing."""
        return self.login(user, secrets.token_hex(16)) == WORKS

    def roles(self):
        """Every role that may log in, with its verifier; an empty one means that it has no password."""
        statement = """SELECT encode(convert_to(rolname, 'UTF8'), 'hex'), coalesce(rolpassword, '')
                       FROM pg_authid WHERE rolcanlogin ORDER BY 1;"""
        status, output, error = self.psql(self.admin, self.admin_password, statement)
        if status != 0:
            raise RuntimeError(f"the admin cannot list roles: {error.strip()}")
        rows = (line.split("\t") for line in output.splitlines())
        return {bytes.fromhex(name).decode(): verifier for name, verifier in rows}


def matches(verifier, role, password):
    """Whether a verifier of pg_authid was made from a password (RFC 5803; md5 as PostgreSQL has it).

    Passwords of plain ASCII only: others would have to be prepared by SASLprep first.
    """
    if verifier.startswith("md5"):
        digest = hashlib.md5((password + role).encode()).hexdigest()
        return hmac.compare_digest(verifier, "md5" + digest)
    if not verifier.startswith("SCRAM-SHA-256$"):
        return False
    _, parameters, keys = verifier.split("$")
    iterations, salt = parameters.split(":")
    stored_key = base64.b64decode(keys.split(":")[0])
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), stored_key)
