"""Every exception of pymongo and bson → ours, at one point."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bson.errors import BSONError
from pymongo import errors

from ipecs_mw import logs
from ipecs_mw.errors import StoreError, StoreRefused, StoreUnavailable
from ipecs_mw.store.server.rights import explain_refusal

_AUTHENTICATION_FAILED = (18, 8000)
_UNAUTHORISED = (13,)
_OUT_OF_DISK = (14031,)
# bad value, cannot be parsed, overflow, invalid BSON; names and ids that older servers refuse; too large
_ABOUT_A_DOCUMENT = frozenset({2, 9, 15, 22, 52, 53, 55, 56, 57, 10334})
_NOT_ENCODABLE = (BSONError, OverflowError, UnicodeError, RecursionError)  # what encoding a document raises
_DRIVER_NOTES = re.compile(r" \(configured timeouts|, Timeout: |, full error: ")  # of no use to the reader
_TRANSIENT = frozenset({6, 7, 24, 43, 50, 64, 89, 91, 100, 112, 189, 202, 225, 262, 9001})
_TRANSIENT_STATES = frozenset({10058, 10107, 11600, 11602, 13435, 13436})


@contextmanager
def store_errors() -> Iterator[None]:
    """Translate what the block raises: StoreUnavailable may pass, StoreRefused will not by itself."""
    try:
        yield
    except (errors.PyMongoError, *_NOT_ENCODABLE) as error:
        raise translate(error) from error


def translate(error: Exception) -> StoreError:
    """Return our error for one of pymongo's or bson's; secrets in its text are masked."""
    told = getattr(error, "details", None)
    details = told if isinstance(told, Mapping) else {}
    code = _find_code(error, details)
    reason = logs.mask_uri(_DRIVER_NOTES.split(_find_words(error, details))[0])[:300].rstrip(".")
    if code in _AUTHENTICATION_FAILED:
        return StoreRefused("error.mongo_password", reason=reason)
    if code in _UNAUTHORISED:
        return explain_refusal(str(error))
    if code in _OUT_OF_DISK:
        return StoreRefused("error.mongo_disk", reason=reason)
    if _is_transient(error, code):
        return StoreUnavailable("error.mongo_away", reason=reason)
    return StoreRefused("error.mongo_refused", reason=reason)


def blames_document(code: int | None) -> bool:
    """Tell whether an error's number is about the document itself; any other is about the server, or its set-up.

    Only what is known to be about a document is: one that is blamed is given up, while a server can be mended.
    """
    return code in _ABOUT_A_DOCUMENT


def _is_transient(error: Exception, code: int | None) -> bool:
    if code in _TRANSIENT or code in _TRANSIENT_STATES or _is_without_names(error):
        return True
    if isinstance(error, errors.PyMongoError) and (
        error.timeout or error.has_error_label("RetryableWriteError")
    ):
        return True
    # a client that a stopping process closed comes back with the next start
    return isinstance(error, errors.ConnectionFailure | errors.ExecutionTimeout | errors.WTimeoutError)


def _find_words(error: Exception, details: Mapping[str, Any]) -> str:
    """Return what the server says, of a bulk write what it says first; without the document that it may show."""
    if not isinstance(error, errors.BulkWriteError):
        return str(error)
    first: Mapping[str, Any] = next(
        iter((*(details.get("writeErrors") or ()), *(details.get("writeConcernErrors") or ()))), {}
    )
    return str(first.get("errmsg") or error).split("{")[0].rstrip(": ")


def _is_without_names(error: Exception) -> bool:
    """Tell whether the names of a cluster could not be asked for: the driver takes that for a wrong URI."""
    cause = error.__cause__
    is_of_resolver = type(cause).__module__.startswith(("dns.resolver", "dns.exception", "dns.query"))
    return isinstance(error, errors.ConfigurationError) and (is_of_resolver or isinstance(cause, OSError))


def _find_code(error: Exception, details: Mapping[str, Any]) -> int | None:
    """Return the server's number, also where a bulk write hides it in its details."""
    for concern in details.get("writeConcernErrors") or ():
        if isinstance(concern, Mapping) and "code" in concern:
            return int(concern["code"])
    code = getattr(error, "code", None)
    if isinstance(error, errors.BulkWriteError):
        code = next((item.get("code") for item in details.get("writeErrors") or ()), None)
    return code if isinstance(code, int) else None
