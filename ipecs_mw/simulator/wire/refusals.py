"""How the simulated host says no: the vendor's numbers by name and by family of request."""

from functools import cache

from ipecs_mw.errors import CommandRefused
from ipecs_mw.seeds import read_json

TOO_MANY_ACCOUNTS = "too many accounts are logged in"


@cache
def _numbers(family: str) -> dict[str, int]:
    return {row["name"]: row["code"] for row in read_json("codes.json")[f"errors_{family}"]}


def refuse(name: str, *, family: str = "cti", status: int = 403) -> CommandRefused:
    """Return the refusal whose number the vendor's table of `family` gives for `name`."""
    return refuse_with(_numbers(family)[name], name, status=status)


def refuse_with(code: int, message: str, *, status: int = 403) -> CommandRefused:
    """Return a refusal with a number of its own, as where the vendor's examples leave its table."""
    return CommandRefused("error.simulated_refusal", status=status, code=code, message=message)
