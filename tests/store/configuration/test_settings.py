"""The configuration in a real MongoDB: every change a revision, none of them lost."""

import threading
from typing import Any

import pytest
from support import START_AT, FakeClock, explain

from ipecs_mw.errors import CannotStart, ChangedMeanwhile, InvalidDocument, StoreRefused
from ipecs_mw.seeds import read_json
from ipecs_mw.store.configuration.settings import (
    DIRECTLY,
    count_direct_change,
    load_document,
    load_history,
    load_settings,
    save_settings,
)
from ipecs_mw.store.server.connection import Store


def content(**changes: Any) -> dict[str, Any]:
    return {**read_json("config.json"), **changes}


def save(store: Store, **changes: Any) -> int:
    return save_settings(store, "default", content(**changes), "tester", at=START_AT)


pytestmark = pytest.mark.usefixtures("migrated")


def test_a_profile_that_is_not_there_is_named_beside_those_that_are(store: Store) -> None:
    save(store)
    with pytest.raises(CannotStart) as caught:
        load_settings(store, "other")
    assert caught.value.facts == {"profile": "other", "profiles": "default"}
    assert load_document(store, "other") is None


def test_what_is_saved_is_loaded_with_its_revision(store: Store) -> None:
    assert [save(store), save(store, locale="de-DE"), save(store, locale="ko-KR")] == [1, 2, 3]
    settings, revision = load_settings(store, "default")
    assert (settings.locale, revision) == ("ko-KR", 3)
    document = load_document(store, "default") or {}
    assert (document["updated_by"], document["updated_at"]) == ("tester", START_AT)


def test_every_revision_is_in_the_history(store: Store) -> None:
    for locale in ("en-GB", "de-DE", "ko-KR"):
        save(store, locale=locale)
    history = list(store.database["config_history"].find().sort("revision", 1))
    assert [(entry["revision"], entry["locale"], entry["profile"]) for entry in history] == [
        (1, "en-GB", "default"),
        (2, "de-DE", "default"),
        (3, "ko-KR", "default"),
    ]


def test_what_is_invalid_is_refused_before_anything_is_written(store: Store) -> None:
    save(store)
    with pytest.raises(InvalidDocument) as caught:
        save(store, locale=5)
    assert caught.value.facts["path"] == "locale"
    assert load_settings(store, "default")[1] == 1
    assert store.database["config_history"].count_documents({}) == 1


def test_bookkeeping_cannot_be_given(store: Store) -> None:
    save_settings(store, "default", {**content(), "revision": 99, "_id": "other"}, "tester", at=START_AT)
    assert load_settings(store, "default")[1] == 1


