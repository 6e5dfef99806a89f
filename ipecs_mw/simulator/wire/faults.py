"""The switches that make the simulated host misbehave."""

from dataclasses import dataclass, field

KINDS = ("500", "503", "html", "empty", "redirect", "truncated", "slow", "silent", "cut", "lost")


@dataclass
class RestFault:
    """A wrong reply for the next `count` requests whose path contains `feature`.

    `lost` carries the request out and then cuts the line; all the others happen instead of the request.
    """

    kind: str
    count: int = 1
    feature: str = ""

    @property
    def is_after(self) -> bool:
        """Whether the request is carried out all the same."""
        return self.kind == "lost"


@dataclass
class Faults:
    """Switches that anybody may turn while the host runs; all of them off is a healthy host."""

    is_silent: bool = False  # events are thrown away, the heartbeat too; pings are answered
    is_ignoring_pings: bool = False
    is_paused: bool = False  # the simulated time stands still; what is asked for happens all the same
    is_refusing_logins: bool = False  # every login is "Already Login"
    is_admitting_twice: bool = False  # an account may log in although it is in; nobody is thrown out
    is_refusing_streams: bool = False  # every handshake is 401 code 3
    rest: list[RestFault] = field(default_factory=list)
