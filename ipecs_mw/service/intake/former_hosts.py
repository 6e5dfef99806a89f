"""Journals of hosts that are no longer configured: what they hold is forwarded all the same."""

from collections.abc import Container, Mapping
from contextlib import suppress
from pathlib import Path

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import JournalError
from ipecs_mw.journal.file import find_files, read_owner
from ipecs_mw.journal.salvage import open_salvage
from ipecs_mw.model.definitions import Codes
from ipecs_mw.service.intake.decoding import build_decode, decode_reading
from ipecs_mw.service.intake.intake import Intake
from ipecs_mw.service.intake.pipeline import Pipeline, open_intake
from ipecs_mw.store.events.event_log import EventLog

log = logs.get_logger()


class FormerHosts:
    """The pipelines of such hosts, by name. They are found by one thread, before any host runs; used by any."""

    def __init__(self, state_dir: Path, events: EventLog, clock: Clock, max_bytes: int) -> None:
        self.pipelines: Mapping[str, Pipeline] = {}
        self._state_dir = state_dir
        self._events = events
        self._clock = clock
        self._max_bytes = max_bytes

    def adopt(self, configured: Container[str], codes: Codes, own: Intake) -> None:
        """Open each journal that holds entries of a host not `configured`; `own` is where that is recorded.

        One that cannot be opened is left as it is. Neither that nor a full disk under `own` holds anything up.
        """
        for file, name, count, note in find_orphans(self._state_dir, configured):
            try:
                intake = open_intake(
                    f"host-{name}", name, self._state_dir, self._clock, max_bytes=self._max_bytes
                )
            except JournalError as error:
                log.error("journal.not_adopted", file=str(file), count=count, detail=logs.explain(error))
                continue
            reading = decode_reading(note)
            if reading is not None and note is not None:
                intake.keep_reading(note)  # for the one that takes its place, should it be damaged
            decode = build_decode(reading, codes)
            self.pipelines = {**self.pipelines, name: Pipeline(intake, decode, self._events, self._clock)}
            with suppress(JournalError):  # the log has it
                own.record("journal.orphaned", "warning", file=str(file), count=count, name=name)
            if reading is None:
                log.warning("journal.without_zone", file=str(file), host=name)

    def start(self) -> None:
        """Forward from now on: MongoDB may be used."""
        for intake in self.pipelines.values():
            intake.start()

    def take(self, name: str) -> Pipeline | None:
        """Hand over the intake of a host that is configured again; None where there is none."""
        intake = self.pipelines.get(name)
        self.pipelines = {other: kept for other, kept in self.pipelines.items() if other != name}
        return intake

    def give_back(self, name: str, intake: Pipeline) -> None:
        """Take an intake back whose host is not to run after all."""
        self.pipelines = {**self.pipelines, name: intake}


def find_orphans(state_dir: Path, configured: Container[str]) -> list[tuple[Path, str, int, str | None]]:
    """Return the journals with entries of hosts that are not `configured`.

    Each with the host's name, how many entries it holds, and what it says of how they are read. None is open any
    more: a journal serves one connection at a time.
    """
    former_hosts = []
    for file in find_files(state_dir):
        if file.suffix == ".journal" and (name := read_owner(file)) and name not in configured:
            with suppress(JournalError), open_salvage(file) as found:
                if count := found.count_entries():
                    former_hosts.append((file, name, count, found.reading))
    return former_hosts
