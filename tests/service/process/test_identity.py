"""A daemon's id: the same as long as state directory and machine are, and another one otherwise."""

from pathlib import Path

import pytest

from ipecs_mw.service.process.identity import load_identity


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    file = tmp_path / "machine-id"
    file.write_text("0123456789abcdef0123456789abcdef\n")
    return file


def test_a_daemon_that_starts_again_is_the_same(tmp_path: Path, machine: Path) -> None:
    assert load_identity(tmp_path, machine) == load_identity(tmp_path, machine)


def test_two_state_directories_of_one_name_are_two_daemons(tmp_path: Path, machine: Path) -> None:
    ids = {load_identity(tmp_path / place / "state", machine) for place in ("one", "two")}
    assert len(ids) == 2


def test_a_state_directory_that_was_copied_to_another_machine_is_another_daemon(
    tmp_path: Path, machine: Path
) -> None:
    here = load_identity(tmp_path, machine)
    machine.write_text("fedcba9876543210fedcba9876543210\n")
    assert load_identity(tmp_path, machine) != here


def test_a_container_without_a_machine_id_is_known_by_its_volume(tmp_path: Path) -> None:
    none = tmp_path / "none"
    assert load_identity(tmp_path, none) == load_identity(tmp_path, none)


def test_only_its_owner_may_read_what_makes_the_id(tmp_path: Path) -> None:
    load_identity(tmp_path)
    assert (tmp_path / "identity").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 40])
def test_what_is_damaged_is_made_anew(tmp_path: Path, machine: Path, content: bytes) -> None:
    (tmp_path / "identity").write_bytes(content)
    assert load_identity(tmp_path, machine) == load_identity(tmp_path, machine)
    assert len((tmp_path / "identity").read_bytes()) > 30


def test_without_a_place_to_keep_it_there_is_an_id_all_the_same(tmp_path: Path, machine: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert load_identity(tmp_path / "file", machine)
