"""What a connection guarantees, and how its failures are told apart."""

import logging
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import dns.rcode
import dns.resolver
import pytest
from faults.names import CLUSTER, name_server
from pymongo import ReadPreference, WriteConcern
from pymongo.common import URI_OPTIONS_VALIDATOR_MAP

from ipecs_mw.bootstrap import Bootstrap, load_bootstrap
from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import InvalidDocument, StoreRefused, StoreUnavailable
from ipecs_mw.store.server import connection
from ipecs_mw.store.server.connection import Store, connect
from ipecs_mw.store.server.embedded import Embedded
from ipecs_mw.store.server.failures import store_errors
from ipecs_mw.store.server.mongod import find_free_port, is_answering, start_mongod

CANARY = "canary-s3cret"


def connect_to(uri: str) -> Store:
    return connect(Bootstrap(Path("bootstrap.json"), uri), SystemClock())


@pytest.fixture
def quick_selection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is away is waited for only briefly."""
    monkeypatch.setattr(connection, "_SELECTION_SECONDS", 0.3)


@pytest.fixture
def add_user(store: Store) -> Iterator[Callable[[list[str]], str]]:
    """Add a user with the roles on this test's database and give its connection string."""

    def add(roles: list[str]) -> str:
        name = f"user_{store.database.name}"
        store.database.command("createUser", name, pwd=CANARY, roles=roles)
        host, port = store.client.address or ("", 0)
        return f"mongodb://{name}:{CANARY}@{host}:{port}/{store.database.name}"

    yield add
    store.database.command("dropAllUsersFromDatabase")


def test_writes_are_durable_whatever_the_connection_string_says(mongo: Embedded, mongo_uri: str) -> None:
    with closing(connect_to(f"{mongo_uri}&w=1&journal=false")) as store:
        assert store.database.write_concern == WriteConcern(w="majority", j=True)


WHERE_AND_WHO = {
    "authmechanism", "authmechanismproperties", "authsource", "compressors", "directconnection", "driver",
    "enableoverloadretargeting", "loadbalanced", "localthresholdms", "maxadaptiveretries", "replicaset",
    "server_api",
    "servermonitoringmode", "srvallowedhostssuffix", "srvmaxhosts", "srvservicename", "ssl", "tls",
    "tlsallowinvalidcertificates", "tlsallowinvalidhostnames", "tlscafile", "tlscertificatekeyfile",
    "tlscertificatekeyfilepassword", "tlscrlfile", "tlsdisableocspendpointcheck", "tlsinsecure",
    "zlibcompressionlevel",
}  # fmt: skip
"""Options of the driver that are the URI's."""
WITH_THE_STATED = {
    "fsync", "maxstalenessseconds", "readpreferencetags", "sockettimeoutms", "waitqueuemultiple", "wtimeoutms",
}  # fmt: skip
"""Options that have no effect beside those that are stated."""


def test_each_option_that_a_uri_may_have_is_stated_or_says_where_the_server_is_and_who_asks() -> None:
    stated = {name.lower() for name in connection.STATED} | {"timeoutms", "serverselectiontimeoutms"}
    assert stated | WHERE_AND_WHO | WITH_THE_STATED >= set(URI_OPTIONS_VALIDATOR_MAP)
    assert not stated & (WHERE_AND_WHO | WITH_THE_STATED)


UNDOING = [
    "maxPoolSize=1", "maxPoolSize=1&waitQueueTimeoutMS=1", "w=0", "w=0&journal=false", "w=1&wTimeoutMS=1",
    "journal=false", "retryWrites=false&retryReads=false", "readPreference=secondary",
    "readPreference=nearest", "readConcernLevel=available",
    "timeoutMS=1", "socketTimeoutMS=1", "connectTimeoutMS=1", "serverSelectionTimeoutMS=1", "maxIdleTimeMS=1",
    "heartbeatFrequencyMS=3600000", "tz_aware=false", "unicode_decode_error_handler=ignore",
]  # fmt: skip


