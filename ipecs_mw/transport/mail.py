"""Mails to the mail server (SMTP), within one deadline from looking up its name to its last word."""

import re
import smtplib
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.message import EmailMessage
from functools import partial
from typing import Any

from ipecs_mw.clock import Clock
from ipecs_mw.errors import MailNotSent, MailUnsure
from ipecs_mw.model.addresses import is_address
from ipecs_mw.model.configuration.report_settings import MailSettings
from ipecs_mw.model.writing.plain import escape
from ipecs_mw.outside import ask
from ipecs_mw.transport.tls import (
    FingerprintMismatch,
    build_context_of,
    find_certificate_error,
    normalise_fingerprint,
)

PORTS = {"starttls": 587, "tls": 465, "none": 25}
_MOST_BYTES = 256 * 1024
"""Of all that a server says: who never ends a reply shall not fill the memory."""

_CHUNK_BYTES = 8192
_LONGEST_REPLY = 200
_GREETING, _LOGGED_IN, _TAKEN, _FORWARDED, _GO_ON, _SEND_IT = 220, 235, 250, 251, 334, 354
_FIRST_DOT = re.compile(rb"^\.", re.MULTILINE)
_CONNECT_SECONDS = 10.0

Refused = Mapping[str, str]
"""Address → what the server says against it."""


def spell_server(settings: MailSettings) -> str:
    """Return the server with its port, for people."""
    return f"{settings.server}:{settings.port or PORTS[settings.security]}"


def send_mail(
    settings: MailSettings, password: str | None, message: EmailMessage, to: Sequence[str], clock: Clock
) -> Refused:
    """Have the server take a mail for the addresses in `to`; return those that it refused, where it took others.

    Raises MailNotSent where nobody gets it, MailUnsure where that is not known.
    """
    body = message.as_bytes()
    with _talk(settings, password, clock) as server:
        code, reply = server.mail(settings.sender, [f"size={len(body)}"] if server.has_extn("size") else ())
        if code not in (_TAKEN, _FORWARDED):
            raise server.refuse("error.mail_sender", code, reply, sender=settings.sender)
        replies = {address: server.rcpt(address) for address in to}
        refused = {
            address: _show_reply(code, reply)
            for address, (code, reply) in replies.items()
            if code not in (_TAKEN, _FORWARDED)
        }
        if len(refused) == len(replies):
            said = "; ".join(f"{address}: {reply}" for address, reply in refused.items())
            raise MailNotSent("error.mail_recipients", server=spell_server(settings), reply=said)
        server.hand_over(body)
        return refused


def try_server(settings: MailSettings, password: str | None, clock: Clock) -> None:
    """Connect and log in as for a mail, and send none. Raises MailNotSent."""
    with _talk(settings, password, clock):
        pass


class _Replies:
    """The server's lines. However slowly, or much, it says, it comes to an end."""

    def __init__(self, connection: socket.socket, seconds_left: Callable[[], float]) -> None:
        self._connection = connection
        self._seconds_left = seconds_left
        self._room = _MOST_BYTES
        self._waiting = b""

    def readline(self, limit: int) -> bytes:
        """Return the next line, cut at `limit`; empty where the server has gone. Raises OSError."""
        while b"\n" not in self._waiting and len(self._waiting) < limit:
            self._connection.settimeout(_limit(self._seconds_left()))
            received = self._connection.recv(_CHUNK_BYTES)
            self._room -= len(received)
            if self._room < 0:
                raise OSError("the server says too much")
            if not received:
                break
            self._waiting += received
        end = self._waiting.find(b"\n") + 1 or len(self._waiting)
        line, self._waiting = self._waiting[: min(end, limit)], self._waiting[min(end, limit) :]
        return line

    def close(self) -> None:
        """Leave the connection to whoever owns it."""


