"""Secrets of the configuration → their values, wherever they are kept."""

import os
from pathlib import Path

from ipecs_mw import logs
from ipecs_mw.errors import CannotStart, SecretUnreadable
from ipecs_mw.model.settings import SecretSource

_CREDENTIALS = "CREDENTIALS_DIRECTORY"


def read_secret(source: str | SecretSource, at: str) -> str:
    """Return a secret and hide it from every log line; `at` is its place in the configuration.

    Raises CannotStart where its variable or file is missing or empty.
    """
    if isinstance(source, str):
        logs.hide(source)
        return source
    if source.env is not None:
        secret = os.environ.get(source.env, "")
        if not secret:
            raise CannotStart("error.secret_variable", path=at, name=source.env)
    else:
        file = _find_file(source.file or "", at)
        try:
            secret = file.read_text("utf-8").partition("\n")[0].rstrip("\r")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            raise CannotStart("error.secret_file", path=at, file=str(file), reason=reason) from error
        if not secret:
            raise CannotStart("error.secret_file", path=at, file=str(file), reason="empty")
    logs.hide(secret)
    return secret


def _find_file(path: str, at: str) -> Path:
    """Return the file of a secret; where systemd keeps its credentials, a variable says."""
    folder, _, name = path.partition("/")
    if folder not in (f"${_CREDENTIALS}", f"${{{_CREDENTIALS}}}"):
        return Path(path)
    found = os.environ.get(_CREDENTIALS, "")
    if not found:
        raise CannotStart("error.secret_variable", path=at, name=_CREDENTIALS)
    return Path(found, name)
