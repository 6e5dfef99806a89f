"""Shell completion offers commands, parameters and allowed values, with or without MongoDB."""

import os
import subprocess
import sys

import pytest
from call_scene import keep
from sites import Site


def complete(site: Site, *words: str) -> list[str]:
    done = site.run(
        _IPECS_MW_COMPLETE="bash_complete",
        COMP_WORDS=" ".join(["ipecs-mw", *words]),
        COMP_CWORD=str(len(words)),
        IPECS_MW_BOOTSTRAP=str(site.folder / "bootstrap.json"),
    )
    return [line.partition(",")[2] for line in done.stdout.split()]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("send", "forward."), "forward.get"),
        (("send", "dnd.set", ""), "svcType=enable"),
        (("commands", "call.ma"), "call.make"),
        (("events", "--host", "ma"), "main"),
        (("smdr", "--host", ""), "main"),
        (("events", "--type", "station_r"), "station_ring"),
        (("config", "get", "hosts[main].po"), "hosts[main].port"),
        (("config", "set", "events."), "events.retention_days"),
        (("eve",), "events"),
    ],
)
def test_commands_parameters_and_values_are_offered(site: Site, words: tuple[str, ...], offered: str) -> None:
    assert offered in complete(site, *words)


def test_groups_and_ids_of_calls_are_offered(site: Site) -> None:
    keep(site.store)
    database = site.store.database
    assert "620" in complete(site, "calls", "--group", "6")
    assert "620" in complete(site, "live", "--group", "")
    for command, collection in ((("call",), "calls"), (("missed", "close"), "missed")):
        found = database[collection].find_one()
        assert found is not None
        whole = found["_id"]
        bare = whole.partition(":")[2]
        assert whole in complete(site, *command, "main:")
        assert bare in complete(site, *command, bare[:4])


def test_a_command_that_was_added_in_mongodb_is_offered(site: Site) -> None:
    command = site.store.database["commands"].find_one({"_id": "terminals.get"})
    assert command is not None
    site.store.database["commands"].insert_one({**command, "_id": "terminals.again"})
    assert "terminals.again" in complete(site, "send", "terminals.")


def test_without_mongodb_the_shipped_commands_are_offered(site: Site) -> None:
    (site.folder / "bootstrap.json").write_text('{"mongo_uri": "mongodb://127.0.0.1:1/"}')
    assert "forward.get" in complete(site, "send", "forward.")


@pytest.mark.parametrize("words", ["ipecs-mw --help", "ipecs-mw ev", "ipecs-mw "])
def test_naming_the_commands_imports_nothing_of_what_they_need(words: str) -> None:
    heavy = {"pymongo", "requests", "websockets", "rich", "structlog", "msgspec"}
    script = f"""
import sys
from ipecs_mw.cli.root import cli
try:
    cli.main(sys.argv[1:], prog_name="ipecs-mw", standalone_mode=False)
finally:
    sys.stderr.write(" ".join(sorted({heavy!r} & set(sys.modules))))
"""
    completing = {"_IPECS_MW_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, *words.split()[1:]],
        env={**os.environ, **({} if "--help" in words else completing)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "events" in done.stdout
    assert (done.returncode, done.stderr) == (0, "")
