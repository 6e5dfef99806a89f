"""Seeding a real MongoDB: what is written, what is kept, and what the command tells."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from seed_folders import commands, config, dump, import_seeds, write
from stopwatch import Stopwatch

from ipecs_mw.cli.set_up.seed import seed
from ipecs_mw.errors import StoreRefused, Words
from ipecs_mw.seeds import read_json, shipped_strings, shipped_texts
from ipecs_mw.store.configuration.seeding import apply, find_differences, plan, read_seeds
from ipecs_mw.store.server.connection import Store


def test_the_shipped_seeds_fill_an_empty_database(store: Store, clock: Any) -> None:
    watch = Stopwatch()
    counts = import_seeds(store, clock)
    assert watch.seconds < 10
    assert counts.keys() == {"add"}
    found = dump(store)
    assert len(found["commands"]) == 44
    assert {document["_id"] for document in found["codes"]} == read_json("codes.json").keys()
    assert {document["locale"] for document in found["languages"]} == {
        locale for locale, strings in shipped_strings().items() if strings
    }
    assert [(document["_id"], document["revision"]) for document in found["config"]] == [("default", 1)]
    assert all(document["seeded"] for documents in found.values() for document in documents)


def test_seeding_twice_changes_nothing(store: Store, clock: Any) -> None:
    import_seeds(store, clock)
    before = dump(store)
    assert import_seeds(store, clock).keys() == {"same"}
    assert dump(store) == before


def test_a_plan_alone_writes_nothing(store: Store) -> None:
    assert {row.action for row in plan(store, read_seeds(None), "default").rows} == {"add"}
    assert not any(dump(store).values())


def test_only_the_files_that_are_there_are_imported(store: Store, tmp_path: Path, clock: Any) -> None:
    import_seeds(store, clock, write(tmp_path, languages__de_DE={"mine": "Meins"}))
    found = dump(store)
    assert [document["_id"] for document in found.pop("languages")] == ["de-DE:mine"]
    assert not any(found.values())


def test_a_new_version_of_a_seed_replaces_what_nobody_edited(
    store: Store, tmp_path: Path, clock: Any
) -> None:
    import_seeds(store, clock, write(tmp_path, languages__de_DE={"a": "eins", "b": "zwei"}))
    counts = import_seeds(store, clock, write(tmp_path, languages__de_DE={"a": "EINS", "b": "zwei"}))
    assert counts == {"change": 1, "same": 1}
    found = store.database["languages"].find_one({"_id": "de-DE:a"})
    assert found is not None
    assert found["text"] == "EINS"


EDITS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a language string": ("languages", "de-DE:a", {"text": "meins"}),
    "a command": ("commands", "login", {"section": "mine"}),
    "a configuration": ("config", "default", {"locale": "de-DE"}),
}


def test_the_example_that_ships_never_replaces_a_site_s_configuration(
    store: Store, tmp_path: Path, clock: Any
) -> None:
    site = {**read_json("config.json"), "locale": "de-DE"}
    (tmp_path / "config.json").write_text(json.dumps(site))
    for seeds in (None, tmp_path, None):
        apply(store, plan(store, read_seeds(seeds), "default"), clock, "test")
    kept = store.database["config"].find_one({"_id": "default"}) or {}
    assert (kept["locale"], kept["revision"]) == ("de-DE", 2)


@pytest.mark.parametrize("kind", EDITS)
def test_what_was_edited_is_kept_until_force_is_used(
    store: Store, tmp_path: Path, clock: Any, kind: str
) -> None:
    collection, name, edit = EDITS[kind]
    write(tmp_path, languages__de_DE={"a": "eins"}, commands=commands({}), config=config())
    import_seeds(store, clock, tmp_path)
    store.database[collection].update_one({"_id": name}, {"$set": edit})
    edited = dump(store)
    assert import_seeds(store, clock, tmp_path) == {"keep_edited": 1, "same": 2}
    assert dump(store) == edited
    planned = plan(store, read_seeds(tmp_path), "default", force=True)
    changed = [row for row in planned.rows if row.action == "change"]
    assert [(row.collection, row.id) for row in changed] == [(collection, name)]
    assert [difference.path for difference in changed[0].differences] == list(edit)
    apply(store, planned, clock, "test")
    assert import_seeds(store, clock, tmp_path) == {"same": 3}


def test_a_document_written_by_hand_counts_as_edited(store: Store, tmp_path: Path, clock: Any) -> None:
    store.database["languages"].insert_one({"_id": "de-DE:a", "locale": "de-DE", "key": "a", "text": "meins"})
    assert import_seeds(store, clock, write(tmp_path, languages__de_DE={"a": "eins"})) == {"keep_edited": 1}


def test_a_configuration_that_is_replaced_keeps_its_history(store: Store, tmp_path: Path, clock: Any) -> None:
    import_seeds(store, clock, write(tmp_path, config=config()))
    import_seeds(store, clock, write(tmp_path, config=config(events={"retention_days": 30})))
    found = store.database["config"].find_one({"_id": "default"})
    assert found is not None
    assert (found["revision"], found["updated_by"]) == (2, "test")
    assert store.database["config_history"].count_documents({"profile": "default", "revision": 1}) == 1


def test_the_next_seed_completes_one_that_was_killed(store: Store, clock: Any) -> None:
    seeds = read_seeds(None)
    whole = plan(store, seeds, "default")
    import_seeds(store, clock)
    complete = dump(store)
    for name in ("config", "config_history"):
        store.database[name].delete_many({})
    store.database["languages"].delete_many({"key": {"$regex": "^e"}})
    store.database["commands"].delete_many({"method": "POST"})
    import_seeds(store, clock)
    for name in ("codes", "commands", "languages"):
        assert dump(store)[name] == complete[name]
    assert store.database["config"].count_documents({}) == 1
    assert len(whole.rows) == sum(map(len, complete.values()))


@pytest.mark.parametrize("force", [False, True])
def test_the_example_takes_no_deleted_configurations_place(store: Store, clock: Any, force: bool) -> None:
    import_seeds(store, clock)
    store.database["config"].delete_many({})
    planned = plan(store, read_seeds(None), "default", force=force)
    apply(store, planned, clock, "test")
    assert planned.deleted_revision == 1
    assert store.database["config"].count_documents({}) == 0
    assert "config rollback 1" in _run(_Context(store, clock))
    assert plan(store, read_seeds(None), "other").deleted_revision == 0


def test_a_configuration_of_ones_own_takes_a_deleted_ones_place(
    store: Store, tmp_path: Path, clock: Any
) -> None:
    import_seeds(store, clock)
    store.database["config"].delete_many({})
    assert import_seeds(store, clock, write(tmp_path, config=config(locale="de-DE"))) == {"add": 1}
    assert [(found["revision"], found["locale"]) for found in dump(store)["config"]] == [(2, "de-DE")]


def test_what_an_editor_finds_the_schema_by_is_left_out(store: Store, tmp_path: Path, clock: Any) -> None:
    folder = write(tmp_path, config={"$schema": "./schema.json", **config()})
    assert import_seeds(store, clock, folder) == {"add": 1}
    assert "$schema" not in dump(store)["config"][0]
    assert import_seeds(store, clock, folder) == {"same": 1}


def test_a_document_with_an_odd_id_keeps_no_seed_from_being_planned(store: Store, clock: Any) -> None:
    store.database["codes"].insert_one({"_id": {"a": 1}, "entries": []})
    assert plan(store, read_seeds(None), "default").rows


def test_two_seeds_at_once_both_succeed(store: Store, tmp_path: Path, clock: Any) -> None:
    seeds = read_seeds(write(tmp_path, languages__de_DE={"a": "eins"}, commands=commands({})))
    plans = [plan(store, seeds, "default") for _ in range(2)]
    for planned in plans:
        apply(store, planned, clock, "test")
    assert import_seeds(store, clock, tmp_path) == {"same": 2}


def test_a_configuration_that_is_edited_between_plan_and_apply_is_not_overwritten(
    store: Store, tmp_path: Path, clock: Any
) -> None:
    import_seeds(store, clock, write(tmp_path, config=config()))
    planned = plan(store, read_seeds(write(tmp_path, config=config(locale="de-DE"))), "default")
    store.database["config"].update_one({"_id": "default"}, {"$set": {"locale": "ko-KR"}})
    with pytest.raises(StoreRefused):
        apply(store, planned, clock, "test")
    assert dump(store)["config"][0]["locale"] == "ko-KR"


def test_what_is_edited_between_plan_and_apply_is_not_overwritten(
    store: Store, tmp_path: Path, clock: Any
) -> None:
    import_seeds(store, clock, write(tmp_path, languages__de_DE={"a": "eins"}))
    planned = plan(store, read_seeds(write(tmp_path, languages__de_DE={"a": "EINS"})), "default")
    store.database["languages"].update_one({"_id": "de-DE:a"}, {"$set": {"text": "meins"}})
    with pytest.raises(StoreRefused) as caught:
        apply(store, planned, clock, "test")
    assert caught.value.facts == {"count": 1}
    assert [document["text"] for document in dump(store)["languages"]] == ["meins"]


def test_operators_in_an_edited_document_are_never_used_as_such(
    store: Store, tmp_path: Path, clock: Any
) -> None:
    import_seeds(store, clock, write(tmp_path, languages__de_DE={"a": "eins"}))
    store.database["languages"].update_one({"_id": "de-DE:a"}, [{"$set": {"text": {"$literal": {"$ne": 1}}}}])
    import_seeds(store, clock, tmp_path, force=True)
    assert [document["text"] for document in dump(store)["languages"]] == ["eins"]


def test_differences_name_the_innermost_place_and_match_list_entries_by_name() -> None:
    before = {"hosts": [{"name": "a", "port": 1}, {"name": "b", "port": 2}], "locale": "en-GB"}
    after = {"hosts": [{"name": "b", "port": 3}, {"name": "c", "port": 4}], "locale": "en-GB"}
    assert list(find_differences(before, after)) == [
        ("hosts[a]", '{"name": "a", "port": 1}', Words("value.unset")),
        ("hosts[b].port", "2", "3"),
        ("hosts[c]", Words("value.unset"), '{"name": "c", "port": 4}'),
    ]
    assert list(find_differences({"x": [1, 2]}, {"x": [2, 1]})) == [("x", "[1, 2]", "[2, 1]")]


def test_a_changed_password_shows_as_a_difference_without_its_value() -> None:
    before = {"hosts": [{"name": "a", "password": "canary1"}]}
    assert list(find_differences(before, {"hosts": [{"name": "a", "password": "canary2"}]})) == [
        ("hosts[a].password", "***", "***")
    ]
    assert "canary" not in str(list(find_differences(before, {})))


def test_the_command_tells_what_it_added_changed_and_kept(store: Store, tmp_path: Path, clock: Any) -> None:
    context = _Context(store, clock)
    write(tmp_path, languages__de_DE={"a": "eins", "b": "zwei"}, config=config())
    first = _run(context, str(tmp_path), "--dry-run")
    assert not any(dump(store).values())
    assert first == _run(context, str(tmp_path), "--dry-run")
    _run(context, str(tmp_path))
    store.database["languages"].update_one({"_id": "de-DE:a"}, {"$set": {"text": "\x1b[2Jmeins"}})
    kept = _run(context, str(tmp_path))
    assert "\x1b" not in kept
    assert dump(store)["languages"][0]["text"] == "\x1b[2Jmeins"
    _run(context, str(tmp_path), "--force")
    assert dump(store)["languages"][0]["text"] == "eins"


def test_a_file_stays_the_source_beside_what_commands_and_people_set_in_mongodb(
    store: Store, tmp_path: Path, clock: Any
) -> None:
    import_seeds(store, clock, write(tmp_path, config=config()))
    store.database["config"].update_one({"_id": "default"}, {"$set": PINNED | {"logging.level": "DEBUG"}})
    changed = config(events={"retention_days": 30})
    changed["hosts"] = [{**changed["hosts"][0], "port": 9000, "monitor": ["2000-2099"]}]
    for _ in range(2):
        _run(_Context(store, clock), str(write(tmp_path, config=changed)))
        host, content = _load_host(store)
        assert (host["port"], host["monitor"], content["events"]) == (
            9000,
            ["2000-2099"],
            {"retention_days": 30},
        )
        assert (host["tls"]["verify"], host["tls"]["fingerprint_sha256"]) == ("pin", "AB" * 32)
        assert (host["password"], content["logging"]["level"]) == ({"encrypted": "x"}, "DEBUG")
    assert content["revision"] == 3  # the second import was none


def test_what_a_file_says_anew_against_an_edit_is_told_with_exit_code_1_until_it_is_forced(
    store: Store, tmp_path: Path, clock: Any
) -> None:
    import_seeds(store, clock, write(tmp_path, config=config()))
    store.database["config"].update_one(
        {"_id": "default"}, {"$set": PINNED | {"hosts.0.port": 1, "locale": "ko-KR"}}
    )
    write(tmp_path, config={**config(locale="de-DE"), "logging": {"level": "ERROR"}})
    for _ in range(2):  # it is told as long as it is so
        result = CliRunner().invoke(seed, [str(tmp_path)], obj=_Context(store, clock))
        assert result.exit_code == 1
        assert "NOT APPLIED, changed in MongoDB too: locale" in result.output
        host, content = _load_host(store)
        assert (content["locale"], host["port"], content["logging"]) == ("ko-KR", 1, {"level": "ERROR"})
    _run(_Context(store, clock), str(tmp_path), "--force")
    host, content = _load_host(store)
    assert (content["locale"], host["port"]) == ("de-DE", 8743)
    assert (host["tls"]["verify"], host["password"]) == ("pin", {"encrypted": "x"})


def test_a_text_that_a_folder_and_somebody_changed_is_told_with_exit_code_1(
    store: Store, tmp_path: Path, clock: Any
) -> None:
    import_seeds(store, clock, write(tmp_path, languages__de_DE={"a": "eins"}))
    store.database["languages"].update_one({"_id": "de-DE:a"}, {"$set": {"text": "meins"}})
    _run(_Context(store, clock), str(tmp_path))  # which says nothing new
    write(tmp_path, languages__de_DE={"a": "uno"})
    result = CliRunner().invoke(seed, [str(tmp_path)], obj=_Context(store, clock))
    assert (result.exit_code, "languages/de-DE:a: NOT APPLIED" in result.output) == (1, True)


@pytest.mark.parametrize("is_agreed", [False, True])
def test_a_phone_system_that_the_file_drops_is_asked_about(
    store: Store, tmp_path: Path, clock: Any, is_agreed: bool
) -> None:
    import_seeds(store, clock)  # the example, which is no phone system of anybody
    first = config()["hosts"][0]
    _run(_Context(store, clock), str(write(tmp_path, config=config(hosts=[{**first, "name": "a"}]))))
    store.database["config"].update_one({"_id": "default"}, {"$set": PINNED})
    write(tmp_path, config=config(hosts=[{**first, "name": "b", "user": "other"}]))
    result = CliRunner().invoke(
        seed, [str(tmp_path), *["--yes"] * is_agreed], obj=_Context(store, clock), input="n\n"
    )
    assert result.exit_code == (0 if is_agreed else 1), result.output
    assert _load_host(store)[0]["name"] == ("b" if is_agreed else "a")


def test_a_written_out_password_follows_the_file_and_is_kept_in_no_readable_form_beside_it(
    store: Store, tmp_path: Path, clock: Any
) -> None:
    for secret in ("canary-1", "canary-2"):
        content = config()
        content["hosts"][0]["password"] = secret
        import_seeds(store, clock, write(tmp_path, config=content))
        assert _load_host(store)[0]["password"] == secret
        store.database["config"].update_one({"_id": "default"}, {"$set": {"locale": "ko-KR"}})
    store.database["config"].update_one({"_id": "default"}, {"$set": PINNED})
    import_seeds(store, clock, tmp_path)
    assert _load_host(store)[0]["password"] == {"encrypted": "x"}
    assert "canary" not in str(dump(store))


def test_a_configuration_that_a_former_version_seeded_is_merged_by_its_history(
    store: Store, tmp_path: Path, clock: Any
) -> None:
    import_seeds(store, clock, write(tmp_path, config=config()))
    for name in ("config", "config_history"):
        store.database[name].update_many({}, {"$set": {"seeded": "digest"}})
    store.database["config"].update_one({"_id": "default"}, {"$set": PINNED})
    _run(_Context(store, clock), str(write(tmp_path, config=config(locale="de-DE"))))
    host, content = _load_host(store)
    assert (content["locale"], host["tls"]["verify"]) == ("de-DE", "pin")


PINNED = {
    "hosts.0.tls.verify": "pin",
    "hosts.0.tls.fingerprint_sha256": "AB" * 32,
    "hosts.0.password": {"encrypted": "x"},
}


def _load_host(store: Store) -> tuple[dict[str, Any], dict[str, Any]]:
    (content,) = dump(store)["config"]
    return content["hosts"][0], content


class _Context:
    """What the command line hands to its commands, on a store that is already open."""

    def __init__(self, store: Store, clock: Any) -> None:
        self.profile = "default"
        self.texts = shipped_texts("en-GB")
        self.clock = clock
        self._store = store

    def open_store(self) -> Any:
        return contextlib.nullcontext(self._store)


def _run(context: _Context, *arguments: str) -> str:
    result = CliRunner().invoke(seed, arguments, obj=context, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output
