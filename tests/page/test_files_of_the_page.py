"""The files of the page: sent so that a browser runs nothing else, and theirs who made them."""

import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest
import requests
from api_scene import Served

from ipecs_mw.messages.rights import RIGHTS
from ipecs_mw.seeds import shipped_strings
from ipecs_mw.web import WEB, load_files

TABLES = [WEB / "vendor" / "files.json", Path(__file__).parent / "vendor" / "files.json"]
KEYS = re.compile(r"'((?:page|cli\.call|figures|state)\.[\w.-]+?)'")
FAMILIES = re.compile(r"(?:word\('|say\(`|`)((?:page|cli\.call|figures|state)\.[\w.]*?)(?:'|\.?\$\{)")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.parts[-4])
def test_each_file_of_others_is_the_one_that_its_table_names(table: Path) -> None:
    rows = {row["file"]: row for row in json.loads(table.read_text())}
    there = {path.name for path in table.parent.iterdir()} - {table.name}
    assert there == set(rows)
    for name, row in rows.items():
        assert hashlib.sha256((table.parent / name).read_bytes()).hexdigest() == row["sha256"], name
        assert row["licence"]
        assert row["version"]


def test_the_page_names_no_address_outside() -> None:
    for path in WEB.rglob("*"):
        if path.is_file() and path.suffix in (".js", ".html", ".css") and path.parent.name != "vendor":
            found = set(re.findall(r"https?://[\w.]+", path.read_text("utf-8")))
            assert found <= {"https://crm.example.com"}, path


def test_nothing_of_ours_makes_markup_of_text() -> None:
    for path in WEB.rglob("*.js"):
        if path.parent.name != "vendor":
            text = path.read_text("utf-8")
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), (
                path
            )


def test_every_word_that_the_page_says_is_there_and_none_that_it_does_not_say() -> None:
    source = "\n".join(path.read_text("utf-8") for path in WEB.rglob("*.js") if path.parent.name != "vendor")
    words = shipped_strings()["en-GB"]
    families = {found.rstrip(".") + "." for found in FAMILIES.findall(source)} - {"page.", "state."}
    named = {key for key in KEYS.findall(source) if key in words or f"{key}." not in families}
    assert [key for key in named if key not in words and key not in RIGHTS] == []
    assert [family for family in families if not any(key.startswith(family) for key in words)] == []
    said = lambda key: key in named or any(key.startswith(family) for family in families)  # noqa: E731
    assert [key for key in words if key.startswith("page.") and not said(key)] == []


def test_every_file_has_a_policy_a_type_and_a_tag(place: Served) -> None:
    for path in ("/", *(f"/web/{name}" for name in load_files()), "/web/words.json"):
        answer = requests.get(place.url + path, timeout=60)
        assert answer.status_code == 200, path
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Encoding"] == "gzip" or len(answer.content) < 500
        again = requests.get(place.url + path, headers={"If-None-Match": answer.headers["ETag"]}, timeout=60)
        assert (again.status_code, again.content) == (304, b""), path


@pytest.mark.parametrize(
    "path",
    [
        "web/../app.py",
        "web/%2e%2e/__init__.py",
        "web/__init__.py",
        "web/vendor/files.json",
        "web/",
        "web/x.js",
    ],
)
def test_nothing_else_is_served(place: Served, path: str) -> None:
    request = requests.Request("GET", f"{place.url}/").prepare()
    request.url = f"{place.url}/{path}"
    assert requests.Session().send(request, timeout=60).status_code == 404


@pytest.mark.parametrize(
    ("wanted", "locale"),
    [("de-DE", "de-DE"), ("ko", "ko-KR"), ("fr,en;q=0.5", "en-GB"), ("xx", "en-GB"), ("'\"<>", "en-GB")],
)
def test_words_come_in_the_language_that_is_wanted(place: Served, wanted: str, locale: str) -> None:
    answer = requests.get(place.url + "/web/words.json", params={"locale": wanted}, timeout=60)
    assert answer.json()["locale"] == locale
    header = requests.get(place.url + "/web/words.json", headers={"Accept-Language": wanted}, timeout=60)
    assert header.json() == answer.json()


def test_a_word_that_somebody_changed_in_mongodb_is_shown(place: Served) -> None:
    assert place.store.database["languages"].count_documents({"key": "page.view.wall"}) > 0


def test_all_scripts_and_styles_together_are_less_than_150_kilobytes_on_the_wire() -> None:
    assert sum(len(gzip.compress(content, 9)) for content, _ in load_files().values()) < 150_000


def test_no_file_of_ours_is_two() -> None:
    for path in WEB.rglob("*"):
        if path.suffix in (".js", ".css", ".html") and path.parent.name != "vendor":
            lines = path.read_text("utf-8").splitlines()
            assert len(lines) <= 400, path
            assert all(len(line) <= 115 for line in lines), path
            assert path.suffix == ".html" or lines[0].startswith(("// ", "/* ")), path