class _Server(smtplib.SMTP):
    """A conversation with the server, that has `seconds_left` seconds for all that is still to be said."""

    def __init__(self, settings: MailSettings, clock: Clock) -> None:
        name = socket.gethostname()  # and not its full name, which would have to be looked up
        super().__init__(local_hostname=name if name.isascii() and is_address(name) else "localhost")
        self.settings = settings
        self._clock = clock
        self._give_up_at = clock.monotonic() + settings.timeout_seconds
        self._host = settings.server  # whose certificate has to be shown

    def seconds_left(self) -> float:
        """Return how long this may still take; raises TimeoutError where it is over."""
        seconds = self._give_up_at - self._clock.monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        return seconds

    @property
    def is_late(self) -> bool:
        """Whether there is no time left."""
        return self._clock.monotonic() >= self._give_up_at

    def open(self) -> None:
        """Connect, begin TLS and hear the greeting. Raises OSError, SMTPException."""
        settings = self.settings
        port = settings.port or PORTS[settings.security]
        context = None if settings.security == "none" else self._build_context()
        self.sock = _connect(settings.server, port, self.seconds_left)
        if settings.security == "tls" and context is not None:
            self.sock = context.wrap_socket(self.sock, server_hostname=settings.server)
            self._limit_tls()
        code, reply = self.getreply()
        if code != _GREETING:
            raise self.refuse("error.mail_greeting", code, reply)
        self.ehlo_or_helo_if_needed()
        if settings.security == "starttls" and context is not None:
            if not self.has_extn("starttls"):
                raise MailNotSent("error.mail_no_starttls", server=spell_server(settings))
            self.sock.settimeout(_limit(self.seconds_left()))
            self.starttls(context=context)
            self._limit_tls()
            self.ehlo_or_helo_if_needed()

    def log_in(self, password: str) -> None:
        """Say who we are. Raises MailNotSent, OSError, SMTPException."""
        user = self.settings.user or ""
        ways = self.esmtp_features.get("auth", "").upper().split()
        if "PLAIN" in ways:
            code, reply = self.docmd("AUTH", f"PLAIN {_encode(f'{chr(0)}{user}{chr(0)}{password}')}")
        elif "LOGIN" in ways:
            code, reply = self.docmd("AUTH", f"LOGIN {_encode(user)}")
            code, reply = self.docmd(_encode(password)) if code == _GO_ON else (code, reply)
        else:
            raise MailNotSent("error.mail_no_login", server=spell_server(self.settings), user=user)
        if code != _LOGGED_IN:
            raise self.refuse("error.mail_login", code, reply, user=user)

    def hand_over(self, body: bytes) -> None:
        """Send the mail itself.

        Raises MailUnsure where the server had all of it and does not say what becomes of it, and as `log_in`.
        """
        self.putcmd("data")
        code, reply = self.getreply()
        if code != _SEND_IT:
            raise self.refuse("error.mail_refused", code, reply)
        self.send(_FIRST_DOT.sub(b"..", body))
        try:
            self.send(b".\r\n")
            code, reply = self.getreply()
        except (OSError, smtplib.SMTPException) as error:
            reason = _show(str(error)) or type(error).__name__
            raise MailUnsure(
                "error.mail_unsure", server=spell_server(self.settings), reason=reason
            ) from error
        if code != _TAKEN:
            raise self.refuse("error.mail_refused", code, reply)

    def getreply(self) -> tuple[int, bytes]:
        """Return the next reply, in time."""
        if self.file is None and self.sock is not None:
            self.file = _Replies(self.sock, self.seconds_left)
        return super().getreply()

    def send(self, s: Any) -> None:
        """Send, in time."""
        if self.sock is not None:
            self.sock.settimeout(_limit(self.seconds_left()))
        super().send(s)

    def refuse(self, key: str, code: int, reply: bytes | str, **facts: Any) -> MailNotSent:
        """Return the error for a reply that says no."""
        return MailNotSent(key, server=spell_server(self.settings), reply=_show_reply(code, reply), **facts)

    def _build_context(self) -> ssl.SSLContext:
        try:
            return build_context_of(self.settings.tls)
        except (OSError, ssl.SSLError) as error:
            file = self.settings.tls.ca_file
            raise MailNotSent("error.ca_file", host="mail", file=file, reason=str(error)) from error

    def _limit_tls(self) -> None:
        self.sock.seconds_left = self.seconds_left  # type: ignore[union-attr]


