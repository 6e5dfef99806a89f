"""Which bootstrap file is read, and what it may say."""

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ipecs_mw.bootstrap import find_bootstrap, load_bootstrap
from ipecs_mw.errors import CannotStart, InvalidDocument
from ipecs_mw.logs import mask, mask_uri
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.server.connection import open_client

CANARY = "canary-p4ss"


def write(tmp_path: Path, content: Any) -> Path:
    file = tmp_path / "bootstrap.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return file


def test_the_option_comes_before_the_variable_and_the_variable_before_the_current_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("IPECS_MW_BOOTSTRAP", "from-variable.json")
    assert find_bootstrap("from-option.json") == Path("from-option.json")
    assert find_bootstrap(None) == Path("from-variable.json")
    monkeypatch.setenv("IPECS_MW_BOOTSTRAP", "")
    assert find_bootstrap(None) == Path("bootstrap.json")


def test_a_connection_string_is_kept_as_it_stands(tmp_path: Path) -> None:
    uri = "mongodb+srv://cluster.example.org/calls"
    loaded = load_bootstrap(write(tmp_path, {"mongo_uri": uri}))
    assert (loaded.mongo_uri, loaded.embedded_dir) == (uri, None)


def test_the_embedded_folder_is_relative_to_the_file_and_not_to_the_current_folder(tmp_path: Path) -> None:
    loaded = load_bootstrap(write(tmp_path, {"mongo_uri": "embedded:data/mongo"}))
    assert loaded.embedded_dir == tmp_path / "data/mongo"


def test_an_absolute_embedded_folder_stays_where_it_is(tmp_path: Path) -> None:
    loaded = load_bootstrap(write(tmp_path, {"mongo_uri": "embedded:/srv/mongo"}))
    assert loaded.embedded_dir == Path("/srv/mongo")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotStart) as caught:
        load_bootstrap(tmp_path / "none.json")
    assert caught.value.key == "error.bootstrap_missing"
    assert caught.value.facts["file"] == str(tmp_path / "none.json")
    assert caught.value.exit_code == 3


def test_what_cannot_be_read_as_a_file_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(CannotStart) as caught:
        load_bootstrap(tmp_path)
    assert caught.value.key == "error.file_unreadable"
    assert caught.value.facts["reason"] == "Is a directory"


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "bootstrap.json"
    file.write_bytes('{"mongo_uri": "é"}'.encode("latin-1"))
    with pytest.raises(CannotStart, match=r"error\.file_unreadable"):
        load_bootstrap(file)


def test_what_is_not_json_is_told_with_line_and_column(tmp_path: Path) -> None:
    with pytest.raises(InvalidDocument) as caught:
        load_bootstrap(write(tmp_path, '{\n  "mongo_uri": mongodb\n}'))
    assert caught.value.key == "error.not_json"
    assert (caught.value.facts["line"], caught.value.facts["column"]) == (2, 16)


@pytest.mark.parametrize("content", [[], "text", 5, None, True])
def test_what_is_not_an_object_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(InvalidDocument) as caught:
        load_bootstrap(write(tmp_path, json.dumps(content)))
    assert caught.value.facts["path"] == "$"


def test_another_key_is_an_error_that_names_it(tmp_path: Path) -> None:
    uri = f"mongodb://u:{CANARY}@h/"
    with pytest.raises(InvalidDocument) as caught:
        load_bootstrap(write(tmp_path, {"mongo_url": uri}))
    assert caught.value.key == "error.field_unknown"
    assert caught.value.facts["path"] == "mongo_url"
    assert caught.value.facts["allowed"] == "mongo_uri"
    assert CANARY not in str(caught.value)


def test_an_empty_object_is_told_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(InvalidDocument) as caught:
        load_bootstrap(write(tmp_path, {}))
    assert caught.value.key == "error.field_missing"
    assert caught.value.facts["path"] == "mongo_uri"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "127.0.0.1:27017",
        f"mongo://u:{CANARY}@h/",
        f"http://u:{CANARY}@h/",
        "embedded:",
        "embedded:  ",
        5,
        f"mongodb:/u:{CANARY}@h/",
        f"mongo://u:first\n{CANARY}@h/",
        f"mongo://u:{CANARY}",
        [f"mongodb://u:{CANARY}@h/"],
        {"uri": f"mongodb://u:{CANARY}@h/"},
    ],
)
def test_a_wrong_connection_string_is_refused_without_its_password(tmp_path: Path, value: Any) -> None:
    with pytest.raises(InvalidDocument) as caught:
        load_bootstrap(write(tmp_path, {"mongo_uri": value}))
    assert caught.value.facts["path"] == "mongo_uri"
    assert CANARY not in str(caught.value)


