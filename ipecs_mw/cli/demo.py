"""`ipecs-mw demo`: embedded MongoDB, simulated host, seed, daemon and live view, with nothing installed before."""

import os
import secrets
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from ipecs_mw.cli.context import Context, current
from ipecs_mw.cli.printing.live_view import Picture, draw, find_stations, summarise
from ipecs_mw.errors import CannotStart, IpecsMwError
from ipecs_mw.messages.rights import EVERYTHING
from ipecs_mw.seeds import read_json, shipped_texts
from ipecs_mw.service.process.stopping import Stop
from ipecs_mw.store.applications.tokens import create_token
from ipecs_mw.store.calls.live_query import load_live
from ipecs_mw.store.configuration.seeding import apply, plan, read_seeds
from ipecs_mw.store.configuration.settings import load_document, save_settings
from ipecs_mw.store.coordination.instances import load_instances
from ipecs_mw.store.events.event_query import Filter, count_events, follow_events
from ipecs_mw.store.schema.comparison import put_right
from ipecs_mw.store.schema.migrations import migrate
from ipecs_mw.store.server.connection import Store

_TEXTS = shipped_texts()
_PROFILE = "demo"
_HOST = "simulated"
_PASSWORD_VARIABLE = "IPECS_MW_DEMO_PASSWORD"  # noqa: S105 - a name
_GROUPS = {"620": {"bin": "1"}, "621": {"bin": "2"}}  # as the simulated host numbers its groups
_RIGHTS = (
    "calls.read", "commands.*", "events.read", "figures.read", "missed.write", "numbers.read", "state.read",
)  # fmt: skip
_STOP_SECONDS = 15
_FRAME_SECONDS = 0.25
_LINE_SECONDS = 2.0
_KINDS = ("acd", "call", "presence", "smdr", "system", "unknown", "undecodable")


@click.command(help=_TEXTS.render("help.demo"))
@click.option("--seconds", type=click.IntRange(min=1), help=_TEXTS.render("help.demo.seconds"))
@click.option("--dir", "folder", default=".demo", show_default=True, help=_TEXTS.render("help.demo.dir"))
@click.option(
    "--speed",
    type=click.FloatRange(min=0.1),
    default=20.0,
    show_default=True,
    help=_TEXTS.render("help.demo.speed"),
)
def demo(seconds: int | None, folder: str, speed: float) -> None:
    """Run the whole thing; Ctrl-C or --seconds ends it, with everything that it started."""
    context = current()
    stop = Stop(context.clock)
    stop.attend_signals()
    home = Path(folder).absolute()
    home.mkdir(parents=True, exist_ok=True)
    bootstrap = home / "bootstrap.json"
    bootstrap.write_text('{"mongo_uri": "embedded:mongodb"}\n', "utf-8")
    context = Context(str(bootstrap), _PROFILE, str(home / "state"), context.texts, context.clock)
    texts = context.texts
    environment = {**os.environ, _PASSWORD_VARIABLE: secrets.token_urlsafe(16)}
    with ExitStack() as stack:
        click.echo(texts.render("demo.mongodb"))
        store = stack.enter_context(context.open_store())
        click.echo(texts.render("demo.seed"))
        port = _free_port()
        _prepare(store, context, port, _fingerprint(home, context))
        before = _count(store)
        click.echo(texts.render("demo.simulate", port=port))
        options = ["--port", str(port), "--speed", str(speed), "--certificate-dir", str(home / "simulator")]
        host = _start(home, "simulator", ["simulate", "--user", "demo", *options], environment)
        stack.enter_context(_ended(host))
        click.echo(texts.render("demo.run"))
        arguments = [
            "--bootstrap",
            str(bootstrap),
            "--profile",
            _PROFILE,
            "--state-dir",
            str(home / "state"),
            "run",
        ]
        with _ended(daemon := _start(home, "daemon", arguments, environment)), ExitStack() as beside:
            served = _serve(home, store, context, arguments[:-1], environment)
            for process in served:
                beside.enter_context(_ended(process))
            _watch(store, context, (host, daemon, *served), seconds, stop.event)
            click.echo(texts.render("demo.stopping"))
        _report(store, texts, before, folder)


def _serve(
    home: Path, store: Store, context: Context, options: list[str], environment: Mapping[str, str]
) -> list[subprocess.Popen[bytes]]:
    """Start the API, and print its address and a token; without its packages only say so."""
    texts, now = context.texts, context.clock.now()
    for package in ("httptools", "starlette", "uvicorn"):
        if find_spec(package) is None:
            click.echo(texts.render("demo.no_api", package=package))
            return []
    click.echo(texts.render("demo.serve"))
    port = _free_port()
    process = _start(home, "serve", [*options, "serve", "--port", str(port)], environment)
    name, until = f"demo {now:%Y-%m-%d %H:%M:%S}", now + timedelta(days=1)
    token = create_token(store, name, _RIGHTS, EVERYTHING, at=now, by="demo", expires_at=until)
    click.echo(texts.render("demo.api", url=f"http://127.0.0.1:{port}/api/v1", token=token))
    return [process]


