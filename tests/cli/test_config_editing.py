"""`ipecs-mw config edit` at a terminal: what is wrong is told, and can be mended without being lost."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from config_scene import Run, config_of, set_password
from sites import Site

from ipecs_mw.errors import ChangedMeanwhile, IpecsMwError
from ipecs_mw.store.server.connection import Store

EDITOR = """
import pathlib, sys
file, count = pathlib.Path(sys.argv[-1]), pathlib.Path({count!r})
turn = len(count.read_text()) if count.exists() else 0
count.write_text("x" * (turn + 1))
text = file.read_text()
file.write_text(text.replace("8743", "99999") if turn == 0 else text.replace("99999", "9001"))
"""


def edit(site: Site, answer: bytes) -> tuple[int, str]:
    """Run the command at a terminal, answer its question, and return its exit code and all that it showed."""
    script = site.folder / "editor.py"
    script.write_text(EDITOR.format(count=str(site.folder / "turns")))
    ours, theirs = pty.openpty()
    environment = {**os.environ, "EDITOR": f"{sys.executable} {script}", "VISUAL": "", "CANARY": "x"}
    process = subprocess.Popen(
        site.command("config", "edit"), stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    os.write(ours, answer)  # waits in the terminal until it is asked for
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:
        pass  # how a terminal's end reads on Linux
    finally:
        os.close(ours)
    return process.wait(60), shown.decode("utf-8", "replace")


def port_of(site: Site) -> int:
    found = site.store.database["config"].find_one({"_id": "default"}) or {}
    port: int = found["hosts"][0]["port"]
    return port


@pytest.mark.parametrize(("answer", "code", "port"), [(b"y\n", 0, 9001), (b"n\n", 1, 8743)])
def test_what_is_wrong_can_be_edited_again_or_given_up(
    site: Site, answer: bytes, code: int, port: int
) -> None:
    done, shown = edit(site, answer)
    assert done == code, shown
    assert "hosts[0].port" in shown
    assert "Edit again?" in shown
    assert port_of(site) == port


def use_editor(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Make an editor that changes the text of the file it is given as the Python of `body` says."""
    script = folder / "editor.py"
    script.write_text(
        f"import sys\nfile = sys.argv[-1]\ntext = open(file).read()\n{body}\nopen(file, 'w').write(text)\n"
    )
    monkeypatch.setenv("EDITOR", f"{sys.executable} {script}")
    monkeypatch.delenv("VISUAL", raising=False)


def test_an_edited_configuration_is_written_and_keeps_the_password_that_it_did_not_show(
    run_config: Run, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_password(run_config, "canary-kept")
    seen = tmp_path / "seen"
    body = f"open({str(seen)!r}, 'w').write(text)\ntext = text.replace('8743', '8800')"
    use_editor(tmp_path, monkeypatch, body)
    assert run_config("edit").exit_code == 0
    assert "canary" not in seen.read_text()
    found = store.database["config"].find_one({"_id": "default"})
    assert found is not None
    assert (found["hosts"][0]["port"], found["hosts"][0]["password"]) == (8800, "canary-kept")
    assert "Nothing has changed" in run_config("edit").stdout
    assert store.database["config"].find_one({"_id": "default"}) == found


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("text = text.replace('8743', '99999')", "hosts[0].port"),
        ("text = text[:-5]", "line"),
        ("text = '[]'", "$"),
        ("text = text.replace('{', '{\"calls\": {}, \"calls\": {}, ', 1)", "calls"),
        ("text = text.replace('\"main\"', '\"renamed\"')", "hosts[0].password"),
    ],
)
def test_an_edited_configuration_that_is_wrong_is_refused_and_not_written(
    run_config: Run, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, name: str
) -> None:
    set_password(run_config, "canary-written-out")
    before = store.database["config"].find_one({"_id": "default"})
    use_editor(tmp_path, monkeypatch, body)
    result = run_config("edit")
    assert isinstance(result.exception, IpecsMwError)
    assert name in str(result.exception)
    assert store.database["config"].find_one({"_id": "default"}) == before


def test_what_somebody_else_changed_during_the_editing_is_not_overwritten(
    run_config: Run, store: Store, tmp_path: Path, mongo_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (
        "import pymongo\n"
        f"config = pymongo.MongoClient({mongo_uri!r})[{store.database.name!r}]['config']\n"
        "config.update_one({'_id': 'default'}, {'$inc': {'revision': 1}, '$set': {'locale': 'ko-KR'}})\n"
        "text = text.replace('8743', '8800')"
    )
    use_editor(tmp_path, monkeypatch, body)
    result = run_config("edit")
    assert isinstance(result.exception, IpecsMwError)
    assert result.exception.key == "error.config_changed_meanwhile"
    assert json.loads(run_config("get", "hosts[0].port").stdout) == 8743


def test_an_edit_by_hand_during_the_editing_is_not_overwritten_though_it_counts_no_revision(
    run_config: Run, store: Store, tmp_path: Path, mongo_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (
        "import pymongo\n"
        f"config = pymongo.MongoClient({mongo_uri!r})[{store.database.name!r}]['config']\n"
        "config.update_one({'_id': 'default'}, {'$set': {'events.retention_days': 77}})\n"
        "text = text.replace('8743', '8800')"
    )
    use_editor(tmp_path, monkeypatch, body)
    assert isinstance(run_config("edit").exception, ChangedMeanwhile)
    found = config_of(store)
    assert (found["events"]["retention_days"], found["hosts"][0]["port"]) == (77, 8743)
