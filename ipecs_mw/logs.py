"""Logging: set-up, sentences, and the one place where secrets are taken out.

A log call names an event and gives facts: `log.info("session.up", host="main")`. The event's name is stable and
is also the key of its sentence in the language strings. Debug lines are English literals.
"""

import json
import logging
import re
import sys
import traceback
from collections import deque
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from datetime import datetime
from typing import Any, TextIO, cast
from urllib.parse import quote

import structlog

from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import CannotStart, IpecsMwError
from ipecs_mw.log_sinks import Direct, LogFile, Output, Queued, Sink, Stall
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.plain import escape, escape_json
from ipecs_mw.outside import ask

STDOUT = "stdout"
_MASK = "***"
_WORD = re.compile(r"\S+")
_LEAST_CHARACTERS = 4  # of what can be told from other text
_SURE_CHARACTERS = 8  # shorter ones are secrets only where they stand alone
_secrets: set[str] = set()
_tokens: deque[str] = deque(maxlen=256)  # they pass with their sessions; each line is searched for all
_speaking: list[Texts] = []  # the strings of the last set-up; none before the first


def get_logger() -> structlog.stdlib.BoundLogger:
    """Return the logger that all modules share."""
    return cast(structlog.stdlib.BoundLogger, structlog.get_logger("ipecs_mw"))


def hide(secret: str | None) -> None:
    """Have `secret` masked in every line from now on, wherever it comes from; too short to tell is ignored.

    A short one is masked only where no letter or digit touches it: it may be a part of any word.
    """
    _secrets.update(_spell_out(secret or ""))


def hide_token(token: str) -> None:
    """Have a session's token masked from now on, as `hide` does, until some hundred others have followed it."""
    _tokens.extend(spelling for spelling in _spell_out(token) if spelling not in _tokens)


def _spell_out(secret: str) -> set[str]:
    """Return a secret as it stands, and as JSON, a log line and a URI spell it."""
    if len(secret) < _LEAST_CHARACTERS:
        return set()
    spellings = (secret, json.dumps(secret)[1:-1], escape_json(json.dumps(secret, ensure_ascii=False))[1:-1])
    return {*spellings, _printable(secret), repr(secret)[1:-1], quote(secret, safe="")}


def mask(text: str) -> str:
    """Return `text` with every known secret replaced by `***`."""
    for secret in sorted((*_secrets, *_tokens), key=len, reverse=True):  # one may be a part of another
        if secret not in text:
            continue
        if len(secret) >= _SURE_CHARACTERS:
            text = text.replace(secret, _MASK)
        else:
            text = re.sub(rf"{_NO_WORD_BEFORE}{re.escape(secret)}(?![^\W_])", _MASK, text)
    return text


_NO_WORD_BEFORE = r"(?:(?<![^\W_])|(?<=%[0-9A-Fa-f]{2})|(?<=\\[nrt]))"  # an escape is no letter of a word


def mask_values(value: Any) -> Any:
    """Return a value as JSON takes it, with every known secret in it masked; what is no secret keeps its type."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {mask(str(name)): mask_values(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [mask_values(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    masked = mask(text)
    return value if masked == text and isinstance(value, int | float) else masked


def mask_uri(text: str) -> str:
    """Return `text` with the passwords of URIs in it masked, and every known secret."""
    return mask(_WORD.sub(_mask_word, text))


def _mask_word(found: re.Match[str]) -> str:
    """Return a run of text without the password that it has as a URI: up to its last `@`, whatever is in it."""
    word = found[0]
    scheme, end = word.find("//"), word.rfind("@")
    begin = word.find(":", scheme + 2) + 1
    return f"{word[:begin]}{_MASK}{word[end:]}" if scheme >= 0 and 0 < begin <= end else word


def explain(error: IpecsMwError) -> str:
    """Return the error's sentence in the language of the log, secrets masked."""
    return mask(_speaking[0].explain(error) if _speaking else str(error))


def say(fact: Any) -> str:
    """Return a fact as it stands in a sentence in the language of the log, secrets masked."""
    return mask(str(_speaking[0].say(fact) if _speaking else fact))


