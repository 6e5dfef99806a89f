"""What systemd is told, read from a real socket."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ipecs_mw.service.process.notify import notify


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


def test_each_field_is_a_line_of_one_datagram(systemd: socket.socket) -> None:
    notify(READY=1, STATUS="1 of 2\nsessions up")
    assert systemd.recv(1000) == b"READY=1\nSTATUS=1 of 2 sessions up"


def test_a_name_with_an_at_sign_is_in_the_abstract_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0ipecs-mw-test-notify")
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", "@ipecs-mw-test-notify")
        notify(STOPPING=1)
        assert listener.recv(1000) == b"STOPPING=1"


@pytest.mark.parametrize("address", ["", "/no/such/socket"])
def test_a_systemd_that_is_not_there_is_not_missed(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify(READY=1)
