"""Every exception of pymongo and bson has one of our two meanings."""

import inspect
from typing import Any

import bson.errors
import pytest
from pymongo import errors, timeout
from server_failures import failing

from ipecs_mw.errors import StoreRefused, StoreUnavailable
from ipecs_mw.store.server.connection import Store
from ipecs_mw.store.server.failures import store_errors, translate

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "BulkWriteError": ({"writeErrors": [{"code": 2, "errmsg": "bad"}], "writeConcernErrors": []},),
    "ClientBulkWriteException": ({"error": None, "writeErrors": [], "writeConcernErrors": []}, False),
    "EncryptionError": (ValueError("x"),),
    "EncryptedCollectionError": (ValueError("x"), {}),
}
CLASSES = [
    cls
    for module in (errors, bson.errors)
    for _, cls in inspect.getmembers(module, inspect.isclass)
    if issubclass(cls, errors.PyMongoError | bson.errors.BSONError)
]
TRANSIENT = {
    "AutoReconnect",
    "ConnectionFailure",
    "ExecutionTimeout",
    "NetworkTimeout",
    "NotPrimaryError",
    "ServerSelectionTimeoutError",
    "WTimeoutError",
    "WaitQueueTimeoutError",
    "_OperationCancelled",
}


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: f"{cls.__module__}.{cls.__name__}")
def test_every_exception_of_the_driver_becomes_one_of_ours(cls: type[Exception]) -> None:
    error = cls(*ARGUMENTS.get(cls.__name__, ("message",)))
    expected = StoreUnavailable if cls.__name__ in TRANSIENT else StoreRefused
    with pytest.raises(expected), store_errors():
        raise error


@pytest.mark.parametrize(
    "code", [6, 7, 43, 50, 64, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436]
)
def test_a_server_on_its_way_to_another_state_may_succeed_later(code: int) -> None:
    assert type(translate(errors.OperationFailure("m", code))) is StoreUnavailable
    bulk = errors.BulkWriteError({"writeErrors": [{"code": code, "errmsg": "m"}], "writeConcernErrors": []})
    assert type(translate(bulk)) is StoreUnavailable
    late = errors.BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": code, "errmsg": "m"}]})
    assert type(translate(late)) is StoreUnavailable


@pytest.mark.parametrize(
    ("code", "key"),
    [
        (18, "error.mongo_password"),
        (8000, "error.mongo_password"),
        (13, "error.mongo_rights"),
        (14031, "error.mongo_disk"),
        (2, "error.mongo_refused"),
    ],
)
def test_a_refusal_says_which(code: int, key: str) -> None:
    failure = translate(errors.OperationFailure("m", code))
    assert (type(failure), failure.key) == (StoreRefused, key)


def test_what_the_driver_would_retry_may_succeed_later() -> None:
    error = errors.OperationFailure("m", 2)
    error._add_error_label("RetryableWriteError")
    assert type(translate(error)) is StoreUnavailable


def test_the_reason_holds_no_password_of_a_connection_string() -> None:
    failure = translate(errors.ConfigurationError("cannot use mongodb://u:canary-9@h/"))
    assert "canary-9" not in str(failure)


@pytest.mark.parametrize(
    "document",
    [{"a": "\ud800"}, {"a\0b": 1}, {"a": 2**64}, {"a": object()}, {"a": {1}}],
    ids=["lone surrogate", "NUL in a name", "beyond 64 bits", "no BSON type", "a set"],
)
def test_a_document_that_bson_refuses_is_refused(store: Store, document: dict[str, Any]) -> None:
    with pytest.raises(StoreRefused), store_errors():
        store.database["x"].insert_one(document)


def test_a_document_nested_too_deeply_is_refused(store: Store) -> None:
    document: dict[str, Any] = {}
    for _ in range(250):
        document = {"a": document}
    with pytest.raises(StoreRefused), store_errors():
        store.database["x"].insert_one(document)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        ({"errorCode": 262}, StoreUnavailable),
        ({"errorCode": 13}, StoreRefused),
        ({"errorCode": 14031}, StoreRefused),
        ({"closeConnection": True}, StoreUnavailable),
        ({"writeConcernError": {"code": 64, "errmsg": "waiting timed out"}}, StoreUnavailable),
    ],
    ids=str,
)
def test_a_real_server_that_fails_is_told_apart(
    store: Store, failure: dict[str, Any], expected: type[Exception]
) -> None:
    with (
        failing(store, "x", "insert", times=1_000_000, **failure),
        pytest.raises(expected),
        store_errors(),
        timeout(0.5),  # the driver tries again until then
    ):
        store.database["x"].insert_one({})