SIGNS = {
    "a question mark": "sup3r?tops3cretrest",
    "a slash": "sup3r/tops3cretrest",
    "a hash": "sup3r#tops3cretrest",
    "an at": "sup3r@tops3cretrest",
    "a colon": "sup3r:tops3cretrest",
    "digits and a slash, as a port": "27017/tops3cretrest",
    "brackets": "sup3r[tops3cretrest]",
    "a percent sign": "sup3r%tops3cretrest",
    "a plus": "sup3r+tops3cretrest",
    "a space": "sup3r tops3cretrest",
    "a line's end": "sup3r\ntops3cretrest",
    "an option": "sup3r?authSource=tops3cretrest&w=0",
}


@pytest.mark.parametrize("scheme", ["mongodb", "mongodb+srv"])
@pytest.mark.parametrize("password", SIGNS.values(), ids=SIGNS)
def test_a_password_with_signs_of_a_uri_is_refused_with_a_sentence_that_shows_nothing_of_it(
    tmp_path: Path, password: str, scheme: str
) -> None:
    uri = f"{scheme}://user:{password}@db.example.org/"
    with pytest.raises(InvalidDocument) as caught:
        load_bootstrap(write(tmp_path, {"mongo_uri": uri}))
    assert (caught.value.key, caught.value.facts["path"]) == ("error.mongo_uri_sign", "mongo_uri")
    with pytest.raises(InvalidDocument, match=r"error\.mongo_uri_sign"):
        open_client(uri, "mongo_uri")
    said = shipped_texts("en-GB").explain(caught.value) + str(caught.value) + mask_uri(f"cannot read {uri}")
    assert not [part for part in re.split(r"\W", password) if len(part) > 3 and part in said]


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://me@corp:sup3r-s3cret@h/",
        "see mongodb://h:1/ or mongodb://u:sup3r-s3cret@h/",
        "https://u:sup3r-s3cret@h/",
        "mongodb://:sup3r-s3cret@h/",
        "mongodb://u/x:sup3r-s3cret@h/",
    ],
)
def test_no_password_of_any_uri_in_a_text_is_shown(uri: str) -> None:
    assert "s3cret" not in mask_uri(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://h1:27017,h2:27018,[::1]:27019/calls?replicaSet=rs0",
        "mongodb://u:p%40ss%2Fw%3Ford@h/calls?authSource=admin",
        "mongodb://u:a$b!c(d)e,f;g=h&i'j*k~l-m_n.o@h/",
        "mongodb://CN=me,O=us@h/?authMechanism=MONGODB-X509",
        "mongodb+srv://u:p@cluster.example.org/?retryWrites=true&w=majority",
    ],
)
def test_what_is_written_as_a_uri_is_taken(tmp_path: Path, uri: str) -> None:
    assert load_bootstrap(write(tmp_path, {"mongo_uri": uri})).mongo_uri == uri


@pytest.mark.parametrize("name", ["admin", "config", "local", "Admin", "%61dmin"])
@pytest.mark.parametrize("options", ["", "?authSource=admin&replicaSet=rs0"])
def test_a_database_of_mongodb_s_own_is_refused_with_a_word_on_the_option_that_was_meant(
    tmp_path: Path, name: str, options: str
) -> None:
    uri = f"mongodb://u:{CANARY}@h:27017/{name}{options}"
    with pytest.raises(InvalidDocument) as caught:
        load_bootstrap(write(tmp_path, {"mongo_uri": uri}))
    assert caught.value.key == "error.mongo_database"
    assert "authSource" in shipped_texts("en-GB").explain(caught.value)
    with pytest.raises(InvalidDocument, match=r"error\.mongo_database"):
        open_client(uri, "mongo_uri")


@pytest.mark.parametrize(
    ("written", "plain"),
    [("open%20sesame", "open sesame"), ("at%40in-it", "at@in-it"), ("it@s-it", "it@s-it")],
)
def test_the_password_is_hidden_from_logs_as_written_and_as_meant(
    tmp_path: Path, written: str, plain: str
) -> None:
    with suppress(InvalidDocument):
        load_bootstrap(write(tmp_path, {"mongo_uri": f"mongodb://user:{written}@h/"}))
    assert mask(f"said {written} and {plain}.") == "said *** and ***."


def test_the_mark_that_windows_editors_put_first_is_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "bootstrap.json"
    file.write_text('{"mongo_uri": "embedded:data"}', "utf-8-sig")
    assert load_bootstrap(file).embedded_dir == tmp_path / "data"


@pytest.mark.parametrize("content", ["[" * 200_000, {"mongo_uri": "embedded:a\0b"}], ids=["deep", "nul"])
def test_nesting_without_end_and_a_nul_in_the_folder_are_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(CannotStart):
        load_bootstrap(write(tmp_path, content))
