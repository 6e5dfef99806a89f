"""Who may do what, on a server that asks for passwords: doors that are open, doors that stay shut."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from pymongo.errors import OperationFailure

from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import StoreRefused
from ipecs_mw.model.configuration.settings import EventSettings
from ipecs_mw.seeds import read_json, shipped_texts
from ipecs_mw.store.calls.missed_query import close_item
from ipecs_mw.store.configuration.seeding import apply, plan, read_seeds
from ipecs_mw.store.configuration.shared import load_shared
from ipecs_mw.store.schema.comparison import describe_differences, find_differences, put_right
from ipecs_mw.store.schema.migrations import migrate
from ipecs_mw.store.schema.retention import Retention, apply_retention
from ipecs_mw.store.schema.roles import examine_rights, grant, make_uri
from ipecs_mw.store.server.connection import Store, open_client
from ipecs_mw.store.server.failures import store_errors
from ipecs_mw.store.server.rights import RIGHTS

Open = Callable[[str], Store]
_UNAUTHORISED = 13
COLLECTIONS = (
    "events", "config", "config_history", "requests", "instances", "languages", "commands", "codes", "leases",
    "migrations", "calls", "agent_states", "live", "missed", "readers", "reader_states", "figures", "alarms",
    "tokens", "token_uses", "stream_tickets", "page_sessions", "report_runs",
)  # fmt: skip


@pytest.fixture
def open_as(store: Store) -> Iterator[Open]:
    """Open the database as a user of its own with one role."""
    for name in COLLECTIONS:
        store.database[name].insert_one({"_id": "there", "revision": 1, "profile": "p"})
    opened: list[Store] = []

    def begin(role: str) -> Store:
        grant(store, role, f"{role}-user", "canary-of-a-user")
        opened.append(
            open_client(make_uri(store, f"{role}-user").replace("PASSWORD", "canary-of-a-user"), "test")
        )
        return opened[-1]

    yield begin
    for one in opened:
        one.close()
    store.database.command("dropAllUsersFromDatabase")
    store.database.command("dropAllRolesFromDatabase")


def may(act: Callable[[], Any]) -> bool:
    try:
        act()
    except OperationFailure as error:
        if error.code == _UNAUTHORISED:
            return False
        raise
    return True


def list_rights(store: Store, collection: str) -> set[str]:
    """Return what this user may really do in a collection, by trying it."""
    there = store.database[collection]
    tried: dict[str, Callable[[], Any]] = {
        "find": there.find_one,
        "insert": lambda: there.insert_one({}),
        "update": lambda: there.update_one({"_id": "there"}, {"$set": {"x": 1}}),
        "remove": lambda: there.delete_one({"_id": "not there"}),
        "changeStream": lambda: there.watch().close(),
        "drop": there.drop,
    }
    return {name for name, act in tried.items() if may(act)}


@pytest.mark.parametrize("role", ["sender", "supervisor", "reader", "api"])
@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_role_opens_exactly_the_doors_of_its_table(open_as: Open, role: str, collection: str) -> None:
    assert list_rights(open_as(role), collection) == set(RIGHTS[role].get(collection, ()))


def test_a_reader_inserts_nowhere_and_a_sender_reads_neither_events_nor_passwords() -> None:
    assert all("insert" not in actions for actions in RIGHTS["reader"].values())
    assert not {"events", "config", "config_history"} & RIGHTS["sender"].keys()
    assert not {"config", "config_history", "requests", "leases"} & RIGHTS["reader"].keys()
    assert not {"config", "config_history", "leases", "reader_states", ""} & RIGHTS["api"].keys()


def test_who_serves_applications_reads_of_the_configuration_what_is_no_secret(
    open_as: Open, store: Store
) -> None:
    api = open_as("api")
    for name in COLLECTIONS:
        store.database[name].drop()
    migrate(store, SystemClock())
    put_right(store, SystemClock())
    content = read_json("config.json")
    main = {**content["hosts"][0], "address": "canary.example.com", "user": "canary-user"}
    content["hosts"] = [{**main, "password": {"encrypted": "canary-password"}}]
    store.database["config"].insert_one({**content, "_id": "default", "revision": 1})
    found = list(api.database["config_shared"].find())
    assert [host["name"] for each in found for host in each["hosts"]] == ["main"]
    assert "canary" not in repr(found)
    settings, _ = load_shared(api, "default")
    assert [(host.name, host.timezone) for host in settings.hosts] == [("main", main["timezone"])]
    for name in ("config", "config_history", "leases"):
        assert not may(api.database[name].find_one)
        assert not may(lambda name=name: next(api.database["events"].aggregate([{"$lookup": {  # type: ignore[misc]
            "from": name, "pipeline": [], "as": "x"}}]), None))  # fmt: skip
    assert not may(lambda: api.database["config_shared"].insert_one({}))
    assert not may(lambda: api.database.command("collMod", "config_shared", viewOn="config", pipeline=[]))


def test_the_database_has_a_view_of_the_configuration_that_is_made_and_kept(store: Store) -> None:
    migrate(store, SystemClock())
    put_right(store, SystemClock())
    store.database.drop_collection("config_shared")
    assert describe_differences(find_differences(store)) == "config_shared (view)"
    with pytest.raises(StoreRefused, match="not_migrated"):
        load_shared(store, "default")
    store.database.command("create", "config_shared", viewOn="config", pipeline=[])
    assert "config_shared (view)" in describe_differences(put_right(store, SystemClock()).mended)
    assert find_differences(store) == []
    store.database.drop_collection("config_shared")
    store.database["config_shared"].insert_one({})
    left = put_right(store, SystemClock()).left
    assert describe_differences(left) == "config_shared (view)"


def test_a_supervisor_closes_a_missed_call(open_as: Open, store: Store) -> None:
    store.database["missed"].update_one({"_id": "there"}, {"$set": {"state": "open", "host": "main"}})
    close_item(open_as("supervisor"), "there", by="somebody", at=SystemClock().now(), note="called")
    found = store.database["missed"].find_one({"_id": "there"}) or {}
    assert (found["state"], found["closed_by"], found["note"]) == ("closed", "somebody", "called")


@pytest.mark.parametrize("role", RIGHTS)
def test_no_role_reaches_another_database(open_as: Open, store: Store, role: str) -> None:
    user = open_as(role)
    for name in ("admin", "local", f"{store.database.name}_other"):
        other = user.client[name]["events"]
        assert not may(lambda other=other: other.find_one())  # type: ignore[misc]
        assert not may(lambda other=other: other.insert_one({}))  # type: ignore[misc]
    assert not may(lambda: user.client.drop_database(store.database.name))
    assert not may(lambda: user.database.command("createUser", "more", pwd="x", roles=[]))
    assert not may(lambda: user.database.command("usersInfo", 1))


def test_the_daemon_s_role_is_enough_to_migrate_seed_watch_and_keep_events(open_as: Open) -> None:
    daemon = open_as("daemon")
    for name in COLLECTIONS:
        daemon.database[name].delete_many({})
    migrate(daemon, SystemClock())
    daemon.database["events"].drop_index("newest")
    outcome = put_right(daemon, SystemClock())
    assert "events.newest (index)" in describe_differences(outcome.mended)
    assert outcome.left == []
    apply(daemon, plan(daemon, read_seeds(None), "default"), SystemClock(), "test")
    for days in (30, 365, None, 7):
        apply_retention(daemon, "default", Retention(EventSettings(retention_days=days)))
    with daemon.database.watch() as stream:
        assert stream.try_next() is None
    assert examine_rights(daemon).lacking == ()
    assert examine_rights(daemon).elsewhere == ()


def test_rights_that_the_daemon_lacks_are_named(open_as: Open) -> None:
    rights = examine_rights(open_as("reader"))
    assert rights.user == "reader-user"
    assert "insert" in rights.lacking


REFUSALS: dict[str, tuple[str, Callable[[Any], object], tuple[str, str, str, str]]] = {
    "a sender reads events": (
        "sender",
        lambda db: db["events"].find_one(),
        ("find", "events", "find", "reader / supervisor / api / daemon"),
    ),
    "a sender counts events": (
        "sender",
        lambda db: db["events"].count_documents({"call_ref": 4711}),
        ("aggregate", "events", "find", "reader / supervisor / api / daemon"),
    ),
    "a sender follows events": (
        "sender",
        lambda db: db["events"].watch(),
        ("aggregate", "events", "changeStream", "reader / supervisor / api / daemon"),
    ),
    "a reader gives a command": (
        "reader",
        lambda db: db["requests"].insert_one({"args": "canary-4711"}),
        ("insert", "requests", "insert", "sender / api / daemon"),
    ),
    "a reader edits the configuration": (
        "reader",
        lambda db: db["config"].update_one({}, {"$set": {"x": "canary-4711"}}),
        ("update", "config", "update", "daemon"),
    ),
    "a reader closes a missed call": (
        "reader",
        lambda db: db["missed"].update_one({}, {"$set": {"state": "closed"}}),
        ("update", "missed", "update", "supervisor / api / daemon"),
    ),
    "a sender reads calls": (
        "sender",
        lambda db: db["calls"].find_one(),
        ("find", "calls", "find", "reader / supervisor / api / daemon"),
    ),
    "a reader claims a request": (
        "reader",
        lambda db: db["requests"].find_one_and_update({}, {"$set": {"x": "canary-4711"}}),
        ("findAndModify", "requests", "update", "daemon"),
    ),
    "a sender makes an index": (
        "sender",
        lambda db: db["requests"].create_index("x"),
        ("createIndexes", "requests", "createIndex", "daemon"),
    ),
    "a reader lists collections": (
        "reader",
        lambda db: db.command("collMod", "events", validator={}),
        ("collMod", "events", "collMod", "daemon"),
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_who_lacks_a_right_is_told_which_for_what_and_which_roles_have_it(
    open_as: Open, store: Store, case: str
) -> None:
    role, act, (command, collection, right, roles) = REFUSALS[case]
    user = open_as(role)
    with pytest.raises(StoreRefused) as caught, store_errors():
        act(user.database)
    assert caught.value.key == "error.mongo_rights"
    place = f"{store.database.name}.{collection}"
    assert caught.value.facts == {"command": command, "place": place, "right": right, "roles": roles}
    said = shipped_texts("en-GB").explain(caught.value)
    assert "canary-4711" not in said
    assert "{" not in said


def test_a_user_keeps_its_password_and_with_only_loses_its_former_roles(open_as: Open, store: Store) -> None:
    user = open_as("daemon")
    assert grant(store, "reader", "daemon-user", None, only=True) == (False, ["reader"])
    uri = make_uri(store, "daemon-user").replace("PASSWORD", "canary-of-a-user")
    with closing(open_client(uri, "test")) as again:
        assert not may(lambda: again.database["events"].insert_one({}))
    assert not may(user.database["config"].find_one)


def test_roles_add_up(open_as: Open, store: Store) -> None:
    user = open_as("sender")
    assert grant(store, "reader", "sender-user", None) == (False, ["sender", "reader"])
    assert grant(store, "reader", "sender-user", None) == (False, ["sender", "reader"])
    for collection in COLLECTIONS:
        both = {action for role in ("sender", "reader") for action in RIGHTS[role].get(collection, ())}
        assert list_rights(user, collection) == both, collection


def test_a_role_of_another_kind_stays_and_is_named(open_as: Open, store: Store) -> None:
    open_as("reader")
    other = {"role": "read", "db": "elsewhere"}
    store.database.command("grantRolesToUser", "reader-user", roles=[other, "read"])
    granted = grant(store, "sender", "reader-user", None)
    assert sorted(granted.roles) == ["read", "read@elsewhere", "reader", "sender"]
    assert grant(store, "sender", "reader-user", None, only=True).roles == ["sender"]


def test_a_new_user_needs_a_password_and_who_may_not_grant_is_refused(open_as: Open, store: Store) -> None:
    with pytest.raises(KeyError):
        grant(store, "reader", "nobody", None)
    with pytest.raises(StoreRefused) as caught:
        grant(open_as("daemon"), "reader", "nobody", "x")
    assert caught.value.key == "error.mongo_user_rights"


def test_a_server_without_passwords_has_no_user_to_judge(standalone_store: Store) -> None:
    assert examine_rights(standalone_store) == (None, (), ())