def test_of_two_who_change_the_same_revision_one_is_refused(store: Store) -> None:
    save(store)
    results: list[Any] = []
    ready = threading.Barrier(4)

    def change(locale: str) -> None:
        ready.wait(10)
        try:
            results.append(save(store, locale=locale))
        except StoreRefused as error:
            results.append(error.key)

    threads = [
        threading.Thread(target=change, args=(locale,)) for locale in ("de-DE", "ko-KR", "fr-FR", "it-IT")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    saved = sorted(result for result in results if isinstance(result, int))
    assert saved == list(range(2, 2 + len(saved)))
    assert saved
    assert {result for result in results if isinstance(result, str)} <= {"error.config_changed_meanwhile"}
    assert load_settings(store, "default")[1] == saved[-1]
    assert store.database["config_history"].count_documents({}) == 1 + len(saved)


def test_an_invalid_document_that_somebody_wrote_names_its_field(store: Store) -> None:
    save(store)
    store.database["config"].update_one({"_id": "default"}, {"$set": {"hosts.0.port": 70000}})
    with pytest.raises(InvalidDocument) as caught:
        load_settings(store, "default")
    assert caught.value.facts["document"] == "config/default"
    assert caught.value.facts["path"] == "hosts[0].port"
    assert "65535" in explain(caught.value)


def edit(store: Store, **fields: Any) -> dict[str, Any]:
    """Change the document as any MongoDB client may, with no new revision; return it."""
    store.database["config"].update_one({"_id": "default"}, {"$set": fields})
    return present(store)


def present(store: Store) -> dict[str, Any]:
    found = load_document(store, "default")
    assert found is not None
    return found


def list_history(store: Store) -> list[tuple[int, str, str]]:
    return [
        (found.get("revision"), found["locale"], found["updated_by"])
        for found in load_history(store, "default")
    ]


def test_a_deleted_configuration_says_what_restores_it(store: Store) -> None:
    assert [save(store), save(store, locale="de-DE")] == [1, 2]
    store.database["config"].delete_one({"_id": "default"})
    with pytest.raises(CannotStart) as caught:
        load_settings(store, "default")
    assert (caught.value.key, caught.value.facts) == (
        "error.config_deleted",
        {"profile": "default", "revision": 2},
    )


def test_no_number_is_used_twice_and_no_revision_is_lost_when_the_document_is_deleted(store: Store) -> None:
    assert [save(store), save(store, locale="de-DE")] == [1, 2]
    store.database["config"].delete_one({"_id": "default"})
    assert [save(store, locale="ko-KR"), save(store, locale="fr-FR")] == [3, 4]
    assert list_history(store) == [
        (4, "fr-FR", "tester"),
        (3, "ko-KR", "tester"),
        (2, "de-DE", "tester"),
        (1, "en-GB", "tester"),
    ]


@pytest.mark.parametrize("fields", [{"locale": "ko-KR"}, {"health": {"port": 9464}}, {"seeded": "x"}])
def test_a_change_that_was_made_of_another_content_is_refused_though_the_number_is_the_same(
    store: Store, fields: dict[str, Any]
) -> None:
    save(store)
    base = present(store)
    edited = edit(store, **fields)
    with pytest.raises(ChangedMeanwhile):
        save_settings(store, "default", content(locale="de-DE"), "tester", at=START_AT, base=base)
    assert present(store) == edited
    assert save_settings(store, "default", content(locale="de-DE"), "t", at=START_AT, base=edited) > 1


def test_a_change_that_was_made_of_nothing_is_refused_where_there_is_something_by_now(store: Store) -> None:
    save(store)
    with pytest.raises(ChangedMeanwhile):
        save_settings(store, "default", content(locale="de-DE"), "tester", at=START_AT, base=None)
    assert present(store)["locale"] == "en-GB"


def test_an_edit_by_a_client_keeps_a_revision_of_its_own_and_nobody_elses_name(store: Store) -> None:
    save(store)
    edit(store, locale="de-DE")
    assert list_history(store) == [(None, "de-DE", DIRECTLY), (1, "en-GB", "tester")]  # not counted yet
    assert save(store, locale="ko-KR") == 3
    assert list_history(store) == [(3, "ko-KR", "tester"), (2, "de-DE", DIRECTLY), (1, "en-GB", "tester")]


def test_of_two_daemons_that_see_an_edit_one_counts_it_and_then_there_is_nothing_to_count(
    store: Store, clock: FakeClock
) -> None:
    save(store)
    edited = edit(store, locale="de-DE")
    counted = count_direct_change(store, "default", edited, clock.now())
    assert (counted["revision"], counted["updated_by"], counted["updated_at"]) == (2, DIRECTLY, clock.now())
    assert present(store) == counted
    assert count_direct_change(store, "default", edited, clock.now()) == counted
    assert count_direct_change(store, "default", counted, clock.now()) is counted
    assert list_history(store) == [(2, "de-DE", DIRECTLY), (1, "en-GB", "tester")]


def test_an_edit_that_was_followed_by_another_is_left_to_the_next_look(
    store: Store, clock: FakeClock
) -> None:
    save(store)
    first = edit(store, locale="de-DE")
    second = edit(store, locale="ko-KR")
    assert count_direct_change(store, "default", first, clock.now()) is first
    assert present(store) == second


def test_what_comes_back_as_it_was_is_no_edit(store: Store, clock: FakeClock) -> None:
    save(store)
    first = present(store)
    save(store, locale="de-DE")
    store.database["config"].delete_one({})
    store.database["config"].insert_one(first)
    assert count_direct_change(store, "default", first, clock.now()) is first
    assert save(store, locale="ko-KR") == 3


def test_a_document_that_was_never_counted_gets_a_number(store: Store, clock: FakeClock) -> None:
    store.database["config"].insert_one({"_id": "default", **content()})
    counted = count_direct_change(store, "default", present(store), clock.now())
    assert (counted["revision"], counted["updated_by"]) == (1, DIRECTLY)


def test_a_written_out_password_that_a_client_changed_is_counted_by_who_saw_the_former(
    store: Store, clock: FakeClock
) -> None:
    hosts = content()["hosts"]
    save(store, hosts=[{**hosts[0], "password": "canary-old"}])
    before = present(store)
    edited = edit(store, **{"hosts.0.password": "canary-new"})
    counted = count_direct_change(store, "default", edited, clock.now(), before)
    assert (counted["revision"], counted["secrets_changed"]) == (2, ["hosts[main].password"])
    assert "canary" not in str(list(store.database["config_history"].find()))


def test_the_present_revision_of_an_older_version_is_no_edit(store: Store, clock: FakeClock) -> None:
    save(store)
    store.database["config_history"].delete_many({})  # which kept the former ones alone
    found = present(store)
    assert count_direct_change(store, "default", found, clock.now()) is found
    assert list_history(store) == [(1, "en-GB", "tester")]


@pytest.mark.parametrize(("field", "value"), [("revision", "abc"), ("revision", -1), ("updated_at", "today")])
def test_bookkeeping_that_somebody_wrote_is_named(store: Store, field: str, value: Any) -> None:
    save(store)
    edit(store, **{field: value})
    for read in (load_settings, load_history):
        with pytest.raises(InvalidDocument) as caught:
            read(store, "default")
        assert (caught.value.facts["document"], caught.value.facts["path"]) == ("config/default", field)
        assert str(value) in caught.value.facts["value"]
        assert caught.value.facts["allowed"]


def test_a_number_that_a_shell_wrote_as_a_float_counts_on(store: Store) -> None:
    save(store)
    edit(store, revision=1.0)
    assert load_settings(store, "default")[1] == 1
    assert save(store, locale="de-DE") == 2