@contextmanager
def _talk(settings: MailSettings, password: str | None, clock: Clock) -> Iterator[_Server]:
    """Give a conversation in which the server knows us; whatever breaks it becomes an error with a sentence."""
    server = _Server(settings, clock)
    try:
        server.open()
        if password is not None:
            server.log_in(password)
        yield server
        _say_goodbye(server)
    except ssl.SSLError as error:
        raise _explain_tls(server, error) from error
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        raise _explain(server, error) from error
    finally:
        server.close()


def _say_goodbye(server: _Server) -> None:
    """Quit; what becomes of that concerns nobody."""
    try:
        server.quit()
    except (OSError, smtplib.SMTPException):
        return


def _explain(server: _Server, error: Exception) -> MailNotSent:
    settings = server.settings
    where = spell_server(settings)
    if server.is_late:
        return MailNotSent("error.mail_slow", server=where, seconds=settings.timeout_seconds)
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return MailNotSent("error.mail_broken", server=where, reason=_show(str(error)))
    if isinstance(error, smtplib.SMTPResponseException):
        return server.refuse("error.mail_refused", error.smtp_code, error.smtp_error)
    if isinstance(error, smtplib.SMTPException):
        return MailNotSent("error.mail_broken", server=where, reason=_show(str(error)))
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return MailNotSent("error.mail_unreachable", server=where, reason=reason)


def _explain_tls(server: _Server, error: ssl.SSLError) -> MailNotSent:
    settings = server.settings
    where = spell_server(settings)
    refused = find_certificate_error(error)
    if refused is None:
        reason = str(error.reason or error).replace("_", " ").lower()
        return MailNotSent("error.mail_handshake", server=where, reason=reason, security=settings.security)
    if isinstance(refused, FingerprintMismatch):
        pinned = normalise_fingerprint(settings.tls.fingerprint_sha256 or "")
        return MailNotSent("error.mail_certificate_changed", server=where, found=refused.found, pinned=pinned)
    reason = refused.verify_message or str(refused)
    return MailNotSent("error.mail_certificate", server=where, reason=reason)


def _connect(address: str, port: int, seconds_left: Callable[[], float]) -> socket.socket:
    """Return a connection to the first of the server's addresses that answers; raises OSError."""
    look_up = partial(socket.getaddrinfo, address, port, type=socket.SOCK_STREAM)
    failure: OSError = TimeoutError("timed out")
    for family, kind, protocol, _, place in ask(f"{address}:{port}", look_up, seconds_left()):
        opened = socket.socket(family, kind, protocol)
        try:
            opened.settimeout(_limit(min(_CONNECT_SECONDS, seconds_left())))
            opened.connect(place)
        except OSError as error:
            failure = error
            opened.close()
            continue
        opened.settimeout(_limit(seconds_left()))  # for the handshake
        return opened
    raise failure


def _limit(seconds: float) -> float:
    """Return a time-out: 0 would mean another thing."""
    return max(seconds, 0.001)


def _show(reply: bytes | str) -> str:
    """Return what a server says, on one line and not too long."""
    text = reply if isinstance(reply, str) else reply.decode("utf-8", "replace")
    return escape(" ".join(text.split()))[:_LONGEST_REPLY]


def _show_reply(code: int, reply: bytes | str) -> str:
    """Return an answer with its number, where it has one."""
    return _show(reply) if code < 0 else f"{code} {_show(reply)}"


def _encode(text: str) -> str:
    return b64encode(text.encode()).decode()
