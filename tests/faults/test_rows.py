"""Every fault has a test and stands in the page, and the tests that are named as proof exist."""

import ast
import re
from pathlib import Path

from faults.elsewhere import ELSEWHERE
from faults.report import PAGE
from faults.rows import ROWS

TESTS = Path(__file__).parent.parent


def test_every_row_is_proved_by_a_test() -> None:
    proved = {row for tests in ELSEWHERE.values() for rows in tests.values() for row in rows}
    for file in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault":
                proved.update(ast.literal_eval(argument) for argument in node.args)
    assert {row.number for row in ROWS} == proved


def test_the_tests_elsewhere_exist() -> None:
    for file, tests in ELSEWHERE.items():
        code = (TESTS / file).read_text("utf-8")
        assert not [name for name in tests if f"def {name}(" not in code], file


def test_the_page_shows_every_row_as_it_is() -> None:
    table = PAGE.read_text("utf-8").partition("<!-- end -->")[0]
    shown = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \| .+ \| .+ \|$", table, re.MULTILINE)
    assert shown == [(str(row.number), row.fault, row.outcome) for row in ROWS]
