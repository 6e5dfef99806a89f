"""`ipecs-mw serve`: the API for applications."""

import sys

import click
from msgspec import structs

from ipecs_mw.cli.context import current
from ipecs_mw.errors import CannotStart, StoreError
from ipecs_mw.logs import configure
from ipecs_mw.model.addresses import is_address
from ipecs_mw.model.configuration.api_settings import ApiSettings
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.service.process.garbage import search_seldom

_TEXTS = shipped_texts()


class Address(click.ParamType[str]):
    """What names a machine."""

    name = "address"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the address as it is."""
        if not is_address(value.removeprefix("[").removesuffix("]")):
            allowed = _TEXTS.render("allowed.address")
            self.fail(
                _TEXTS.render("error.argument", name="address", value=repr(value), allowed=allowed),
                param,
                ctx,
            )
        return value


@click.command(help=_TEXTS.render("help.serve"))
@click.option("--address", type=Address(), metavar="ADDRESS", help=_TEXTS.render("help.serve.address"))
@click.option("--port", type=click.IntRange(0, 65535), help=_TEXTS.render("help.serve.port"))
@click.option("--allow-plain", is_flag=True, help=_TEXTS.render("help.serve.allow_plain"))
def serve(address: str | None, port: int | None, allow_plain: bool) -> None:
    """Serve until asked to stop."""
    context = current()
    try:
        from ipecs_mw.api import server  # noqa: PLC0415 - an extra
        from ipecs_mw.api.site import Site  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise CannotStart("error.api_missing", package=(error.name or "?").partition(".")[0]) from error
    with context.open_store() as store:
        search_seldom()
        site = Site(store.read_anything(), context.clock, context.profile)
        try:
            site.load()
        except StoreError as error:
            raise CannotStart(error.key, **error.facts) from error
        given = {"address": address, "port": port, "allow_plain": allow_plain or None}
        api = structs.replace(
            site.settings.api, **{name: value for name, value in given.items() if value is not None}
        )
        site.settings = structs.replace(site.settings, api=api)
        configure(site.find_texts(), level="INFO", stream=sys.stdout)
        server.check_listening(api)
        server.build_tls(api)
        with server.listen(api) as listener:
            url = _spell_url(api, listener.getsockname()[1])
            server.serve(
                site, listener, lambda: click.echo(context.texts.render("cli.serve.listening", url=url))
            )


def _spell_url(api: ApiSettings, port: int) -> str:
    """Return where the API is, for people."""
    host = f"[{api.address}]" if ":" in api.address else api.address
    return f"{'http' if api.tls is None else 'https'}://{host}:{port}/api/v1"
