"""Secrets that MongoDB keeps locked: client-side field level encryption with a master key in a local file.

A secret is locked by a data key of the collection `keys`, and that by the master key, which MongoDB never sees.
The driver's explicit encryption does it all: no `mongocryptd` and no shared library is needed.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bson.binary import UUID_SUBTYPE, Binary
from bson.codec_options import CodecOptions
from bson.errors import BSONError
from pymongo.errors import ConfigurationError, EncryptionError, PyMongoError

from ipecs_mw.errors import IpecsMwError, SecretUnreadable, StoreUnavailable
from ipecs_mw.store.configuration.master_key import find_following, load_keys, make_key, put_following
from ipecs_mw.store.server.connection import Document, Store
from ipecs_mw.store.server.failures import store_errors, translate

COLLECTION = "keys"
_ENCRYPTED_SUBTYPE = 6
_RANDOMISED = 2  # the first byte of what the randomised algorithm makes; the data key's id follows
_HEAD_BYTES = 18
_ALGORITHM = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
_PROVIDER = "masterKey.provider"
_OPTIONS = CodecOptions[Any](tz_aware=True)


class Vault:
    """Opens locked secrets with the master key in `key_file`, which is read anew for each that is new.

    What was opened once is remembered, so that neither MongoDB nor the file has to be there again. Safe for
    several threads.
    """

    def __init__(self, store: Store, key_file: Path) -> None:
        self._store = store
        self._key_file = key_file
        self._opened: dict[str, str] = {}

    def decrypt(self, locked: str, at: str) -> str:
        """Return the secret of a text that `encrypt` made; `at` is its place in the configuration.

        Raises SecretUnreadable, StoreUnavailable where its data key cannot be fetched, StoreRefused.
        """
        if locked not in self._opened:
            try:
                self._opened[locked] = _decrypt(self._store, self._key_file, locked, at)
            except StoreUnavailable as error:
                raise StoreUnavailable("error.secret_away", path=at, reason=error.facts["reason"]) from error
        return self._opened[locked]


def encrypt(store: Store, key_file: Path, secret: str, at: str, *, makes_key: bool = False) -> str:
    """Return `secret` locked, as base64 text.

    The first secret of a database makes its data key, and the master key where the file is missing; `makes_key`
    has the same done where data keys are there of which the file's master key opens none. Raises SecretUnreadable,
    StoreError; a key file is not left behind then.
    """
    _require_extra(at)
    with store_errors():
        is_first = store.database[COLLECTION].find_one({}, {"_id": True}) is None
    is_made = (is_first or makes_key) and make_key(key_file)
    try:
        return _encrypt(store, key_file, secret, at, may_begin=is_first or makes_key)
    except IpecsMwError:
        if is_made:
            _drop_unused(store, key_file, at)
        raise


def _encrypt(store: Store, key_file: Path, secret: str, at: str, *, may_begin: bool) -> str:
    keys = load_keys(key_file, at)
    name = [*keys][-1]  # where a rotation is under way, the following one
    with store_errors():
        data_key = store.database[COLLECTION].find_one({_PROVIDER: {"$in": list(keys)}})
    if data_key is None and not may_begin:
        raise _wrong_key(store, key_file, keys, at)
    with _open_encryption(store, keys, at) as encryption:
        data_key_id = data_key["_id"] if data_key else encryption.create_data_key(name)
        locked = encryption.encrypt(secret, _ALGORITHM, key_id=data_key_id)
    return base64.b64encode(locked).decode()


def _require_extra(at: str) -> None:
    if find_spec("pymongocrypt") is None:
        raise SecretUnreadable("error.encryption_missing", path=at)


def _drop_unused(store: Store, key_file: Path, at: str) -> None:
    """Remove a key file that was made for nothing, unless MongoDB may have something that it has locked."""
    with suppress(IpecsMwError, OSError), store_errors():
        names = [*load_keys(key_file, at)]
        if store.database[COLLECTION].find_one({_PROVIDER: {"$in": names}}) is None:
            key_file.unlink()


def rotate(store: Store, key_file: Path) -> int:
    """Have all data keys locked by a new master key, which then replaces that in the file; return how many were.

    Both keys stay until no data key is locked by the former, so whatever ends this half-way, the next call goes
    on, and secrets can be opened all the while. Raises SecretUnreadable, StoreError.
    """
    keys = load_keys(key_file, COLLECTION)
    with store_errors():
        are_there = store.database[COLLECTION].find_one({}, {"_id": True}) is not None
        is_ours = store.database[COLLECTION].find_one({_PROVIDER: {"$in": list(keys)}}) is not None
    if are_there and not is_ours:
        raise _wrong_key(store, key_file, keys, COLLECTION)
    make_key(find_following(key_file))
    keys = load_keys(key_file, COLLECTION)
    *former, name = keys
    with _open_encryption(store, keys, COLLECTION) as encryption:
        result = encryption.rewrap_many_data_key({_PROVIDER: {"$in": former}}, provider=name)
    put_following(key_file)
    return result.bulk_write_result.modified_count if result.bulk_write_result else 0


def _decrypt(store: Store, key_file: Path, locked: str, at: str) -> str:
    try:
        content = base64.b64decode(locked, validate=True)
    except binascii.Error as error:
        raise SecretUnreadable("error.secret_damaged", path=at, reason="no base64") from error
    if len(content) <= _HEAD_BYTES or content[0] != _RANDOMISED:
        raise SecretUnreadable("error.secret_damaged", path=at, reason="not what `secret set` wrote")
    data_key_id = Binary(content[1:17], UUID_SUBTYPE)
    with store_errors():
        data_key = store.database[COLLECTION].find_one({"_id": data_key_id})
    if data_key is None:
        raise SecretUnreadable("error.data_key_missing", path=at, id=str(data_key_id.as_uuid()))
    keys = load_keys(key_file, at)
    if _find_provider(data_key) not in keys:
        raise _wrong_key(store, key_file, keys, at, data_key)
    with _open_encryption(store, keys, at) as encryption:
        return str(encryption.decrypt(Binary(content, _ENCRYPTED_SUBTYPE)))


@contextmanager
def _open_encryption(store: Store, keys: Mapping[str, bytes], at: str) -> Iterator[Any]:
    """Give the driver's encryption for the block, and translate what it raises."""
    try:
        from pymongo.encryption import ClientEncryption  # noqa: PLC0415 - 37 MB, for those who use it
    except MemoryError as error:  # where a service may have no memory that it can write and execute
        raise SecretUnreadable("error.encryption_confined", path=at) from error
    providers = {name: {"key": key} for name, key in keys.items()}
    vault = f"{store.database.name}.{COLLECTION}"
    try:
        with ClientEncryption[Any](providers, vault, store.client, _OPTIONS) as encryption:
            yield encryption
    except ConfigurationError as error:
        raise SecretUnreadable("error.encryption_missing", path=at) from error
    except EncryptionError as error:
        if isinstance(error.cause, PyMongoError):
            raise translate(error.cause) from error
        raise SecretUnreadable("error.secret_damaged", path=at, reason=str(error.cause)) from error
    except (PyMongoError, BSONError) as error:
        raise translate(error) from error


def _wrong_key(
    store: Store, key_file: Path, keys: Mapping[str, bytes], at: str, data_key: Document | None = None
) -> SecretUnreadable:
    """Return the error for a file whose key does not open `data_key`, without one any data key."""
    with store_errors():
        wanted = data_key or store.database[COLLECTION].find_one({}) or {}
    return SecretUnreadable(
        "error.key_file_wrong",
        path=at,
        file=str(key_file),
        found=", ".join(name.removeprefix("local:") for name in keys),
        wanted=_find_provider(wanted).removeprefix("local:"),
    )


def _find_provider(data_key: Document) -> str:
    return str((data_key.get("masterKey") or {}).get("provider", "-"))
