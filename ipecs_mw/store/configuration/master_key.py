"""The file of the master key: 96 random bytes that only its owner may read, and the one that follows it.

MongoDB holds keys that a master key has locked; whoever has both the database and this file has the secrets. While
a rotation is under way there are two files, and either may be the one that is needed.
"""

import hashlib
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ipecs_mw.errors import SecretUnreadable
from ipecs_mw.outside import read_file

KEY_BYTES = 96


def load_keys(file: Path, at: str) -> Mapping[str, bytes]:
    """Return name → master key, of the key in force and of the one that a rotation has begun with.

    `at` is what the key is wanted for. Raises SecretUnreadable for a file that is missing, unreadable or no key.
    """
    keys = []
    # the following one first: a rotation that ends meanwhile puts it where the other is looked for
    with suppress(FileNotFoundError):
        keys.append(_read_key(find_following(file), at))
    try:
        keys.append(_read_key(file, at))
    except FileNotFoundError as error:
        raise SecretUnreadable("error.key_file_missing", path=at, file=str(file)) from error
    return {name_key(key): key for key in reversed(keys)}


def name_key(key: bytes) -> str:
    """Return the name that a locked key bears of the master key that locked it: a digest, which opens nothing."""
    return f"local:{hashlib.sha256(key).hexdigest()[:16]}"


def make_key(file: Path) -> bool:
    """Make a file with a new master key, durable before this returns; one that is there stays as it is.

    Tells whether it was made. Raises SecretUnreadable where it cannot be written.
    """
    fresh = file.with_name(file.name + ".new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh.unlink(missing_ok=True)  # one that was left half written
        try:
            descriptor = os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(secrets.token_bytes(KEY_BYTES))
                opened.flush()
                os.fsync(opened.fileno())
            try:
                os.link(fresh, file)  # whole or not at all, and never over another
                is_made = True
            except FileExistsError:
                is_made = False
        finally:
            fresh.unlink(missing_ok=True)
        _make_durable(file.parent)
    except OSError as error:
        raise SecretUnreadable("error.key_file_write", file=str(file), reason=error.strerror) from error
    return is_made


def find_following(file: Path) -> Path:
    """Return the file of the key that a rotation puts in the place of the one in `file`."""
    return file.with_name(file.name + ".next")


def put_following(file: Path) -> None:
    """Put the following key into force, in one step; the former is gone then. Raises SecretUnreadable."""
    try:
        with suppress(FileNotFoundError):  # another rotation was quicker
            find_following(file).replace(file)
        _make_durable(file.parent)
    except OSError as error:
        raise SecretUnreadable("error.key_file_write", file=str(file), reason=error.strerror) from error


def _read_key(file: Path, at: str) -> bytes:
    try:
        key = read_file(file)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SecretUnreadable(
            "error.key_file_unreadable", path=at, file=str(file), reason=error.strerror
        ) from error
    if len(key) != KEY_BYTES:
        raise SecretUnreadable(
            "error.key_file_length", path=at, file=str(file), bytes=len(key), allowed=KEY_BYTES
        )
    return key


def _make_durable(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
