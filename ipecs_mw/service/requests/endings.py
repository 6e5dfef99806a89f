"""How a request ends: by which state, with which error, and which of its arguments nobody may read afterwards."""

from collections.abc import Mapping
from typing import Any

from ipecs_mw import logs
from ipecs_mw.errors import CommandExpired, IpecsMwError
from ipecs_mw.model.definitions import Command
from ipecs_mw.store.coordination.requests import Secrets


def find_state(error: IpecsMwError) -> str:
    """Return the state of a request that ended with an error: all that may have been carried out is `unknown`."""
    if isinstance(error, CommandExpired):
        return "expired"
    return "unknown" if error.may_have_acted else "failed"


def describe_error(error: IpecsMwError) -> dict[str, Any]:
    """Return an error as `requests` keeps it: family, code and name where they are known, and the sentence."""
    facts = {name: error.facts.get(name) for name in ("family", "code", "name")}
    found = {name: value for name, value in facts.items() if value is not None}
    return {"name": error.key.removeprefix("error."), **found, "text": logs.explain(error)}


def find_secret_names(commands: Mapping[str, Command]) -> Secrets:
    """Return the names of secret arguments, in lower case: of all commands, for a command may be misspelt."""
    return frozenset(
        parameter.name.lower()
        for command in commands.values()
        for parameter in command.params
        if parameter.is_secret
    )
