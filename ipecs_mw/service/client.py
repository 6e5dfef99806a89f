"""One host's REST side: login, logout and commands, with the token that all of it shares."""

import json
import ssl
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import AlreadyLoggedIn, IpecsMwError, SessionError, TransportError
from ipecs_mw.model.definitions import Codes, Command
from ipecs_mw.model.settings import HostSettings
from ipecs_mw.protocol.replies import Login, read_login, read_reply
from ipecs_mw.protocol.requests import build_request
from ipecs_mw.transport.rest import RestClient

log = logs.get_logger()


class HostClient:
    """Carries out commands at one host, one at a time; safe for several threads.

    The last token is remembered in `memory` (a file of mode 0600), so that after a crash the account can be
    freed at once instead of after the host's session timer.
    """

    def __init__(
        self,
        host: HostSettings,
        password: str,
        context: ssl.SSLContext,
        commands: Mapping[str, Command],
        codes: Codes,
        memory: Path,
        clock: Clock,
    ) -> None:
        self._host = host
        self._password = password
        self._commands = commands
        self._codes = codes
        self._memory = memory
        self._rest = RestClient(host, context, clock)
        self._lock = threading.Lock()
        self.token: str | None = None

    def login(self) -> Login:
        """Log in and remember the token.

        An account that an earlier session still holds is first freed with the remembered token. Raises what
        `call` raises, AlreadyLoggedIn where the account stays held.
        """
        try:
            reply = self._send("login", {}, self._password)
        except AlreadyLoggedIn:
            if not self._free_account():
                raise
            reply = self._send("login", {}, self._password)
        login = read_login(reply, self._host.name)
        logs.hide(login.token)
        self.token = login.token
        self._remember(login.token)
        return login

    def logout(self) -> None:
        """End the session at the host and forget the token; raises what `call` raises."""
        token, self.token = self.token, None
        if token is not None:
            self._send("logout", {}, token)
            self._forget()

    def call(self, command_id: str, arguments: Mapping[str, Any]) -> Any:
        """Carry out a command with the session's token and return the reply's JSON body.

        Raises TransportError, SessionError, CommandRefused or ReplyUnreadable.
        """
        if self.token is None:
            raise SessionError("error.no_session", host=self._host.name)
        return self._send(command_id, arguments, self.token)

    def close(self) -> None:
        """Close the kept connections."""
        self._rest.close()

    def _send(self, command_id: str, arguments: Mapping[str, Any], secret: str) -> Any:
        command = self._commands[command_id]
        request = build_request(command, arguments, self._host, secret)
        with self._lock:
            reply = self._rest.send(request)
        return read_reply(command, reply.status, reply.body, self._codes, self._host.name)

    def _free_account(self) -> bool:
        """Log out with the remembered token; tell whether there was one to try."""
        try:
            token = json.loads(self._memory.read_text("utf-8"))["token"]
        except (OSError, ValueError, LookupError, TypeError):
            return False
        if not isinstance(token, str):
            return False
        logs.hide(token)
        try:
            self._send("logout", {}, token)
        except TransportError:
            return False  # the token may still serve once the host answers
        except IpecsMwError as error:
            log.debug("logging out with the remembered token failed", host=self._host.name, error=str(error))
            self._forget()
            return False
        self._forget()
        log.info("session.account_freed", host=self._host.name)
        return True

    def _remember(self, token: str) -> None:
        """Keep the token; a full disk costs only the quick return after a crash."""
        fresh = self._memory.with_suffix(".new")
        try:
            self._memory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh.unlink(missing_ok=True)
            fresh.touch(mode=0o600)
            fresh.write_text(json.dumps({"token": token}), "utf-8")
            fresh.replace(self._memory)
        except OSError as error:
            log.warning(
                "session.token_not_kept", host=self._host.name, file=str(self._memory), reason=error.strerror
            )

    def _forget(self) -> None:
        with suppress(OSError):
            self._memory.unlink(missing_ok=True)
