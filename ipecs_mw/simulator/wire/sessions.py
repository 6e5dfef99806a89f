"""Who is logged in: the host's rules for accounts, tokens and their expiry."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ipecs_mw.simulator.wire.refusals import TOO_MANY_ACCOUNTS, refuse, refuse_with

MOST_SESSIONS = 3
_ALREADY_CODE = 4  # uncertain: the vendor prints the message, not the number


@dataclass(frozen=True)
class Account:
    """A Web API account: `service` is `server` or `client` (a station's user), `resources` what it may see."""

    user: str
    password: str = field(repr=False)
    service: str = "server"
    resources: frozenset[str] = frozenset({"SMDR", "ACD", "CTI"})


class Socket(Protocol):
    """What a session knows of its WebSocket."""

    connection: int

    def push(self, opcode: int, payload: bytes) -> None:
        """Have one frame written soon."""
        ...

    def close(self, code: int) -> None:
        """Begin the closing handshake."""
        ...


@dataclass(eq=False)
class Session:
    """One login. `monitored` and `presence` are the numbers whose events it gets, while its socket is open."""

    account: Account
    token: str
    renewed_at: float  # on the monotonic clock
    is_expired: bool = False
    socket: Socket | None = None
    serial: int = 0
    monitored: set[str] = field(default_factory=set)
    presence: set[str] = field(default_factory=set)

    def forget_connection(self) -> None:
        """Start the count of call events and the monitors of a new connection from nothing."""
        self.socket, self.serial = None, 0
        self.monitored.clear()
        self.presence.clear()


def read_bearer(authorization: str) -> str:
    """Return the token of an Authorization header; blank where it has none."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class Sessions:
    """All logins by user. An account logs in once; at most three are in at a time.

    `most_streams` is how many WebSockets one account has had at a time.
    """

    def __init__(
        self, accounts: Sequence[Account], check_connection_seconds: float, monotonic: Callable[[], float]
    ) -> None:
        self.accounts = {account.user: account for account in accounts}
        self.by_user: dict[str, Session] = {}
        self.most_streams = 0
        self.timer_seconds = check_connection_seconds
        self._monotonic = monotonic

    def log_in(self, service: str, user: str, password: str, *, is_admitting_twice: bool = False) -> Session:
        """Return a new session. Raises CommandRefused: 401 code 2 for wrong words, 401 "Already Login"."""
        account = self.accounts.get(user)
        given = password.encode()
        if (
            account is None
            or account.service != service
            or not secrets.compare_digest(account.password.encode(), given)
        ):
            raise refuse_with(2, "Invalid Login Information", status=401)
        self.expire()
        if (old := self.by_user.get(user)) is not None:
            if not old.is_expired and not is_admitting_twice:
                raise refuse_with(_ALREADY_CODE, "Already Login", status=401)
            if old.is_expired:
                self.end(old)
            else:
                self.by_user[f"{user}, earlier: {old.token}"] = old
        if len(self.by_user) >= MOST_SESSIONS:
            raise refuse_with(99, TOO_MANY_ACCOUNTS)
        session = Session(account, secrets.token_urlsafe(32), self._monotonic())
        self.by_user[user] = session
        return session

    def find(self, service: str, user: str, token: str) -> Session:
        """Return the session of a token, renewed. Raises CommandRefused: 401 code 3, or 4 for another's URI."""
        self.expire()
        for session in self.by_user.values():
            if secrets.compare_digest(session.token.encode(), token.encode()) and not session.is_expired:
                if (session.account.user, session.account.service) != (user, service):
                    raise refuse("login information mismatch", family="common", status=401)
                session.renewed_at = self._monotonic()
                return session
        raise refuse_with(3, "Invalid Token", status=401)

    def find_token(self, token: str) -> Session:
        """Return the session of a token on a URI that names no user."""
        for session in self.by_user.values():
            if session.token == token:
                return self.find(session.account.service, session.account.user, token)
        raise refuse_with(3, "Invalid Token", status=401)

    def expire(self) -> None:
        """End the sessions that nothing renewed within the timer; an open WebSocket keeps its session."""
        now = self._monotonic()
        for session in list(self.by_user.values()):
            if session.socket is None and now - session.renewed_at >= self.timer_seconds:
                self.end(session)

    def end(self, session: Session) -> None:
        """Log a session out: its token dies and its WebSocket is closed."""
        self.by_user = {user: kept for user, kept in self.by_user.items() if kept is not session}
        session.is_expired = True
        if session.socket is not None:
            session.socket.close(1000)

    def attach(self, session: Session, socket: Socket) -> None:
        """Give a session its WebSocket; an earlier one is closed with 1001, since the newest wins."""
        old = session.socket
        if old is not None:
            session.forget_connection()
            old.close(1001)
        session.socket = socket
        streams = [each for each in self.by_user.values() if each.account is session.account and each.socket]
        self.most_streams = max(self.most_streams, len(streams))

    def detach(self, session: Session, socket: Socket) -> None:
        """Note that a WebSocket is gone: from now on the session timer runs."""
        if session.socket is socket:
            session.forget_connection()
            session.renewed_at = self._monotonic()
