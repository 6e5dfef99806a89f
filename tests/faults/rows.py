"""The faults that ipecs-mw survives, a row each; a test says with `@pytest.mark.fault(number)` which it proves."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A fault and what has to come of it, beside the oracle that holds for all of them."""

    number: int
    part: str
    fault: str
    outcome: str


_MONGODB = {
    1: ("mongod is killed while batches are written", "the journal grows and drains once it is back"),
    2: ("mongod hangs for seconds or a minute", "frames are read on; what it wrote after all is not doubled"),
    3: ("MongoDB is away at the first start", "a clear sentence, tries without end, no login at the host"),
    4: ("MongoDB is away at a later start", "starts from the configuration it kept, and says so"),
    5: ("the primary steps down or dies", "nothing lost, nothing doubled"),
    6: ("a write is applied and its reply lost", "one copy"),
    7: ("a write concern error although stored", "written again, one copy"),
    8: (
        "not primary, no right, disk full, time-out",
        "what may pass is told from what may not; nothing dropped",
    ),
    9: ("inserts of two seconds each", "the connection to the host stays up"),
    10: ("a standalone server", "requests and configuration are polled"),
    11: ("the history of a change stream is lost", "everything is read again, with a log entry"),
    12: ("frames that BSON refuses", "that event is kept as its bytes, its neighbours as events"),
    13: (
        "two daemons on one state directory or one account",
        "the second is refused or stands by; a dead owner's place is taken",
    ),
    14: ("a migration is killed half-way", "the next run completes it; no start before"),
    51: (
        "`events` is dropped, or restored without its indexes",
        "told by `check`, put right by the daemon and `migrate`; who follows goes on",
    ),
}
_HOST = {
    15: ("the token dies in mid-session or before the WebSocket", "one new login for everybody"),
    16: ("Already Login", "freed with the remembered token, else waited out with a countdown"),
    17: ("the daemon is stopped beyond the session timer", "a new login, the gap recorded"),
    18: ("half-open TCP", "found within 40 s, the gap recorded"),
    19: ("RST, FIN, close frames", "what was received is stored; back within seconds"),
    20: ("a host that is open but silent", "asked with a harmless request, then connected anew"),
    21: ("a host that answers no pings", "works with keepalive `checkconnection`"),
    22: ("a connection that flaps", "the waits grow, the log stays short"),
    23: ("the host restarts", "numbers that begin again are no duplicates"),
    24: ("a serial number jumps", "a gap with the numbers that are missing"),
    25: ("the same frame twice in one connection", "both stored, the second marked"),
    26: ("wrong, slow and missing REST replies", "named, bounded, no credential follows a redirect"),
    27: (
        "the reply to a command is lost",
        "state `unknown`, not repeated, resolved by the events that follow",
    ),
    28: (
        "another, expired or wrong certificate",
        "refused before token or password is sent, both fingerprints told",
    ),
    29: ("a wrong password", "one clear error, then the longest wait"),
}
_DATA = {
    30: ("damaged JSON, foreign encodings, empty frames", "stored with what is wrong; the connection stays"),
    31: ("frames around the size limit, compressed ones", "up to the limit stored; above it a gap, no storm"),
    32: ("wrong types, missing fields, unknown codes", "kept, never an exception"),
    33: ("database operators as values", "values, never operators"),
    34: ("terminal escapes, markup, formulas in names", "shown harmless everywhere"),
    35: ("secrets", "in nothing that is written"),
}
_PROCESS = {
    36: ("the daemon is killed in a burst", "nothing doubled; only what was in the socket is lost, as a gap"),
    37: ("the daemon is asked to stop in a burst", "out within 10 s, logged out, nothing lost, exit code 0"),
    38: ("storms and a long backlog", "memory stays flat, the backlog drains, the start does not load it"),
    39: ("the disk under the journal is full", "alarms, a gap at the cap, recovery by itself"),
    40: ("a damaged journal", "set aside with an alarm, a new one begun, the rest readable"),
    41: ("the clock jumps", "timers and order do not depend on it"),
    42: ("a listener that fails or blocks", "the others and the log go on"),
    48: (
        "clocks that jump, differ or go on while events are lost",
        "the gap covers all that is missing",
    ),
}
_CONFIGURATION = {
    43: (
        "a configuration edited to something invalid, or deleted",
        "the last good one stays, the status says why",
    ),
    44: ("a language string missing or with wrong placeholders", "a fallback and a warning"),
    45: ("a command definition that is wrong or leads elsewhere", "refused when it is loaded"),
}

_OUTSIDE = {
    46: (
        "the log's way out hangs: nobody reads stdout, the disk under the file",
        "events, session, lease and stop go on; lines that did not fit are counted and told",
    ),
    47: (
        "frames of long runs of one sign, up to the limit",
        "no thread holds the others up: heartbeat, events and stop keep their time",
    ),
    49: (
        "SIGHUP; a log file renamed or deleted; a terminal that closes",
        "opened anew, nothing else; out in order",
    ),
    50: (
        "what is read from outside never ends or never comes: password file, names, port",
        "bounded, told, nothing else held up",
    ),
}

_READERS = {
    52: (
        "the reader is killed at any moment; what it had in mind is deleted or damaged",
        "calls and states are what the log means",
    ),
    53: (
        "a journal that comes late, an account that goes from one daemon to another and back",
        "the calls since then are read again, in the order of the phone system",
    ),
    54: ("the daemon that reads is frozen and wakes", "another one goes on within 15 s; only one writes"),
    55: (
        "MongoDB fails, is slow or changes its primary while calls are written",
        "no event waits for it; calls and states are what the log means",
    ),
    56: (
        "a rebuild beside the reader, interrupted",
        "the old records stay until it is repeated, then all is right",
    ),
}

_APPLICATIONS = {
    57: (
        "`serve` is killed with clients; a client goes to another `serve`; the primary is killed",
        "nothing missing, nothing twice, in order",
    ),
    58: (
        "clients that read nothing, send nothing, send for ever, open many connections",
        "closed with a reason, memory bounded, the others served",
    ),
    59: ("a token is revoked, expires, gets a narrower scope while its stream is open", "closed within 2 s"),
    60: (
        "the receiver of a webhook refuses, hangs, drips, redirects, resets, answers 10 MB; wrong certificate",
        "tried again, set aside in the end, replayed on demand; no other held up, nothing inside reached",
    ),
    61: (
        "who sends webhooks is killed between the delivery and the note of it, frozen, replaced",
        "sent again with the same id and content; never side by side; another one within 15 s",
    ),
    62: (
        "change streams are ended, or not there; a position is too old",
        "read on by position; one `reset`, then the state",
    ),
}

ROWS: tuple[Row, ...] = tuple(
    Row(number, part, *texts)
    for part, rows in (
        ("MongoDB", _MONGODB),
        ("The host", _HOST),
        ("Data", _DATA),
        ("Process and machine", _PROCESS),
        ("Configuration", _CONFIGURATION),
        ("Outside", _OUTSIDE),
        ("Readers of the log", _READERS),
        ("Applications", _APPLICATIONS),
    )
    for number, texts in rows.items()
)
