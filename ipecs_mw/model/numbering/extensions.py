"""Extensions as people write and read them: ranges instead of one after the other."""

from collections.abc import Iterable, Mapping
from typing import Annotated

from msgspec import Meta

Numbers = Annotated[str, Meta(pattern=r"^[0-9]{1,8}(-[0-9]{1,8})?\Z", extra={"words": "allowed.extensions"})]


def expand_numbers(ranges: Iterable[str]) -> list[str]:
    """Return the single numbers of `["1000-1002", "1200"]`, each once, in order; widths are kept."""
    numbers: dict[str, None] = {}
    for item in ranges:
        first, _, last = item.partition("-")
        for number in range(int(first), int(last or first) + 1):
            numbers[str(number).zfill(len(first))] = None
    return list(numbers)


def join_ranges(numbers: Iterable[str]) -> list[str]:
    """Return numbers as ranges, `["1000-1002", "1200"]`; what is no number stands alone."""
    found: list[list[str]] = []
    for number in sorted(set(numbers), key=lambda text: (len(text), text)):
        last = found[-1][1] if found else ""
        if (
            last.isdecimal()
            and number.isdecimal()
            and len(last) == len(number)
            and int(number) == int(last) + 1
        ):
            found[-1][1] = number
        else:
            found.append([number, number])
    return [first if first == last else f"{first}-{last}" for first, last in found]


def join_verdicts(refused: Mapping[str, str]) -> list[str]:
    """Return refused numbers as ranges with why: `["1000-1019 (invalid)"]`."""
    verdicts = dict.fromkeys(refused.values())
    numbers = {each: [number for number, verdict in refused.items() if verdict == each] for each in verdicts}
    return [f"{', '.join(join_ranges(found))} ({each})" for each, found in numbers.items()]
