"""A view that is shown anew every so many seconds until Ctrl-C; a MongoDB that is away is said and waited for."""

import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

from ipecs_mw.cli.context import Context
from ipecs_mw.cli.printing.output import to_json
from ipecs_mw.cli.printing.words import local_time
from ipecs_mw.errors import StoreUnavailable
from ipecs_mw.model.texts import Texts


def watch(context: Context, texts: Texts, form: str, seconds: float, render: Callable[[], str]) -> None:
    """Show what `render` returns: in the same place of a terminal, elsewhere one after the other."""
    never = threading.Event()
    console = Console()
    is_live = console.is_terminal and form == "table"
    with (
        suppress(KeyboardInterrupt),  # asked to stop: that is how watching ends
        Live(console=console, auto_refresh=False) if is_live else ExitStack() as live,
    ):
        while True:
            try:
                shown = render()
            except StoreUnavailable as error:
                shown = to_json({"error": error.key}) if form == "json" else texts.explain(error)
            if form == "table":
                shown = f"{local_time(context.clock.now())}\n{shown}"
            if isinstance(live, Live):
                live.update(Text(shown), refresh=True)
            else:
                click.echo(shown)
            context.clock.wait(never, seconds)
