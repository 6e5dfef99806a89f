"""`ipecs-mw smdr`: the call records that the host holds, asked for through the daemon."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import click

from ipecs_mw.cli.complete import complete_host
from ipecs_mw.cli.context import current, load_words, who
from ipecs_mw.cli.names import FILLED
from ipecs_mw.cli.printing.event_csv import find_columns, write_csv
from ipecs_mw.cli.printing.output import FORMS, Event, write_as
from ipecs_mw.cli.printing.pages import form_option, print_lines
from ipecs_mw.cli.printing.table import cell_len, is_narrow_screen, screen_width, write_rows
from ipecs_mw.cli.printing.words import local_time, local_zone
from ipecs_mw.cli.times import Instant, check_span
from ipecs_mw.errors import NoSuchName
from ipecs_mw.model.configuration.formats import NumberSettings
from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.model.numbering.numbers import find_spellings, read_number
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.plain import escape
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
from ipecs_mw.seeds import read_json, shipped_texts
from ipecs_mw.service.intake.decoding import build_decode, build_reading
from ipecs_mw.store.configuration.definitions import load_codes
from ipecs_mw.store.configuration.settings import load_settings
from ipecs_mw.store.coordination.sending import send
from ipecs_mw.store.events.event_log import build_document

_TEXTS = shipped_texts()
# column → its head, its most cells, and whether a narrow screen has it; the last one has the rest of the line
_COLUMNS = {
    "number1": ("number1", 16, True),
    "number2": ("number2", 16, True),
    "station_number": ("station", 7, True),
    "direction": ("direction", 3, True),
    "duration_seconds": ("duration", 7, True),
    "co_number": ("trunk", 5, False),
    "index": ("index", 7, False),
    "cost": ("cost", 8, False),
    "account_code": ("account", 10, False),
    "disconnect_cause_name": ("cause", 0, True),
}

_PATTERN = frozenset("*?\\")

Ask = Callable[[dict[str, Any]], Any]


@click.command(help=_TEXTS.render("help.smdr"))
@click.option("--host", type=FILLED, shell_complete=complete_host, help=_TEXTS.render("help.send.host"))
@click.option("--station", type=FILLED, help=_TEXTS.render("help.smdr.station"))
@click.option("--since", type=Instant(), help=_TEXTS.render("help.smdr.since"))
@click.option("--until", type=Instant(), help=_TEXTS.render("help.smdr.until"))
@click.option("--number", type=FILLED, help=_TEXTS.render("help.smdr.number"))
@form_option(*FORMS)
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
    check_span(since, until)
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
        decode = build_decode(build_reading(wanted_host), load_codes(store))
        documents = (
            _describe(record, wanted_host.name, decode, context.clock.now())
            for page in _read_pages(ask, wanted)
            for record in page
        )
        lines = write_as(
            form,
            documents,
            table=lambda found: _write_table(found, texts, context.clock.now()),
            csv=lambda found: write_csv(found, find_columns(read_json("codes.json"), kind="smdr")),
        )
        print_lines(lines)


def _find_host(hosts: Iterable[HostSettings], name: str | None) -> HostSettings:
    found = [host for host in hosts if name is None or host.name == name]
    if len(found) != 1:
        allowed = ", ".join(host.name for host in hosts)
        raise NoSuchName("error.no_such_host", host=name or "-", allowed=allowed)
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


def _write_table(documents: Iterable[Event], texts: Texts, now: datetime) -> Iterator[str]:
    width = screen_width()
    is_narrow = is_narrow_screen(width)
    shown = {name: column for name, column in _COLUMNS.items() if column[2] or not is_narrow}

    def spell(document: Event) -> tuple[str, ...]:
        data = document.get("data", {})
        start = local_time(document["at"]) if "at" in document else str(data.get("start_time", ""))
        return (start, *(escape(str(data.get(name, ""))) for name in shown))

    start = texts.render("cli.smdr.start") + f" ({local_zone(now)})"
    heads = [texts.render(f"cli.smdr.{head}") for head, _, _ in shown.values()]
    widest = [max(cells, cell_len(head)) for head, (_, cells, _) in zip(heads, shown.values(), strict=True)]
    yield from write_rows((start, *heads), map(spell, documents), width, widest=[25, *widest[:-1]])
