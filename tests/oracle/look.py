"""Fills the snapshot that `checks.py` judges: the API's word, psql's word, the store's file."""

import base64
import concurrent.futures
import pathlib
import sqlite3
import urllib.parse

from target import UNREACHABLE


def role_of(secret, version, fields):
    """The role that a version is for: told by the version, its fields, or the secret's settings."""
    identity = version.get("identity")
    told = identity.get("role") if isinstance(identity, dict) else identity
    settings = secret.get("settings") or {}
    return told or (fields or {}).get("username") or settings.get("role")


def secret_of(api, secret):
    name = secret["name"]
    versions = []
    for version in api.versions(name):
        fields = api.fields(name, version["id"])
        versions.append({
            "id": version["id"], "number": version.get("number"), "stage": version["stage"],
            "is_destroyed": version.get("destroyed_at") is not None,
            "password": (fields or {}).get("password"), "role": role_of(secret, version, fields),
            "login": UNREACHABLE,
        })
    schedule = secret.get("schedule") or {}
    alerts = secret.get("alerts") or []
    return {
        "name": name, "roles": (secret.get("settings") or {}).get("roles") or [],
        "is_managed": secret.get("target") is not None,
        "is_enabled": secret.get("deleted_at") is None and schedule.get("paused_at") is None,
        "has_schedule": bool(schedule), "next_due_at": schedule.get("next_due_at"),
        "open_alerts": [alert for alert in alerts if alert.get("closed_at") is None],
        "versions": versions, "rotations": list(api.rotations(name)), "occurrences": api.occurrences(name),
    }


def try_logins(target, secrets):
    tries = [(version, version["role"], version["password"]) for secret in secrets if secret["is_managed"]
             for version in secret["versions"] if version["password"] is not None and version["role"]]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for (version, _, _), answer in zip(tries, pool.map(lambda t: target.login(t[1], t[2]), tries)):
            version["login"] = answer
        roles = sorted({role for _, role, _ in tries})
        open_doors = [role for role, is_open in zip(roles, pool.map(target.lets_anybody_in, roles)) if is_open]
    return len(tries), open_doors


STORE_CHECKS = {
    "journal": """SELECT 'the events of ' || subject || ' have holes' FROM event
                  GROUP BY subject HAVING max(seq) - min(seq) + 1 <> count(*)""",
    "agenda": """SELECT 'rotation ' || r.id || ' runs and its secret has no due time' FROM rotation r
                 LEFT JOIN agenda a ON a.subject = r.secret_id
                 WHERE r.ended_at IS NULL AND r.status <> 'stuck' AND a.due_at IS NULL AND a.holder IS NULL""",
    "I4": """SELECT 'secret ' || id || ' names rotation ' || rotation_id || ', which ended' FROM secret
             WHERE rotation_id IN (SELECT id FROM rotation WHERE ended_at IS NOT NULL)""",
    "I6": """SELECT 'occurrence ' || o.id || ' is open at a rotation that ended' FROM occurrence o
             JOIN rotation r ON r.id = o.rotation_id
             WHERE o.ended_at IS NULL AND r.ended_at IS NOT NULL AND r.status = 'published'""",
}


def shared_store_findings(store):
    """What the store says that is a database of PostgreSQL."""
    found = []
    for rule, statement in STORE_CHECKS.items():
        status, output, error = store.psql(store.admin, store.admin_password, statement + ";")
        if status != 0:
            raise RuntimeError(f"the store cannot be read: {error.strip()}")
        found += [{"invariant": rule, "what": what} for what in output.splitlines() if what]
    return found


def store_findings(path, stopped):
    """What the SQLite file itself says; it is opened for reading only."""
    location = "file:" + urllib.parse.quote(str(path)) + "?mode=ro"
    connection = sqlite3.connect(location, uri=True, timeout=10)
    found = []
    try:
        for (answer,) in connection.execute("PRAGMA integrity_check"):
            if answer != "ok":
                found.append({"invariant": "integrity", "what": answer})
        for rule, statement in STORE_CHECKS.items():
            found += [{"invariant": rule, "what": what} for (what,) in connection.execute(statement)]
        if stopped:
            held = connection.execute("SELECT subject FROM agenda WHERE holder IS NOT NULL").fetchall()
            found += [{"invariant": "I4", "what": f"the claim on {subject} is still held"} for (subject,) in held]
    finally:
        connection.close()
    return found


def files_of(places):
    """Every file below the places."""
    for place in map(pathlib.Path, places):
        yield from [place] if place.is_file() else (path for path in place.rglob("*") if path.is_file())


def leaks(passwords, files):
    """I9: files in which a stored value stands in clear, base64, hex or URL encoding."""
    forms = set()
    for password in passwords:
        raw = password.encode()
        forms |= {raw, base64.b64encode(raw).rstrip(b"="), raw.hex().encode(),
                  urllib.parse.quote(password, safe="").encode()}
    for file in files:
        content = file.read_bytes()
        if any(form in content for form in forms):
            yield {"invariant": "I9", "what": f"a stored value stands in {file}"}


def look(api, target, store, scan):
    secrets = [secret_of(api, secret) for secret in api.secrets()]
    logins, open_doors = try_logins(target, secrets)
    seen = {"secrets": secrets, "roles": target.roles(), "open_doors": open_doors, "store": []}
    if isinstance(store, pathlib.Path):
        seen["store"] += store_findings(store, False)
    elif store is not None:
        seen["store"] += shared_store_findings(store)
    passwords = {v["password"] for secret in secrets for v in secret["versions"] if v["password"]}
    files = list(files_of(scan))
    seen["store"] += leaks(passwords, files)
    checked = {"secrets": len(secrets), "versions": sum(len(secret["versions"]) for secret in secrets),
               "logins": logins, "roles": len(seen["roles"]),
               "rotations": sum(len(secret["rotations"]) for secret in secrets),
               "occurrences": sum(len(secret["occurrences"]) for secret in secrets),
               "store": store is not None, "scanned": list(map(str, scan)), "scanned_files": len(files)}
    return seen, checked
