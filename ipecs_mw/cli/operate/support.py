"""`ipecs-mw support`: one file with what somebody needs to help, and without secrets."""

import json
import os
import platform
import ssl
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from ipecs_mw import __version__
from ipecs_mw.bootstrap import find_bootstrap, load_bootstrap
from ipecs_mw.cli.context import Context, current
from ipecs_mw.cli.operate.check import examine, to_document
from ipecs_mw.cli.printing.output import to_json
from ipecs_mw.errors import CannotStart, IpecsMwError
from ipecs_mw.logs import hide, mask_uri
from ipecs_mw.model.configuration.settings import Settings, list_passwords
from ipecs_mw.model.contents import mask_passwords
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.session.credentials import Decrypt, read_secret
from ipecs_mw.store.applications.webhook_secrets import load_all_hidden
from ipecs_mw.store.applications.webhooks import list_webhooks
from ipecs_mw.store.calls.live_query import describe_readers
from ipecs_mw.store.configuration.settings import load_history, load_settings
from ipecs_mw.store.coordination.instances import load_instances
from ipecs_mw.store.schema.examination import describe_database, find_remembered_tokens, find_system_events
from ipecs_mw.store.schema.migrations import load_status
from ipecs_mw.store.server.connection import Store

_TEXTS = shipped_texts()
_PACKAGES = (
    "click", "msgspec", "pymongo", "requests", "rich", "structlog", "tzdata", "websockets", "prometheus-client",
    "pymongocrypt", "cryptography", "starlette", "uvicorn",
)  # fmt: skip
_MOST_EVENTS = 2000
_LOG_BYTES = 2 * 1024 * 1024

Parts = Iterator[tuple[str, Callable[[], Any]]]
"""A file's name and what makes its content: text, or anything that JSON can say."""


@click.command(help=_TEXTS.render("help.support"))
@click.option(
    "--output", metavar="FILE", type=click.Path(path_type=Path), help=_TEXTS.render("help.support.output")
)
def support(output: Path | None) -> None:
    """Write the file (mode 0600); a part that cannot be had holds the reason instead."""
    context = current()
    file = output or Path(f"ipecs-mw-support-{context.clock.now():%Y%m%dT%H%M%SZ}.zip")
    try:
        descriptor = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except OSError as error:
        raise CannotStart("error.support_file", file=str(file), reason=error.strerror) from error
    with os.fdopen(descriptor, "wb") as opened, zipfile.ZipFile(opened, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, build in _list_parts(context):
            archive.writestr(name, _render(build, context))
    click.echo(context.texts.render("cli.support.written", file=str(file)))


def _list_parts(context: Context) -> Parts:
    yield "versions.json", _describe_program
    yield "bootstrap.json", lambda: _describe_bootstrap(context)
    yield "state.json", lambda: _describe_state(context.state_dir)
    try:
        with context.open_store() as store:
            yield from _list_stored(store, context)
    except IpecsMwError as error:
        sentence = context.texts.explain(error)
        yield "mongodb.txt", lambda: sentence
    yield "check.json", lambda: _check(context)


def _list_stored(store: Store, context: Context) -> Parts:
    profile = context.profile
    settings: Settings | None = None
    with suppress(IpecsMwError):
        settings = load_settings(store, profile)[0]
    _hide_secrets(store, settings, context.build_decrypt(store))
    yield "configuration.json", lambda: mask_passwords(load_history(store, profile))
    yield "instances.json", lambda: load_instances(store)
    yield "migrations.json", lambda: [[row.number, row.name, row.state] for row in load_status(store)]
    yield "database.json", lambda: describe_database(store)
    yield "readers.json", lambda: describe_readers(store)
    yield "webhooks.json", lambda: list_webhooks(store)
    yield "system-events.json", lambda: find_system_events(store, _MOST_EVENTS)
    if settings is not None and settings.logging.file:
        file = Path(settings.logging.file)
        yield "log.txt", lambda: _read_tail(file)


def _render(build: Callable[[], Any], context: Context) -> str:
    """Return a part as text with every known secret masked."""
    try:
        content = build()
    except IpecsMwError as error:
        content = context.texts.explain(error)
    except OSError as error:
        content = str(error)
    return mask_uri(content if isinstance(content, str) else to_json(content, indent=1))


def _hide_secrets(store: Store, settings: Settings | None, decrypt: Decrypt) -> None:
    """Have every secret masked that can be read from here; the log may hold what an older version let through."""
    with suppress(IpecsMwError):
        for token in find_remembered_tokens(store):
            hide(token)
    with suppress(IpecsMwError):
        for kept in load_all_hidden(store).values():
            for secret in (kept.secret, kept.former, *kept.variables.values(), kept.url):
                hide(secret if isinstance(secret, str) else None)
    for source in list_passwords(settings) if settings else ():
        with suppress(IpecsMwError):
            read_secret(source, "-", decrypt)


def _describe_program() -> Mapping[str, Any]:
    return {
        "ipecs-mw": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "openssl": ssl.OPENSSL_VERSION,
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _describe_bootstrap(context: Context) -> Mapping[str, Any]:
    bootstrap = load_bootstrap(find_bootstrap(context.bootstrap_option))
    return {"file": str(bootstrap.path.absolute()), "mongo_uri": mask_uri(bootstrap.mongo_uri)}


def _describe_state(folder: Path) -> Mapping[str, Any]:
    """Return the names, sizes and times of local state; remembered tokens are masked from here on."""
    for file in folder.glob("*.token"):
        with suppress(OSError, ValueError, LookupError, TypeError):
            hide(str(json.loads(file.read_text("utf-8"))["token"]))
    files = sorted(file for file in folder.iterdir() if file.is_file())
    return {
        "folder": str(folder.absolute()),
        "files": {
            file.name: {"bytes": stat.st_size, "changed_at": datetime.fromtimestamp(stat.st_mtime, UTC)}
            for file in files
            if (stat := file.stat())
        },
    }


def _read_tail(file: Path) -> str:
    """Return the end of the log file, from the beginning of a line."""
    with file.open("rb") as opened:
        opened.seek(max(0, file.stat().st_size - _LOG_BYTES))
        content = opened.read().decode("utf-8", "replace")
    return content if len(content) < _LOG_BYTES else content.partition("\n")[2]


def _check(context: Context) -> list[Mapping[str, Any]]:
    return [to_document(finding, context.texts) for finding in examine(context, may_log_in=False)]
