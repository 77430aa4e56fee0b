"""Wording of errors: the nearest match for a misspelt name."""

import difflib
from collections.abc import Iterable
from itertools import islice

_MOST_COMPARED = 1000


def nearest(name: str, options: Iterable[str]) -> str:
    """Return `" (did you mean 'x'?)"` for the option most like `name`, else an empty string."""
    matches = difflib.get_close_matches(str(name), list(islice(options, _MOST_COMPARED)), n=1, cutoff=0.5)
    return f" (did you mean {matches[0]!r}?)" if matches else ""


def listed(names: Iterable[str], most: int = 8) -> str:
    """Return the names as a readable list, cut after `most` of them."""
    names = [repr(str(name)) for name in names]
    shown = ", ".join(names[:most])
    return shown + (f", … ({len(names)} in all)" if len(names) > most else "")
