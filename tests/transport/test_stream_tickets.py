"""A host that sends TLS session tickets, as most do, must not stall the opening of the WebSocket."""

import ssl
from pathlib import Path
from tempfile import TemporaryDirectory

from sites import PASSWORD, USER

from ipecs_mw.clock import SystemClock
from ipecs_mw.model.configuration.settings import HostSettings, TlsSettings
from ipecs_mw.model.definitions import parse_codes, parse_command
from ipecs_mw.seeds import read_json
from ipecs_mw.service.session.client import HostClient
from ipecs_mw.simulator import Account, SimulatedHost
from ipecs_mw.transport.stream import open_stream
from ipecs_mw.transport.tls import build_context


def test_the_websocket_opens_every_time_at_a_host_that_sends_session_tickets() -> None:
    accounts = (Account(USER, PASSWORD),)
    with SimulatedHost(accounts=accounts, is_scripted=False, session_tickets=2) as simulated:
        pin = TlsSettings(verify="pin", fingerprint_sha256=simulated.fingerprint_sha256)
        host = HostSettings("h", simulated.address, USER, PASSWORD, "UTC", simulated.port, tls=pin)
        context = build_context(host)
        token = log_in(host, context)
        for _ in range(300):
            open_stream(host, context, token, SystemClock()).close()


def log_in(host: HostSettings, context: ssl.SSLContext) -> str:
    commands = {row["id"]: parse_command(row) for row in read_json("commands.json")["commands"]}
    with TemporaryDirectory() as folder:
        client = HostClient(
            host,
            lambda: PASSWORD,
            context,
            commands,
            parse_codes(read_json("codes.json")),
            Path(folder) / "t",
            SystemClock(),
        )
        login = client.login()
        client.close()
    return login.token
