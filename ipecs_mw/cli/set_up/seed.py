"""`ipecs-mw seed`: import the seed files into MongoDB, keeping what was edited there."""

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ipecs_mw.cli.context import current
from ipecs_mw.cli.printing.words import describe_difference
from ipecs_mw.cli.set_up.saving import ask_before_dropping, tell_verdict
from ipecs_mw.model.texts import Texts
from ipecs_mw.seeds import read_json, shipped_texts
from ipecs_mw.store.configuration.seeding import COLLECTIONS, Plan, Row, apply, plan, read_seeds
from ipecs_mw.store.configuration.settings import content_of, load_settings
from ipecs_mw.store.schema.comparison import put_right
from ipecs_mw.store.schema.migrations import migrate
from ipecs_mw.store.schema.retention import find_differences

_MOST_DIFFERENCES = 10
_help = shipped_texts().render


@click.command("seed", help=_help("help.seed"))
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help=_help("help.seed.dry_run"))
@click.option("--force", is_flag=True, help=_help("help.seed.force"))
@click.option("--yes", "is_agreed", is_flag=True, help=_help("help.yes"))
def seed(directory: Path | None, dry_run: bool, force: bool, is_agreed: bool) -> None:
    """Validate the seeds before the database is opened, then write them unless it is a dry run.

    Exit code 1 where something that a folder says anew was not applied.
    """
    context = current()
    seeds = read_seeds(directory)
    for name in seeds.unknown_files:
        click.echo(context.texts.render("seed.unknown_file", document=ascii(name)), err=True)
    with context.open_store() as store:
        if not dry_run:
            migrate(store, context.clock)
            put_right(store, context.clock, find_differences)
        planned = plan(store, seeds, context.profile, force=force)
        config = next((row for row in planned.rows if row.collection == "config"), None)
        if not dry_run:
            if config and config.action == "change":
                ask_before_dropping(
                    context, without_example(config.former), config.content, is_agreed=is_agreed
                )
            apply(store, planned, context.clock, "ipecs-mw seed")
        for line in describe(planned, context.texts):
            click.echo(line)
        if dry_run:
            click.echo(context.texts.render("seed.dry_run"))
        elif config and config.action in ("add", "change"):
            tell_verdict(store, context, load_settings(store, context.profile)[1])
    if directory is not None and any(row.refused for row in planned.rows):
        click.echo(context.texts.render("seed.not_applied"), err=True)
        sys.exit(1)


def without_example(former: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return a configuration document, without its phone system where it is but the example that ships."""
    content = content_of(former or {})
    return {} if content == read_json("config.json") else content


def describe(planned: Plan, texts: Texts) -> list[str]:
    """Return a line of counts per collection, then each changed and each kept document with its differences."""
    lines = []
    for collection in COLLECTIONS:
        counts = Counter(row.action for row in planned.rows if row.collection == collection)
        if counts:
            lines.append(
                texts.render(
                    "seed.counts",
                    collection=collection,
                    added=counts["add"],
                    changed=counts["change"],
                    kept=counts["keep_edited"],
                    same=counts["same"],
                )
            )
    if planned.deleted_revision:
        facts = {"profile": planned.profile, "revision": planned.deleted_revision}
        lines.append(texts.render("seed.config_deleted", **facts))
    for row in planned.rows:
        if row.action in ("change", "keep_edited"):
            lines += _describe_row(row, texts)
    return lines


def _describe_row(row: Row, texts: Texts) -> list[str]:
    action = "refused_edited" if row.action == "keep_edited" and row.refused else row.action
    lines = [texts.render(f"seed.{action}", collection=row.collection, id=row.id)]
    differences = row.differences
    lines += [f"    {describe_difference(found, texts)}" for found in differences[:_MOST_DIFFERENCES]]
    for key, paths in (("seed.kept_field", row.kept), ("seed.refused_field", row.refused)):
        if row.collection == "config" and paths:
            lines.append("    " + texts.render(key, paths=", ".join(paths)))
    if len(differences) > _MOST_DIFFERENCES:
        lines.append(texts.render("seed.more_differences", count=len(differences) - _MOST_DIFFERENCES))
    return lines
