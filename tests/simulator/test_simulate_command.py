"""`ipecs-mw simulate` as a process: what it prints, how it ends, what it refuses."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from sites import wait_until

from ipecs_mw.model.configuration.settings import parse_settings

PASSWORD = "canary-password-2"


def start(*options: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ipecs_mw", "simulate", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("IPECS_")},
            "IPECS_MW_LOCALE": "en-GB",
            **environment,
        },
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_how_to_connect_and_ends_with_0_when_asked_to_stop(tmp_path: Path, number: int) -> None:
    options = ("--control-port", "0", "--certificate-dir", str(tmp_path))
    with start(*options, IPECS_MW_SIMULATE_PASSWORD=PASSWORD) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        entry = json.loads(lines[2][lines[2].index("{") :])
        found = re.search(r"http://127\.0\.0\.1:\d+/", lines[3])
        assert found is not None
        with requests.Session() as session:
            session.trust_env = False
            state = session.get(found[0], timeout=60).json()
        (configured,) = parse_settings({"hosts": [entry]}, source="printed").hosts
        assert (configured.name, configured.monitor) == ("main", ["1000-1019"])
        assert state["port"] == entry["port"]
        assert state["fingerprint_sha256"] == entry["tls"]["fingerprint_sha256"]
        process.send_signal(number)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Stopped after" in rest
    assert PASSWORD not in "".join(lines) + rest


def test_it_ends_after_the_seconds_asked_for() -> None:
    with start("--seconds", "0.1", IPECS_PASSWORD=PASSWORD) as process:
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, "https://127.0.0.1:" in output) == (0, True)


def test_its_options_choose_the_variants_and_the_clock_of_the_host() -> None:
    options = (
        *("--control-port", "0", "--transfer-ref", "new", "--records", "segment", "--announcement", "699"),
        *("--begins-at", "2026-03-02T08:00", "--speed", "3600", "--day-seconds", "600"),
    )
    with start(*options, IPECS_PASSWORD=PASSWORD) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        found = re.search(r"http://127\.0\.0\.1:\d+/", lines[3])
        assert found is not None
        with requests.Session() as session:
            session.trust_env = False
            told = session.get(found[0], timeout=30).json()["variants"]
            truth = wait_until(lambda: at_600(session.get(f"{found[0]}truth", timeout=30).json()))
        process.terminate()
        process.communicate(timeout=30)
    assert (told["transfer_ref"], told["records"], told["announcement"]) == ("new", "segment", "699")
    assert truth["now_at"] == "2026-03-02T08:10:00.000+08:00"
    assert truth["conversations"]


def at_600(truth: dict[str, Any]) -> dict[str, Any] | None:
    return truth if truth["now_seconds"] == 600 else None


@pytest.mark.parametrize(
    ("options", "password", "code", "word"),
    [
        ((), "", 2, "--password"),
        (("--stations", "10-9"), PASSWORD, 3, "10-9"),
        (("--stations", "1000-99999"), PASSWORD, 3, "1000-99999"),
        (("--timezone", "Mars/Olympus"), PASSWORD, 3, "Mars/Olympus"),
        (("--transfer-ref", "both"), PASSWORD, 2, "active"),
        (("--unanswered-share", "2"), PASSWORD, 2, "--unanswered-share"),
        (("--announcement", "hello"), PASSWORD, 3, "hello"),
        (("--begins-at", "noon"), PASSWORD, 2, "noon"),
        (("--address", "192.0.2.1"), PASSWORD, 3, "192.0.2.1"),
    ],
)
def test_what_it_cannot_do_is_a_sentence_and_an_exit_code(
    options: tuple[str, ...], password: str, code: int, word: str
) -> None:
    given = {"IPECS_PASSWORD": password} if password else {}
    with start(*options, **given) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == code
    assert word in output
    assert "Traceback" not in output


def test_a_missing_extra_is_named_with_the_way_to_install_it() -> None:
    script = (
        "import sys\n"
        "sys.modules['uvicorn'] = None\n"
        "from ipecs_mw.cli import main\n"
        "sys.argv = ['ipecs-mw', 'simulate', '--password', 'some-password']\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3
    assert "ipecs-mw[simulator]" in done.stderr
