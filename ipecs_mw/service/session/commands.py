"""Carrying out a command at a host: checked, split where it is long, by the account that may give it."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import CommandRefused, IpecsMwError, ReplyLost, SessionError
from ipecs_mw.model.configuration.settings import HostSettings, StationAccount
from ipecs_mw.model.definitions import Codes, Command
from ipecs_mw.protocol.arguments import check_arguments, join_results, split_arguments
from ipecs_mw.service.session.client import HostClient
from ipecs_mw.service.session.credentials import Decrypt, read_secret
from ipecs_mw.transport.tls import build_context

log = logs.get_logger()

_OURS = frozenset({"login", "logout", "checkconnection"})
"""The session's own commands: nobody else may give them."""


def find_command(commands: Mapping[str, Command], name: Any) -> Command:
    """Return the definition of a command that anybody may give; raise CommandRefused."""
    command = commands.get(name) if isinstance(name, str) else None
    if command is None or command.id in _OURS:
        raise CommandRefused(
            "error.command_unknown", command=str(name), family="arguments", code=None, name="command_unknown"
        )
    return command


def carry_out(
    client: HostClient, command: Command, given: Mapping[str, Any], *, not_after: float | None = None
) -> Any:
    """Check the arguments, send as many requests as they need, and return the joined result.

    Nothing is sent after the monotonic time `not_after`. Raises CommandRefused, CommandExpired, TransportError,
    SessionError or ProtocolError; ReplyLost, caused by any of them, where some of the requests were carried out.
    """
    parts = split_arguments(command, check_arguments(command, given))
    results: list[Any] = []
    for part in parts:
        try:
            results.append(client.call(command.id, part, not_after=not_after))
        except IpecsMwError as error:
            if not results:
                raise
            raise ReplyLost(
                "error.partly_carried_out",
                command=command.id,
                done=len(results),
                parts=len(parts),
                reason=logs.explain(error),
            ) from error
    return join_results(results)


def carry_out_once(
    host: HostSettings,
    password: str,
    command: Command,
    given: Mapping[str, Any],
    commands: Mapping[str, Command],
    codes: Codes,
    clock: Clock,
    *,
    not_after: float | None = None,
) -> Any:
    """Log in, carry out one command, log out; raises as `carry_out`, AlreadyLoggedIn where the account is held."""
    check_arguments(command, given)  # before anything is sent
    with tempfile.TemporaryDirectory() as folder:
        # no token is remembered or used: the session of a daemon that runs must not be ended
        memory = Path(folder) / "token"
        client = HostClient(host, lambda: password, build_context(host), commands, codes, memory, clock)
        try:
            _log_in(client)
            try:
                return carry_out(client, command, given, not_after=not_after)
            finally:
                _log_out(client, host)
        finally:
            client.close()


def carry_out_as_station(
    host: HostSettings,
    command: Command,
    given: Mapping[str, Any],
    commands: Mapping[str, Command],
    codes: Codes,
    clock: Clock,
    decrypt: Decrypt,
    *,
    not_after: float | None = None,
) -> Any:
    """Carry out a command of a `client` account: that of the station `From`, else the first configured.

    Raises CommandRefused where there is no such account, what `read_secret` raises, else as `carry_out_once`.
    """
    account = find_account(host, given.get("From"))
    if account is None:
        raise CommandRefused(
            "error.no_station_account",
            host=host.name,
            command=command.id,
            station=str(given.get("From", "-")),
            family="arguments",
            code=None,
            name="no_station_account",
        )
    index = host.accounts.index(account)
    password = read_secret(account.password, f"{host.name}: accounts[{index}].password", decrypt)
    station = msgspec.structs.replace(host, user=account.user, service="client")
    return carry_out_once(station, password, command, given, commands, codes, clock, not_after=not_after)


def find_account(host: HostSettings, station: Any) -> StationAccount | None:
    """Return the account of a station; without one named, the first."""
    named = [account for account in host.accounts if station is None or account.user == str(station)]
    return named[0] if named else None


def _log_in(client: HostClient) -> None:
    try:
        client.login()
    except IpecsMwError as error:
        if not error.may_have_acted:
            raise
        # it is the login that nobody knows the end of: the command was not sent
        raise SessionError(error.key, **error.facts) from error


def _log_out(client: HostClient, host: HostSettings) -> None:
    try:
        client.logout()
    except IpecsMwError as error:
        log.warning("session.logout_failed", host=host.name, detail=logs.explain(error))
