"""`ipecs-mw config edit` at a terminal: what is wrong is told, and can be mended without being lost."""

import os
import pty
import subprocess
import sys

import pytest
from sites import Site

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
