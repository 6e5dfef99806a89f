"""`ipecs-mw smdr`: the call records that the host holds, asked for through the daemon."""

import io
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ipecs_mw.cli.context import current, load_words, who
from ipecs_mw.cli.events import Instant
from ipecs_mw.cli.output import WRITERS
from ipecs_mw.cli.words import local_time
from ipecs_mw.client import send
from ipecs_mw.errors import CommandRefused
from ipecs_mw.model.formats import NumberSettings
from ipecs_mw.model.numbers import find_spellings, read_number
from ipecs_mw.model.plain import escape
from ipecs_mw.model.settings import HostSettings
from ipecs_mw.model.texts import Texts
from ipecs_mw.protocol.events import Decoder
from ipecs_mw.protocol.smdr import (
    MOST_RECORDS,
    Filter,
    Record,
    build_filter,
    build_range,
    build_record_id,
    find_number_fields,
    join_filters,
    next_range,
    read_count,
    read_index,
    read_records,
    wrap_record,
)
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.configuration.definitions import load_codes
from ipecs_mw.store.configuration.settings import load_settings
from ipecs_mw.store.events.event_log import build_document

_TEXTS = shipped_texts()
_COLUMNS = (
    "index", "station_number", "co_number", "direction", "number1", "number2", "duration_seconds", "cost",
    "account_code", "disconnect_cause_name",
)  # fmt: skip
_HEADS = ("start", "index", "station", "trunk", "direction", "number1", "number2", "duration", "cost", "account",
          "cause")  # fmt: skip

_PATTERN = frozenset("*?\\")

Ask = Callable[[dict[str, Any]], Any]


@click.command(help=_TEXTS.render("help.smdr"))
@click.option("--host", help=_TEXTS.render("help.send.host"))
@click.option("--station", help=_TEXTS.render("help.smdr.station"))
@click.option("--since", type=Instant(), help=_TEXTS.render("help.smdr.since"))
@click.option("--until", type=Instant(), help=_TEXTS.render("help.smdr.until"))
@click.option("--number", help=_TEXTS.render("help.smdr.number"))
@click.option(
    "--format",
    "form",
    type=click.Choice(tuple(WRITERS)),
    default="table",
    show_default=True,
    help=_TEXTS.render("help.events.format"),
)
@click.option("--count", "is_count", is_flag=True, help=_TEXTS.render("help.smdr.count"))
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1, max=3600),
    default=30.0,
    show_default=True,
    help=_TEXTS.render("help.send.timeout"),
)
def smdr(
    host: str | None,
    station: str | None,
    since: datetime | None,
    until: datetime | None,
    number: str | None,
    form: str,
    is_count: bool,
    timeout: float,
) -> None:
    """Print the records that match, in the order of their index."""
    context = current()
    with context.open_store() as store:
        texts = load_words(store, context)
        settings, _ = load_settings(store, context.profile)
        wanted_host, plan = _find_host(settings.hosts, host), settings.numbers
        by = who()
        zone, captions = ZoneInfo(wanted_host.timezone), tuple(wanted_host.smdr.number_captions or ())

        def ask(arguments: dict[str, Any]) -> Any:
            return send(
                store,
                context.clock,
                "smdr.get",
                {name: value for name, value in arguments.items() if value},
                host=wanted_host.name,
                by=by,
                profile=context.profile,
                timeout_seconds=timeout,
                texts=context.texts,
            )

        wanted = build_filter(zone, station=station, since=since, until=until)
        if number is not None:
            # the two number fields bear the captions that the administrator chose: where the configuration
            # does not tell them, a record does
            fields = captions or find_number_fields(next(iter(read_records(ask({"maxCount": 1}))), {}))
            wanted = join_filters(
                [wanted, build_filter(zone, numbers=_spell(number, plan), number_fields=fields)]
            )
        if is_count:
            click.echo(read_count(ask({"countOnly": "true", "q": wanted})))
            return
        decode = Decoder(load_codes(store).rows, zone, captions).decode
        documents = (
            _describe(record, wanted_host.name, decode, context.clock.now())
            for page in _read_pages(ask, wanted)
            for record in page
        )
        for line in _write_table(documents, texts) if form == "table" else WRITERS[form](documents, texts):
            click.echo(line)


def _find_host(hosts: Iterable[HostSettings], name: str | None) -> HostSettings:
    found = [host for host in hosts if name is None or host.name == name]
    if len(found) != 1:
        allowed = ", ".join(host.name for host in hosts)
        raise CommandRefused("error.no_such_host", host=name or "-", allowed=allowed)
    return found[0]


def _spell(number: str, plan: NumberSettings) -> tuple[str, ...]:
    """Return the spellings of a number to ask for; a pattern is one of its own."""
    bare = None if _PATTERN & set(number) else read_number(number)
    return (number,) if bare is None else tuple(dict.fromkeys((number, *find_spellings(bare, plan))))


def _read_pages(ask: Ask, wanted: Filter) -> Iterator[list[Record]]:
    """Yield the records that match, a request each; one that is read twice is given once."""
    seen: set[int | None] = set()
    ahead: tuple[int | None, int | None] | None = (None, None)
    while ahead is not None:
        page = read_records(ask({"maxCount": MOST_RECORDS, "q": join_filters([wanted, build_range(*ahead)])}))
        ahead = next_range(page, *ahead)
        indexes = [read_index(record) for record in page]
        yield [record for record, index in zip(page, indexes, strict=True) if index not in seen]
        seen.update(index for index in indexes if index is not None)


def _describe(
    record: Record, host: str, decode: Callable[[bytes, datetime], Any], now: datetime
) -> dict[str, Any]:
    """Return the event that a record is; it was read, not received, so no time of reception is claimed."""
    event = decode(wrap_record(record), now)
    document = build_document(build_record_id(host, event) or "-", host, 0, event)
    document["stations"] = list(event.stations)
    return {name: value for name, value in document.items() if name not in ("received_at", "seq")}


def _write_table(documents: Iterable[dict[str, Any]], texts: Texts) -> Iterator[str]:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in _HEADS:
        table.add_column(texts.render(f"cli.smdr.{head}"), no_wrap=True)
    for document in documents:
        data = document.get("data", {})
        start = local_time(document["at"]) if "at" in document else str(data.get("start_time", ""))
        cells = (start, *(str(data.get(name, "")) for name in _COLUMNS))
        table.add_row(*(Text(escape(cell)) for cell in cells))
    console = Console(file=io.StringIO(), width=None if Console().is_terminal else 220)
    with console.capture() as captured:
        console.print(table)
    yield captured.get().rstrip("\n")
