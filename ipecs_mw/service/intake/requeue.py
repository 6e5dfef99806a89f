"""Handing the entries of a journal that was set aside to MongoDB, as its forwarder would have done."""

from itertools import islice

from ipecs_mw.errors import JournalDamaged, JournalNewer
from ipecs_mw.journal.file import FORMAT
from ipecs_mw.journal.salvage import Salvage
from ipecs_mw.service.intake.documents import Decode, Documents, store_items
from ipecs_mw.store.events.event_log import EventLog

_BATCH_ENTRIES = 1000


def requeue(salvage: Salvage, host: str | None, decode: Decode, events: EventLog) -> int:
    """Store every entry that can be read, under the id that it always had; return how many there were.

    What MongoDB has already is recognised and not doubled, so the call can be repeated. Raises StoreError;
    JournalNewer; JournalDamaged where not even the journal's id can be read.
    """
    file, journal_id = str(salvage.path), salvage.id
    if (found := salvage.format) is not None and found > FORMAT:
        raise JournalNewer("error.journal_newer", file=file, format=found, known=FORMAT)
    if journal_id is None:
        raise JournalDamaged("error.journal_without_id", file=file)
    documents = Documents(host, journal_id, salvage.position)
    entries = salvage.read_entries()
    count = 0
    while batch := list(islice(entries, _BATCH_ENTRIES)):
        store_items(events, host, [item for entry in batch for item in documents.build(entry, decode)])
        count += len(batch)
    return count
