"""What is handed to a command from the keyboard or by standard input: the command line anybody may see."""

import sys

import click

from ipecs_mw.cli.context import Context
from ipecs_mw.errors import CannotStart
from ipecs_mw.logs import hide


def ask_secret(context: Context, at: str) -> str:
    """Return a secret from the keyboard, unseen, else the next line of standard input; hide it from logs.

    `at` is its place. Raises CannotStart where there is none.
    """
    if sys.stdin.isatty():
        prompt = context.texts.render("cli.secret.password", path=at)
        given = str(click.prompt(prompt, hide_input=True, confirmation_prompt=True))
    else:
        given = _read(sys.stdin.buffer.readline()).rstrip("\r\n")
    if not given:
        raise CannotStart("error.secret_empty", path=at)
    hide(given)
    return given


def ask_value() -> str:
    """Return all of standard input, without the end of its last line."""
    return _read(sys.stdin.buffer.read()).removesuffix("\n").removesuffix("\r")


def _read(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return ""
