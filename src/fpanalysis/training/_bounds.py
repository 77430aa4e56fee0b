"""How much a configuration may hold, so that reading and refusing one takes seconds."""

from collections.abc import Mapping
from typing import Any

from fpanalysis.training._problems import Path, Problem

MOST_VALUES = 100_000
MOST_NETWORKS = 100_000
# So many combinations of values are looked at one by one, which takes seconds.
MOST_COMBINATIONS = 10_000
_MOST_ENTRIES = 10_000
_MOST_KEYS = 1_000
_LONGEST = 1_000
DEEPEST = 20


def excess(data: Any) -> list[Problem]:
    """Return what is too large, too long or too deep in a configuration, at most one problem.

    What stands in it several times is counted as often, and what contains itself has no end.

    Args:
        data: as given, of any form.
    """
    ahead: list[tuple[Path, Any]] = [((), data)]
    seen = 0
    while ahead:
        where, value = ahead.pop()
        seen += 1
        if text := _too_long(value):
            return [Problem(where, text)]
        if seen > MOST_VALUES:
            return [Problem((), f"holds more than {MOST_VALUES:,} values")]
        if len(where) > DEEPEST:
            return [Problem(where[:1], f"is nested more than {DEEPEST} deep")]
        if isinstance(value, Mapping):
            ahead += [((*where, str(key)), each) for key, each in value.items()]
        elif isinstance(value, list | tuple):
            ahead += [((*where, i), each) for i, each in enumerate(value)]
    return []


def _too_long(value: Any) -> str:
    """Return why a single value is too long to be looked at; an empty string if it is not."""
    if isinstance(value, Mapping) and len(value) > _MOST_KEYS:
        return f"expected at most {_MOST_KEYS:,} keys, got {len(value):,}"
    if isinstance(value, list | tuple) and len(value) > _MOST_ENTRIES:
        return f"expected at most {_MOST_ENTRIES:,} entries, got {len(value):,}"
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"expected at most {_LONGEST:,} characters, got {len(value):,}"
    if isinstance(value, int) and abs(value) >= 10**_LONGEST:
        return f"expected at most {_LONGEST:,} digits, got more"
    return ""
