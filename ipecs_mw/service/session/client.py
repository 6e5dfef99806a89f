"""One host's REST side: login, logout and commands, with the token that all of it shares."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import AlreadyLoggedIn, CommandRefused, IpecsMwError, SessionError, TokenExpired
from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.model.definitions import Codes, Command
from ipecs_mw.outside import read_file
from ipecs_mw.protocol.replies import Login, find_missing, read_login, read_reply
from ipecs_mw.protocol.requests import build_request
from ipecs_mw.service.process.state_dir import keep_private
from ipecs_mw.service.session.leases import AccountLease
from ipecs_mw.transport.rest import DEADLINE_SECONDS, RestClient

log = logs.get_logger()

_LOGOUT_SECONDS = (
    5.0  # what comes after it waits for it, and a host that is later frees the account by itself
)


class HostClient:
    """Carries out commands at one host, one at a time; safe for several threads.

    The last token is remembered in `memory` (a file of mode 0600) and in the `lease`, so that after a crash, here
    or of another daemon, the account can be freed at once instead of after the host's session timer. The password
    is read anew for each login, so that a changed one serves without a restart.
    """

    def __init__(
        self,
        host: HostSettings,
        read_password: Callable[[], str],
        context: ssl.SSLContext,
        commands: Mapping[str, Command],
        codes: Codes,
        memory: Path,
        clock: Clock,
        lease: AccountLease | None = None,
    ) -> None:
        self._host = host
        self._read_password = read_password
        self.define(commands, codes)
        self._memory = memory
        self._lease = lease
        self._rest = RestClient(host, context, clock)
        self._lock = threading.Lock()
        self._odd: set[str] = set()  # commands whose replies have been complained about
        self.token: str | None = None

    def define(self, commands: Mapping[str, Command], codes: Codes) -> None:
        """Use these definitions from the next request on."""
        self.commands = commands
        self.codes = codes

    def login(self) -> Login:
        """Log in and remember the token.

        An account that an earlier session still holds is first freed with the remembered token. Raises what
        `call` raises, AlreadyLoggedIn where the account stays held, CannotStart for an unreadable password.
        """
        password = self._read_password()
        with self._lock:
            self._rest.close()  # what ended the former session may have left the kept connection half-open too
        try:
            reply = self._send("login", {}, password)
        except AlreadyLoggedIn:
            if not any(self._free_account(token) for token in self._remembered()):
                raise
            reply = self._send("login", {}, password)
        login = read_login(reply, self._host.name)
        logs.hide_token(login.token)
        self.token = login.token
        self._remember(login.token)
        return login

    def logout(self) -> None:
        """End the session at the host and forget the token; raises what `call` raises."""
        token, self.token = self.token, None
        if token is not None:
            self._send("logout", {}, token, deadline_seconds=_LOGOUT_SECONDS)
            self._forget(token)

    def call(self, command_id: str, arguments: Mapping[str, Any], *, not_after: float | None = None) -> Any:
        """Carry out a command with the session's token and return the reply's JSON body.

        After the monotonic time `not_after` nothing is sent: CommandExpired. Else raises TransportError,
        SessionError, CommandRefused or ProtocolError.
        """
        if self.token is None:
            raise SessionError("error.no_session", host=self._host.name)
        return self._send(command_id, arguments, self.token, not_after=not_after)

    def close(self) -> None:
        """Close the kept connections."""
        self._rest.close()

    def _send(
        self,
        command_id: str,
        arguments: Mapping[str, Any],
        secret: str,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        not_after: float | None = None,
    ) -> Any:
        command = self.commands[command_id]
        request = build_request(command, arguments, self._host, secret)
        with self._lock:
            reply = self._rest.send(request, deadline_seconds=deadline_seconds, not_after=not_after)
        value = read_reply(command, reply.status, reply.body, self.codes, self._host.name)
        missing = find_missing(command, value)
        if missing and command_id not in self._odd:
            self._odd.add(command_id)
            log.warning(
                "reply.fields_missing", host=self._host.name, command=command_id, fields=", ".join(missing)
            )
        return value

    def _remembered(self) -> Iterator[str]:
        """Yield the tokens of earlier sessions: our own, and that of the daemon that held the lease before."""
        left = None if self._lease is None else self._lease.left.get("token")
        yield from (token for token in (self._read_memory(), left) if isinstance(token, str))

    def _read_memory(self) -> Any:
        with suppress(OSError, ValueError, LookupError, TypeError):
            return json.loads(read_file(self._memory).decode("utf-8"))["token"]
        return None

    def _free_account(self, token: str) -> bool:
        """Log out with a remembered token; tell whether that ended a session."""
        logs.hide_token(token)
        try:
            self._send("logout", {}, token)
        except (TokenExpired, CommandRefused) as error:
            log.debug("the host refuses a remembered token", host=self._host.name, error=str(error))
            self._forget(token)
            return False
        except IpecsMwError as error:  # the token may still serve once the host answers as it should
            log.debug("logging out with a remembered token failed", host=self._host.name, error=str(error))
            return False
        self._forget(token)
        log.info("session.account_freed", host=self._host.name)
        return True

    def _remember(self, token: str) -> None:
        """Keep the token; a full disk costs only the quick return after a crash."""
        if self._lease is not None:
            self._lease.publish(token)
        try:
            keep_private(self._memory, json.dumps({"token": token}).encode())
        except OSError as error:
            log.warning(
                "session.token_not_kept", host=self._host.name, file=str(self._memory), reason=error.strerror
            )

    def _forget(self, token: str) -> None:
        """Forget a token that is dead, and no other: a later session may have left its own by now."""
        if self._lease is not None and self._lease.token == token:
            self._lease.token = None
        if self._read_memory() == token:
            with suppress(OSError):
                self._memory.unlink(missing_ok=True)
