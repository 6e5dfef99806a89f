"""The table of docs/reliability.md, made of a run or of parts of one: `python -m faults.report RESULT.json …`."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from faults.rows import ROWS

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
_PART = re.compile(r"(<!-- made by make test-faults -->\n).*?(<!-- end -->)", re.DOTALL)
_GOOD = {"passed"}


def render(results: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of the table; `results` is what `faults.recording` wrote."""
    part = ""
    for row in ROWS:
        if row.part != part:
            part = row.part
            yield f"\n**{part}**\n\n| # | fault | what comes of it | injected | result |\n|---|---|---|---|---|"
        found = results.get(str(row.number))
        yield f"| {row.number} | {row.fault} | {row.outcome} | {describe(found)} |"


def describe(found: dict[str, Any] | None) -> str:
    """Return how often a fault was injected and how its tests ended."""
    if found is None:
        return "– | not run"
    outcomes = found["outcomes"]
    if set(outcomes) == _GOOD:
        text = "passed"
    else:
        text = ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items()))
    return f"{found['injected']} × | {text} ({found['seconds']:.0f} s)"


def join(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return the sum of two parts of a run."""
    names = {**one["outcomes"], **other["outcomes"]}
    return {
        "injected": one["injected"] + other["injected"],
        "seconds": one["seconds"] + other["seconds"],
        "outcomes": {name: one["outcomes"].get(name, 0) + other["outcomes"].get(name, 0) for name in names},
    }


def main() -> None:
    """Write the table into the page."""
    results: dict[str, Any] = {}
    for file in sys.argv[1:]:
        for row, found in json.loads(Path(file).read_text("utf-8"))["rows"].items():
            results[row] = join(results[row], found) if row in results else found
    table = "\n".join(render(results))
    page = PAGE.read_text("utf-8")
    fresh = _PART.sub(lambda found: f"{found[1]}{table}\n\n{found[2]}", page)
    PAGE.write_text(fresh, "utf-8")


if __name__ == "__main__":
    main()
