"""What is really in the database is compared with what the schema says, and put right."""

from collections.abc import Callable
from typing import Any

import pytest

from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import CannotStart
from ipecs_mw.store.coordination.leases import acquire_lease
from ipecs_mw.store.schema import retention
from ipecs_mw.store.schema.comparison import describe_differences, find_differences, put_right
from ipecs_mw.store.schema.examination import STORED
from ipecs_mw.store.schema.layout import INDEXES, build_validators
from ipecs_mw.store.schema.migrations import migrate
from ipecs_mw.store.schema.roles import grant
from ipecs_mw.store.server.connection import Store

CLOCK = SystemClock()
Database = Any


@pytest.fixture
def database(store: Store) -> Database:
    """A database as it should be."""
    migrate(store, CLOCK)
    put_right(store, CLOCK)
    retention.apply_retention(store, "default", retention.Retention())
    return store.database


def describe(store: Store) -> str:
    return describe_differences(find_differences(store))


def read_indexes(store: Store) -> dict[str, Any]:
    return {
        name: store.database[name].index_information()
        for name in sorted(store.database.list_collection_names(filter=STORED))
    }


def test_nothing_differs_once_a_new_database_was_put_right(store: Store) -> None:
    migrate(store, CLOCK)
    put_right(store, CLOCK, retention.find_differences)
    assert find_differences(store) == []
    assert retention.find_differences(store) == []


def test_the_table_alone_makes_what_the_migrations_made(store: Store, database: Database) -> None:
    expected = read_indexes(store)
    for name in INDEXES.keys() | build_validators().keys():
        database.drop_collection(name)
    put_right(store, CLOCK, retention.find_differences)
    assert read_indexes(store) == expected


def hide(database: Database) -> None:
    database.command("collMod", "events", index={"name": "by_host", "hidden": True})


def replace_by_another(database: Database) -> None:
    database["events"].drop_index("by_host")
    database["events"].create_index("host", name="by_host")


def shorten(database: Database) -> None:
    database.command("collMod", "requests", index={"name": "retention", "expireAfterSeconds": 60})


def loosen(database: Database) -> None:
    database["config_history"].drop_index("by_revision")
    database["config_history"].create_index([("profile", 1), ("revision", -1)], name="by_revision")


def restore_without_indexes(database: Database) -> None:
    database["events"].rename("copy")
    database["events"].insert_many(database["copy"].find())


