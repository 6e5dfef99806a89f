"""Every exception of ipecs-mw; imports nothing of ours.

An error holds facts, not a sentence: `key` names a language string and `facts` fill its placeholders, so the
same error reads well in every language. `recovery` says what the session supervisor does about it; nothing
else decides that. `may_have_acted` says whether the host may have done what it was asked for. `exit_code` is what
the command line returns.
"""

from enum import Enum
from typing import Any, ClassVar


class Words:
    """A fact that is a language string of its own, so that a sentence made of several is in one language.

    `default` stands where no language has the string, as may be with the words of an edited code table.
    """

    def __init__(self, key: str, /, *, default: str | None = None, **facts: Any) -> None:
        self.key = key
        self.default = default
        self.facts = facts

    def __eq__(self, other: object) -> bool:
        """Tell whether both say the same."""
        return isinstance(other, Words) and (self.key, self.facts) == (other.key, other.facts)

    def __hash__(self) -> int:
        """Return what equal words share."""
        return hash(self.key)

    def __repr__(self) -> str:
        """Return key and facts, for developers; people get the words from `Texts.say`."""
        return f"{self.key}({', '.join(f'{name}={value!r}' for name, value in self.facts.items())})"


class Recovery(Enum):
    """What the session supervisor does after an error."""

    RETRY = "retry"  # growing, jittered waits
    LOGIN_AGAIN = "login_again"  # at once, with a new login
    WAIT_OUT = "wait_out"  # until the host's session timer has run out
    STAND_BY = "stand_by"  # until the lease is ours
    LONGEST_WAIT = "longest_wait"  # trying again cannot help before a person acted
    LOOK_AGAIN = "look_again"  # so too, but looking costs nobody anything: every few seconds
    STOP = "stop"


class IpecsMwError(Exception):
    """The root: `key` of the language string, `facts` for its placeholders; `more` is what else is wrong."""

    more: "tuple[IpecsMwError, ...]" = ()
    recovery: ClassVar[Recovery] = Recovery.RETRY
    exit_code: ClassVar[int] = 1
    sentence: str | None = None
    """How it reads, where that is known: who calls `ipecs_mw.Client` has no language strings."""

    def __init__(self, key: str, /, **facts: Any) -> None:
        super().__init__(key)
        self.key = key
        self.facts = facts

    @property
    def may_have_acted(self) -> bool:
        """Whether the host may have carried out what this error ended; where it is False, nothing was done."""
        return False

    def __str__(self) -> str:
        """Return the sentence where it is known, else the facts; people get theirs from `Texts.explain`."""
        facts = ", ".join(f"{name}={value!r}" for name, value in self.facts.items())
        return self.sentence or f"{self.key}: {facts}"


class CannotStart(IpecsMwError):
    """Something that must hold before the first connection does not."""

    recovery = Recovery.STOP
    exit_code = 3


class NoSuchProfile(CannotStart):
    """A profile that is not among those that there are."""

    exit_code = 2


class Stopped(CannotStart):
    """Asked to stop before everything was begun."""

    exit_code = 0


class InvalidDocument(CannotStart):
    """A document (bootstrap, configuration, definition, seed file) has a wrong field."""


class SecretUnreadable(CannotStart):
    """A secret of the configuration cannot be had from where it is kept."""

    recovery = Recovery.LOOK_AGAIN


class StoreError(IpecsMwError):
    """MongoDB did not do what was asked."""


class StoreUnavailable(StoreError):
    """MongoDB is away or changing its primary: the same call can succeed later."""


class StoreRefused(StoreError):
    """MongoDB refuses this call and will refuse it again: credentials, rights, disk."""


class PositionLost(StoreRefused):
    """MongoDB no longer has what came after a position: who follows must begin anew."""


class ChangedMeanwhile(StoreRefused):
    """A document is no longer what a change to it was made of: the change can be made again, of what is there."""


class CannotRestore(IpecsMwError):
    """What a reader had in mind cannot be gone on from: it is damaged, or of another version."""


class WrittenElsewhere(StoreUnavailable):
    """What a reader writes was changed by somebody else meanwhile: to be read and written again."""


class JournalError(IpecsMwError):
    """The local journal cannot take or give entries."""


class JournalFull(JournalError):
    """The journal reached its cap: reading the socket must stop, nothing is deleted."""


class JournalDamaged(JournalError):
    """The journal file cannot be read; it is set aside, never deleted."""


class JournalNewer(JournalDamaged):
    """The journal file is whole, but of a format that only a newer version reads."""


class TransportError(IpecsMwError):
    """The network between us and the host."""


