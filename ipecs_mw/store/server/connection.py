"""The connection to MongoDB: one client, with every guarantee stated here rather than inherited."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from bson import CodecOptions
from bson.codec_options import DatetimeConversion
from pymongo import MongoClient, ReadPreference, WriteConcern, timeout
from pymongo.database import Database
from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.uri_parser import split_options

from ipecs_mw import logs
from ipecs_mw.bootstrap import DEFAULT_DATABASE, Bootstrap, check_uri
from ipecs_mw.clock import Clock
from ipecs_mw.errors import InvalidDocument, StoreUnavailable
from ipecs_mw.store.server.embedded import Embedded, open_embedded
from ipecs_mw.store.server.failures import store_errors

OPERATION_SECONDS = 20.0
_SELECTION_SECONDS = 5.0
_GOODBYE_SECONDS = 1.0

Document = dict[str, Any]

STATED: Mapping[str, Any] = {
    # what is written stays, what is read was not undone
    "w": "majority",
    "journal": True,
    "readConcernLevel": "majority",
    "readPreference": "primary",
    "retryWrites": True,
    "retryReads": True,
    # a wait that ends, and not before a healthy server can have answered
    "connectTimeoutMS": 10_000,
    "heartbeatFrequencyMS": 10_000,
    "waitQueueTimeoutMS": None,
    # a change stream keeps a connection for itself, and every host has threads that need one
    "maxPoolSize": 100,
    "minPoolSize": 0,
    "maxConnecting": 2,
    "maxIdleTimeMS": None,
    # values come back as they were
    "tz_aware": True,
    "uuidRepresentation": "unspecified",
    "unicode_decode_error_handler": "strict",
    "datetime_conversion": "DATETIME",
    # names are asked for by the first operation: a resolver that does not answer is as a server that does not
    "connect": False,
    "appname": "ipecs-mw",
}
"""What the driver is told whatever the URI says: its options say where the server is, and who asks."""

# its own chores, such as giving up cursors of a server that is gone, need no traceback; what we ask for raises
logging.getLogger("pymongo.client").setLevel(logging.CRITICAL)


TOLERANT: CodecOptions[Document] = CodecOptions(
    tz_aware=True,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="replace",
)
"""How documents are read that any driver may have written: nothing in them is an error."""


@dataclass
class Store:
    """An open database. Writes are acknowledged by a majority and journalled; instants are aware UTC.

    What the server can do is known after `greet`.
    """

    client: MongoClient[Document]
    database: Database[Document]
    embedded: Embedded | None = None
    has_change_streams: bool = False
    server_version: str = "?"

    def read_anything(self) -> "Store":
        """Return the same store, which reads whatever any driver has written; who opened this one closes it."""
        return replace(self, database=self.database.with_options(codec_options=TOLERANT))

    def greet(self, seconds: float = _SELECTION_SECONDS) -> None:
        """Ask the server what it is and whether it may be written to; raises StoreUnavailable or StoreRefused."""
        # stated, because timeoutMS lets the driver ask again until it has run out
        with store_errors(), timeout(seconds):
            hello = self.client.admin.command("hello")
            self.server_version = str(self.client.server_info()["version"])
            self.database["migrations"].find_one({}, {"_id": 1})  # the first thing that needs a right
        if not (hello.get("isWritablePrimary") or hello.get("msg") == "isdbgrid"):
            # it may become the primary, or find one: a person need not be asked first
            raise StoreUnavailable("error.mongo_read_only", reason=str(hello.get("me", "?")))
        self.has_change_streams = _has_change_streams(hello)

    def close(self) -> None:
        """Close the client, and leave the embedded server where there is one."""
        self.close_client()
        if self.embedded is not None:
            self.embedded.close()

    def close_client(self) -> None:
        """Close the client alone; a server that hangs is not waited for."""
        with timeout(_GOODBYE_SECONDS):  # else saying goodbye to it may take for ever
            self.client.close()


def connect(bootstrap: Bootstrap, clock: Clock) -> Store:
    """Connect to the database that `bootstrap` names, its embedded server started where it names one.

    Raises StoreUnavailable where no server answers within 5 s or the one that does is not the primary (yet),
    StoreRefused where it refuses the credentials, InvalidDocument for a URI that does not parse, CannotStart for
    an embedded server that does not start.
    """
    embedded = open_embedded(bootstrap.embedded_dir, clock) if bootstrap.embedded_dir else None
    uri = embedded.uri if embedded else bootstrap.mongo_uri
    try:
        return open_client(uri, str(bootstrap.path), embedded)
    except BaseException:
        if embedded is not None:
            embedded.close()
        raise


def open_client(
    uri: str, source: str, embedded: Embedded | None = None, *, seconds: float = _SELECTION_SECONDS
) -> Store:
    """Return the open database of `uri`; raises as `connect`, with `source` as the document that names it.

    Gives up after `seconds` without an answer.
    """
    store = open_unseen(uri, source, embedded)
    try:
        store.greet(seconds)
    except BaseException:
        store.close_client()
        raise
    return store


def open_unseen(uri: str, source: str, embedded: Embedded | None = None) -> Store:
    """Return the database of `uri` although no server has answered yet; raises InvalidDocument."""
    client, name = _build_client(uri, source)
    database = client.get_database(
        name,
        write_concern=WriteConcern(w="majority", j=True),
        read_concern=ReadConcern("majority"),
        read_preference=ReadPreference.PRIMARY,
    )
    return Store(client, database, embedded)


def _build_client(uri: str, source: str) -> tuple[MongoClient[Document], str]:
    check_uri(uri, source)
    try:
        if query := uri.partition("?")[2]:
            split_options(
                query, validate=True, warn=False
            )  # else one that is mistyped has no effect, with a warning
        client: MongoClient[Document] = MongoClient(
            uri,
            **STATED,
            timeoutMS=int(OPERATION_SECONDS * 1000),
            serverSelectionTimeoutMS=int(_SELECTION_SECONDS * 1000),
        )
        if "." in urlsplit(uri).path:
            raise InvalidURI("a database's name has no dot")
    except (InvalidURI, ConfigurationError, ValueError, TypeError, PyMongoError) as error:
        raise InvalidDocument(
            "error.mongo_uri", document=source, path="mongo_uri", reason=logs.mask_uri(str(error)).rstrip(".")
        ) from error
    return client, client.get_default_database(DEFAULT_DATABASE).name


def _has_change_streams(hello: Mapping[str, Any]) -> bool:
    return "setName" in hello or hello.get("msg") == "isdbgrid"
