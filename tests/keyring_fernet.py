"""Reads and writes the keyring's formats with Python's `cryptography`, written from their description alone.

`keyring_fernet.py exchange`: the first line of stdin is a JSON object with `masters` (text form), `tenant`, `key_id`,
`master_id` and `root` (a wrapped root); each further line has `table`, `row`, `column` and `token`. Each token is
opened and answered by a line with its value as base64, `plain`, and a `token` of the same value reversed.

`keyring_fernet.py golden`: prints the constants of `src/keyring/tests/golden.rs`.

Needs the package `cryptography` (44 or later for `golden`, which derives by Argon2id).
"""

import base64
import hashlib
import hmac
import json
import struct
import sys

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MICROSECONDS = 1_700_000_000_000_000


def prefixed(part):
    raw = part if isinstance(part, bytes) else part.encode()
    return struct.pack(">I", len(raw)) + raw


def derive(key, *names):
    info = b"".join(prefixed(name) for name in ("keywheel/v1",) + names)
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key)


def cipher(key):
    return Fernet(base64.urlsafe_b64encode(key))


def head(labels):
    return bytes([1, len(labels)]) + b"".join(prefixed(label) for label in labels)


def envelope(labels, micros, plain):
    body = head(labels) + struct.pack(">q", micros) + prefixed(plain)
    return body + bytes(-len(body) % 64)


def plain_of(labels, body):
    start = head(labels)
    assert body.startswith(start), "the envelope names another place"
    micros, length = struct.unpack_from(">qI", body, len(start))
    plain = body[len(start) + 12 :][:length]
    assert envelope(labels, micros, plain) == body, "the envelope is not canonical"
    return plain


def opened(key, labels, stored):
    assert stored[:1] == b"\x01", "unknown format"
    assert base64.urlsafe_b64decode(stored[1:])[1:9] == bytes(8), "Fernet's own time is not 0"
    return plain_of(labels, cipher(key).decrypt(stored[1:]))


def root_of(given):
    for line in given["masters"].splitlines():
        text = line.split("#")[0].strip()
        master = base64.b64decode(text)
        if text and master_id(master) == given["master_id"]:
            labels = ("wrap", given["tenant"], given["key_id"])
            return opened(derive(master, *labels), labels + (given["master_id"],), given["root"].encode())
    raise SystemExit("no such master key")


def master_id(master):
    return derive(master, "master-id")[:8].hex()


def exchange():
    given = json.loads(sys.stdin.readline())
    root = root_of(given)
    for line in sys.stdin:
        item = json.loads(line)
        names = ("record", given["tenant"], item["table"], item["row"], item["column"])
        key, labels = derive(root, *names), names + (given["key_id"],)
        plain = opened(key, labels, item["token"].encode())
        token = cipher(key).encrypt_at_time(envelope(labels, MICROSECONDS, plain[::-1]), 0)
        print(json.dumps({"plain": base64.b64encode(plain).decode(), "token": "\x01" + token.decode()}))


def crockford(prefix, tail):
    bits, digits = int.from_bytes(tail, "big"), ""
    for _ in range(26):
        bits, digits = bits >> 5, "0123456789abcdefghjkmnpqrstvwxyz"[bits & 31] + digits
    return prefix + "_" + digits


def sealed_with_known_iv(key, body):
    return b"\x01" + cipher(key)._encrypt_from_parts(body, 0, bytes(range(16)))


def golden():
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    root, master = bytes(range(32)), bytes(range(32, 64))
    tenant, key_id = crockford("ten", bytes([1] * 10)), crockford("key", bytes([1] * 10))
    record = ("record", tenant, "version", "ver_1", "value")
    body = envelope(record + (key_id,), MICROSECONDS, b"golden value")
    print("TENANT", tenant)
    print("KEY_ID", key_id)
    print("SEALED", sealed_with_known_iv(derive(root, *record), body)[1:].decode())
    wrap = ("wrap", tenant, key_id)
    body = envelope(wrap + (master_id(master),), MICROSECONDS, root)
    print("MASTER", base64.b64encode(master).decode(), master_id(master))
    print("WRAPPED", sealed_with_known_iv(derive(master, *wrap), body)[1:].decode())
    columns = [("id", 2, b"sec_1"), ("owner", 0, b""), ("revision", 1, struct.pack(">q", 7)), ("seal", 3, b"\x00\xff")]
    row = b"".join(prefixed(name) + bytes([kind]) + prefixed(value) for name, kind, value in columns)
    print("MAC", hmac.digest(derive(root, "mac", tenant, "secret"), row, hashlib.sha256).hex())
    fingerprint = hmac.digest(derive(root, "fingerprint", tenant, "sec_1"), b"golden value", hashlib.sha256)
    print("FINGERPRINT", fingerprint[:16].hex())
    print("TOKEN_HASH", hmac.digest(derive(root, "token-hash", tenant), b"golden value", hashlib.sha256).hex())
    argon = Argon2id(salt=bytes(range(16)), length=32, iterations=2, lanes=1, memory_cost=19 << 10)
    print("ARGON2", base64.b64encode(argon.derive(b"correct horse battery staple")).decode())


if __name__ == "__main__":
    {"exchange": exchange, "golden": golden}[sys.argv[1]]()
