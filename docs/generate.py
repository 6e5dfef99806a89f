"""The parts of these pages that are made from the code and the tables it ships with.

`python docs/generate.py` writes them between `<!-- generated: NAME -->` and `<!-- end -->`; with `--check` it
writes nothing, names the pages that are out of date, and exits 1 where there are any.
"""
# ruff: noqa: INP001

import re
import sys
from collections.abc import Callable
from pathlib import Path

import log_calls
import options
import tables

DOCS = Path(__file__).parent
_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

PARTS: dict[str, Callable[[], str]] = {
    "settings": tables.describe_settings,
    "findings": tables.describe_findings,
    "rights": tables.describe_rights,
    "commands": tables.describe_commands,
    "errors": tables.describe_errors,
    "acd_events": tables.describe_acd_events,
    "call_events": tables.describe_call_events,
    "call_fields": tables.describe_call_fields,
    "smdr_fields": tables.describe_smdr_fields,
    "lookups": tables.describe_lookups,
    "system_events": log_calls.describe_system_events,
    "log_events": log_calls.describe_log_events,
    "command_line": options.describe_command_line,
    "api": tables.describe_api,
    "metrics": tables.describe_metrics,
    "formulas": tables.describe_formulas,
}


def render(page: str) -> str:
    """Return a page with every generated part as it should be now."""
    return _PART.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n{found[3]}", page)


def main() -> None:
    """Write the pages, or only compare them."""
    stale = []
    for path in sorted(DOCS.glob("*.md")):
        page = path.read_text("utf-8")
        fresh = render(page)
        if fresh != page:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(fresh, "utf-8")
    sys.stdout.write("".join(f"{name}\n" for name in stale))
    sys.exit(1 if stale and "--check" in sys.argv else 0)


if __name__ == "__main__":
    main()
