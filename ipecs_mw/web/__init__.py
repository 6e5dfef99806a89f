"""The page: its files as a browser gets them, and nothing else; there is no build step."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

WEB: Final = Path(__file__).parent

TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Ending of a file → what it is; no other file is served."""


def load_files() -> dict[str, tuple[bytes, str]]:
    """Return path below this folder → content and type, of every file that is served."""
    return {
        path.relative_to(WEB).as_posix(): (path.read_bytes(), TYPES[path.suffix])
        for path in sorted(WEB.rglob("*"))
        if path.suffix in TYPES
    }
