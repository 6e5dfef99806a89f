"""The configuration in a real MongoDB: every change a revision, none of them lost."""

import threading
from typing import Any

import pytest
from support import START_AT, FakeClock

from ipecs_mw.errors import CannotStart, InvalidDocument, StoreRefused
from ipecs_mw.seeds import read_json
from ipecs_mw.store.connection import Store
from ipecs_mw.store.migrations import migrate
from ipecs_mw.store.settings import load_document, load_settings, save_settings


def content(**changes: Any) -> dict[str, Any]:
    return {**read_json("config.json"), **changes}


def save(store: Store, **changes: Any) -> int:
    return save_settings(store, "default", content(**changes), "tester", at=START_AT)


@pytest.fixture(autouse=True)
def migrated(store: Store, clock: FakeClock) -> None:
    migrate(store, clock)


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


def test_every_former_revision_is_in_the_history(store: Store) -> None:
    for locale in ("en-GB", "de-DE", "ko-KR"):
        save(store, locale=locale)
    history = list(store.database["config_history"].find().sort("revision", 1))
    assert [(entry["revision"], entry["locale"], entry["profile"]) for entry in history] == [
        (1, "en-GB", "default"),
        (2, "de-DE", "default"),
    ]


def test_what_is_invalid_is_refused_before_anything_is_written(store: Store) -> None:
    save(store)
    with pytest.raises(InvalidDocument) as caught:
        save(store, locale=5)
    assert caught.value.facts["path"] == "locale"
    assert load_settings(store, "default")[1] == 1
    assert store.database["config_history"].count_documents({}) == 0


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
    assert store.database["config_history"].count_documents({}) == len(saved)


def test_an_invalid_document_that_somebody_wrote_names_its_field(store: Store) -> None:
    save(store)
    store.database["config"].update_one({"_id": "default"}, {"$set": {"hosts.0.port": 70000}})
    with pytest.raises(InvalidDocument) as caught:
        load_settings(store, "default")
    assert caught.value.facts["document"] == "config/default"
    assert caught.value.facts["path"] == "hosts[0].port"
    assert "65535" in caught.value.facts["allowed"]
