"""The receivers on the page about webhooks, run as they stand there."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sites import wait_until

from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import WebhookNotSent
from ipecs_mw.messages.formats.signing import build_headers, decode_secret, sign
from ipecs_mw.messages.formats.template import Template, check_template
from ipecs_mw.model.configuration.access_settings import TlsSettings
from ipecs_mw.model.validation import convert
from ipecs_mw.store.server.mongod import find_free_port
from ipecs_mw.transport.tls import build_context_of
from ipecs_mw.transport.webhook import Receiver

PAGE = (Path(__file__).parent.parent / "docs" / "webhooks.md").read_text("utf-8")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = decode_secret(SECRET) or b""
BODY = b'{"type":"call.ended","timestamp":"2026-11-24T09:00:00Z","data":{"id":"main:1"}}'


def find_code(language: str, mark: str) -> str:
    """Return the part of the page in this language that has a mark."""
    parts = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    (found,) = [part for part in parts if mark in part]
    return str(found)


@contextmanager
def running(command: list[str], code: str, file: Path) -> Iterator[int]:
    """Run a receiver of the page on a port of its own."""
    port = find_free_port()
    file.write_text(code.replace("8080", str(port)))
    process = subprocess.Popen([*command, str(file)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        process.kill()
        process.communicate()


def send(port: int, key: bytes) -> int:
    """Send a message that this key signed; return the status, 0 where the receiver just hangs up."""
    at = int(SystemClock().now().timestamp())
    headers = build_headers([key], "msg_1", at, BODY, "application/json")
    receiver = Receiver(lambda: build_context_of(TlsSettings()), SystemClock())
    try:
        return receiver.send(
            "POST", f"http://127.0.0.1:{port}/", headers, BODY, seconds=10, allow_private=True
        ).status
    except WebhookNotSent:
        return 0
    finally:
        receiver.close()


def check(port: int) -> None:
    wait_until(lambda: send(port, KEY) == 204)
    assert send(port, b"x" * 24) in (0, 401)
    assert send(port, KEY) == 204


def test_the_receiver_in_python_takes_what_is_signed_and_nothing_else(tmp_path: Path) -> None:
    with running([sys.executable], find_code("python", "HTTPServer"), tmp_path / "receiver.py") as port:
        check(port)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")
def test_the_receiver_in_javascript_takes_what_is_signed_and_nothing_else(tmp_path: Path) -> None:
    with running(["node"], find_code("javascript", "createServer"), tmp_path / "receiver.js") as port:
        check(port)


@pytest.mark.skipif(not (shutil.which("openssl") and shutil.which("xxd")), reason="needs openssl and xxd")
def test_the_signature_of_the_shell_is_ours() -> None:
    given = {"ID": "msg_1", "TIMESTAMP": "1614265330", "BODY": BODY.decode(), "SECRET": SECRET}
    done = subprocess.run(
        ["sh", "-c", find_code("sh", "openssl")],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"v1,{done.stdout.strip()}" == sign([KEY], "msg_1", 1614265330, BODY)


def test_the_template_of_the_page_is_one() -> None:
    template = convert(json.loads(find_code("json", "steps")), Template, source="page")
    assert list(check_template(template)) == []
