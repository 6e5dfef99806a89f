"""What the tests of the intake share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import FakeClock

from ipecs_mw.journal.journal import open_journal
from ipecs_mw.service.intake.intake import Intake


@pytest.fixture
def intake(tmp_path: Path, clock: FakeClock) -> Iterator[Intake]:
    journal, _ = open_journal(tmp_path / "a.journal", clock)
    yield Intake("main", journal, clock)
    journal.close()
