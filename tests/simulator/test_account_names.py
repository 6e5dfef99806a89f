"""An account's name stands in paths, and may hold what paths give a meaning to."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ipecs_mw.clock import SystemClock
from ipecs_mw.model.configuration.settings import HostSettings, TlsSettings
from ipecs_mw.model.definitions import parse_codes, parse_command
from ipecs_mw.seeds import read_json
from ipecs_mw.service.session.client import HostClient
from ipecs_mw.simulator import Account, SimulatedHost
from ipecs_mw.transport.stream import open_stream
from ipecs_mw.transport.tls import build_context

Build = Callable[..., SimulatedHost]


@pytest.mark.parametrize("user", ["api user@site", "api#1", "a/b", "100%", "ü ser?x=1", "a%20b"])
def test_an_account_of_any_name_can_log_in_and_stream(build_host: Build, tmp_path: Path, user: str) -> None:
    host = build_host(accounts=(Account(user, "secret-pass"),))
    at_host = HostSettings(
        "main",
        "127.0.0.1",
        user,
        "secret-pass",
        "UTC",
        port=host.port,
        tls=TlsSettings(verify="pin", fingerprint_sha256=host.fingerprint_sha256),
    )
    context = build_context(at_host)
    commands = {row["id"]: parse_command(row) for row in read_json("commands.json")["commands"]}
    codes = parse_codes(read_json("codes.json"))
    product = HostClient(
        at_host, lambda: "secret-pass", context, commands, codes, tmp_path / "token", SystemClock()
    )
    product.login()
    stream = open_stream(at_host, context, product.token or "", SystemClock())
    try:
        assert host.sessions[user].is_streaming
    finally:
        stream.close()
    product.logout()
    product.close()
    assert user not in host.sessions
