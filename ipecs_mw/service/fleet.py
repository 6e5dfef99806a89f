"""All hosts of a daemon: started, changed and retired as the configuration says."""

import threading
from collections.abc import Callable, Mapping
from functools import partial

from ipecs_mw import logs
from ipecs_mw.errors import SecretUnreadable, StoreUnavailable
from ipecs_mw.model.settings import HostSettings
from ipecs_mw.service.credentials import is_encrypted, read_secret
from ipecs_mw.service.forwarding import ForwardingLane
from ipecs_mw.service.host import HostRunner, Surroundings
from ipecs_mw.service.loading import Loaded
from ipecs_mw.service.threads import start_thread
from ipecs_mw.transport.tls import build_context

log = logs.get_logger()

_LEAVE_SECONDS = 5.0
_LEASES_SECONDS = 1.5  # for all leases together: one that is not given back runs out by itself


class Fleet:
    """The hosts of one profile; `hosts` are those that run, by name. Applied by one thread, stopped by any."""

    def __init__(self, profile: str, around: Surroundings) -> None:
        self.hosts: Mapping[str, HostRunner] = {}
        self._profile = profile
        self._around = around
        self._retired: dict[str, HostRunner] = {}
        self._applying = threading.Lock()
        self._is_stopping = False

    def check(self, loaded: Loaded) -> None:
        """Raise CannotStart or CertificateRefused for a secret or a certificate file that cannot be used.

        At the start an encrypted secret is left to its host, which asks for it until it can be had: what is amiss,
        MongoDB or the key file, can be mended without a restart. A changed one raises StoreUnavailable too.
        """
        for index, host in enumerate(loaded.settings.hosts):
            try:
                self._reader(index, host)()
            except (SecretUnreadable, StoreUnavailable):
                if self._is_changed(host) or not is_encrypted(host.password):
                    raise
            build_context(host)

    def apply(self, loaded: Loaded) -> None:
        """Have exactly these hosts run, each touched only where it must be; raises JournalError."""
        with self._applying:
            self._apply(loaded)

    def _apply(self, loaded: Loaded) -> None:
        wanted = {host.name: (index, host) for index, host in enumerate(loaded.settings.hosts)}
        for name in self.hosts.keys() - wanted.keys():
            self._retire(name)
        for name, (index, host) in wanted.items():
            if self._is_stopping:
                return
            is_only, reader = len(wanted) == 1, self._reader(index, host)
            runner = self.hosts.get(name) or self._retired.pop(name, None)
            if name not in self.hosts:
                uri = f"https://{host.address}:{host.port}/ipxapi"
                log.info("start.host", host=name, uri=uri, user=host.user)
            if runner is None:
                runner = HostRunner(host, reader, loaded.definitions, self._around, is_only=is_only)
            else:
                runner.change(host, reader, loaded.definitions, is_only=is_only)
            self.hosts = {**self.hosts, name: runner}
            if self._around.has_store.is_set():
                runner.start_forwarding()

    @property
    def former(self) -> Mapping[str, ForwardingLane]:
        """The lanes of hosts that are no longer configured: what their journals hold is forwarded all the same."""
        retired = {name: runner.forwarding for name, runner in self._retired.copy().items()}
        return {**self._around.orphans.lanes, **retired}

    def start_forwarding(self) -> None:
        """Forward from now on: MongoDB may be used."""
        self._around.orphans.start()
        for runner in self.hosts.values():
            runner.start_forwarding()

    def stop(self, seconds: float) -> None:
        """Have every session log out, for `seconds` at the most, and give the leases back."""
        until = self._around.clock.monotonic() + seconds
        self._is_stopping = True
        self._tell_to_stop()
        is_ours = self._applying.acquire(
            timeout=seconds
        )  # a change that is under way may just have begun a session
        self._tell_to_stop()
        for runner in self.hosts.values():
            runner.join(max(0.0, until - self._around.clock.monotonic()))
        start_thread("leave", self._leave).join(_LEASES_SECONDS)
        if is_ours:
            self._applying.release()

    def drain(self, until: float) -> int:
        """Forward what is left until the monotonic time `until`; return how many entries stay for next time."""
        lanes = [*(runner.forwarding for runner in self.hosts.values()), *self.former.values()]
        return sum(lane.drain(max(0.0, until - self._around.clock.monotonic())) for lane in lanes)

    def _is_changed(self, host: HostSettings) -> bool:
        """Tell whether a running daemon gets another password than that which the host runs with."""
        runner = self.hosts.get(host.name)
        return bool(self.hosts) and (runner is None or runner.host.password != host.password)

    def _tell_to_stop(self) -> None:
        for runner in self.hosts.values():
            runner.stop()

    def _leave(self) -> None:
        for runner in self.hosts.values():
            runner.leave()

    def _retire(self, name: str) -> None:
        """Log a host out that is no longer wanted; what its journal holds is forwarded all the same."""
        runner = self.hosts[name]
        runner.stop()
        runner.join(_LEAVE_SECONDS)
        runner.leave()
        self.hosts = {other: kept for other, kept in self.hosts.items() if other != name}
        self._retired[name] = runner
        log.info("host.removed", host=name)

    def _reader(self, index: int, host: HostSettings) -> Callable[[], str]:
        at = f"config/{self._profile} hosts[{index}].password"
        return partial(read_secret, host.password, at, self._around.decrypt)