CHANGES: dict[str, tuple[Callable[[Any], object], str]] = {
    "dropped": (lambda db: db["events"].drop(), "events (collection), events.newest (index)"),
    "restored without indexes": (restore_without_indexes, "events.newest (index)"),
    "all indexes dropped": (lambda db: db["requests"].drop_indexes(), "requests.queue (index)"),
    "one index dropped": (lambda db: db["events"].drop_index("by_type"), "events.by_type (index)"),
    "an index hidden": (hide, "events.by_host (index)"),
    "an index replaced": (replace_by_another, "events.by_host (index)"),
    "a shorter life": (shorten, "requests.retention (index)"),
    "no longer unique": (loosen, "config_history.by_revision (index)"),
    "no validator": (lambda db: db.command("collMod", "config", validator={}), "config (validator)"),
    "a validator that refuses": (
        lambda db: db.command("collMod", "requests", validationAction="error"),
        "requests (validator)",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_somebody_changed_is_named_and_put_right_and_no_document_is_touched(
    store: Store, database: Database, change: str
) -> None:
    database["events"].insert_one({"_id": "kept", "host": "main"})
    expected = read_indexes(store)
    act, named = CHANGES[change]
    act(database)
    database["copy"].drop()
    kept = list(database["events"].find())
    assert describe(store).startswith(named)
    outcome = put_right(store, CLOCK, retention.find_differences)
    assert describe_differences(outcome.mended).startswith(named)
    assert outcome.left == []
    assert find_differences(store) == []
    assert read_indexes(store) == expected
    assert list(database["events"].find()) == kept


def test_an_index_under_another_name_serves_as_well(store: Store, database: Database) -> None:
    database["languages"].drop_index("by_locale")
    database["languages"].create_index("locale")
    assert describe(store) == ""


def test_an_index_of_somebody_else_stays(store: Store, database: Database) -> None:
    database["events"].create_index("data.queue", name="of_a_report")
    database["events"].drop_index("newest")
    put_right(store, CLOCK)
    assert {"of_a_report", "newest"} <= database["events"].index_information().keys()


@pytest.mark.parametrize(
    "kind", [{"capped": True, "size": 4096}, {"viewOn": "config"}, {"collation": {"locale": "de"}}]
)
def test_a_collection_that_is_no_plain_one_is_told_and_left_as_it_is(
    store: Store, database: Database, kind: dict[str, Any]
) -> None:
    database["events"].drop()
    database.create_collection("events", **kind)
    outcome = put_right(store, CLOCK)
    assert describe_differences(outcome.left) == "events (collection)"
    assert "events" in outcome.reason
    assert describe(store) == "events (collection)"


def test_what_mongodb_refuses_is_left_with_its_reason_and_the_rest_is_put_right(
    store: Store, database: Database
) -> None:
    database["config_history"].drop_indexes()
    database["config_history"].insert_many([{"profile": "p", "revision": 1}, {"profile": "p", "revision": 1}])
    database["events"].drop_index("newest")
    outcome = put_right(store, CLOCK)
    assert describe_differences(outcome.left) == "config_history.by_revision (index)"
    assert "duplicate key" in outcome.reason
    assert describe_differences(outcome.mended) == "events.newest (index)"


def test_only_what_is_missing_is_put_right_where_nothing_else_is_asked_for(
    store: Store, database: Database
) -> None:
    database["events"].drop_index("newest")
    database.command("collMod", "config", validator={"hosts": 1})
    outcome = put_right(store, CLOCK, only_missing=True)
    assert describe_differences(outcome.mended) == "events.newest (index)"
    assert describe(store) == "config (validator)"


def test_a_role_that_was_widened_or_is_of_an_older_version_is_put_right(
    store: Store, database: Database
) -> None:
    grant(store, "reader", "somebody", "a password")
    try:
        assert describe(store) == ""
        more = {"resource": {"db": database.name, "collection": "config"}, "actions": ["find"]}
        database.command("grantPrivilegesToRole", "ipecs_mw_reader", privileges=[more])
        assert describe(store) == "ipecs_mw_reader (role)"
        put_right(store, CLOCK)
        assert describe(store) == ""
        database.command("updateRole", "ipecs_mw_reader", privileges=[], roles=["read"])
        assert describe(store) == "ipecs_mw_reader (role)"
    finally:
        database.command("dropAllUsersFromDatabase")
        database.command("dropAllRolesFromDatabase")


def test_the_retention_follows_the_configuration_of_all_profiles(store: Store, database: Database) -> None:
    database["config"].insert_many(
        [{"_id": "a", "events": {"retention_days": 7}}, {"_id": "b", "events": {"retention_days": 30}}]
    )
    put_right(store, CLOCK, retention.find_differences)
    assert database["events"].index_information()["retention"]["expireAfterSeconds"] == 30 * 86400
    database["events"].drop_index("retention")
    database["events"].create_index("at", name="retention", expireAfterSeconds=30 * 86400)
    assert describe_differences(retention.find_differences(store)) == "events.retention (index)"
    put_right(store, CLOCK, retention.find_differences)
    assert database["events"].index_information()["retention"]["key"] == [("received_at", 1)]


def test_nothing_is_put_right_while_somebody_else_is_at_it(
    store: Store, database: Database, clock: Any
) -> None:
    database["events"].drop_index("newest")
    acquire_lease(store, "migrations", "somebody", 600)
    with pytest.raises(CannotStart, match=r"error\.migration_locked"):
        put_right(store, clock)
