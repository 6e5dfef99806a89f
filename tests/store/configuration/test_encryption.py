"""Secrets that MongoDB keeps locked, and the file with the key to them."""

import base64
from pathlib import Path
from typing import Any

import pytest

from ipecs_mw.errors import SecretUnreadable, StoreUnavailable
from ipecs_mw.store.configuration import encryption
from ipecs_mw.store.configuration.encryption import Vault, encrypt, rotate
from ipecs_mw.store.configuration.master_key import find_following, make_key
from ipecs_mw.store.server.connection import Store, open_unseen

SECRET = "canary-locked-ключ-비밀"
AT = "config/default hosts[0].password"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "secret.key"


def open_anew(store: Store, key_file: Path, locked: str) -> str:
    """Return the secret as a process that has just begun finds it."""
    return Vault(store, key_file).decrypt(locked, AT)


def refusal(store: Store, key_file: Path, locked: str) -> tuple[str, dict[str, Any]]:
    with pytest.raises(SecretUnreadable) as caught:
        open_anew(store, key_file, locked)
    assert SECRET not in str(caught.value)
    return caught.value.key, caught.value.facts


def test_the_first_secret_makes_the_key_file_and_the_key_in_mongodb(store: Store, key_file: Path) -> None:
    locked = encrypt(store, key_file, SECRET, AT)
    assert open_anew(store, key_file, locked) == SECRET
    assert len(key_file.read_bytes()) == 96
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in key_file.parent.iterdir()] == ["secret.key"]
    assert store.database["keys"].count_documents({}) == 1


def test_one_secret_encrypted_twice_gives_two_texts_and_needs_one_key(store: Store, key_file: Path) -> None:
    first, second = (encrypt(store, key_file, SECRET, AT) for _ in range(2))
    assert first != second
    assert open_anew(store, key_file, first) == open_anew(store, key_file, second) == SECRET
    assert store.database["keys"].count_documents({}) == 1


@pytest.mark.parametrize("secret", ["x", "a" * 5000, "\u00e9\u0000 \n", '"]}'])
def test_any_text_comes_back_as_it_was(store: Store, key_file: Path, secret: str) -> None:
    assert open_anew(store, key_file, encrypt(store, key_file, secret, AT)) == secret


def test_what_mongodb_holds_shows_neither_the_secret_nor_the_master_key(store: Store, key_file: Path) -> None:
    locked = encrypt(store, key_file, SECRET, AT)
    kept = repr(list(store.database["keys"].find())).encode() + base64.b64decode(locked)
    assert SECRET.encode() not in kept
    assert key_file.read_bytes()[:8] not in kept


def test_what_was_opened_once_is_known_without_file_and_mongodb(store: Store, key_file: Path) -> None:
    vault, locked = Vault(store, key_file), encrypt(store, key_file, SECRET, AT)
    vault.decrypt(locked, AT)
    key_file.unlink()
    store.database["keys"].drop()
    assert vault.decrypt(locked, AT) == SECRET


def test_while_mongodb_is_away_a_secret_waits_rather_than_being_refused(key_file: Path, store: Store) -> None:
    locked = encrypt(store, key_file, SECRET, AT)
    away = open_unseen("mongodb://127.0.0.1:9/x?serverSelectionTimeoutMS=100", "test")
    try:
        with pytest.raises(StoreUnavailable):
            open_anew(away, key_file, locked)
    finally:
        away.close()


def test_a_missing_key_file_is_named(store: Store, key_file: Path) -> None:
    locked = encrypt(store, key_file, SECRET, AT)
    key_file.unlink()
    assert refusal(store, key_file, locked) == (
        "error.key_file_missing",
        {"path": AT, "file": str(key_file)},
    )
    key_file.mkdir()
    key, facts = refusal(store, key_file, locked)
    assert (key, facts["reason"]) == ("error.key_file_unreadable", "Is a directory")


@pytest.mark.parametrize("content", [b"", b"x" * 95, b"x" * 97])
def test_a_file_of_another_length_is_no_key(store: Store, key_file: Path, content: bytes) -> None:
    locked = encrypt(store, key_file, SECRET, AT)
    key_file.write_bytes(content)
    key, facts = refusal(store, key_file, locked)
    assert (key, facts["bytes"], facts["allowed"]) == ("error.key_file_length", len(content), 96)


