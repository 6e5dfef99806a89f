"""The command line: parse, call, print. Sentences come from the language strings."""

import signal
import sys

import click

from ipecs_mw import __version__
from ipecs_mw.cli.check import check
from ipecs_mw.cli.commands import commands
from ipecs_mw.cli.config import config
from ipecs_mw.cli.context import Context
from ipecs_mw.cli.demo import demo
from ipecs_mw.cli.erase import erase
from ipecs_mw.cli.events import events
from ipecs_mw.cli.grant import grant
from ipecs_mw.cli.journal import journal
from ipecs_mw.cli.migrate import migrate
from ipecs_mw.cli.run import run
from ipecs_mw.cli.secret import secret
from ipecs_mw.cli.seed import seed
from ipecs_mw.cli.send import send
from ipecs_mw.cli.simulate import simulate
from ipecs_mw.cli.smdr import smdr
from ipecs_mw.cli.status import status
from ipecs_mw.cli.support import support
from ipecs_mw.cli.trust import trust
from ipecs_mw.clock import SystemClock
from ipecs_mw.errors import IpecsMwError
from ipecs_mw.logs import configure, mask
from ipecs_mw.model.plain import escape
from ipecs_mw.seeds import shipped_texts

_TEXTS = shipped_texts()


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "IPECS_MW"},
    help=_TEXTS.render("help.ipecs_mw"),
)
@click.version_option(__version__, prog_name="ipecs-mw")
@click.option("--bootstrap", metavar="FILE", help=_TEXTS.render("help.bootstrap"))
@click.option("--profile", default="default", show_default=True, help=_TEXTS.render("help.profile"))
@click.option("--state-dir", metavar="DIR", help=_TEXTS.render("help.state_dir"))
@click.pass_context
def cli(context: click.Context, bootstrap: str | None, profile: str, state_dir: str | None) -> None:
    """Give the commands what stands before them; what they have to say besides goes to stderr."""
    configure(_TEXTS, level="WARNING", stream=sys.stderr)
    context.obj = Context(bootstrap, profile, state_dir, _TEXTS, SystemClock())


for _command in (
    seed,
    migrate,
    run,
    events,
    status,
    send,
    smdr,
    commands,
    config,
    trust,
    secret,
    check,
    grant,
    erase,
    support,
    journal,
    simulate,
    demo,
):
    cli.add_command(_command)


def main() -> None:
    """Run the command line: exit 0 done or asked to stop, 1 failed, 2 usage, 3 cannot start."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # leaves as orderly as after Ctrl-C
    try:
        cli(prog_name="ipecs-mw")
    except IpecsMwError as error:
        for sentence in _TEXTS.explain_each(error):
            click.echo(escape(mask(sentence)), err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:  # such as a full disk under a redirected output
        reason = ": ".join(str(part) for part in (error.filename, error.strerror or error) if part)
        click.echo(mask(_TEXTS.render("error.system", reason=reason)), err=True)
        sys.exit(1)
