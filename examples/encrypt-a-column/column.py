"""Reads and writes the tokens of this example's table without Keyward, as docs/formats.md of Keyward describes them.

    FIELD_ENCRYPTION_KEY=… python3 column.py FILE                 shows every webhook: id, URL, token
    FIELD_ENCRYPTION_KEY=… python3 column.py FILE ID URL TOKEN    adds one

Needs the package `cryptography`.
"""

import os
import sqlite3
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def derive(key, info, length):
    return HKDF(SHA256(), length, None, b"keyward/" + info).derive(urlsafe_b64decode(key))


def kid(key):
    return derive(key, b"kid", 8).hex()


def fernet(key, row):
    """Opens and seals what stands in this row, and nothing else."""
    place = [part.encode() for part in ("webhooks", "token", str(row), "")]
    context = b"".join(len(part).to_bytes(4, "big") + part for part in place)
    return Fernet(urlsafe_b64encode(derive(key, b"v1/" + context, 32)))


def open_token(keys, row, sealed):
    version, by, token = sealed.split(".")
    if version != "v1":
        raise ValueError("another form")
    # Fails where the key is not among those of the setting, and where the token is of another row.
    return fernet({kid(key): key for key in keys}[by], row).decrypt(token).decode()


def seal_token(keys, row, text):
    return f"v1.{kid(keys[0])}.{fernet(keys[0], row).encrypt(text.encode()).decode()}"


def main(database, *new):
    # Newest first.
    keys = os.environ["FIELD_ENCRYPTION_KEY"].split(",")
    with sqlite3.connect(database) as connection:
        if new:
            row, url, token = new
            connection.execute("INSERT INTO webhooks VALUES (?, ?, ?)", (int(row), url, seal_token(keys, row, token)))
            return
        for row, url, sealed in connection.execute("SELECT id, url, token FROM webhooks ORDER BY id"):
            print(row, url, open_token(keys, row, sealed))


main(*sys.argv[1:])
