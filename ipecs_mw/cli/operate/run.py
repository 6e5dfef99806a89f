"""`ipecs-mw run`: the daemon."""

import os

import click

from ipecs_mw import daemon
from ipecs_mw.cli.context import current
from ipecs_mw.seeds import shipped_texts

_TEXTS = shipped_texts()


@click.command(help=_TEXTS.render("help.run"))
def run() -> None:
    """Run until asked to stop."""
    context = current()
    daemon.run(context.bootstrap_option, context.profile, context.state_dir, context.texts, context.clock)
    # all that counts is done; the driver would say goodbye once more, and a server that hangs would hold us
    os._exit(0)