def test_a_wrong_key_is_told_from_the_right_one_by_name_and_the_right_one_serves_again(
    store: Store, key_file: Path
) -> None:
    locked = encrypt(store, key_file, SECRET, AT)
    right = key_file.rename(key_file.with_name("right"))
    make_key(key_file)
    key, facts = refusal(store, key_file, locked)
    assert key == "error.key_file_wrong"
    assert facts["found"] != facts["wanted"]
    right.replace(key_file)
    assert open_anew(store, key_file, locked) == SECRET


def test_a_wrong_key_writes_no_secret_that_the_daemon_could_not_read(store: Store, key_file: Path) -> None:
    encrypt(store, key_file, SECRET, AT)
    key_file.unlink()
    with pytest.raises(SecretUnreadable, match="key_file_missing"):
        encrypt(store, key_file, SECRET, AT)
    assert not key_file.exists()
    make_key(key_file)
    with pytest.raises(SecretUnreadable, match="key_file_wrong"):
        encrypt(store, key_file, SECRET, AT)


def test_where_the_key_is_lost_another_begins_anew_when_asked_to(store: Store, key_file: Path) -> None:
    lost = encrypt(store, key_file, SECRET, AT)
    key_file.unlink()
    found = encrypt(store, key_file, "anew", AT, makes_key=True)
    assert open_anew(store, key_file, found) == "anew"
    assert refusal(store, key_file, lost)[0] == "error.key_file_wrong"
    rotate(store, key_file)
    assert open_anew(store, key_file, found) == "anew"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("not base64!", slice(0)),
        ("", slice(0)),
        ("AAAA", slice(0)),
        ("", slice(40)),
        ("", slice(-8)),
        ("B", slice(1, None)),
    ],
)
def test_a_damaged_text_is_called_so(store: Store, key_file: Path, text: str, kept: slice) -> None:
    locked = text + encrypt(store, key_file, SECRET, AT)[kept]
    assert refusal(store, key_file, locked)[0] == "error.secret_damaged"


def test_a_key_that_mongodb_lost_or_damaged_is_called_so(store: Store, key_file: Path) -> None:
    locked, keys = encrypt(store, key_file, SECRET, AT), store.database["keys"]
    kept = keys.find_one({})
    assert kept is not None
    keys.update_one({}, {"$set": {"keyMaterial": bytes(160)}})
    assert refusal(store, key_file, locked)[0] == "error.secret_damaged"
    keys.delete_many({})
    key, facts = refusal(store, key_file, locked)
    assert (key, facts["id"]) == ("error.data_key_missing", str(kept["_id"].as_uuid()))
    keys.insert_one(kept)
    assert open_anew(store, key_file, locked) == SECRET


def test_after_a_rotation_only_the_new_key_opens_what_the_old_one_locked(
    store: Store, key_file: Path
) -> None:
    locked = encrypt(store, key_file, SECRET, AT)
    former = key_file.read_bytes()
    assert rotate(store, key_file) == 1
    assert key_file.read_bytes() != former
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in key_file.parent.iterdir()] == ["secret.key"]
    assert open_anew(store, key_file, locked) == SECRET
    key_file.write_bytes(former)
    assert refusal(store, key_file, locked)[0] == "error.key_file_wrong"


@pytest.mark.parametrize("step", ["make_key", "_open_encryption", "put_following"])
def test_a_rotation_that_ends_half_way_leaves_secrets_readable_and_goes_on_when_called_again(
    store: Store, key_file: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked = encrypt(store, key_file, SECRET, AT)
    former = key_file.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(encryption, step, _end)
        with pytest.raises(KeyboardInterrupt):
            rotate(store, key_file)
    assert key_file.read_bytes() == former
    assert open_anew(store, key_file, locked) == SECRET
    another = encrypt(store, key_file, "another", AT)
    rotate(store, key_file)
    assert key_file.read_bytes() != former
    assert not find_following(key_file).exists()
    assert open_anew(store, key_file, locked) == SECRET
    assert open_anew(store, key_file, another) == "another"


def test_a_wrong_key_rotates_nothing(store: Store, key_file: Path) -> None:
    encrypt(store, key_file, SECRET, AT)
    key_file.unlink()
    make_key(key_file)
    with pytest.raises(SecretUnreadable, match="key_file_wrong"):
        rotate(store, key_file)
    assert not find_following(key_file).exists()


def test_a_key_file_that_is_there_is_never_written_over(key_file: Path) -> None:
    make_key(key_file)
    former = key_file.read_bytes()
    make_key(key_file)
    assert key_file.read_bytes() == former


def _end(*_: Any, **__: Any) -> Any:
    raise KeyboardInterrupt