class HostUnreachable(TransportError):
    """No connection to the host: nothing was sent."""


class ReplyLost(TransportError):
    """The request went out and its reply never came: it may have been carried out."""

    @property
    def may_have_acted(self) -> bool:
        """True: what became of it only events can tell."""
        return True


class DeadlineExceeded(ReplyLost):
    """The host did not finish its reply within the total deadline."""


class ConnectionLost(TransportError):
    """The WebSocket ended, whoever ended it."""


class CertificateRefused(TransportError):
    """The host's certificate is not the trusted one; nothing was sent to it."""

    recovery = Recovery.LONGEST_WAIT


class MailNotSent(TransportError):
    """The mail server did not take a mail: nobody got it."""


class MailUnsure(MailNotSent):
    """The mail server had the whole mail and did not say whether it takes it: perhaps it was sent."""

    @property
    def may_have_acted(self) -> bool:
        """True: whoever sends it again may send it twice."""
        return True


class WebhookNotSent(TransportError):
    """The receiver of a webhook gave no whole answer, or may not be asked: perhaps it got the message."""

    @property
    def may_have_acted(self) -> bool:
        """True: the same message is sent again, with the same id."""
        return True


class SessionError(IpecsMwError):
    """The host does not give us the session we ask for."""


class LoginRefused(SessionError):
    """Wrong user or password: trying again cannot help, hammering can hurt."""

    recovery = Recovery.LONGEST_WAIT


class TokenExpired(SessionError):
    """The host no longer knows our token."""

    recovery = Recovery.LOGIN_AGAIN


class AlreadyLoggedIn(SessionError):
    """The account's earlier session still lives at the host, as after a crash."""

    recovery = Recovery.WAIT_OUT


class HeldElsewhere(SessionError):
    """Another daemon holds the lease on the account: two must never hold one account."""

    recovery = Recovery.STAND_BY


class Unexpected(IpecsMwError):
    """A defect of ours, met at a thread's top: the work goes on after a wait."""

    @property
    def may_have_acted(self) -> bool:
        """True: nobody knows how far it came."""
        return True


class ProtocolError(IpecsMwError):
    """The peer sent what the protocol does not allow."""

    @property
    def may_have_acted(self) -> bool:
        """True: there was an answer, so the request had arrived."""
        return True


class ReplyUnreadable(ProtocolError):
    """A reply that is not JSON, or not of the promised shape."""

    @property
    def may_have_acted(self) -> bool:
        """Whether the HTTP status is other than a refusal: those are 400 to 499."""
        return self.facts.get("status", 200) not in range(400, 500)


class CommandRefused(IpecsMwError):
    """A command that was not carried out: by us for its arguments, or by the host with its number."""

    recovery = Recovery.STOP


class NoSuchName(CommandRefused):
    """A name on the command line, or in a request, that nothing bears; the facts say which there are."""

    exit_code = 2


class CommandExpired(IpecsMwError):
    """A command whose time had run out before it was sent: nothing was sent."""


class ApiRefused(IpecsMwError):
    """The API does not do what it was asked; asking again does not help."""

    @property
    def status(self) -> int:
        """The status of HTTP."""
        return int(self.facts["status"])

    @property
    def name(self) -> str:
        """The stable name of the problem, such as `right_missing`; empty where a proxy answered."""
        return str(self.facts["name"])


class ApiUnreachable(IpecsMwError):
    """The API does not answer, or not now: the same call can succeed later."""

    @property
    def may_have_acted(self) -> bool:
        """Whether what was asked may have arrived."""
        return bool(self.facts["may_have_acted"])


class CommandFailed(IpecsMwError):
    """A request that ended without a result; `facts` has these too, and the `command`."""

    @property
    def state(self) -> str:
        """How it ended: `failed` (not carried out), `expired` (never sent) or `unknown` (perhaps carried out)."""
        return str(self.facts["state"])

    @property
    def may_have_acted(self) -> bool:
        """Whether the state is `unknown`."""
        return self.state == "unknown"

    @property
    def family(self) -> str | None:
        """Which table of error numbers `code` is of, `arguments` where the middleware refused."""
        return self.facts.get("family")

    @property
    def code(self) -> int | None:
        """The host's error number, where it gave one."""
        return self.facts.get("code")

    @property
    def name(self) -> str | None:
        """The stable name of the error, such as `invalidConnectionIdentifier` or `argument_missing`."""
        return self.facts.get("name")

    @property
    def text(self) -> str:
        """The reason as a sentence in the language of the daemon; empty where there is none."""
        return str(self.facts.get("text") or "")