def _fingerprint(home: Path, context: Context) -> str:
    try:
        from ipecs_mw.simulator.wire.certificate import keep_certificate  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise CannotStart("error.simulator_missing", package=error.name) from error
    kept = keep_certificate(home / "simulator", ("localhost", "127.0.0.1"), context.clock.now())
    return kept.fingerprint_sha256


def _prepare(store: Store, context: Context, port: int, fingerprint: str) -> None:
    """Migrate, seed what ships, and point the profile `demo` at the simulated host."""
    migrate(store, context.clock)
    put_right(store, context.clock)
    apply(store, plan(store, read_seeds(None), "default"), context.clock, "demo")
    content = read_json("config.json")
    content["hosts"] = [
        {
            **content["hosts"][0],
            "name": _HOST,
            "address": "127.0.0.1",
            "port": port,
            "user": "demo",
            "password": {"env": _PASSWORD_VARIABLE},
            "tls": {"verify": "pin", "fingerprint_sha256": fingerprint},
            "monitor": ["1000-1019"],
            "presence": ["1000-1019"],
        }
    ]
    content["figures"] = {"groups": _GROUPS}
    former = load_document(store, _PROFILE) or {}
    if any(former.get(name) != value for name, value in content.items()):
        save_settings(store, _PROFILE, content, "demo", at=context.clock.now())


def _start(
    home: Path, name: str, arguments: list[str], environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start a command of ours as its own process, its output in `NAME.log`; Ctrl-C does not reach it."""
    with (home / f"{name}.log").open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "ipecs_mw", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**environment, "IPECS_MW_SIMULATE_PASSWORD": environment[_PASSWORD_VARIABLE]},
            start_new_session=True,
        )


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """End the process when the block ends, however it ends."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _watch(
    store: Store,
    context: Context,
    processes: tuple[subprocess.Popen[bytes], ...],
    seconds: float | None,
    stop: threading.Event,
) -> None:
    """Show what arrives until stopped; raises CannotStart where a process ended by itself."""
    arrived: deque[dict[str, Any]] = deque()
    threading.Thread(target=_follow, args=(store, context, arrived), daemon=True).start()
    picture = Picture()
    clock = context.clock
    console = Console()
    until = None if seconds is None else clock.monotonic() + seconds
    next_line = clock.monotonic() + _LINE_SECONDS
    host: Mapping[str, Any] = {}
    with (
        Live(console=console, refresh_per_second=4, screen=False)
        if console.is_terminal
        else ExitStack() as live
    ):
        while not clock.wait(stop, _FRAME_SECONDS) and (until is None or clock.monotonic() < until):
            now = clock.monotonic()
            while arrived:
                picture.add(arrived.popleft(), now)
            host, stations = _describe_host(store, host), find_stations(load_live(store, host=_HOST))
            if isinstance(live, Live):
                live.update(draw(picture, stations, host, now, context.texts, console.size))
            elif now >= next_line:
                click.echo(summarise(picture, stations, host, now, context.texts))
                next_line = now + _LINE_SECONDS
            for process in processes:
                if process.poll() is not None:
                    raise CannotStart("error.demo_ended", command=process.args[3], code=process.returncode)  # type: ignore[index]


def _follow(store: Store, context: Context, arrived: deque[dict[str, Any]]) -> None:
    try:
        for event in follow_events(store, Filter(), context.clock):
            arrived.append(event)
    except IpecsMwError:
        return  # the store was closed: the demo is over


def _describe_host(store: Store, last: Mapping[str, Any]) -> Mapping[str, Any]:
    instances = load_instances(store, _PROFILE)
    found: Mapping[str, Any] = (instances[0].get("hosts") or {}).get(_HOST, last) if instances else last
    return found


def _count(store: Store) -> dict[str, int]:
    return {kind: count_events(store, Filter(kind=kind)) for kind in _KINDS}


def _report(store: Store, texts: Any, before: Mapping[str, int], folder: str) -> None:
    after = _count(store)
    fresh = {kind: after[kind] - before[kind] for kind in _KINDS}
    click.echo(texts.render("demo.logged", total=sum(fresh.values()), all=sum(after.values())))
    for kind, count in fresh.items():
        if count:
            click.echo(f"  {texts.render(f'kind.{kind}')}: {count}")
    program = _name_program()
    query = f"{program} --bootstrap {folder}/bootstrap.json --profile {_PROFILE}"
    click.echo(texts.render("demo.query"))
    for options in (
        "calls",
        "calls --outcome abandoned",
        "missed",
        "events --type station_ring --since 1h",
        "events --kind smdr --format csv",
    ):
        click.echo(f"  {query} {options}")


def _name_program() -> str:
    """Return how this program was called, as short as it works from here."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return "python -m ipecs_mw"
    return os.path.relpath(called) if called.is_absolute() else str(called)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
