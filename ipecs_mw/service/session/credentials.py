"""Secrets of the configuration → their values, wherever they are kept."""

import os
from collections.abc import Callable
from pathlib import Path

from ipecs_mw import logs
from ipecs_mw.errors import SecretUnreadable, Words
from ipecs_mw.model.configuration.access_settings import SecretSource
from ipecs_mw.outside import read_file

_CREDENTIALS = "CREDENTIALS_DIRECTORY"
_KEY_CREDENTIAL = "ipecs-mw-key"
_KEY_VARIABLE = "IPECS_MW_KEY_FILE"
_KEY_FILE = "secret.key"

Decrypt = Callable[[str, str], str]
"""Encrypted secret, and its place in the configuration → the secret: `Vault.decrypt`."""

_QUOTES = frozenset({('"', '"'), ("'", "'"), ("`", "`"), ("“", "”"), ("‘", "’"), ("„", "“")})
_ODD_SIGNS = {
    "\r": "odd.carriage_return",
    "\n": "odd.line_break",
    "\t": "odd.tab",
    "\ufeff": "odd.byte_order_mark",
}


def find_key_file(state_dir: Path) -> Path:
    """Return where the key of encrypted secrets is: a variable says, else systemd, else it is ours."""
    if named := os.environ.get(_KEY_VARIABLE):
        return Path(named)
    folder = os.environ.get(_CREDENTIALS)
    if folder and Path(folder, _KEY_CREDENTIAL).exists():
        return Path(folder, _KEY_CREDENTIAL)
    return state_dir / _KEY_FILE


def read_secret(source: str | SecretSource, at: str, decrypt: Decrypt) -> str:
    """Return a secret and hide it from every log line; `at` is its place in the configuration.

    Raises SecretUnreadable where its variable or file is missing or empty, and what `decrypt` raises.
    """
    if isinstance(source, str):
        secret = source
    elif source.encrypted is not None:
        secret = decrypt(source.encrypted, at)
    elif source.env is not None:
        secret = _read_variable(source.env, at)
    else:
        secret = read_secret_file(source.file or "", at)
    logs.hide(secret)
    return secret


def find_odd_sign(secret: str) -> Words | None:
    """Return in words what hardly belongs to a secret, though it is taken as given; None where nothing is odd."""
    if len(secret) > 1 and (secret[0], secret[-1]) in _QUOTES:
        return Words("odd.quotes")
    if secret != secret.strip(" "):
        return Words("odd.blank")
    for sign in secret:
        if sign in _ODD_SIGNS:
            return Words(_ODD_SIGNS[sign])
        if not sign.isprintable():
            return Words("odd.sign", code=f"U+{ord(sign):04X}")
    return None


def is_encrypted(source: str | SecretSource | None) -> bool:
    """Tell whether a secret stands in the configuration itself, encrypted."""
    return isinstance(source, SecretSource) and source.encrypted is not None


def read_secret_file(path: str, at: str) -> str:
    """Return the secret in the first line of a file.

    Raises SecretUnreadable where there is none, or it does not come within some seconds or ends within a mebibyte.
    """
    file = _find_file(path, at)
    try:
        secret = read_file(file).decode("utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, ValueError) as error:
        is_utf8 = not isinstance(error, UnicodeDecodeError)
        reason = (getattr(error, "strerror", None) or str(error)) if is_utf8 else "not UTF-8"
        raise SecretUnreadable("error.secret_file", path=at, file=str(file), reason=reason) from error
    if not secret:
        raise SecretUnreadable("error.secret_file", path=at, file=str(file), reason="empty")
    return secret


def _read_variable(name: str, at: str) -> str:
    secret = os.environ.get(name, "")
    if not secret:
        raise SecretUnreadable("error.secret_variable", path=at, name=name)
    return secret


def _find_file(path: str, at: str) -> Path:
    """Return the file of a secret; where systemd keeps its credentials, a variable says."""
    folder, _, name = path.partition("/")
    if folder not in (f"${_CREDENTIALS}", f"${{{_CREDENTIALS}}}"):
        return Path(path)
    return Path(_read_variable(_CREDENTIALS, at), name)
