"""The life of a stream on either wire: what was missed, then what comes, then why it ends."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from ipecs_mw import logs
from ipecs_mw.api.answers import encode
from ipecs_mw.api.site import Site
from ipecs_mw.api.stream.catching_up import catch_up, is_ahead, is_of_other_kind, load_snapshot
from ipecs_mw.api.stream.client import Client
from ipecs_mw.api.stream.frames import Entry, Form, spell_alive, spell_frame
from ipecs_mw.api.stream.hub import Hub
from ipecs_mw.api.stream.opening import Opening
from ipecs_mw.api.stream.position import Spot, read_position, write_position
from ipecs_mw.errors import PositionLost, StoreError

log = logs.get_logger()

ALIVE_SECONDS = 15
"""A stream that has nothing to say says so, so often."""

SEND_SECONDS = 20.0
"""A client that takes nothing for so long is gone: `end_stuck` ends its stream."""

_AT_ONCE = 500

Send = Callable[[Sequence[bytes]], Awaitable[None]]


async def serve_stream(site: Site, hub: Hub, opening: Opening, form: Form, send: Send) -> None:
    """Send a stream until the client is to be closed; ends by returning, the last frame having said why.

    Raises what `send` raises where the client has gone; CommandRefused where the position is none.
    """
    spots = read_position(opening.after) if opening.after else {}
    client = Client(opening.token, opening.selection, form, opening.after)
    loop = asyncio.get_running_loop()

    # a time-out of its own for each would cost as much again
    async def send_timed(frames: Sequence[bytes]) -> None:
        client.sending_since = loop.time()
        await send(frames)
        client.sending_since = 0.0

    hub.note(client)
    try:
        await _begin(site, hub, client, spots, opening, send_timed)
        await _go_on(client, send_timed)
    except StoreError as error:
        log.warning("api.stream_away", detail=logs.explain(error))
        client.close("database_away")
        await send_timed([client.spell_end()])
    finally:
        hub.detach(client)
        if client.closing:
            log.info("api.stream_closed", token=client.token.name, reason=client.closing)


def end_stuck(hub: Hub) -> None:
    """End the streams of clients that take nothing."""
    now = asyncio.get_running_loop().time()
    for client in list(hub.clients):
        if client.sending_since and now - client.sending_since > SEND_SECONDS:
            client.abort()


async def _begin(
    site: Site, hub: Hub, client: Client, spots: dict[str, Spot], opening: Opening, send: Send
) -> None:
    """Send what the client missed, and attach it."""
    is_lost = bool(spots) and (is_ahead(hub, spots) or is_of_other_kind(hub, spots))
    if not spots or is_lost:  # else what was missed is wanted, although the URL may still ask for a snapshot
        begin = dict(opening.begin)
        if is_lost or opening.has_snapshot:
            await _send_state(site, client, begin, send, is_reset=is_lost)
        spots = begin
    try:
        if not client.position:  # where it breaks before the first message, that is to be known
            client.position = write_position(spots)
            await send([spell_alive(client.form, client.position)])
        await _catch_up(site, hub, client, spots, send)
    except PositionLost:
        begin = dict(hub.spots)
        await _send_state(site, client, begin, send, is_reset=True)
        await _catch_up(site, hub, client, begin, send)


async def _catch_up(site: Site, hub: Hub, client: Client, spots: dict[str, Spot], send: Send) -> None:
    async for batch in catch_up(site, hub, client.selection, spots):
        await _send_entries(client, batch, send)
        if client.closing:
            return
    hub.attach(client)
    client.position = client.position or hub.position


async def _send_entries(client: Client, entries: Sequence[Entry], send: Send) -> None:
    if entries and not client.closing:
        await send(
            [entry.spell(client.form, sees_numbers=client.selection.sees_numbers) for entry in entries]
        )
        client.position = entries[-1].position


async def _send_state(
    site: Site, client: Client, begin: dict[str, Spot], send: Send, *, is_reset: bool
) -> None:
    """Send what is so now, after `reset` where what came in between is lost; at its end `snapshot`."""
    position = write_position(begin)
    if is_reset:
        body = encode({"reason": "position_lost", "as_of": site.now()})
        await send([spell_frame(client.form, "reset", body, client.position)])
    messages = await load_snapshot(site, client.selection)
    plan = site.settings.numbers
    for first in range(0, len(messages), _AT_ONCE):
        some = [Entry(message, client.position, plan) for message in messages[first : first + _AT_ONCE]]
        await send([entry.spell(client.form, sees_numbers=client.selection.sees_numbers) for entry in some])
    body = encode({"items": len(messages), "as_of": site.now()})
    await send([spell_frame(client.form, "snapshot", body, position)])
    client.position = position


async def _go_on(client: Client, send: Send) -> None:
    """Send what waits, as it comes."""
    while not client.closing:
        await client.wait()
        if frames := client.take():
            await send(frames)
    await send([client.spell_end()])
