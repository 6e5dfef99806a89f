"""Where a password is read from, and that no line of the log shows it."""

import os
from pathlib import Path

import pytest

from ipecs_mw import logs, outside
from ipecs_mw.errors import CannotStart
from ipecs_mw.model.configuration.settings import HostSettings, SecretSource
from ipecs_mw.service.session.credentials import find_key_file, read_secret
from ipecs_mw.store.configuration.master_key import load_keys

AT = "hosts[0].password"


def no_key(locked: str, at: str) -> str:
    raise AssertionError((locked, at))


def host(password: str | SecretSource) -> HostSettings:
    return HostSettings("main", "192.0.2.1", "api", password, "UTC")


def test_a_password_comes_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_PASSWORD", "canary-env ")
    assert read_secret(SecretSource(env="SOME_PASSWORD"), AT, no_key) == "canary-env "
    assert logs.mask("x canary-env  y") == "x *** y"


@pytest.mark.parametrize("content", ["canary-file", "canary-file\n", "canary-file\r\nmore\n"])
def test_a_password_is_the_first_line_of_its_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "secret").write_bytes(content.encode())
    assert read_secret(SecretSource(file=str(tmp_path / "secret")), AT, no_key) == "canary-file"


def test_a_password_in_the_configuration_itself_is_used_and_hidden() -> None:
    assert read_secret("canary-plain", AT, no_key) == "canary-plain"
    assert logs.mask("canary-plain") == "***"


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_without_a_password_is_named(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("SOME_PASSWORD", raising=False)
    if value is not None:
        monkeypatch.setenv("SOME_PASSWORD", value)
    with pytest.raises(CannotStart) as caught:
        read_secret(SecretSource(env="SOME_PASSWORD"), AT, no_key)
    assert caught.value.facts == {"path": AT, "name": "SOME_PASSWORD"}


@pytest.mark.parametrize("content", [None, b"", b"\nsecond", b"\xff\xfe"])
def test_a_file_without_a_password_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CannotStart) as caught:
        read_secret(SecretSource(file=str(file)), AT, no_key)
    assert caught.value.facts["file"] == str(file)
    assert caught.value.facts["reason"]


@pytest.mark.parametrize("folder", ["$CREDENTIALS_DIRECTORY", "${CREDENTIALS_DIRECTORY}"])
def test_a_file_may_lie_where_systemd_puts_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / "secret").write_text("canary-credential\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert read_secret(SecretSource(file=f"{folder}/secret"), AT, no_key) == "canary-credential"


def test_a_credential_without_systemd_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(CannotStart) as caught:
        read_secret(SecretSource(file="$CREDENTIALS_DIRECTORY/secret"), AT, no_key)
    assert (caught.value.key, caught.value.facts["name"]) == (
        "error.secret_variable",
        "CREDENTIALS_DIRECTORY",
    )


def test_the_key_file_is_the_named_one_else_systemd_s_else_that_of_the_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IPECS_MW_KEY_FILE", raising=False)
    state_dir, credentials = tmp_path / "state", tmp_path / "credentials"
    credentials.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    assert find_key_file(state_dir) == state_dir / "secret.key"
    (credentials / "ipecs-mw-key").touch()
    assert find_key_file(state_dir) == credentials / "ipecs-mw-key"
    monkeypatch.setenv("IPECS_MW_KEY_FILE", "/somewhere/key")
    assert find_key_file(state_dir) == Path("/somewhere/key")


def test_an_encrypted_password_is_opened_with_its_place_and_hidden() -> None:
    found = read_secret(SecretSource(encrypted="abc"), AT, lambda locked, at: f"canary-opened {locked} {at}")
    assert found == f"canary-opened abc {AT}"
    assert logs.mask(f"<{found}>") == "<***>"


def test_a_password_file_that_never_ends_or_never_comes_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe, endless = tmp_path / "pipe", tmp_path / "endless"
    os.mkfifo(pipe)
    endless.symlink_to("/dev/zero")
    monkeypatch.setattr(outside.read_file, "__defaults__", (4096, 0.1))
    for file, reason in ((pipe, "no answer within 0.1 s"), (endless, "longer than 4096 bytes")):
        with pytest.raises(CannotStart) as caught:
            read_secret(SecretSource(file=str(file)), AT, no_key)
        assert caught.value.facts == {"path": AT, "file": str(file), "reason": reason}


def test_a_key_file_that_never_comes_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "key")
    monkeypatch.setattr(outside.read_file, "__defaults__", (4096, 0.1))
    with pytest.raises(CannotStart) as caught:
        load_keys(tmp_path / "key", AT)
    assert caught.value.facts["reason"] == "no answer within 0.1 s"
