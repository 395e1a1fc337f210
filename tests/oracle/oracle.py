#!/usr/bin/env python3
"""Judges a running keywheel by what the target accepts, and not by keywheel's word.

It logs in at the target with every stored version of every secret, lists the roles that live there,
and compares both with API and store. Prints {"violations": [...], "checked": {...}}; exit status 0
without violations, 1 with, 2 when it could not look.
"""

import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from api import Api
from checks import violations
from look import look, store_findings
from target import Postgres


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True, help="the daemon's data directory")
    parser.add_argument("--socket", type=pathlib.Path, help="the API's socket (DATA/keywheel.sock)")
    parser.add_argument("--stopped", action="store_true", help="the daemon ended regularly: judge the store alone")
    parser.add_argument("--target", help="postgres://ADMIN:PASSWORD@HOST:PORT/DATABASE")
    parser.add_argument("--known", action="append", default=[], help="a role that is not keywheel's")
    parser.add_argument("--running", action="store_true", help="rotations may be under way")
    parser.add_argument("--no-store", action="store_true", help="the store is not looked at")
    parser.add_argument("--store", help="postgres://… of the store, where it is not the SQLite file in DATA")
    parser.add_argument("--scan", action="append", default=[], help="a file or folder without any value in clear")
    asked = parser.parse_args()
    if not asked.stopped and not asked.target:
        parser.error("--target is needed while the daemon runs")
    return asked


def judge(asked):
    """The violations and what was looked at."""
    store = asked.data / "keywheel.db"
    if asked.stopped:
        found = [{"subject": "store", **entry} for entry in store_findings(store, True)]
        return found, {"store": True}
    target = Postgres(asked.target)
    api = Api(asked.socket or asked.data / "keywheel.sock")
    store = None if asked.no_store else Postgres(asked.store) if asked.store else store
    seen, checked = look(api, target, store, asked.scan)
    return violations(seen, settled=not asked.running, known={target.admin, *asked.known}), checked


def main():
    asked = arguments()
    try:
        found, checked = judge(asked)
    except Exception as error:
        print(json.dumps({"violations": [], "checked": {}, "error": f"{type(error).__name__}: {error}"}))
        return 2
    print(json.dumps({"violations": found, "checked": checked}, indent=1, ensure_ascii=False))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
