"""The examples on the pages about the API and the stream, run as they stand there against the real server."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from api_scene import Served, carrying_out, make_missed, served_anew
from sites import wait_until

from ipecs_mw.store.server.embedded import Embedded

DOCS = Path(__file__).parent.parent / "docs"
WAYS = {"sh": ("sh", "curl"), "python": (sys.executable, sys.executable), "javascript": ("node", "node")}
"""Language of a part of a page → what runs it, and what must be there for that."""


@pytest.fixture(scope="module")
def api(mongo: Embedded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served_anew(mongo, tmp_path_factory.mktemp("pages")) as place:
        yield place


def find_example(page: str, language: str, mark: str) -> str:
    """Return the part of a page in this language that has a mark."""
    text = (DOCS / page).read_text("utf-8")
    parts = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (found,) = [part for part in parts if mark in part]
    return str(found)


@contextmanager
def running(api: Served, folder: Path, page: str, language: str, mark: str) -> Iterator[Path]:
    """Run an example; give the file that has what it says."""
    program, tool = WAYS[language]
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    code = find_example(page, language, mark).replace("127.0.0.1:8790", urlsplit(api.url).netloc)
    (folder / "example").write_text(code)
    output = folder / "output"
    environment = {**os.environ, "TOKEN": api.all, "PYTHONPATH": str(DOCS.parent)}
    with output.open("w") as file:
        process = subprocess.Popen(
            [program, str(folder / "example")],
            stdout=file,
            stderr=file,
            env=environment,
            start_new_session=True,
        )
    try:
        yield output
    finally:
        os.killpg(process.pid, 9)
        process.wait()


@pytest.mark.parametrize("language", WAYS)
def test_the_first_question_is_answered_in_each_language(api: Served, tmp_path: Path, language: str) -> None:
    calls = [call["id"] for call in api.items("calls", direction="inbound", limit=5)]
    assert len(calls) == 5
    with running(api, tmp_path, "api.md", language, "direction") as output:
        wait_until(lambda: all(call in output.read_text() for call in calls), 60)


@pytest.mark.parametrize(
    ("language", "said"), [("sh", '"state":"done"'), ("python", "calling"), ("javascript", "done")]
)
def test_a_command_is_given_in_each_language(api: Served, tmp_path: Path, language: str, said: str) -> None:
    with (
        carrying_out(api.store, lambda _: ("done", {"result": {"x": 1}})) as carried,
        running(api, tmp_path, "api.md", language, "call.make") as output,
    ):
        wait_until(lambda: said in output.read_text(), 60)
    assert [request["args"] for request in carried] == [{"deviceNumber": "1001", "calledDN": "1002"}]


@pytest.mark.parametrize("language", WAYS)
def test_the_stream_is_followed_in_each_language(api: Served, tmp_path: Path, language: str) -> None:
    with running(api, tmp_path, "stream.md", language, "snapshot=") as output:
        wait_until(lambda: "snapshot" in output.read_text(), 60)
        name = make_missed(api.store)
        wait_until(lambda: name in output.read_text(), 60)


def test_the_page_names_every_reason_why_a_stream_is_closed() -> None:
    code = "\n".join(file.read_text("utf-8") for file in sorted((DOCS.parent / "ipecs_mw/api").rglob("*.py")))
    calls = re.findall(r"\.close\(([^()]*)\)", code)
    reasons = {reason for call in calls for reason in re.findall(r'"([a-z_]+)"', call)}
    assert "too_slow" in reasons
    page = (DOCS / "stream.md").read_text("utf-8")
    assert sorted(reason for reason in reasons if f"| `{reason}` |" not in page) == []