def configure(
    texts: Texts,
    *,
    level: str = "INFO",
    form: str = "text",
    file: str | None = None,
    stream: TextIO | None = None,
) -> None:
    """Send log lines to stdout, and to a rotating file where one is named (10 of 20 MiB, mode 0600).

    Each has a queue and a thread of its own, and holds up nobody. With `stream`, lines go there instead of stdout,
    and at once. `form` is `text` or `json`. Raises CannotStart where the file cannot be opened, and changes
    nothing then. Called again, it replaces what was set up before.
    """
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _Sentences(texts),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _Masking(texts),
            _render_json if form == "json" else _render_text,
        ],
    )
    root = logging.getLogger()
    former = root.handlers[:]
    handlers = _build_handlers(file, stream)
    _speaking[:] = [texts]
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)
    for old in former:  # last: without any handler a record would go to stderr as it is, secrets and all
        if old not in handlers:
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


def _build_handlers(file: str | None, stream: TextIO | None) -> list[logging.Handler]:
    """Return a handler for each way out; one that is in use stays, with what waits in its queue."""
    named = None if file is None else LogFile(file)
    if named is not None:
        _check_file(named)
    if stream is not None:
        return [_Output(stream), *([Direct(named)] if named else [])]
    in_use = {handler.sink.name: handler for handler in _queues()}
    sinks: list[Sink] = []
    if sys.__stdout__ is not None:  # None where the process was started with it closed
        sinks.append(Output(STDOUT, 1, sys.__stdout__.encoding))
    if named is not None:
        sinks.append(named)
    return [in_use.get(sink.name) or Queued(sink) for sink in sinks]


def reopen() -> None:
    """Have the files of the log opened anew, as after a rotation by another program; returns at once."""
    for handler in _queues():
        if isinstance(handler.sink, LogFile):
            handler.reopen()


def flush(seconds: float) -> None:
    """Wait until every line is written, `seconds` at the most: what takes the lines may hang."""
    until = SystemClock().monotonic() + seconds
    for handler in _queues():
        handler.drain(until)


def look() -> None:
    """Say once where lines are not taken any more; to be called now and then."""
    for handler in _queues():
        handler.look()


def find_stalls() -> list[Stall]:
    """Return where lines are not taken any more."""
    return [stall for handler in _queues() if (stall := handler.find_stall()) is not None]


def is_silent() -> bool:
    """Tell whether lines are taken nowhere any more."""
    return 0 < len(_queues()) == len(find_stalls())


def _queues() -> list[Queued]:
    return [handler for handler in logging.getLogger().handlers if isinstance(handler, Queued)]


def _check_file(file: LogFile) -> None:
    """Raise CannotStart where the file cannot be opened; one that does not answer may do so later."""
    try:
        ask(file.name, file.probe)
    except TimeoutError:
        return
    except OSError as error:
        raise CannotStart("error.log_file", file=file.name, reason=error.strerror) from error


class _Output(logging.StreamHandler[TextIO]):
    """Says by its traceback alone that a line cannot be written, never by the record, secrets and all."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - logging's name
        with suppress(OSError, ValueError):
            sys.stderr.write(mask(traceback.format_exc()))


class _Masking:
    """Masks the values of a line, and leaves its shape: names of fields and of known events are no secrets."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def __call__(
        self, _logger: Any, _method: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        kept = {name: line[name] for name in ("time", "level")}
        if line["event"] in self._texts:
            kept["event"] = line["event"]
        return {**{name: mask_values(value) for name, value in line.items()}, **kept}


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
            if line.get("detail") and str(line["detail"]) in line["text"]:
                del line["detail"]  # once is enough
        return line


def _printable(value: Any) -> str:
    """Return a value on one line: what a host sends must not steer a terminal or forge a line."""
    return escape(value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False))


def _render_text(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> str:
    time, level, event = line.pop("time"), line.pop("level"), line.pop("event")
    text, trace = line.pop("text", None), line.pop("exception", None) or line.pop("stack", None)
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
