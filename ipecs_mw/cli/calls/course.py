"""A call in words: what it was, what happened in it, a line a step, and what is uncertain of it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ipecs_mw.calls.course.course import CLOSERS
from ipecs_mw.calls.documents.record import KINDS
from ipecs_mw.cli.calls.words import (
    Document,
    name_called,
    name_caller,
    name_direction,
    name_outcome,
    name_station,
    spell_seconds,
)
from ipecs_mw.cli.printing.table import screen_width, write_rows
from ipecs_mw.cli.printing.words import local_time, local_zone
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.plain import escape

_DATE = len("2026-11-24 ")
_TRUNK = "CO"

Row = tuple[datetime, str, str]
"""When, how long, and what happened."""


def describe_call(call: Document, texts: Texts) -> Iterator[str]:
    """Yield the lines: what the call was, its steps with their times, its call records, what is uncertain."""
    yield escape(texts.render("cli.call.title", id=call["_id"]))
    yield _summarise(call, texts)
    yield _measure(call, texts)
    yield ""
    time = f"{texts.render('cli.events.time')} ({local_zone(call['began_at'])})"
    head = (time, texts.render("cli.call.lasted"), texts.render("cli.call.happened"))
    rows = ((local_time(at)[_DATE:], lasted, what) for at, lasted, what in _list_steps(call, texts))
    yield from write_rows(head, rows, screen_width(), widest=[19, 9])
    if told := [*_list_records(call, texts)]:
        yield ""
        yield from told
    if doubts := [*_list_doubts(call, texts)]:
        yield ""
        yield texts.render("cli.call.uncertain")
        yield from (f"- {doubt}" for doubt in doubts)


def _summarise(call: Document, texts: Texts) -> str:
    parties = f"{name_caller(call) or '·'} → {name_called(call) or '·'}"
    return f"{name_direction(call, texts)}, {name_outcome(call, texts)}: {parties}"


def _measure(call: Document, texts: Texts) -> str:
    """Return when the call was, and how long each part of it lasted."""
    began, ended, seconds = (
        local_time(call["began_at"]),
        local_time(call.get("ended_at")),
        call.get("seconds") or {},
    )
    span = f"{began} – {ended[_DATE:] if ended[:_DATE] == began[:_DATE] else ended}".rstrip()
    parts = [
        f"{texts.render(f'cli.seconds.{kind}')} {spell_seconds(seconds[kind])}"
        for kind in ("total", *KINDS, "wrap_up")
        if seconds.get(kind)
    ]
    return ", ".join([f"{span} ({local_zone(call['began_at'])})", *parts])


def _list_steps(call: Document, texts: Texts) -> list[Row]:
    facts = {"caller": name_caller(call) or "·", "called": name_called(call) or "·"}
    rows: list[Row] = [
        (call["began_at"], "", texts.render(f"cli.call.begins.{call.get('direction', 'unknown')}", **facts))
    ]
    rows += [_describe_segment(segment, texts) for segment in call.get("segments") or ()]
    if call.get("is_open"):
        return [*rows, (max(row[0] for row in rows), "", texts.render("cli.call.lasts"))]
    ended_at = call.get("ended_at", call["began_at"])
    rows.append((ended_at, "", _describe_end(call, texts)))
    return sorted(rows, key=lambda row: row[0])  # wrap-up comes after the end


def _describe_segment(segment: Document, texts: Texts) -> Row:
    facts = {
        "who": name_station(segment),
        "group": escape(str(segment.get("group", ""))),
    }
    what = texts.render(f"cli.call.step.{segment['kind']}", **facts)
    if result := segment.get("result"):
        what = f"{what}: {texts.render(f'cli.call.result.{result}')}"
    until = segment.get("until")
    lasted = "…" if until is None else spell_seconds((until - segment["from"]).total_seconds())
    return segment["from"], lasted, what


def _describe_end(call: Document, texts: Texts) -> str:
    who = str(call.get("ended_by") or "")
    if not who:
        return texts.render("cli.call.ends")
    if who.startswith(_TRUNK):
        return texts.render("cli.call.ended_outside", trunk=escape(who.removeprefix(_TRUNK)))
    return texts.render("cli.call.ended_by", who=escape(who))


def _list_records(call: Document, texts: Texts) -> Iterator[str]:
    """Yield a line for each call record of the host."""
    for record in call.get("records") or ():
        duration = spell_seconds(record.get("duration_seconds"))
        facts = {name: record.get(name, "·") for name in ("direction", "station_number", "number1")}
        yield escape(texts.render("cli.call.record", duration=duration or "·", **facts))


def _list_doubts(call: Document, texts: Texts) -> Iterator[str]:
    """Yield a sentence for each thing that nobody told, or that could not be settled."""
    quality: dict[str, Any] = dict(call.get("quality") or {})
    closed_by = quality.get("closed_by")
    if closed_by in CLOSERS:
        yield texts.render(f"cli.doubt.{closed_by}")
    if between := quality.get("ended_between"):
        since, until = map(local_time, between)
        yield texts.render("cli.doubt.between", since=since, until=until)
    if gaps := quality.get("gaps"):
        yield texts.render("cli.doubt.gaps", count=len(gaps))
    for mark in quality.get("inferred") or ():
        yield texts.render(f"cli.doubt.{mark}")
    clock = quality.get("clock")
    if clock != "host" and not call.get("is_open"):  # of one that lasts, little was measured yet
        yield texts.render(f"cli.clock.{clock or 'received'}")
