"""Text that is safe to show: nothing in it steers a terminal, turns its direction, or begins a new line.

And text that is safe to store: nothing in it is half a character.
"""

from typing import Final

_SPACES: Final = frozenset(
    "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
)


def escape(text: str) -> str:
    r"""Return text on one line, every sign that cannot be seen written as Python does: `\x1b`, `\u202e`."""
    return text if text.isprintable() else "".join(map(_spell, text))


def escape_json(text: str) -> str:
    r"""Return JSON of the same value in which every sign that cannot be seen is written as `\uXXXX`.

    Line feeds, which stand between the parts of an indented document and never within a text, stay.
    """
    return text if text.isprintable() else "".join(map(_spell_json, text))


def replace_halves(text: str) -> str:
    """Return text with `?` for each half of a character: UTF-8, and so MongoDB and JSON, has no bytes for one."""
    return text.encode("utf-8", "replace").decode()


def _spell(sign: str) -> str:
    return sign if sign.isprintable() or sign in _SPACES else sign.encode("unicode_escape").decode()


def _spell_json(sign: str) -> str:
    if sign.isprintable() or sign in _SPACES or sign == "\n":
        return sign
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