@pytest.mark.parametrize("options", UNDOING)
@pytest.mark.filterwarnings("ignore")  # the driver warns of what it leaves aside
def test_an_option_of_the_uri_undoes_no_guarantee(mongo_uri: str, options: str) -> None:
    with closing(connect_to(f"{mongo_uri}&{options}")) as store, closing(connect_to(mongo_uri)) as plain:
        pool = store.client.options.pool_options
        assert (pool.max_pool_size, pool.wait_queue_timeout, pool.max_idle_time_seconds) == (100, None, None)
        assert store.client.options.timeout == connection.OPERATION_SECONDS
        for one in (store.database, store.database["x"]):
            assert one.write_concern.document == {"w": "majority", "j": True}
            assert one.read_preference == ReadPreference.PRIMARY
            assert one.read_concern.level == "majority"
        assert store.client.options.retry_writes
        assert store.client.options.retry_reads
        at = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
        with store.database["x"].watch(max_await_time_ms=3000) as stream:
            store.database["x"].insert_one({"_id": options, "at": at})
            assert stream.next()["fullDocument"]["at"] == at
        assert plain.database["x"].find_one_and_delete({"_id": options})


@pytest.mark.parametrize(
    ("option", "word"), [("readPreferenceTags=dc:none", "tags"), ("maxStalenessSeconds=90", "maxStaleness")]
)
def test_an_option_that_does_not_go_with_what_is_stated_is_refused_with_the_reason(
    mongo_uri: str, option: str, word: str
) -> None:
    with pytest.raises(InvalidDocument) as caught:
        connect_to(f"{mongo_uri}&readPreference=secondary&{option}")
    assert word in caught.value.facts["reason"]


def test_instants_come_back_as_aware_utc(store: Store) -> None:
    at = datetime(2026, 3, 2, 8, 0, 0, 123000, tzinfo=UTC)
    store.database["x"].insert_one({"at": at})
    found = store.database["x"].find_one() or {}
    assert found["at"] == at
    assert found["at"].utcoffset().total_seconds() == 0


def test_every_operation_has_a_deadline(store: Store) -> None:
    assert store.client.options.timeout == connection.OPERATION_SECONDS


def test_the_database_is_the_one_in_the_uri_else_ours(mongo: Embedded, standalone_uri: str) -> None:
    with closing(connect_to(f"{standalone_uri}calls")) as store:
        assert store.database.name == "calls"
    with closing(connect_to(standalone_uri)) as store:
        assert store.database.name == "ipecs_mw"


def test_a_replica_set_has_change_streams_and_a_standalone_server_has_none(
    store: Store, standalone_store: Store
) -> None:
    assert store.has_change_streams
    assert not standalone_store.has_change_streams


def test_a_server_that_is_away_is_unavailable_and_named(quick_selection: None) -> None:
    port = find_free_port()
    with pytest.raises(StoreUnavailable) as caught:
        connect_to(f"mongodb://user:{CANARY}@127.0.0.1:{port}/")
    assert f"127.0.0.1:{port}" in str(caught.value)
    assert CANARY not in str(caught.value)


def test_a_wrong_password_is_refused_and_not_shown(mongo: Embedded) -> None:
    with pytest.raises(StoreRefused) as caught:
        connect_to(f"mongodb://ipecs_mw:{CANARY}@127.0.0.1:{mongo.access.port}/?authSource=admin")
    assert caught.value.key == "error.mongo_password"
    assert CANARY not in str(caught.value)


def test_missing_credentials_are_told_as_missing_rights(mongo: Embedded) -> None:
    with pytest.raises(StoreRefused) as caught:
        connect_to(f"mongodb://127.0.0.1:{mongo.access.port}/")
    assert caught.value.key == "error.mongo_no_user"


