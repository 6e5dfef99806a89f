"""Who gives a command, for the records."""

import getpass
import os
import socket

import pytest

from ipecs_mw.cli.context import who


def test_it_is_the_account_and_the_machine() -> None:
    assert who() == f"{getpass.getuser()}@{socket.gethostname()}"


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_an_account_without_a_name_goes_by_its_number(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def find_no_name() -> str:
        raise error("uid not found")

    monkeypatch.setattr(getpass, "getuser", find_no_name)
    assert who() == f"uid {os.getuid()}@{socket.gethostname()}"
