"""bootstrap.json → where MongoDB is; nothing else stands in it."""

import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_plus

from msgspec import Struct

from ipecs_mw import logs
from ipecs_mw.errors import CannotStart, InvalidDocument
from ipecs_mw.outside import read_file

DEFAULT_DATABASE = "ipecs_mw"
_EMBEDDED = "embedded:"
_OF_MONGODB = ("admin", "config", "local")
_IS_PLAIN = re.compile(r"(?:%[0-9A-Fa-f]{2}|[^%:/?#\[\]@+\s])*")
"""A user or password as it may stand in a URI; the driver reads a plus as a space."""

_SCHEMES = ("mongodb://", "mongodb+srv://", _EMBEDDED)


class Bootstrap(Struct, frozen=True):
    """Where MongoDB is: a server's URI, or the folder of a server of our own."""

    path: Path
    mongo_uri: str
    embedded_dir: Path | None = None


def find_bootstrap(option: str | None) -> Path:
    """Return the path of the file: `option`, then `IPECS_MW_BOOTSTRAP`, then `./bootstrap.json`."""
    return Path(option or os.environ.get("IPECS_MW_BOOTSTRAP") or "bootstrap.json")


def load_bootstrap(path: Path) -> Bootstrap:
    """Return what the file says; the URI's password is hidden from every log line from here on.

    Raises CannotStart where it cannot be read, InvalidDocument where it is wrong.
    """
    uri = _read_uri(path)
    if uri.startswith(_EMBEDDED):
        folder = uri.removeprefix(_EMBEDDED).strip()
        if not folder or "\0" in folder:
            raise _wrong(path, "mongo_uri", uri, "embedded:FOLDER")
        return Bootstrap(path, uri, path.absolute().parent / folder)
    check_uri(uri, str(path))
    return Bootstrap(path, uri)


def check_uri(uri: str, source: str) -> None:
    """Have the password of a server's URI hidden from every line from here on, and see that the URI can be meant.

    Raises InvalidDocument, with `source` as the document that names it, for credentials with signs that are to be
    percent-encoded, and for a database that is MongoDB's own. No part of the credentials is shown.
    """
    credentials, _, place = uri.partition("://")[2].rpartition("@")
    user, _, password = credentials.partition(":")
    for spelling in (password, unquote(password), unquote_plus(password)):
        logs.hide(spelling)
    if not (_IS_PLAIN.fullmatch(user) and _IS_PLAIN.fullmatch(password)):
        raise InvalidDocument("error.mongo_uri_sign", document=source, path="mongo_uri")
    name = unquote(place.partition("/")[2].partition("?")[0])
    if name.lower() in _OF_MONGODB:
        raise InvalidDocument("error.mongo_database", document=source, path="mongo_uri", database=name)


def _read_uri(path: Path) -> str:
    content = _read_object(path)
    for name in content:
        if name != "mongo_uri":
            raise InvalidDocument(
                "error.field_unknown", document=str(path), path=name, value="…", allowed="mongo_uri"
            )
    uri = content.get("mongo_uri")
    if uri is None:
        raise InvalidDocument(
            "error.field_missing", document=str(path), path="mongo_uri", allowed="mongo_uri"
        )
    if not isinstance(uri, str) or not uri.startswith(_SCHEMES):
        # not known to be a URI: what may be a password stands before its last @, or after its first colon
        shown = _show_rest(uri) if isinstance(uri, str) else type(uri).__name__
        raise _wrong(path, "mongo_uri", shown, "mongodb://…, mongodb+srv://…, embedded:FOLDER")
    return uri


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_file(path).decode("utf-8-sig"))  # Windows' editors begin a file with a mark
    except FileNotFoundError as error:
        raise CannotStart("error.bootstrap_missing", file=str(path.absolute())) from error
    except OSError as error:
        raise CannotStart("error.file_unreadable", file=str(path), reason=error.strerror) from error
    except json.JSONDecodeError as error:
        raise InvalidDocument(
            "error.not_json", file=str(path), line=error.lineno, column=error.colno, reason=error.msg
        ) from error
    except RecursionError as error:
        raise CannotStart("error.file_unreadable", file=str(path), reason="nested too deeply") from error
    except UnicodeDecodeError as error:
        raise CannotStart("error.file_unreadable", file=str(path), reason="not UTF-8") from error
    if not isinstance(content, dict):
        raise _wrong(path, "$", type(content).__name__, '{"mongo_uri": "mongodb://…"}')
    return content


def _show_rest(text: str) -> str:
    """Return what comes after the last @, without one what comes before the first colon."""
    return f"…{text[text.rindex('@') :]}" if "@" in text else re.sub(r"(?s):.*", ":…", text)


def _wrong(path: Path, field: str, value: str, allowed: str) -> InvalidDocument:
    return InvalidDocument("error.field_value", document=str(path), path=field, value=value, allowed=allowed)
