"""All hosts of a daemon: started, changed and retired as the configuration says, none held up by another."""

import threading
from collections.abc import Callable, Mapping
from functools import partial

from ipecs_mw import logs
from ipecs_mw.errors import Unexpected
from ipecs_mw.model.configuration.settings import HostSettings, needs_reconnect
from ipecs_mw.service.hosts.context import HostContext
from ipecs_mw.service.hosts.host import HostRunner
from ipecs_mw.service.intake.pipeline import Pipeline
from ipecs_mw.service.requests.sweeper import RequestSweeper
from ipecs_mw.service.session.credentials import is_encrypted, read_secret
from ipecs_mw.service.setup.loading import Loaded
from ipecs_mw.transport.tls import build_context

log = logs.get_logger()


class Fleet:
    """The hosts of one profile; `hosts` are those that run, by name. Applied by one thread, stopped by any.

    Nothing is begun any more once `stop` is set.
    """

    def __init__(self, profile: str, shared: HostContext, stop: threading.Event) -> None:
        self.hosts: Mapping[str, HostRunner] = {}
        self._profile = profile
        self._shared = shared
        self._stop = stop
        self._retired: dict[str, HostRunner] = {}
        self._applying = threading.Lock()
        self.sweeper = RequestSweeper(profile, lambda: self.hosts, shared.store, shared.clock, stop)

    def check(self, loaded: Loaded) -> None:
        """Raise CannotStart or CertificateRefused for a secret or a certificate file that cannot be used.

        At the start an encrypted secret is left to its host, which asks for it until it can be had: what is amiss,
        MongoDB or the key file, can be mended without a restart. A changed one raises StoreError too.
        """
        for index, host in enumerate(loaded.settings.hosts):
            if self._is_changed(host) or not is_encrypted(host.password):
                self._reader(index, host)()
            if (runner := self.hosts.get(host.name)) is None or needs_reconnect(runner.host, host):
                build_context(host)

    def apply(self, loaded: Loaded, agree: Callable[[], None] = lambda: None) -> None:
        """Have exactly these hosts run, each touched only where it must be; waits for none of them.

        What can refuse the change is done first, `agree` last of that: what it raises, or JournalError, or
        CertificateRefused, leaves every host as it was. Raises Unexpected where a host met a defect of ours
        afterwards; the others have changed then, and the next call begins that host anew.
        """
        with self._applying:
            opened: list[HostRunner] = []
            try:
                steps = self._prepare(loaded, opened)
                agree()
                self.sweeper.commands = loaded.definitions.commands
            except BaseException:
                for runner in opened:
                    runner.discard()
                raise
            defects = [error for name, step in steps if (error := self._take(name, step)) is not None]
            if defects:
                raise Unexpected("error.unexpected", reason=type(defects[0]).__name__)

    def _prepare(self, loaded: Loaded, opened: list[HostRunner]) -> list[tuple[str, Callable[[], None]]]:
        """Return what is to be done, by the host's name; add to `opened` the hosts that are new."""
        wanted = {host.name: (index, host) for index, host in enumerate(loaded.settings.hosts)}
        steps: list[tuple[str, Callable[[], None]]] = [
            (name, partial(self._retire, name)) for name in self.hosts.keys() - wanted.keys()
        ]
        for name, (index, host) in wanted.items():
            if self._stop.is_set():
                break
            is_only, reader = len(wanted) == 1, self._reader(index, host)
            runner = self.hosts.get(name) or self._retired.get(name)
            if runner is None:
                runner = HostRunner(host, reader, loaded.definitions, self._shared, is_only=is_only)
                opened.append(runner)
                step = runner.start
            else:
                step = runner.prepare(host, reader, loaded.definitions, is_only=is_only)
            steps.append((name, partial(self._run, name, runner, step)))
        return steps

    def _take(self, name: str, step: Callable[[], None]) -> Exception | None:
        """Take one host's step; return what went wrong with it."""
        if self._stop.is_set():
            return None
        try:
            step()
        except Exception as error:  # a defect with one host must not leave the others half-changed
            log.critical("thread.failed", thread=f"host-{name}", exc_info=True)
            return error
        return None

    def _run(self, name: str, runner: HostRunner, step: Callable[[], None]) -> None:
        if name not in self.hosts:
            host = runner.host
            uri = f"https://{host.address}:{host.port}{host.path_prefix}/ipxapi"
            log.info("start.host", host=name, uri=uri, user=host.user)
        self._retired.pop(name, None)
        self.hosts = {**self.hosts, name: runner}
        step()
        if self._shared.has_store.is_set():
            runner.start_forwarding()

    def _retire(self, name: str) -> None:
        """Have a host log out that is no longer wanted; what its journal holds is forwarded all the same."""
        runner = self.hosts[name]
        runner.stop()
        self._retired[name] = runner
        self.hosts = {other: kept for other, kept in self.hosts.items() if other != name}
        log.info("host.removed", host=name)

    @property
    def former(self) -> Mapping[str, Pipeline]:
        """The pipelines of hosts no longer configured: what their journals hold is forwarded all the same."""
        retired = {name: runner.forwarding for name, runner in self._retired.copy().items()}
        return {**self._shared.former_hosts.pipelines, **retired}

    def on_request(self, host: str | None) -> None:
        """Wake the executor that a new request is for, the sweeper where there is none here."""
        takers = [runner for runner in self.hosts.values() if host in runner.names]
        for runner in takers:
            runner.executor.on_request()
        if not takers:
            self.sweeper.notice()

    def on_any_request(self) -> None:
        """Wake whoever may have a new request to look at."""
        for runner in self.hosts.values():
            runner.executor.on_request()
        self.sweeper.notice()

    def start_forwarding(self) -> None:
        """Forward from now on: MongoDB may be used."""
        self._shared.former_hosts.start()
        for runner in self.hosts.values():
            runner.start_forwarding()

    def end(self, until: float) -> None:
        """Have every session log out and give its lease back, until the monotonic time `until` at the most.

        `stop` is set before.
        """
        self._tell_to_stop()
        # a change that is under way may just have begun a session
        is_ours = self._applying.acquire(timeout=max(0.0, until - self._shared.clock.monotonic()))
        for runner in self._tell_to_stop():
            runner.join(until)
        if is_ours:
            self._applying.release()

    def drain(self, until: float) -> int:
        """Forward what is left until the monotonic time `until`; return how many entries stay for next time."""
        pipelines = [*(runner.forwarding for runner in self.hosts.values()), *self.former.values()]
        return sum(intake.drain(max(0.0, until - self._shared.clock.monotonic())) for intake in pipelines)

    def _tell_to_stop(self) -> list[HostRunner]:
        self.sweeper.notice()
        runners = [*self.hosts.values(), *self._retired.copy().values()]
        for runner in runners:
            runner.stop()
        return runners

    def _is_changed(self, host: HostSettings) -> bool:
        """Tell whether a running daemon gets another password than that which the host runs with."""
        runner = self.hosts.get(host.name)
        return bool(self.hosts) and (runner is None or runner.host.password != host.password)

    def _reader(self, index: int, host: HostSettings) -> Callable[[], str]:
        at = f"config/{self._profile} hosts[{index}].password"
        return partial(read_secret, host.password, at, self._shared.decrypt)
