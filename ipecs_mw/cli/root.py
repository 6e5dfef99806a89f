"""`ipecs-mw` itself: its commands, each imported when it is called, and what becomes of their errors."""

import io
import signal
import sys
from importlib import import_module
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from ipecs_mw import __version__
from ipecs_mw.cli.click_texts import translate_click
from ipecs_mw.cli.help import Chapter, first_sentence
from ipecs_mw.cli.printing.streams import make_tolerant
from ipecs_mw.cli.variables import drop_cluster_variables
from ipecs_mw.errors import IpecsMwError
from ipecs_mw.model.writing.plain import escape
from ipecs_mw.seeds import shipped_texts

_TEXTS = shipped_texts()

COMMANDS: Final = {
    "try": ("demo", "simulate"),
    "set_up": ("migrate", "seed", "config", "secret", "trust", "grant"),
    "operate": ("check", "run", "status", "support", "journal"),
    "calls": ("calls", "call", "live", "missed", "rebuild"),
    "figures": ("figures", "report"),
    "applications": ("serve", "token", "webhook"),
    "events": ("events", "smdr", "erase"),
    "command": ("commands", "send"),
}
"""Heading → its commands, each the name of its module and of its function there; in the order of the help."""

_FOLDERS: Final = {
    name: f"{folder}."
    for folder in ("set_up", "operate", "calls", "figures", "applications", "events")
    for name in COMMANDS[folder]
}
"""Command → the folder of its module, where that is not this one."""


class Commands(Chapter):
    """The commands of `COMMANDS`, imported when they are called, listed under their headings."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names, in the order of the alphabet."""
        return sorted(name for names in COMMANDS.values() for name in names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = getattr(
            import_module(f"ipecs_mw.cli.{_FOLDERS.get(cmd_name, '')}{cmd_name}"), cmd_name
        )
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - so
        """Write each heading and, a line a command, the first sentence of its help."""
        for heading, names in COMMANDS.items():
            with formatter.section(_TEXTS.render(f"help.heading.{heading}")):
                formatter.write_dl([(name, first_sentence(_TEXTS.render(f"help.{name}"))) for name in names])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands that begin so, without importing them, and the options of `ipecs-mw` itself."""
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        found = [CompletionItem(name, help=first_sentence(_TEXTS.render(f"help.{name}"))) for name in names]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Read options and variables, but not the variables that a cluster sets."""
        drop_cluster_variables()
        return super().make_context(info_name, args, parent, **extra)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "IPECS_MW"},
    help=_TEXTS.render("help.ipecs_mw"),
)
@click.version_option(__version__, prog_name="ipecs-mw", help=_TEXTS.render("help.version"))
@click.option("--bootstrap", metavar="FILE", help=_TEXTS.render("help.bootstrap"))
@click.option("--profile", default="default", show_default=True, help=_TEXTS.render("help.profile"))
@click.option("--state-dir", metavar="DIR", help=_TEXTS.render("help.state_dir"))
@click.pass_context
def cli(context: click.Context, bootstrap: str | None, profile: str, state_dir: str | None) -> None:
    """Give the commands what stands before them; what they have to say besides goes to stderr."""
    # here, because help and completion need nothing of it
    from ipecs_mw.cli.context import Context  # noqa: PLC0415
    from ipecs_mw.clock import SystemClock  # noqa: PLC0415
    from ipecs_mw.logs import configure  # noqa: PLC0415

    configure(_TEXTS, level="WARNING", stream=sys.stderr)
    context.obj = Context(bootstrap, profile, state_dir, _TEXTS, SystemClock())


def run() -> int:
    """Run a command line and return the exit code; raises KeyboardInterrupt where it was interrupted."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, _interrupt)
    # who starts this may have blocked them, and a blocked signal is never heard
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    for stream in (sys.stdout, sys.stderr):
        make_tolerant(stream)
    translate_click(_TEXTS)
    return _call()


def _call() -> int:
    """Run the command that the arguments name; every error that is expected becomes a sentence and a code."""
    try:
        code = cli(prog_name="ipecs-mw", standalone_mode=False)
        sys.stdout.flush()
    except click.Abort as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        _say(_TEXTS.render("cli.aborted"))
        return 1
    except click.ClickException as error:
        said = io.StringIO()
        error.show(said)
        click.echo("\n".join(map(escape, said.getvalue().split("\n"))), err=True, nl=False)
        return error.exit_code
    except SystemExit as error:
        code = error.code
    except IpecsMwError as error:
        for sentence in _TEXTS.explain_each(error):
            _say(sentence)
        return error.exit_code
    except BrokenPipeError:
        return 1
    except OSError as error:  # such as a full disk under a redirected output
        reason = ": ".join(str(part) for part in (error.filename, error.strerror or error) if part)
        _say(_TEXTS.render("error.system", reason=reason))
        return 1
    return code if isinstance(code, int) else 0


def _interrupt(number: int, _frame: object) -> None:
    raise KeyboardInterrupt(number)


def _say(sentence: str) -> None:
    from ipecs_mw.logs import mask  # noqa: PLC0415 - only where something went wrong

    click.echo(escape(mask(sentence)), err=True)
