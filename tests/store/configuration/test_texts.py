"""Language strings in a real MongoDB, with the shipped ones behind them."""

from typing import Any

import pytest

from ipecs_mw.errors import CannotStart
from ipecs_mw.model.texts import Texts
from ipecs_mw.store.configuration import texts as module
from ipecs_mw.store.configuration.texts import load_texts
from ipecs_mw.store.server.connection import Store

SHIPPED = {
    "en-GB": {"a": "English {x}", "b": "English b", "c": "English c"},
    "de-DE": {"a": "Deutsch {x}", "b": "Deutsch b"},
}


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "shipped_strings", lambda: SHIPPED)


def put(store: Store, *strings: tuple[str, str, Any]) -> None:
    store.database["languages"].insert_many(
        [
            {"_id": f"{locale}:{key}", "locale": locale, "key": key, "text": text}
            for locale, key, text in strings
        ]
    )


def render_all(texts: Texts) -> list[str]:
    return [texts.render(key, x=1) for key in ("a", "b", "c")]


def test_a_string_in_mongodb_comes_before_the_shipped_one_of_its_locale(store: Store) -> None:
    put(store, ("de-DE", "a", "Meins {x}"))
    texts, problems = load_texts(store, "de-DE")
    assert render_all(texts) == ["Meins 1", "Deutsch b", "English c"]
    assert problems == []


def test_a_string_of_the_own_locale_comes_before_one_of_the_next(store: Store) -> None:
    put(store, ("de-CH", "b", "Schweiz"), ("de-DE", "b", "Meins"), ("en-GB", "c", "My own c"))
    texts, _ = load_texts(store, "de-CH")
    assert render_all(texts) == ["Deutsch 1", "Schweiz", "My own c"]


def test_a_key_that_does_not_ship_may_be_added_in_mongodb(store: Store) -> None:
    put(store, ("fr-FR", "mine", "À moi {quoi}"))
    texts, problems = load_texts(store, "fr-FR")
    assert texts.render("mine", quoi="!") == "À moi !"
    assert problems == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("Ohne", "-{x}"), ("Mit {x} und {y}", "+{y}"), ("Klammer {", "{}"), ("{x!r}", "{}"), (5, "text: int")],
)
def test_a_wrong_text_is_reported_and_the_shipped_one_serves(store: Store, text: Any, wrong: str) -> None:
    put(store, ("de-DE", "a", text))
    texts, problems = load_texts(store, "de-DE")
    assert texts.render("a", x=1) == "Deutsch 1"
    assert problems == [("de-DE", "a", wrong)]


def test_a_document_that_contradicts_its_id_is_reported_and_not_used(store: Store) -> None:
    store.database["languages"].insert_one({"_id": "de-DE:b", "locale": "de-DE", "key": "a", "text": "?"})
    store.database["languages"].insert_one({"_id": 7})
    texts, problems = load_texts(store, "de-DE")
    assert render_all(texts) == ["Deutsch 1", "Deutsch b", "English c"]
    assert {problem[:2] for problem in problems} == {("de-DE", "b"), ("7", "")}


def test_no_language_string_at_all_says_to_run_seed(store: Store) -> None:
    with pytest.raises(CannotStart) as caught:
        load_texts(store, "de-DE")
    assert (caught.value.key, caught.value.facts) == ("error.not_seeded", {"collection": "languages"})
