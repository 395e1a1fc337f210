"""The invariants as functions over what was seen. Nothing here talks to anybody.

A secret is a dict: name, roles (that take turns), is_managed, is_enabled, has_schedule, next_due_at, open_alerts,
versions, rotations, occurrences. A version: id, number, stage, is_destroyed, password, login. See
`look.py` for how it is filled.
"""

from target import UNREACHABLE, WORKS, matches

ENDED = ("done", "coalesced", "missed", "failed")


def check_logins(secret, settled):
    """I1 and I2: some stored version is accepted; the one served as current is."""
    kept = [version for version in secret["versions"] if version["password"] is not None]
    seen = {version["login"] for version in kept}
    stuck = [rotation for rotation in secret["rotations"] if rotation["status"] == "stuck"]
    if WORKS not in seen:
        if seen and seen <= {UNREACHABLE}:
            yield "I1", "the target could not be asked"
        elif not stuck:
            yield "I1", "no stored version is accepted, and no rotation is stuck"
        elif not secret["open_alerts"]:
            yield "I1", "no stored version is accepted, a rotation is stuck, and no alert is open"
    lost = [v["id"] for v in secret["versions"] if v["stage"] == "candidate" and v["password"] is None]
    if stuck and lost:
        yield "I1", f"a rotation is stuck and candidates are gone: {', '.join(lost)}"
    current = [version for version in secret["versions"] if version["stage"] == "current"]
    if len(current) != 1:
        yield "I2", f"{len(current)} versions are current"
    elif settled and current[0]["login"] != WORKS and not stuck:
        yield "I2", f"the current version {current[0]['id']} is {current[0]['login']}"


def check_numbers(secret):
    """Numbers are given at publish, from 1, without holes; candidates have none."""
    numbers = sorted(v["number"] for v in secret["versions"] if v["number"] is not None)
    if numbers != list(range(1, len(numbers) + 1)):
        yield "versions", f"the numbers are {numbers}"
    for version in secret["versions"]:
        if (version["number"] is None) != (version["stage"] == "candidate") and version["stage"] != "retired":
            yield "versions", f"{version['id']} is {version['stage']} with number {version['number']}"


def check_retired(secret, settled):
    """I5, one half: what is retired is no longer accepted."""
    for version in secret["versions"]:
        if settled and version["stage"] == "retired" and version["login"] == WORKS:
            same = [v for v in secret["versions"] if v["password"] == version["password"] and v is not version]
            if not any(v["stage"] in ("current", "previous") for v in same):
                yield "I5", f"the retired version {version['id']} still logs in"


def check_roles(secrets, roles, known):
    """I5, the other half: no role that is ours has a password that the store does not know.

    A role of several that take turns, all of whose versions are retired, was given one that nobody knows.
    """
    ours, at_rest = {}, set()
    for secret in secrets:
        takes_turns = set(secret["roles"])
        live = {v["role"] for v in secret["versions"] if v["stage"] != "retired"}
        at_rest |= takes_turns - live
        for version in secret["versions"]:
            if version["role"] is not None:
                ours.setdefault(version["role"], []).append(version["password"])
    for role, passwords in ours.items():
        if role not in roles:
            yield role, "I5", "the role is gone or may not log in"
        elif role not in at_rest and not any(p is not None and matches(roles[role], role, p) for p in passwords):
            yield role, "I5", "the password of the role is not stored: it is lost"
    for role in roles.keys() - ours.keys() - at_rest - known:
        yield role, "I5", "a role that the store does not know may log in"


def check_rotations(secret, settled):
    """The journal: at most one rotation runs, each one's events are without holes, ends are ends."""
    running = [rotation for rotation in secret["rotations"] if rotation.get("ended_at") is None]
    if len(running) > 1:
        yield "I4", f"{len(running)} rotations run at once"
    if settled and any(rotation["status"] != "stuck" for rotation in running):
        yield "journal", f"{running[0]['id']} still runs: {running[0]['status']}"
    for rotation in secret["rotations"]:
        kinds = [event["kind"].rpartition(".")[2] for event in rotation["events"]]
        if not kinds or kinds[0] != "planned":
            yield "journal", f"{rotation['id']} does not begin with its plan: {kinds[:1]}"
        if "applying" in kinds and "sealed" not in kinds[: kinds.index("applying")]:
            yield "I3", f"{rotation['id']} applied what was not sealed"
        if "published" in kinds and "verified" not in kinds[: kinds.index("published")]:
            yield "I2", f"{rotation['id']} published what was not verified"
        for other in ("published", "unwound"):
            if kinds.count(other) > 1:
                yield "I4", f"{rotation['id']} was {other} {kinds.count(other)} times"


def check_occurrences(secret, settled):
    """I6: each ended and says why, or is open for a reason; the secret has a due time or an alert."""
    excused = bool(secret["open_alerts"]) or any(r["status"] == "stuck" for r in secret["rotations"])
    for occurrence in secret["occurrences"]:
        if occurrence.get("ended_at") is None:
            if settled and not excused:
                yield "I6", f"{occurrence['id']} is open and nothing says why"
            continue
        if occurrence["state"] not in ENDED:
            yield "I6", f"{occurrence['id']} ended as `{occurrence['state']}`"
        if not occurrence.get("why") and occurrence["state"] != "done":
            yield "I6", f"{occurrence['id']} ended as {occurrence['state']} without a reason"
    if secret["is_enabled"] and secret["has_schedule"] and secret["next_due_at"] is None and not excused:
        yield "I6", "the secret is enabled and has neither a due time nor an alert"


def violations(seen, settled=True, known=frozenset()):
    """Every broken invariant of a snapshot, as dicts."""
    found = []
    for secret in seen["secrets"]:
        if not secret["is_managed"]:
            continue
        results = [*check_logins(secret, settled), *check_numbers(secret), *check_retired(secret, settled),
                   *check_rotations(secret, settled), *check_occurrences(secret, settled)]
        found += [{"subject": secret["name"], "invariant": rule, "what": what} for rule, what in results]
    if settled:
        found += [{"subject": role, "invariant": rule, "what": what}
                  for role, rule, what in check_roles(seen["secrets"], seen["roles"], known)]
    for role in seen["open_doors"]:
        found.append({"subject": role, "invariant": "control", "what": "the target lets any password in"})
    found += [{"subject": "store", **entry} for entry in seen.get("store", [])]
    return found

