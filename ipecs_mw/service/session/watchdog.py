"""The watch over one host's connection: renews the session where pings do not, and doubts a long silence."""

from ipecs_mw import logs
from ipecs_mw.clock import Clock
from ipecs_mw.errors import CommandRefused, ConnectionLost, IpecsMwError
from ipecs_mw.model.configuration.settings import HostSettings
from ipecs_mw.service.session.call_state import CallState
from ipecs_mw.service.session.client import HostClient
from ipecs_mw.service.session.supervisor import SessionSupervisor

log = logs.get_logger()

_KEEPALIVE_SECONDS = 15.0
_CLOCK_SECONDS = 70.0  # a host that tells its time does so every 60 s


class Watchdog:
    """Watches one session; `step` is called often by the maintenance's thread.

    A host with the ACD resource tells its time every minute (event 68), so its silence means a dead connection
    even where TCP looks open. One that never told its time may be silent for as long as it likes.
    """

    def __init__(
        self,
        host: HostSettings,
        client: HostClient,
        session: SessionSupervisor,
        call_state: CallState,
        clock: Clock,
    ) -> None:
        self._client = client
        self._session = session
        self._call_state = call_state
        self._clock = clock
        self._asked_at = clock.monotonic()
        self._doubted_at: float | None = None
        self.change(host)

    def change(self, host: HostSettings) -> None:
        """Watch as `host` says from now on."""
        self._host = host

    def step(self) -> None:
        """Renew the session and doubt the silence where that is due; a dead session is dropped."""
        if not self._session.is_up:
            return
        drop = self._session.note()
        now, heard_at = self._clock.monotonic(), self._session.heard_at
        if self._host.keepalive == "checkconnection" and now - self._asked_at >= _KEEPALIVE_SECONDS:
            self._ask()
        limit = self._host.silence_seconds
        if limit is None or self._call_state.clock_at is None or now - heard_at < limit:
            return
        if self._doubted_at is None or self._doubted_at < heard_at:
            self._doubted_at = now
            log.warning("session.silent", host=self._host.name, seconds=round(now - heard_at))
            self._ask()
        elif now - self._doubted_at >= min(limit, _CLOCK_SECONDS):
            drop(
                ConnectionLost("error.connection_silent", host=self._host.name, seconds=round(now - heard_at))
            )

    def _ask(self) -> None:
        """Send the harmless request that proves the host and the session alive."""
        self._asked_at = self._clock.monotonic()
        drop = self._session.note()
        try:
            self._client.call("checkconnection", {})
        except CommandRefused as error:
            log.debug("the host answers, and refuses", host=self._host.name, error=str(error))
        except IpecsMwError as error:
            drop(error)
