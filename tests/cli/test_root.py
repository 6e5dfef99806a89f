"""`ipecs-mw` itself: help, interrupts at any moment, other encodings, variables that are not ours."""

import ast
import json
import os
import pty
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import click
import pytest
from sites import Site

import ipecs_mw.cli
from ipecs_mw.cli.click_texts import find_keys, spell
from ipecs_mw.cli.root import COMMANDS
from ipecs_mw.cli.variables import drop_cluster_variables
from ipecs_mw.clock import SystemClock
from ipecs_mw.model.event import Event
from ipecs_mw.store.events.event_log import EventLog, build_document

PROGRAM = [sys.executable, "-m", "ipecs_mw"]
COMMANDS_SHOWN = [name for names in COMMANDS.values() for name in names]


def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*PROGRAM, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_each_command_stands_under_one_heading() -> None:
    texts = {file.stem: file.read_text("utf-8") for file in Path(ipecs_mw.cli.__file__).parent.rglob("*.py")}
    found = {name for name, text in texts.items() if f"\ndef {name}(" in text and "@click." in text}
    assert set(COMMANDS_SHOWN) == found
    assert len(COMMANDS_SHOWN) == len(found)


@pytest.mark.parametrize("locale", ["en-GB", "de-DE", "ko-KR"])
@pytest.mark.parametrize("arguments", [(), ("config",), ("journal",), ("missed",), ("secret",)])
def test_help_shows_whole_sentences(locale: str, arguments: tuple[str, ...]) -> None:
    shown = call(*arguments, "--help", IPECS_MW_LOCALE=locale).stdout.decode()
    assert "..." not in shown.partition("\n")[2]
    assert "…" not in shown
    assert [name for name in COMMANDS_SHOWN if f"\n  {name} " not in shown] == [] or arguments


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("nosuch",), "Es gibt keinen Befehl"),
        (("events", "--nosuch"), "Es gibt keine Option"),
        (("events", "--limit", "x"), "keine gültige Zahl"),
        (("events", "--kind", "x"), "Möglich sind: 'acd'"),
        (("events", "--host"), "braucht einen Wert"),
        (("trust",), "Es fehlt das Argument"),
        (("journal", "check", "/nosuch"), "gibt es nicht"),
        (("--help",), "Aufruf:"),
    ],
)
def test_what_click_says_is_said_in_the_language(arguments: tuple[str, ...], word: str) -> None:
    done = call(*arguments, IPECS_MW_LOCALE="de-DE")
    assert word in (done.stdout + done.stderr).decode()
    assert "Error:" not in done.stderr.decode()
    assert done.returncode == (0 if "--help" in arguments else 2)


def test_each_sentence_that_is_translated_is_one_that_click_says() -> None:
    said = {
        spell(node.value)
        for file in Path(click.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(find_keys()) <= said


@pytest.mark.parametrize(
    ("encoding", "locale"),
    [("ascii", "ko-KR"), ("latin-1", "ko-KR"), ("euc-kr", "de-DE"), ("cp1252", "en-GB")],
)
def test_whatever_the_terminal_can_print_every_command_prints(site: Site, encoding: str, locale: str) -> None:
    event = Event("acd", "x", SystemClock().now(), data={"caller_name": "김철수 Müller ← 👍"}, group="뷁")
    EventLog(site.store).append([build_document("h:1", "main", 1, event)])
    for arguments in (
        ("--help",), ("events",), ("events", "--format", "csv"), ("events", "--help"), ("commands",),
        ("config", "show"), ("status",), ("seed", "--dry-run"), ("journal", "check"), ("nosuch",),
        ("send", "x"), ("check", "--no-login"),
    ):  # fmt: skip
        done = site.run(*arguments, PYTHONIOENCODING=encoding, IPECS_MW_LOCALE=locale)
        said = done.stdout + done.stderr
        assert "Traceback" not in said, (arguments, said)
        assert said.strip(), arguments


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "euc-kr"])
def test_json_keeps_its_value_in_every_encoding(site: Site, encoding: str) -> None:
    name = "김철수 Müller ← 👍"
    event = Event("acd", "x", SystemClock().now(), data={"caller_name": name})
    EventLog(site.store).append([build_document("h:1", "main", 1, event)])
    done = site.run("events", "--format", "jsonl", PYTHONIOENCODING=encoding)
    assert json.loads(done.stdout)["data"]["caller_name"] == name


