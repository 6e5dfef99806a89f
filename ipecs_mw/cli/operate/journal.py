"""`ipecs-mw journal`: check journals, write their entries out, hand those that were set aside to MongoDB."""

import base64
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

import click
from msgspec import structs

from ipecs_mw.cli.context import Context, current
from ipecs_mw.cli.help import Chapter
from ipecs_mw.cli.printing.output import to_json
from ipecs_mw.cli.printing.words import local_time
from ipecs_mw.errors import CommandRefused, JournalError, NoSuchName
from ipecs_mw.journal.file import find_files, is_open_elsewhere, read_owner, rename
from ipecs_mw.journal.journal import Entry
from ipecs_mw.journal.salvage import open_salvage
from ipecs_mw.model.numbering.masking import build_masks
from ipecs_mw.model.writing.plain import escape
from ipecs_mw.protocol.events import build_undecodable
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.intake.decoding import Reading, build_decode, build_reading, decode_reading
from ipecs_mw.service.intake.documents import Decode
from ipecs_mw.service.intake.requeue import requeue as store_again
from ipecs_mw.store.configuration.definitions import load_codes
from ipecs_mw.store.configuration.settings import load_settings
from ipecs_mw.store.events.event_log import EventLog
from ipecs_mw.store.server.connection import Store

_TEXTS = shipped_texts()
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(cls=Chapter, help=_TEXTS.render("help.journal"))
def journal() -> None:
    """Hold the commands together."""


@journal.command(help=_TEXTS.render("help.journal.check"))
@click.argument("file", type=_FILE, required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "json")),
    default="text",
    help=_TEXTS.render("help.journal.check.format"),
)
def check(file: Path | None, form: str) -> None:
    """Print what each file holds and whether it is whole; exit 1 where one is not."""
    context = current()
    found = [_inspect(path, context) for path in ([file] if file else find_files(context.state_dir))]
    if form == "json":
        click.echo(to_json(found, indent=1))
    elif not found:
        click.echo(context.texts.render("cli.journal.none", folder=str(context.state_dir)))
    else:
        for facts in found:
            for line in _describe(facts, context):
                click.echo(line)
    if any(facts["damage"] for facts in found):
        sys.exit(1)


@journal.command(help=_TEXTS.render("help.journal.export"))
@click.argument("file", type=_FILE)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help=_TEXTS.render("help.journal.export.output"),
)
def export(file: Path, output: Path | None) -> None:
    """Write a line of JSON an entry; what cannot be read is left out and counted on stderr."""
    context = current()
    with open_salvage(file) as found:
        if output is None:
            count = _write(found.read_entries(), sys.stdout)
        else:
            private = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(private, "w", encoding="utf-8") as stream:
                count = _write(found.read_entries(), stream)
    click.echo(
        context.texts.render("cli.journal.exported", count=count, lost=found.lost_count, file=str(file)),
        err=True,
    )


@journal.command(help=_TEXTS.render("help.journal.requeue"))
@click.argument("file", type=_FILE)
@click.option("--host", help=_TEXTS.render("help.journal.requeue.host"))
def requeue(file: Path, host: str | None) -> None:
    """Hand the entries of a file that no daemon uses to MongoDB, and mark it as done."""
    context = current()
    is_current = file.suffix == ".journal" and file.resolve().parent == context.state_dir.resolve()
    if is_current or is_open_elsewhere(file):
        raise CommandRefused("error.journal_in_use", file=str(file))
    owner = read_owner(file)
    owner = host if owner is None else owner
    with context.open_store() as store, open_salvage(file) as found:
        reading = decode_reading(found.reading)
        if owner is None and reading is not None:
            owner = reading.host
        decode = _build_decode(store, context, host or owner, reading)
        events = EventLog(store, build_masks(load_settings(store, context.profile)[0]))
        count = store_again(found, owner or None, decode, events)
    done = file.with_name(file.name + ".requeued")
    rename(file, done)
    click.echo(
        context.texts.render("cli.journal.requeued", count=count, lost=found.lost_count, file=str(done))
    )


def _inspect(path: Path, context: Context) -> Mapping[str, Any]:
    facts: dict[str, Any] = {"file": str(path), "bytes": path.stat().st_size}
    try:
        with open_salvage(path) as found:
            facts |= {
                "format": found.format,
                "entries": found.count_entries(),
                "oldest_at": found.oldest_at,
                "newest_at": found.newest_at,
                "used_share": found.max_bytes and round(found.used_bytes / found.max_bytes, 4),
                "damage": found.find_damage(),
            }
    except JournalError as error:
        facts |= {"damage": context.texts.explain(error)}
    return facts


def _describe(facts: Mapping[str, Any], context: Context) -> Iterable[str]:
    yield escape(facts["file"])
    if "format" in facts:
        yield "  " + context.texts.render(
            "cli.journal.holds",
            format=facts["format"] or "?",
            entries=facts["entries"],
            oldest=local_time(facts["oldest_at"]) or "–",
            newest=local_time(facts["newest_at"]) or "–",
            mebibytes=f"{facts['bytes'] / 1024**2:.1f}",
            percent="?" if facts["used_share"] is None else int(facts["used_share"] * 100),
        )
    damage = facts["damage"]
    words = "cli.journal.damaged" if damage else "cli.journal.whole"
    yield "  " + context.texts.render(words, detail=escape(damage or ""))


def _write(entries: Iterable[Entry], stream: TextIO) -> int:
    count = 0
    for entry in entries:
        stream.write(to_json(_spell(entry)) + "\n")
        count += 1
    return count


def _spell(entry: Entry) -> Mapping[str, Any]:
    """Return an entry as it is written out: its body as text where it is text, else in Base64."""
    facts = {"seq": entry.seq, **structs.asdict(entry.arrival)}
    body = facts.pop("body")
    try:
        return {**facts, "body": body.decode()}
    except UnicodeDecodeError:
        return {**facts, "body_base64": base64.b64encode(body).decode()}


def _build_decode(store: Store, context: Context, name: str | None, noted: Reading | None) -> Decode:
    """Return how frames of this host are read, one that is not configured any more as its journal has noted.

    Of the middleware's own journal ("") there are none.
    """
    if name == "":
        return lambda body, received_at: build_undecodable(body, received_at, "frame without a host")
    hosts = load_settings(store, context.profile)[0].hosts
    for host in hosts:
        if host.name == name:
            return build_decode(build_reading(host), load_codes(store))
    if noted is not None and noted.host == name:
        return build_decode(noted, load_codes(store))
    allowed = ", ".join(host.name for host in hosts)
    raise NoSuchName("error.no_such_host", host=name or "-", allowed=allowed)
