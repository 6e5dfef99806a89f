"""The start order: bootstrap → MongoDB → migrations → configuration → language strings → definitions → log."""

import threading
from concurrent.futures import TimeoutError as LateError
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ipecs_mw import logs
from ipecs_mw.bootstrap import Bootstrap
from ipecs_mw.clock import Clock
from ipecs_mw.errors import CannotStart, IpecsMwError, Stopped, StoreRefused, StoreUnavailable
from ipecs_mw.service.process.notify import notify
from ipecs_mw.service.process.stopping import Stop
from ipecs_mw.service.process.threads import start_task
from ipecs_mw.service.setup.loading import Loaded, build_loaded, count_change, keep_setup, recall_setup
from ipecs_mw.store.configuration.setup import Setup, read_setup
from ipecs_mw.store.schema.migrations import migrate
from ipecs_mw.store.server.connection import Store, connect, open_unseen

log = logs.get_logger()

_FIRST_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_LEFT_SECONDS = 2.0  # to give back what is held, such as the lock of the migrations
_EMBEDDED_LEFT_SECONDS = 8.0  # for a server of ours that is just starting: nobody else would end it


@dataclass(frozen=True)
class Beginning:
    """What a daemon begins with; `is_recalled` where MongoDB was away and the last good documents served."""

    store: Store
    setup: Setup
    loaded: Loaded
    is_recalled: bool = False


def begin(bootstrap: Bootstrap, profile: str, state_dir: Path, clock: Clock, stop: Stop) -> Beginning | None:
    """Return what to begin with, None where stopped meanwhile; loud once while MongoDB is away.

    A MongoDB that hangs in the middle of it does not hold up the stop. Raises CannotStart.
    """
    found = start_task("begin", partial(_begin, bootstrap, profile, state_dir, clock, stop.event))
    while not found.done() and not clock.wait(stop.event, _LOOK_SECONDS):
        pass
    if not stop.event.is_set():
        return found.result()
    try:
        by = _EMBEDDED_LEFT_SECONDS if bootstrap.embedded_dir else _LEFT_SECONDS
        beginning = found.result(stop.seconds_left(by))
    except (CannotStart, LateError) as error:
        log.debug("stopped before the beginning", error=str(error))
    else:
        if beginning is not None:
            beginning.store.close()
    return None


def _begin(
    bootstrap: Bootstrap, profile: str, state_dir: Path, clock: Clock, stop: threading.Event
) -> Beginning | None:
    wait_seconds = _FIRST_RETRY_SECONDS
    last = None
    while not stop.is_set():
        try:
            store = connect(bootstrap, clock)
            log.info("start.mongodb", server=store.server_version, database=store.database.name)
            return _load(store, profile, state_dir, clock, stop)
        except StoreUnavailable as error:
            if error.key != last:
                log.error("start.mongodb_away", detail=logs.explain(error))
                notify(STATUS=logs.explain(error))
            last = error.key
        except StoreRefused as error:  # a password or a right that a person must mend
            raise CannotStart(error.key, **error.facts) from error
        if not bootstrap.embedded_dir and (recalled := _recall(bootstrap, profile, state_dir)) is not None:
            return recalled
        clock.wait(stop, wait_seconds)
        wait_seconds = min(wait_seconds * 2, _LONGEST_RETRY_SECONDS)
    return None


def _recall(bootstrap: Bootstrap, profile: str, state_dir: Path) -> Beginning | None:
    """Return a beginning with the documents that were kept last, None where they do not serve."""
    setup = recall_setup(profile, state_dir)
    if setup is None:
        return None
    try:
        loaded = build_loaded(setup, profile)
    except CannotStart as error:  # such as those of another version of the program
        log.debug("what was kept does not serve", error=str(error))
        return None
    log.warning("start.recalled", profile=profile, revision=loaded.revision)
    speak(loaded, profile)
    set_up_logs(loaded)
    return Beginning(open_unseen(bootstrap.mongo_uri, str(bootstrap.path)), setup, loaded, is_recalled=True)


def _load(store: Store, profile: str, state_dir: Path, clock: Clock, stop: threading.Event) -> Beginning:
    """Load what the daemon needs, in the start order, with one line a step.

    Raises CannotStart (InvalidDocument with document and field) for the first that fails, StoreUnavailable, or
    Stopped; the store is closed then.
    """
    try:
        applied = migrate(store, clock, stop=stop)
        log.info("start.schema", applied=len(applied))
        setup = read_setup(store, profile)
        loaded = build_loaded(setup, profile)
        if (counted := count_change(store, profile, setup, None, clock.now())) is not setup:
            setup, loaded = counted, build_loaded(counted, profile)
        speak(loaded, profile)
        set_up_logs(loaded)
    except BaseException:
        store.close()
        raise
    keep_setup(setup, profile, state_dir)
    return Beginning(store, setup, loaded)


def await_store(store: Store, clock: Clock, stop: threading.Event) -> bool:
    """Wait until MongoDB is there and its schema is ours; tell whether it is, or `stop` was set before."""
    last = None
    while not stop.is_set():
        try:
            store.greet()
            migrate(store, clock, stop=stop)
        except Stopped:
            return False
        except IpecsMwError as error:
            if error.key != last:
                log.error("start.mongodb_away", detail=logs.explain(error))
            last = error.key
            clock.wait(stop, _FIRST_RETRY_SECONDS)
        else:
            log.info("start.mongodb", server=store.server_version, database=store.database.name)
            return True
    return False


def speak(loaded: Loaded, profile: str) -> None:
    """Say what was loaded."""
    settings, definitions = loaded.settings, loaded.definitions
    log.info("start.configuration", profile=profile, revision=loaded.revision, hosts=len(settings.hosts))
    for locale, key, difference in loaded.problems:
        log.warning("languages.text_refused", locale=locale, key=key, difference=difference)
    if missing := loaded.texts.find_untranslated():
        log.warning(
            "languages.untranslated", locale=settings.locale, count=len(missing), keys=", ".join(missing[:5])
        )
    log.info("start.languages", locale=settings.locale, refused=len(loaded.problems))
    log.info("start.definitions", commands=len(definitions.commands), tables=len(definitions.codes.tables))
    for index, host in enumerate(settings.hosts):
        if isinstance(host.password, str):
            log.warning(
                "configuration.plain_password",
                host=host.name,
                path=f"config/{profile} hosts[{index}].password",
            )


def find_spoken(loaded: Loaded, setup: Setup) -> tuple[object, ...]:
    """Return what decides how the log speaks."""
    return loaded.settings.logging, loaded.settings.locale, setup.languages


def set_up_logs(loaded: Loaded) -> None:
    """Log from now on as it was loaded; raises CannotStart for a file that cannot be opened."""
    logging = loaded.settings.logging
    logs.configure(loaded.texts, level=logging.level, form=logging.format, file=logging.file)
    log.info("start.logging", threshold=logging.level, format=logging.format, file=logging.file or "-")
