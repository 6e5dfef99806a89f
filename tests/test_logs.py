"""Log lines: a stable name, a sentence, and never a secret."""

import errno
import io
import json
import logging
import os
import stat
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from ipecs_mw import log_sinks, logs
from ipecs_mw.errors import CannotStart, IpecsMwError
from ipecs_mw.seeds import shipped_texts

CANARY = "canary-s3cret"


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget the secrets of other tests, and leave no handler behind."""
    monkeypatch.setattr(logs, "_secrets", set())
    monkeypatch.setattr(logs, "_tokens", deque(maxlen=256))
    yield
    for handler in logging.getLogger().handlers[:]:
        logging.getLogger().removeHandler(handler)
        handler.close()


def configure(form: str = "text", locale: str = "en-GB", **options: Any) -> io.StringIO:
    stream = io.StringIO()
    logs.configure(shipped_texts(locale), form=form, stream=stream, **options)
    return stream


def fail(text: str) -> None:
    raise RuntimeError(text)


def test_a_line_has_time_level_name_sentence_and_facts() -> None:
    stream = configure()
    logs.get_logger().info("session.ended", host="main")
    line = stream.getvalue()
    time, level, name, *rest = line.split()
    assert time.endswith("Z")
    assert (level, name) == ("INFO", "session.ended")
    assert rest[-1] == "host=main"
    assert shipped_texts("en-GB").render("session.ended", host="main") in line


def test_a_json_line_is_one_object_with_the_same_facts() -> None:
    stream = configure("json")
    logs.get_logger().warning("session.ended", host="main", n=2)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["host"], line["n"]) == ("session.ended", "warning", "main", 2)
    assert line["text"] == shipped_texts("en-GB").render("session.ended", host="main")


@pytest.mark.parametrize("locale", ["en-GB", "de-DE", "ko-KR"])
def test_the_sentence_is_in_the_configured_language(locale: str) -> None:
    stream = configure(locale=locale)
    logs.get_logger().info("session.ended", host="main")
    assert shipped_texts(locale).render("session.ended", host="main") in stream.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "secret", [CANARY, 'quo"te\\back', "pässwörd", "암호암호", "line\nbreak", "a b/c&d", "it's-1"]
)
def test_a_secret_is_masked_wherever_it_stands(form: str, secret: str) -> None:
    stream = configure(form)
    logs.hide(secret)
    log = logs.get_logger()
    log.info("session.ended", host=secret, deep={"a": [secret]}, url=f"https://x/?t={secret}")
    line = f"debug {secret}"
    log.info(line)
    logging.getLogger("library").warning("library says %s", secret)
    try:
        fail(f"with {secret}")
    except RuntimeError:
        log.exception("thread.ended", thread="x", detail="")
    output = stream.getvalue()
    assert output.count("***") >= 5
    for part in (secret, json.dumps(secret)[1:-1], secret[1:]):
        assert part not in output


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_says_each_sentence_once(form: str) -> None:
    stream = configure(form)
    for event in ("config.refused", "nobody.says"):
        logs.get_logger().error(event, detail="hosts[0].port is 0.", path="hosts[0].port")
    assert [line.count("hosts[0].port is 0.") for line in stream.getvalue().splitlines()] == [1, 1]


def test_a_secret_that_is_part_of_another_leaves_nothing_of_it() -> None:
    for secret in ("1234", "12345678", "123456"):
        logs.hide(secret)
    assert logs.mask("a 12345678 b 123456 c 1234") == "a *** b *** c ***"


def test_what_is_too_short_to_tell_is_no_secret() -> None:
    for secret in (None, "", "abc"):
        logs.hide(secret)
    assert logs.mask("abc") == "abc"


@pytest.mark.parametrize("secret", ["a", "1", "up", "main"[:3]])
def test_a_token_too_short_to_tell_masks_nothing(secret: str) -> None:
    stream = configure()
    logs.hide_token(secret)
    logs.get_logger().info("session.ended", host="main", n=1)
    assert "***" not in stream.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("secret", ["host", "info", "true", "session.ended", "2026", "received", "text"])
def test_a_secret_that_is_also_a_word_of_ours_spoils_no_line(form: str, secret: str) -> None:
    stream = configure(form)
    logs.hide(secret)
    logs.get_logger().info("session.ended", host=f"a {secret} b", received=True)
    line = stream.getvalue()
    assert "a *** b" in line
    if form == "json":
        found = json.loads(line)
        assert (found["event"], found["level"], found["received"]) == ("session.ended", "info", True)
        assert found["time"].startswith("20")
    else:
        assert line.split()[1:3] == ["INFO", "session.ended"]
        assert "host=" in line


def test_a_short_secret_is_masked_where_it_stands_alone_and_not_within_a_word() -> None:
    logs.hide("main")
    assert logs.mask("main, (main) t=main&u main_ %3Dmain \\nmain") == (
        "***, (***) t=***&u ***_ %3D*** \\n***"
    )
    assert logs.mask("maintenance domain remains") == "maintenance domain remains"


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_secret_of_digits_is_masked_where_it_is_a_number(form: str) -> None:
    stream = configure(form)
    logs.hide("47114711")
    logs.get_logger().info("session.ended", host="main", n=47114711, deep={"47114711": [47114711, 1.5, None]})
    assert "47114711" not in stream.getvalue()
    assert stream.getvalue().count("***") == 3


@pytest.mark.parametrize("token", ["ab+/c9d8e7f6==", 'quo"te-token', "back\\slash-token"])
def test_a_token_is_masked_as_a_uri_and_json_spell_it_too(token: str) -> None:
    logs.hide_token(token)
    for spelling in (token, quote(token, safe=""), json.dumps(token)[1:-1], repr(token)[1:-1]):
        assert logs.mask(f"token {spelling} end") == "token *** end"


def test_the_passwords_of_uris_are_masked() -> None:
    assert logs.mask_uri("mongodb://me:pw@host/x") == "mongodb://me:***@host/x"
    assert logs.mask_uri("no uri: a@b") == "no uri: a@b"


def test_an_error_is_explained_in_the_language_of_the_log_with_secrets_masked() -> None:
    configure(locale="de-DE")
    logs.hide(CANARY)
    error = IpecsMwError("error.mongo_refused", reason=CANARY)
    assert logs.explain(error) == shipped_texts("de-DE").render("error.mongo_refused", reason="***")


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_a_host_sends_cannot_steer_a_terminal_or_forge_a_line(form: str) -> None:
    stream = configure(form)
    evil = "a\x1b[2Jb\r\n2026 INFO forged\u2028x\u202ey\x9b31m"
    logs.get_logger().info("session.ended", host=evil, deep=[evil])
    logs.get_logger().info(evil)
    lines = stream.getvalue().split("\n")
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)
    assert form == "text" or json.loads(lines[0])["host"] == evil


def test_a_traceback_cannot_steer_a_terminal_either() -> None:
    stream = configure()
    try:
        fail("\x1b[2J\r forged")
    except RuntimeError:
        logs.get_logger().exception("thread.ended", thread="x", detail="")
    assert "Traceback" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


def test_the_file_gets_the_same_lines_and_is_private(tmp_path: Path) -> None:
    file = tmp_path / "logs" / "ipecs-mw.log"
    stream = configure(file=str(file))
    logs.hide(CANARY)
    logs.get_logger().info("session.ended", host=CANARY)
    assert file.read_text("utf-8") == stream.getvalue()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_stays_private_when_it_is_rotated_and_when_it_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_sinks, "_FILE_BYTES", 500)
    (tmp_path / "a.log").write_text("old\n")
    (tmp_path / "a.log").chmod(0o644)
    configure(file=str(tmp_path / "a.log"))
    for number in range(100):
        logs.get_logger().info("session.ended", host="main", n=number)
    files = list(tmp_path.iterdir())
    assert len(files) == 11
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_full_disk_is_told_once_without_secrets_and_the_file_goes_on_when_there_is_room(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.log"
    file.symlink_to("/dev/full")
    stream = configure(file=str(file))
    logs.hide(CANARY)
    for number in range(20):
        logs.get_logger().info("session.ended", host=CANARY, n=number)
    assert stream.getvalue().count("logging.file_failed") == 1
    assert os.strerror(errno.ENOSPC) in stream.getvalue()
    assert stream.getvalue().count("session.ended") == 20
    file.unlink()
    logs.get_logger().info("session.ended", host="later")
    assert stream.getvalue().count("logging.file_resumed") == 1
    assert file.read_text("utf-8").count("host=later") == 1
    assert capfd.readouterr() == ("", "")
    assert CANARY not in stream.getvalue() + file.read_text("utf-8")


def test_a_line_that_a_full_disk_cut_spoils_no_other(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text('{"event": "whole"}\n{"event": "cu')
    configure("json", file=str(tmp_path / "a.log"))
    for _ in range(2):
        logs.get_logger().info("session.ended", host="main")
    whole, _cut, *rest = (tmp_path / "a.log").read_text("utf-8").splitlines()
    assert [json.loads(line)["event"] for line in (whole, *rest)] == [
        "whole",
        "session.ended",
        "session.ended",
    ]


def test_an_output_that_cannot_be_written_shows_no_secret_either(capfd: pytest.CaptureFixture[str]) -> None:
    with Path("/dev/full").open("w", buffering=1) as full:
        logs.configure(shipped_texts("en-GB"), stream=full)
        logs.hide(CANARY)
        logs.get_logger().info("session.ended", host=CANARY)
        told = capfd.readouterr().err
        assert os.strerror(errno.ENOSPC) in told
        assert CANARY not in told
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            full.close()


def test_a_log_file_that_could_not_be_written_to_the_end_does_not_keep_a_new_set_up_from_working(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.log").symlink_to("/dev/full")
    configure(file=str(tmp_path / "a.log"))
    logs.get_logger().info("session.ended", host="main")
    stream = configure()
    logs.get_logger().info("session.ended", host="main")
    assert "session.ended" in stream.getvalue()


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotStart) as caught:
        configure(file=str(tmp_path))
    assert caught.value.facts["file"] == str(tmp_path)


def test_lines_below_the_level_are_not_written_and_libraries_only_warn() -> None:
    stream = configure(level="WARNING")
    logs.get_logger().info("session.ended", host="main")
    logging.getLogger("library").info("chatter")
    assert stream.getvalue() == ""


def test_setting_up_again_replaces_what_was_set_up_before() -> None:
    first, second = configure(), configure()
    logs.get_logger().info("session.ended", host="main")
    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 1


def test_what_is_logged_while_logging_is_set_up_again_shows_no_secret(
    capfd: pytest.CaptureFixture[str],
) -> None:
    logs.hide(CANARY)
    configure()
    is_over = threading.Event()

    def chatter() -> None:
        while not is_over.is_set():
            logs.get_logger().warning("session.silent", host=CANARY, seconds=1)

    chatterers = [threading.Thread(target=chatter) for _ in range(3)]
    for thread in chatterers:
        thread.start()
    for _ in range(100):
        configure()
    is_over.set()
    for thread in chatterers:
        thread.join()
    assert CANARY not in capfd.readouterr().err
