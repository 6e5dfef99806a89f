"""What is handed to a command from the keyboard or by standard input: the command line anybody may see."""

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import click

from ipecs_mw.cli.context import Context
from ipecs_mw.errors import CannotStart, InvalidDocument
from ipecs_mw.logs import hide
from ipecs_mw.model.contents import mask_passwords
from ipecs_mw.model.validation import refuse_duplicates


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


def read_setting(context: Context, at: str, name: str, value: str) -> Any:
    """Return what a value of the command line stands for, `-` being standard input; a bare word is a string.

    `name` is the setting's, `at` its place. Raises InvalidDocument for a password that all can see there.
    """
    if value == "-" and name == "password":
        value = ask_secret(context, at)
        parsed = _parse(value)
        return parsed if isinstance(parsed, dict) else value  # a password may look like a number
    if value == "-":
        return _parse(ask_value(), partial(refuse_duplicates, at))
    parsed = _parse(value, partial(refuse_duplicates, at))
    if mask_passwords(parsed, name, keeps_encrypted=True) != parsed:
        raise InvalidDocument("error.secret_on_command_line", path=at)
    return parsed


def _parse(value: str, build: Callable[[list[tuple[str, Any]]], Any] = dict) -> Any:
    """Return a value as JSON, its objects as `build` makes them of their pairs; what is no JSON as it is."""
    try:
        return json.loads(value, object_pairs_hook=build)
    except (ValueError, RecursionError):
        return value


def _read(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return ""
