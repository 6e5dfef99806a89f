"""Asks the running API at random, by its own description, and judges the answers: schemathesis does both."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import schemathesis
from api_scene import Served, carrying_out
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import Failure, FailureGroup

_CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance",
)  # fmt: skip
_ENDLESS = "followStream"


def ask_at_random(api: Served, *, examples: int, seconds: float) -> list[str]:
    """Return what was wrong, each fault once; asks each operation so often, again for so many seconds."""
    load_all_checks()
    schema = schemathesis.openapi.from_url(f"{api.url}/api/v1/openapi.json")
    checks = [CHECKS.get_one(name) for name in _CHECKS]
    ends, faults = time.monotonic() + seconds, {}
    with carrying_out(api.store, lambda _: ("done", {})):
        is_first = True
        while is_first or time.monotonic() < ends:
            for result in schema.get_all_operations():
                operation = result.ok()
                if operation.definition.raw["operationId"] != _ENDLESS:
                    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                        for fault in _ask(api, operation, checks, mode, examples, is_random=not is_first):
                            faults.setdefault(fault[:300], fault)
            is_first = False
    return list(faults.values())


def _ask(
    api: Served, operation: Any, checks: list[Any], mode: GenerationMode, examples: int, *, is_random: bool
) -> Iterator[str]:
    faults: list[str] = []
    headers = {"Authorization": f"Bearer {api.all}"}

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        derandomize=not is_random,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        try:
            case.call_and_validate(base_url=api.url, checks=checks, headers=headers, timeout=60)
        except FailureGroup as group:
            faults.extend(f"{operation.label}: {_tell(each)}" for each in group.exceptions)
        except Failure as failure:
            faults.append(f"{operation.label}: {_tell(failure)}")

    with suppress(Unsatisfiable):  # what takes no parameters cannot be asked wrongly
        ask()
    yield from faults


def _tell(failure: BaseException) -> str:
    return f"{type(failure).__name__}: {failure}"
