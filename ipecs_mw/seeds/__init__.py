"""The JSON that ships: configuration, language strings, command definitions and code tables."""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

from ipecs_mw.model.texts import REFERENCE_LOCALE, Texts

SEEDS = Path(__file__).parent


def read_json(name: str) -> Any:
    """Return a shipped file's content, named relative to this folder."""
    return json.loads((SEEDS / name).read_text("utf-8"))


@cache
def shipped_strings() -> dict[str, dict[str, str]]:
    """Return locale → key → text of every language that ships."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(SEEDS.glob("languages/*.json"))}


def shipped_texts(locale: str | None = None) -> Texts:
    """Return the strings that serve before MongoDB is reached.

    Without `locale`: that of `IPECS_MW_LOCALE`, else of the environment (`LC_ALL`, `LC_MESSAGES`, `LANG`).
    """
    return Texts(locale or _locale_of_environment(), shipped_strings())


def _locale_of_environment() -> str:
    for name in ("IPECS_MW_LOCALE", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name, "").split(".")[0].replace("_", "-")
        if value not in ("", "C", "POSIX"):
            return value
    return REFERENCE_LOCALE