def test_a_user_without_rights_is_refused_at_once(add_user: Callable[[list[str]], str]) -> None:
    with pytest.raises(StoreRefused) as caught:
        connect_to(add_user([]))
    assert caught.value.key == "error.mongo_rights"


def test_a_user_who_may_only_read_is_told_so_by_the_first_write(add_user: Callable[[list[str]], str]) -> None:
    with closing(connect_to(add_user(["read"]))) as store:
        with pytest.raises(StoreRefused) as caught, store_errors():
            store.database["x"].insert_one({})
        assert caught.value.key == "error.mongo_rights"


def test_a_replica_set_without_a_primary_may_be_written_to_later(
    tmp_path: Path, quick_selection: None
) -> None:
    (tmp_path / "data").mkdir()
    port = find_free_port()
    assert start_mongod(tmp_path, ["--port", str(port), "--replSet", "waiting"], seconds=60) == 0
    try:
        with pytest.raises(StoreUnavailable):
            connect_to(f"mongodb://127.0.0.1:{port}/?replicaSet=waiting")
        with pytest.raises(StoreUnavailable):
            connect_to(f"mongodb://127.0.0.1:{port}/?directConnection=true")
    finally:
        os.kill(int((tmp_path / "data/mongod.lock").read_text()), signal.SIGTERM)


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://",
        "mongodb://host:99999999/",
        "mongodb://host:port/",
        f"mongodb://user:{CANARY}:more@host/",
        f"mongodb://user:{CANARY}%zz/@host/",
        f"mongodb://user:{CANARY}@ho st:x/",
        "mongodb://host/bad$name",
        "mongodb://host/?authMechanism=NONSENSE",
    ],
)
def test_a_uri_that_does_not_parse_names_the_file_and_never_its_password(uri: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        connect_to(uri)
    assert caught.value.key in ("error.mongo_uri", "error.mongo_uri_sign")
    assert caught.value.facts["document"] == "bootstrap.json"
    assert caught.value.facts["path"] == "mongo_uri"
    assert CANARY not in str(caught.value)


def test_an_embedded_server_lives_as_long_as_its_store(tmp_path: Path) -> None:
    file = tmp_path / "bootstrap.json"
    file.write_text('{"mongo_uri": "embedded:mongo"}')
    store = connect(load_bootstrap(file), SystemClock())
    with closing(store):
        assert store.has_change_streams
        assert store.embedded is not None
        store.database["x"].insert_one({})
    assert not is_answering(store.embedded.access.port)


def test_no_log_line_of_a_connection_holds_the_password(
    store: Store, mongo: Embedded, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    store.database["x"].insert_one({})
    assert mongo.access.password not in caplog.text


@pytest.mark.parametrize("rcode", [None, dns.rcode.SERVFAIL, dns.rcode.NXDOMAIN, dns.rcode.REFUSED])
def test_names_that_are_not_answered_are_as_a_server_that_is_away(
    monkeypatch: pytest.MonkeyPatch, rcode: int | None
) -> None:
    with name_server() as names:
        names.rcode = rcode
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], names.port
        monkeypatch.setattr(dns.resolver, "default_resolver", resolver)
        with pytest.raises(StoreUnavailable) as caught:
            connect_to(f"mongodb+srv://someone:{CANARY}@{CLUSTER}/db")
    assert CANARY not in str(caught.value)


def test_a_machine_without_a_resolver_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns.resolver, "default_resolver", dns.resolver.Resolver(configure=False))
    with pytest.raises(StoreUnavailable):
        connect_to(f"mongodb+srv://{CLUSTER}/db")


@pytest.mark.parametrize("uri", ["mongodb+srv://127.0.0.1/db", f"mongodb+srv://{CLUSTER}:27017/db"])
def test_a_cluster_that_a_person_must_mend_is_refused(uri: str) -> None:
    with pytest.raises((StoreRefused, InvalidDocument)):
        connect_to(uri)
