"""What the commands that list documents share: pages, their options, and printing them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import click

from ipecs_mw.cli.csv_lines import BYTE_ORDER_MARK
from ipecs_mw.cli.streams import has_every_sign
from ipecs_mw.seeds import shipped_texts

MOST_DOCUMENTS = 1_000_000_000
"""What MongoDB takes as a limit is a number of 32 bits."""

_TEXTS = shipped_texts()


class Page:
    """The first `limit` documents (0: all), which remembers the last one that was given."""

    def __init__(self, documents: Iterator[dict[str, Any]], limit: int) -> None:
        self.last_id: str | None = None
        self._documents = islice(documents, limit or None)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for document in self._documents:
            self.last_id = document["_id"]
            yield document


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


def print_lines(lines: Iterable[str]) -> None:
    """Print lines as they come."""
    for line in lines:
        click.echo(line)
