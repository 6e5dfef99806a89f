"""Logging: set-up, sentences, and the one place where secrets are taken out.

A log call names an event and gives facts: `log.info("session.up", host="main")`. The event's name is stable and
is also the key of its sentence in the language strings. Debug lines are English literals.
"""

import json
import logging
import logging.handlers
import os
import re
import sys
import traceback
from collections import deque
from collections.abc import MutableMapping
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO, cast
from urllib.parse import quote

import structlog

from ipecs_mw.errors import CannotStart, IpecsMwError
from ipecs_mw.model.plain import escape, escape_json
from ipecs_mw.model.texts import Texts

_MASK = "***"
_WORD = re.compile(r"\S+")
_USER = re.compile(r"//[^:/@\s]*:")  # of a URI
_FILE_BYTES = 20 * 1024 * 1024
_FILE_COUNT = 10
_secrets: set[str] = set()
_tokens: deque[str] = deque(
    maxlen=256
)  # tokens pass with their sessions; every line is searched for all of them
_speaking: list[Texts] = []  # the strings of the last set-up; none before the first


def get_logger() -> structlog.stdlib.BoundLogger:
    """Return the logger that all modules share."""
    return cast(structlog.stdlib.BoundLogger, structlog.get_logger("ipecs_mw"))


def hide(secret: str | None) -> None:
    """Have `secret` masked in every line from now on, wherever it comes from; too short to tell is ignored."""
    if secret and len(secret) >= 4:
        # as it stands, and as JSON, a log line and a URI spell it
        spellings = (
            secret,
            json.dumps(secret)[1:-1],
            escape_json(json.dumps(secret, ensure_ascii=False))[1:-1],
        )
        _secrets.update((*spellings, _printable(secret), repr(secret)[1:-1], quote(secret, safe="")))


def hide_token(token: str) -> None:
    """Have a session's token masked from now on, until some hundred others have followed it."""
    if token not in _tokens:
        _tokens.append(token)


def mask(text: str) -> str:
    """Return `text` with every known secret replaced by `***`."""
    for secret in sorted((*_secrets, *_tokens), key=len, reverse=True):  # one may be a part of another
        if secret in text:
            text = text.replace(secret, _MASK)
    return text


def mask_uri(text: str) -> str:
    """Return `text` with the passwords of URIs in it masked, and every known secret."""
    return mask(_WORD.sub(_mask_word, text))


def _mask_word(found: re.Match[str]) -> str:
    """Return a run of text without the password that it has as a URI: up to its last `@`, whatever is in it."""
    word = found[0]
    user = _USER.search(word)
    end = word.rfind("@")
    return word if user is None or end < user.end() else word[: user.end()] + _MASK + word[end:]


def explain(error: IpecsMwError) -> str:
    """Return the error's sentence in the language of the log, secrets masked."""
    return mask(_speaking[0].explain(error) if _speaking else str(error))


def say(fact: Any) -> str:
    """Return a fact as it stands in a sentence in the language of the log, secrets masked."""
    return mask(str(_speaking[0].say(fact) if _speaking else fact))


class _Masking(logging.Formatter):
    """Masks the finished line, so that nothing a library or a traceback says slips past."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        return mask(self._inner.format(record))


def configure(
    texts: Texts,
    *,
    level: str = "INFO",
    form: str = "text",
    file: str | None = None,
    stream: TextIO | None = None,
) -> None:
    """Send log lines to `stream` (stdout), and to a rotating file where one is named (10 of 20 MiB, mode 0600).

    `form` is `text` or `json`. Raises CannotStart where the file cannot be opened, and changes nothing then.
    Called again, it replaces what was set up before.
    """
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _Sentences(texts),
    ]
    last = _render_json if form == "json" else _render_text
    formatter = _Masking(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                last,
            ],
        )
    )
    handlers: list[logging.Handler] = [_Output(stream or sys.stdout)]
    if file is not None:
        handlers.append(_open_file(file))
    _speaking[:] = [texts]
    root = logging.getLogger()
    former = root.handlers[:]
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)
    for old in former:  # last: without any handler a record would go to stderr as it is, secrets and all
        root.removeHandler(old)
        old.close()
    root.setLevel(logging.WARNING)  # libraries; their debug lines would drown ours
    logging.getLogger("ipecs_mw").setLevel(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _open_file(file: str) -> logging.Handler:
    try:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        handler = _PrivateFile(file, maxBytes=_FILE_BYTES, backupCount=_FILE_COUNT, encoding="utf-8")
    except OSError as error:
        raise CannotStart("error.log_file", file=file, reason=error.strerror) from error
    return handler


class _Output(logging.StreamHandler[TextIO]):
    """Says by its traceback alone that a line cannot be written, never by the record, secrets and all."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's name
        with suppress(OSError, ValueError):
            sys.stderr.write(mask(traceback.format_exc()))


class _PrivateFile(logging.handlers.RotatingFileHandler):
    """Makes each file that it begins readable by its owner alone.

    A file that cannot be written is told of once, on the other way out, and tried anew with each line.
    """

    _is_failing = False
    _has_failed = False  # with the line in hand

    def emit(self, record: logging.LogRecord) -> None:
        self._has_failed = False
        super().emit(record)
        if self._is_failing and not self._has_failed:
            self._is_failing = False
            get_logger().info("logging.file_resumed", file=self.baseFilename)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's name
        """Give the file up until the next line. What logging does instead shows the record, secrets and all."""
        error = sys.exc_info()[1]
        self._has_failed = True
        stream, self.stream = self.stream, cast(TextIOWrapper, None)  # as before its first line
        with suppress(OSError, ValueError):
            if stream is not None:
                stream.close()
        if not self._is_failing:
            self._is_failing = True  # first, for the line that says so comes here too
            reason = getattr(error, "strerror", None) or type(error).__name__
            get_logger().error("logging.file_failed", file=self.baseFilename, reason=reason)

    def close(self) -> None:
        with suppress(OSError):  # what did not fit the disk is lost either way
            super().close()

    def _open(self) -> TextIOWrapper:
        opened = super()._open()
        os.fchmod(opened.fileno(), 0o600)
        if opened.tell() and not self._ends_whole():
            opened.write("\n")  # the disk was full within a line: the next one is not to be spoilt by it
        return opened

    def _ends_whole(self) -> bool:
        with Path(self.baseFilename).open("rb") as written:
            written.seek(-1, os.SEEK_END)
            return written.read(1) == b"\n"


class _Sentences:
    """Adds `text`, the event's sentence in the configured language."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def __call__(
        self, _logger: Any, _method: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        event = str(line["event"])
        if event in self._texts:
            line["text"] = self._texts.render(event, **{k: v for k, v in line.items() if k != "event"})
        return line


def _printable(value: Any) -> str:
    """Return a value on one line: what a host sends must not steer a terminal or forge a line."""
    return escape(value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False))


def _render_text(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> str:
    time, level, event = line.pop("time"), line.pop("level"), line.pop("event")
    text, trace = line.pop("text", None), line.pop("exception", None)
    fields = " ".join(f"{name}={_printable(value)}" for name, value in line.items())
    head = f"{time} {level.upper():<8} {_printable(event)}"
    rendered = " ".join(
        part for part in (head, "" if text is None else f"{_printable(text)}  |", fields) if part
    )
    if trace is not None:
        rendered += "".join(f"\n{_printable(part)}" for part in trace.split("\n"))
    return rendered


def _render_json(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> str:
    return escape_json(json.dumps(line, default=str, ensure_ascii=False))
