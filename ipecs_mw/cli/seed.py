"""`ipecs-mw seed`: import the seed files into MongoDB, keeping what was edited there."""

from collections import Counter
from pathlib import Path

import click

from ipecs_mw.cli.context import current
from ipecs_mw.model.texts import Texts
from ipecs_mw.seeds import shipped_texts
from ipecs_mw.store.configuration.seeding import COLLECTIONS, Plan, Row, apply, plan, read_seeds
from ipecs_mw.store.events.retention import find_differences
from ipecs_mw.store.schema.comparison import put_right
from ipecs_mw.store.schema.migrations import migrate

_MOST_DIFFERENCES = 10
_help = shipped_texts().render


@click.command("seed", help=_help("help.seed"))
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help=_help("help.seed.dry_run"))
@click.option("--force", is_flag=True, help=_help("help.seed.force"))
def seed(directory: Path | None, dry_run: bool, force: bool) -> None:
    """Validate the seeds before the database is opened, then write them unless it is a dry run."""
    context = current()
    seeds = read_seeds(directory)
    for name in seeds.unknown_files:
        click.echo(context.texts.render("seed.unknown_file", document=ascii(name)), err=True)
    with context.open_store() as store:
        if not dry_run:
            migrate(store, context.clock)
            put_right(store, context.clock, find_differences)
        planned = plan(store, seeds, context.profile, force=force)
        if not dry_run:
            apply(store, planned, context.clock, "ipecs-mw seed")
    for line in describe(planned, context.texts):
        click.echo(line)
    if dry_run:
        click.echo(context.texts.render("seed.dry_run"))


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
    lines = [texts.render(f"seed.{row.action}", collection=row.collection, id=row.id)]
    differences = row.differences
    for path, before, after in differences[:_MOST_DIFFERENCES]:
        lines.append(texts.render("seed.difference", path=path, before=before, after=after))
    if len(differences) > _MOST_DIFFERENCES:
        lines.append(texts.render("seed.more_differences", count=len(differences) - _MOST_DIFFERENCES))
    return lines