@pytest.mark.parametrize(
    ("name", "value", "is_ours"),
    [
        ("IPECS_MW_SIMULATE_PORT", "tcp://10.96.0.7:8743", False),
        ("IPECS_MW_SIMULATE_CONTROL_PORT", "udp://[fd00::7]:53", False),
        ("IPECS_MW_EVENTS_HOST", "tcp://10.96.0.7:80", False),
        ("IPECS_MW_SIMULATE_PORT", "9000", True),
        ("IPECS_MW_PROFILE", "tcp", True),
        ("OTHER_PORT", "tcp://10.96.0.7:8743", True),
    ],
)
def test_the_variables_that_a_cluster_sets_are_not_taken_for_options(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, is_ours: bool
) -> None:
    monkeypatch.setenv(name, value)
    drop_cluster_variables()
    assert (os.environ.get(name) == value) is is_ours


def test_a_service_of_our_name_in_the_cluster_does_not_hinder() -> None:
    done = call(
        "simulate", "--port", "0", "--seconds", "0.1",
        IPECS_MW_SIMULATE_CONTROL_PORT="tcp://10.96.0.7:8743", IPECS_MW_SIMULATE_RATE="tcp://10.96.0.7:1",
        IPECS_PASSWORD="some-password",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


INTERRUPTED = """
import os, signal, sys
left = int(sys.argv.pop(1))
def hook(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGINT)
from ipecs_mw.cli import main
sys.addaudithook(hook)
main()
"""


def test_an_interrupt_ends_it_at_any_moment_without_a_traceback(site: Site) -> None:
    """Whatever is imported, opened or connected counts as a moment, from the first import to the end."""
    codes = []
    for moment in (1, 2, 30, 300, 900, 1800, 2400, 2600, 3000):
        arguments = site.command("events", "--count")[3:]
        done = subprocess.run(
            [sys.executable, "-c", INTERRUPTED, str(moment), *arguments],
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert not done.stderr.strip(), (moment, done)
        codes.append(done.returncode)
    assert codes[:4] == [130] * 4
    assert set(codes) <= {130, 0}


def insist(process: subprocess.Popen[bytes], terminal: int, keys: bytes) -> bytes:
    """Press keys until the process has ended, as a person would; return what it wrote to stderr.

    An interrupt in the moment between the question and the reading is heard by Python, but wakes nothing.
    """
    for _ in range(20):
        os.write(terminal, keys)
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=3)[1]
    process.kill()
    raise AssertionError(process.args)


def test_who_interrupts_a_question_gets_130_and_who_declines_is_told(site: Site) -> None:
    event = Event("acd", "x", SystemClock().now(), data={"caller_number": "0612345678"})
    EventLog(site.store).append([build_document("h:1", "main", 1, event)])
    for answer, code, said in ((b"n\n", 1, b"Nothing was done."), (b"\x03", 130, b"")):
        primary, secondary = pty.openpty()
        with subprocess.Popen(
            ["setsid", "--ctty", *site.command("erase", "0612345678")],
            stdin=secondary,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert b"?" in iter(partial(process.stdout.read, 1), b"")
            errors = insist(process, primary, answer)
        os.close(primary)
        os.close(secondary)
        assert process.returncode == code
        assert said in errors
        assert b"Traceback" not in errors


@pytest.mark.parametrize(
    ("number", "how", "seconds", "code"),
    [
        (signal.SIGTERM, "blocked", 600, 0),
        (signal.SIGTERM, "ignored", 600, 0),
        (signal.SIGINT, "blocked", 600, 0),
        (signal.SIGINT, "ignored", 600, 0),
        (signal.SIGHUP, "blocked", 600, -signal.SIGHUP),
        (signal.SIGHUP, "ignored", 1, 0),  # as `nohup` does it: it goes on until its time is over
    ],
)
def test_signals_are_heard_whatever_the_starting_program_did_with_them(
    site: Site, number: int, how: str, seconds: int, code: int
) -> None:
    name = signal.Signals(number).name.removeprefix("SIG")
    done = {
        "blocked": [f"--default-signal={name}", f"--block-signal={name}"],
        "ignored": [f"--ignore-signal={name}"],
    }
    with subprocess.Popen(
        ["env", *done[how], *site.command("simulate", "--port", "0", "--seconds", str(seconds))],
        stdout=subprocess.PIPE,
        env={**os.environ, "IPECS_PASSWORD": "some-password"},
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            process.send_signal(number)
            assert process.wait(60) == code
        finally:
            process.kill()


def test_it_ends_as_soon_as_it_is_done(site: Site) -> None:
    """The driver's threads, which would wait for half a second, are not waited for."""
    ended = """
import os, sys, time
leave = os._exit
os._exit = lambda code: (sys.stderr.write(f"left {code}"), sys.stderr.flush(), leave(code))
from ipecs_mw.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", ended, *site.command("events", "--count")[3:]],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"left 0")
