"""What the commands that list documents share: pages, their options, and printing them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import click

from ipecs_mw.cli.printing.output import Write, write_as
from ipecs_mw.cli.printing.streams import has_every_sign
from ipecs_mw.model.texts import Texts
from ipecs_mw.model.writing.csv_text import BYTE_ORDER_MARK
from ipecs_mw.seeds import shipped_texts

MOST_DOCUMENTS = 1_000_000_000
"""What MongoDB takes as a limit is a number of 32 bits."""

_TEXTS = shipped_texts()

Command = TypeVar("Command", bound=Callable[..., Any])


class Page:
    """The first `limit` documents (0: all), which remembers the last one that was given."""

    def __init__(self, documents: Iterator[dict[str, Any]], limit: int) -> None:
        self.last_id: str | None = None
        self._documents = islice(documents, limit or None)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for document in self._documents:
            self.last_id = document["_id"]
            yield document


def limit_option(said: str) -> Callable[[Command], Command]:
    """Return the option for how many documents there are at most, with its help."""
    return click.option(
        "--limit", type=click.IntRange(min=0, max=MOST_DOCUMENTS), default=50, show_default=True, help=said
    )


def form_option(*forms: str) -> Callable[[Command], Command]:
    """Return the option for the form of the output, of which the first is the usual one."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(forms),
        default=forms[0],
        show_default=True,
        help=_TEXTS.render("help.events.format"),
    )


def check_apart(given: Mapping[str, Any], apart: Mapping[str, Sequence[str]]) -> None:
    """Refuse options that make no sense together, as wrong usage; `apart` says for an option which they are."""
    for option, others in apart.items():
        for other in others:
            if given[option] and given[other]:
                raise click.UsageError(_TEXTS.render("cli.apart", option=f"--{option}", other=f"--{other}"))


def check_csv_options(given: Mapping[str, Any]) -> None:
    """Refuse what only CSV has with another form, as wrong usage."""
    for option in ("columns", "bom"):
        if given[option] and given["form"] != "csv":
            raise click.UsageError(_TEXTS.render("cli.only_with", option=f"--{option}", other="--format csv"))


def print_byte_order_mark() -> None:
    """Begin the output with the mark, where its encoding has it."""
    if has_every_sign():
        click.echo(BYTE_ORDER_MARK, nl=False)


def print_page(
    found: Iterator[dict[str, Any]],
    limit: int,
    form: str,
    *,
    table: Write,
    csv: Write,
    texts: Texts,
    more: str,
) -> bool:
    """Print a page of documents, of which there is one more than `limit` if there is a next one.

    `more` is the key of what then says how to go on. Tell whether there was any document.
    """
    page = Page(found, limit)
    print_lines(write_as(form, page, table=table, csv=csv))
    if form == "table" and page.last_id is not None and next(found, None) is not None:
        click.echo(texts.render(more, id=page.last_id), err=True)
    return page.last_id is not None


def print_lines(lines: Iterable[str]) -> None:
    """Print lines as they come."""
    for line in lines:
        click.echo(line)
