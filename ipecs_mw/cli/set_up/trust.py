"""`ipecs-mw trust`: show a host's certificate and, when a person agrees, accept exactly this one from now on."""

from typing import Any

import click

from ipecs_mw.cli.context import Context, current
from ipecs_mw.cli.printing.words import local_time
from ipecs_mw.cli.set_up.saving import save
from ipecs_mw.errors import NoSuchName
from ipecs_mw.model.configuration.settings import HostSettings, parse_settings
from ipecs_mw.model.writing.plain import escape
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.configuration.settings import content_of, load_present
from ipecs_mw.transport.certificate import read_certificate
from ipecs_mw.transport.tls import compute_fingerprint, fetch_certificate, normalise_fingerprint

_TEXTS = shipped_texts()


@click.command(help=_TEXTS.render("help.trust"))
@click.argument("host")
@click.option("--yes", "is_agreed", is_flag=True, help=_TEXTS.render("help.yes"))
def trust(host: str, is_agreed: bool) -> None:
    """Fetch the certificate without sending anything, show it, ask, and pin its fingerprint as a new revision."""
    context = current()
    with context.open_store() as store:
        document = load_present(store, context.profile)
        hosts = parse_settings(document, source=f"config/{context.profile}").hosts
        index = next((index for index, found in enumerate(hosts) if found.name == host), None)
        if index is None:
            names = ", ".join(found.name for found in hosts)
            raise NoSuchName("error.host_unknown", host=host, profile=context.profile, allowed=names or "-")
        certificate = fetch_certificate(hosts[index])
        found = compute_fingerprint(certificate)
        for line in describe(hosts[index], certificate, context):
            click.echo(escape(line))
        pinned = _pinned(hosts[index])
        if pinned == found:
            click.echo(context.texts.render("cli.trust.already"))
            return
        if pinned:
            click.echo(context.texts.render("cli.trust.changed", host=host, pinned=pinned, found=found))
        if not is_agreed:
            click.confirm(context.texts.render("cli.trust.question", host=host), abort=True)
        content: dict[str, Any] = content_of(document)
        tls = content["hosts"][index].setdefault("tls", {})
        tls.update(verify="pin", fingerprint_sha256=found)
        save(store, context, content, document)


def describe(host: HostSettings, der: bytes, context: Context) -> list[str]:
    """Return the lines of words for a certificate; one that cannot be read has its fingerprint alone."""
    render = context.texts.render
    lines = [render("cli.trust.of", host=host.name, address=f"{host.address}:{host.port}")]
    try:
        found = read_certificate(der)
    except ValueError:
        lines.append(render("cli.trust.unreadable"))
    else:
        begin, end = local_time(found.not_before_at), local_time(found.not_after_at)
        lines += [
            render("cli.trust.subject", subject=found.subject or "-"),
            render("cli.trust.issuer", issuer=found.issuer or "-"),
            render("cli.trust.names", names=", ".join(found.names) or "-"),
            render("cli.trust.valid", begin=begin, end=end),
        ]
        if not found.not_before_at <= context.clock.now() <= found.not_after_at:
            lines.append(render("cli.trust.out_of_date"))
    lines.append(render("cli.trust.fingerprint", fingerprint=compute_fingerprint(der)))
    return lines


def _pinned(host: HostSettings) -> str | None:
    is_pinned = host.tls.verify == "pin" and host.tls.fingerprint_sha256
    return normalise_fingerprint(host.tls.fingerprint_sha256 or "") if is_pinned else None
