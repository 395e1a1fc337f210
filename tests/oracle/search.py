#!/usr/bin/env python3
"""Searches files for bytes. Reads {"forms": [hex, ...], "files": [path, ...]}; prints {"found": [path, ...], "read": n}."""

import json
import pathlib
import sys


def main():
    asked = json.load(sys.stdin)
    forms = [bytes.fromhex(form) for form in asked["forms"]]
    found, read = [], 0
    for path in asked["files"]:
        try:
            content = pathlib.Path(path).read_bytes()
        except FileNotFoundError:
            continue  # a server removes files of its own
        read += 1
        if any(form in content for form in forms):
            found.append(path)
    print(json.dumps({"found": found, "read": read}))


if __name__ == "__main__":
    main()
