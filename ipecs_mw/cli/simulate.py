"""`ipecs-mw simulate`: a simulated iPECS host on a real TLS port."""

import json
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import CannotStart
from ipecs_mw.logs import hide
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.process.stopping import Stop
from ipecs_mw.simulator.wire.variants import Choice, Variants, list_choices

_TEXTS = shipped_texts()
_MOST_STATIONS = 1000


def _type_of(choice: Choice) -> click.ParamType[Any]:
    if choice.words:
        return click.Choice(choice.words)
    return click.FloatRange(0, 1) if isinstance(choice.default, float) else click.STRING


def _offer_variants(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each variant of the simulated host."""
    for choice in reversed(list_choices()):
        option = click.option(
            f"--{choice.name.replace('_', '-')}",
            type=_type_of(choice),
            default=choice.default,
            show_default=choice.default != "",
            help=_TEXTS.render(choice.text_key),
        )
        command = option(command)
    return command


@click.command(help=_TEXTS.render("help.simulate"))
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8743,
    show_default=True,
    help=_TEXTS.render("help.simulate.port"),
)
@click.option(
    "--address", default="127.0.0.1", show_default=True, help=_TEXTS.render("help.simulate.address")
)
@click.option("--user", default="apiuser", show_default=True, help=_TEXTS.render("help.simulate.user"))
@click.option(
    "--password",
    required=True,
    envvar=["IPECS_MW_SIMULATE_PASSWORD", "IPECS_PASSWORD"],
    help=_TEXTS.render("help.simulate.password"),
)
@click.option(
    "--timezone", default="Asia/Singapore", show_default=True, help=_TEXTS.render("help.simulate.timezone")
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0.1),
    default=60.0,
    show_default=True,
    help=_TEXTS.render("help.simulate.speed"),
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help=_TEXTS.render("help.simulate.rate"),
)
@click.option("--seed", type=int, default=1, show_default=True, help=_TEXTS.render("help.simulate.seed"))
@click.option(
    "--stations", default="1000-1019", show_default=True, help=_TEXTS.render("help.simulate.stations")
)
@click.option(
    "--control-port", type=click.IntRange(0, 65535), help=_TEXTS.render("help.simulate.control_port")
)
@click.option(
    "--certificate-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help=_TEXTS.render("help.simulate.certificate_dir"),
)
@click.option(
    "--sent-log",
    type=click.Path(dir_okay=False, path_type=Path),
    help=_TEXTS.render("help.simulate.sent_log"),
)
@click.option("--seconds", type=click.FloatRange(min=0), help=_TEXTS.render("help.simulate.seconds"))
@click.option(
    "--begins-at",
    metavar="TIME",
    type=click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]),
    help=_TEXTS.render("help.simulate.begins_at"),
)
@click.option("--day-seconds", type=click.FloatRange(min=0), help=_TEXTS.render("help.simulate.day_seconds"))
@_offer_variants
def simulate(
    port: int,
    address: str,
    user: str,
    password: str,
    timezone: str,
    speed: float,
    rate: float,
    seed: int,
    stations: str,
    control_port: int | None,
    certificate_dir: Path | None,
    sent_log: Path | None,
    seconds: float | None,
    begins_at: datetime | None,
    day_seconds: float | None,
    **variants: Any,
) -> None:
    """Run until asked to stop; says how to connect, never the password."""
    hide(password)
    try:
        from ipecs_mw.simulator import Account, SimulatedHost  # noqa: PLC0415 - an extra
        from ipecs_mw.simulator.host.control import Control  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise CannotStart("error.simulator_missing", package=error.name) from error
    numbers = _read_stations(stations)
    _check_timezone(timezone)
    _check_announcement(variants["announcement"])
    clock = SystemClock()
    stop = Stop(clock)
    stop.attend_signals()
    host = SimulatedHost(
        port=port,
        address=address,
        accounts=(Account(user, password),),
        timezone=timezone,
        speed=speed,
        rate=rate,
        seed=seed,
        stations=numbers,
        sent_log=sent_log,
        certificate_dir=certificate_dir,
        begins_at=begins_at,
        day_seconds=day_seconds,
        variants=Variants(**variants),
    )
    with ExitStack() as stack:
        stack.enter_context(host)
        click.echo(_TEXTS.render("simulate.ready", address=address, port=host.port, user=user))
        click.echo(_TEXTS.render("simulate.fingerprint", fingerprint=host.fingerprint_sha256))
        entry = {
            "name": "main",
            "address": address,
            "port": host.port,
            "user": user,
            "password": {"env": "IPECS_PASSWORD"},
            "timezone": timezone,
            "tls": {"verify": "pin", "fingerprint_sha256": host.fingerprint_sha256},
            "monitor": [stations],
            "presence": [stations],
        }
        click.echo(_TEXTS.render("simulate.connect", entry=json.dumps(entry)))
        if control_port is not None:
            control = stack.enter_context(Control(host, control_port))
            click.echo(_TEXTS.render("simulate.control", port=control.port))
        clock.wait(stop.event, seconds)
    click.echo(_TEXTS.render("simulate.stopped", sent=host.sent))


def _read_stations(text: str) -> Sequence[int]:
    """Return the extensions of `1000-1019`. Raises CannotStart."""
    parts = re.fullmatch(r"([1-9][0-9]{1,7})-([1-9][0-9]{1,7})", text)
    if parts is not None and len(parts[1]) == len(parts[2]):
        numbers = range(int(parts[1]), int(parts[2]) + 1)
        if 0 < len(numbers) <= _MOST_STATIONS:
            return numbers
    raise CannotStart("error.simulator_stations", stations=text, most=_MOST_STATIONS)


def _check_announcement(number: str) -> None:
    if number and not re.fullmatch(r"[0-9]{1,8}", number, re.ASCII):
        raise CannotStart("error.simulator_announcement", number=number)


def _check_timezone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise CannotStart("error.simulator_timezone", timezone=name) from error
