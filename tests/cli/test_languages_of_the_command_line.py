"""Everything that the command line says is in one language, click's own sentences too."""

import errno
import os
import subprocess
import sys

import pytest

from ipecs_mw.errors import HostUnreachable
from ipecs_mw.seeds import shipped_texts

ENGLISH = (
    "Usage",
    "Options",
    "Commands",
    "Show this",
    "Error:",
    "Try ",
    "No such",
    "Missing",
    "Invalid",
    "Aborted",
)


@pytest.mark.parametrize("locale", ["de-DE", "ko-KR"])
@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("config", "set", "--help"), ("nosuch",), ("--nosuch",), ("trust",), ("events", "--limit", "x"),
     ("events", "--kind", "nosuch"), ("migrate", "extra"), ("config", "diff", "x"), ("events", "--limit")],
)  # fmt: skip
def test_no_english_sentence_of_click_is_left(locale: str, arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ipecs_mw", *arguments],
        env={**os.environ, "IPECS_MW_LOCALE": locale, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = done.stdout + done.stderr
    assert [word for word in ENGLISH if word in said] == [], said
    assert "Traceback" not in said


@pytest.mark.parametrize("locale", ["en-GB", "de-DE", "ko-KR"])
@pytest.mark.parametrize(
    "code",
    [errno.EHOSTUNREACH, errno.ECONNREFUSED, errno.ENOENT, errno.EACCES, errno.ENOSPC, errno.EADDRINUSE],
)
def test_what_the_operating_system_says_is_in_the_language(locale: str, code: int) -> None:
    texts = shipped_texts(locale)
    for reason in (
        os.strerror(code),
        str(OSError(code, os.strerror(code))),
        f"x: [Errno {code}] {os.strerror(code)}",
    ):
        said = texts.explain(HostUnreachable("error.host_unreachable", host="a", address="b", reason=reason))
        assert os.strerror(code) not in said
        assert "Errno" not in said
        assert "reason." not in said
