"""What every command gets: the options of `ipecs-mw` itself and what they lead to."""

import getpass
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

from ipecs_mw.bootstrap import find_bootstrap, load_bootstrap
from ipecs_mw.clock import Clock
from ipecs_mw.errors import CannotStart, NoSuchProfile, StoreError, StoreRefused
from ipecs_mw.model.texts import Texts
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.session.credentials import Decrypt, find_key_file
from ipecs_mw.store.configuration.encryption import Vault
from ipecs_mw.store.configuration.settings import load_settings
from ipecs_mw.store.configuration.texts import load_texts
from ipecs_mw.store.server.connection import Store, connect


@dataclass(frozen=True)
class Context:
    """The options before the command, the clock, and the shipped language strings."""

    bootstrap_option: str | None
    profile: str
    state_dir_option: str | None
    texts: Texts
    clock: Clock

    @contextmanager
    def open_store(self) -> Iterator[Store]:
        """Give the database that the bootstrap names; what fails while opening ends with exit code 3."""
        try:
            store = connect(load_bootstrap(find_bootstrap(self.bootstrap_option)), self.clock)
        except StoreError as error:
            raise CannotStart(error.key, **error.facts) from error
        try:
            yield store
        finally:
            store.close()

    @property
    def state_dir(self) -> Path:
        """The folder of local state: `--state-dir`, `$STATE_DIRECTORY`, or the platform's; not yet made."""
        named = self.state_dir_option or os.environ.get("STATE_DIRECTORY", "").split(":")[0]
        if named:
            return Path(named)
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Application Support" / "ipecs-mw"
        if sys.platform == "win32":
            return Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "ipecs-mw"
        return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "ipecs-mw"

    def build_decrypt(self, store: Store) -> Decrypt:
        """Return what opens encrypted secrets of `store`, with the key file that is used here."""
        return Vault(store, find_key_file(self.state_dir)).decrypt


def current() -> Context:
    """Return the context of the command that is running."""
    context: Context = click.get_current_context().obj
    return context


def who() -> str:
    """Return who gives the command, for the records: account@machine, by number where the account has no name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may run as a number that its passwd does not know
        name = f"uid {os.getuid()}" if hasattr(os, "getuid") else "?"
    return f"{name}@{socket.gethostname()}"


def load_words(store: Store, context: Context) -> Texts:
    """Return the language strings of the profile's locale, the shipped ones where MongoDB has none yet.

    Who may not read the configuration gets them in the locale of the environment. Raises NoSuchProfile where
    there are others.
    """
    try:
        settings, _ = load_settings(store, context.profile)
        locale = os.environ.get("IPECS_MW_LOCALE") or settings.locale
    except NoSuchProfile:
        raise
    except (CannotStart, StoreRefused):
        locale = shipped_texts().locale
    try:
        return load_texts(store, locale)[0]
    except CannotStart:
        return shipped_texts(locale)
