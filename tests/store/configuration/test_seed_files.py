"""Seed files that are wrong are refused before the first write; what is no seed is named."""

from pathlib import Path
from typing import Any

import pytest
from seed_folders import commands, config, dump, import_seeds, write

from ipecs_mw.errors import CannotStart
from ipecs_mw.seeds import read_json
from ipecs_mw.store.configuration import seed_files
from ipecs_mw.store.configuration.seeding import read_seeds
from ipecs_mw.store.server.connection import Store

WRONG: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "config.json is empty": ({"config": ""}, {"document": "config.json", "line": 1}),
    "config.json is a list": ({"config": []}, {"document": "config.json", "path": "$"}),
    "not JSON": (
        {"config": '{\n "locale": "en-GB",\n}'},
        {"document": "config.json", "line": 3, "column": 1},
    ),
    "not UTF-8": ({"commands": b'{\n"commands": "\xb0\xa1"}'}, {"document": "commands.json", "line": 2}),
    "NaN": ({"config": '{"locale": NaN}'}, {"document": "config.json", "value": '"NaN"'}),
    "a key twice": (
        {"languages__de_DE": '{"a": "1", "b": "2", "a": "3"}'},
        {"document": "languages/de-DE.json", "path": "a"},
    ),
    "a key twice deep in a file": (
        {"codes": '{"ring_types": [{"code": 4, "name": "x", "name": "y"}]}'},
        {"document": "codes.json", "path": "name", "object": '{"code": 4, "name": "x"}'},
    ),
    "deep nesting": ({"config": '{"a": ' + "[" * 100_000}, {"document": "config.json"}),
    "unknown setting": ({"config": config(colour=1)}, {"document": "config.json", "path": "colour"}),
    "wrong setting": (
        {"config": config(events={"retention_days": "a year"})},
        {"document": "config.json", "path": "events.retention_days"},
    ),
    "an operator as a setting": (
        {"config": config(locale={"$ne": None})},
        {"document": "config.json", "path": "locale"},
    ),
    "a locale that nobody has strings for": (
        {"config": config(locale="fr-FR")},
        {"document": "config.json", "path": "locale"},
    ),
    "a locale that is none": ({"languages__german": {"a": "b"}}, {"document": "languages/german.json"}),
    "a text that is none": (
        {"languages__de_DE": {"a": 5}},
        {"document": "languages/de-DE.json", "path": "a", "value": "5"},
    ),
    "a key with a control character": (
        {"languages__de_DE": {"a\u001b[2J": "x"}},
        {"document": "languages/de-DE.json"},
    ),
    "an unreadable placeholder": (
        {"languages__de_DE": {"mine": "{"}},
        {"document": "languages/de-DE.json", "path": "mine"},
    ),
    "half a surrogate pair": (
        {"languages__de_DE": '{"a": "\\ud800"}'},
        {"document": "languages/de-DE.json", "path": "'a'"},
    ),
    "no list of commands": ({"commands": {}}, {"document": "commands.json", "path": "commands"}),
    "something beside the commands": ({"commands": {"commands": [], "more": 1}}, {"path": "more"}),
    "a command that is none": ({"commands": {"commands": ["login"]}}, {"path": "commands[0]"}),
    "a wrong method": (
        {"commands": commands({"method": "BREW"})},
        {"document": "commands.json/login", "path": "method", "value": '"BREW"'},
    ),
    "two commands of one id": (
        {"commands": commands({}, {})},
        {"path": "commands[1].id", "value": '"login"'},
    ),
    "an integer beyond 64 bits": (
        {"commands": commands({"params": [{"name": "x", "type": "int", "in": "query", "default": 2**70}]})},
        {"document": "commands.json", "path": "'login'"},
    ),
    "a family that has no error table": (
        {"codes": read_json("codes.json"), "commands": commands({"family": "fax"})},
        {"document": "commands.json/login", "path": "family", "value": '"fax"'},
    ),
    "a code table missing": ({"codes": {"ring_types": []}}, {"document": "codes.json", "path": "acd_events"}),
}


@pytest.mark.parametrize(("files", "facts"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_seed_is_refused_with_its_place_and_nothing_is_written(
    store: Store, tmp_path: Path, clock: Any, files: dict[str, Any], facts: dict[str, Any]
) -> None:
    write(tmp_path, languages__it_IT={"good": "buono"}, **files)
    with pytest.raises(CannotStart) as caught:
        import_seeds(store, clock, tmp_path)
    assert {name: caught.value.facts.get(name) for name in facts} == facts
    assert not any(dump(store).values())


@pytest.mark.parametrize(("text", "difference"), [("Hallo", "-{name}"), ("Hallo {name} {x}", "+{x}")])
def test_a_translation_must_have_the_placeholders_of_the_english_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, difference: str
) -> None:
    monkeypatch.setattr(seed_files, "shipped_strings", lambda: {"en-GB": {"hello": "Hello {name}"}})
    with pytest.raises(CannotStart) as caught:
        read_seeds(write(tmp_path, languages__de_DE={"hello": text}))
    facts = caught.value.facts
    assert (facts["document"], facts["path"], facts["allowed"], facts["difference"]) == (
        "languages/de-DE.json",
        "hello",
        "{name}",
        difference,
    )


@pytest.mark.parametrize("kind", ["missing", "empty", "a file"])
def test_a_folder_without_seed_files_is_refused(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "seeds"
    if kind == "empty":
        folder.mkdir()
        (folder / "notes.txt").write_text("hello")
    elif kind == "a file":
        folder.write_text("{}")
    with pytest.raises(CannotStart) as caught:
        read_seeds(folder)
    assert caught.value.facts["folder"] == str(folder)


def test_a_seed_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    with pytest.raises(CannotStart) as caught:
        read_seeds(tmp_path)
    assert caught.value.facts["document"] == "config.json"


@pytest.mark.parametrize("twice", ["user", "password"])
def test_a_password_shows_in_no_error(tmp_path: Path, twice: str) -> None:
    pairs = {"user": '"user": "a", "user": "b"', "password": '"password": "canary1", "password": "canary2"'}
    with pytest.raises(CannotStart) as caught:
        read_seeds(write(tmp_path, config=f'{{"password": "canary", {pairs[twice]}}}'))
    assert "canary" not in str(caught.value)


def test_files_that_are_no_seeds_are_named_and_left_out(tmp_path: Path) -> None:
    write(tmp_path, languages__de_DE={"a": "b"}, settings={"a": 1})
    (tmp_path / "languages" / "notes.txt").write_text("hello")
    seeds = read_seeds(tmp_path)
    assert seeds.languages == {"de-DE": {"a": "b"}}
    assert seeds.unknown_files == ("settings.json", "languages/notes.txt")


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    assert read_seeds(write(tmp_path, languages__de_DE=b'\xef\xbb\xbf{"a": "b"}')).languages == {
        "de-DE": {"a": "b"}
    }
