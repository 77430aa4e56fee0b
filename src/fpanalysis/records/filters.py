"""What a query asks of a hyperparameter: values, ranges, absence."""

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from fpanalysis.records import values


@dataclass(frozen=True)
class Between:
    """Numbers from `low` to `high`, both included."""

    low: float
    high: float


def between(low: float | int | np.number, high: float | int | np.number) -> Between:
    """Ask for a range of numbers, both ends included.

    Args:
        low: the least number.
        high: the greatest. Either may be infinite.

    Raises:
        TypeError: an end is not a number.
        ValueError: `low` is above `high`, or one is NaN.

    Example:
        >>> import fpanalysis as fpa
        >>> fpa.between(1e-3, 1e-2)
        Between(low=0.001, high=0.01)
    """
    for name, end in (("low", low), ("high", high)):
        if isinstance(end, bool | np.bool_) or not isinstance(end, int | float | np.number):
            raise TypeError(f"{name}: expected a number, got {end!r}")
    low, high = (float(values.canonical(end)) if _is_small(end) else float(end) for end in (low, high))
    if math.isnan(low) or math.isnan(high) or low > high:
        raise ValueError(f"low: expected a number of at most high, got {low!r} and {high!r}")
    return Between(low, high)


class Missing:
    """The type of `missing`, of which there is one."""

    _only: "Missing | None" = None

    def __new__(cls) -> "Missing":
        """Return the one there is."""
        cls._only = cls._only or super().__new__(cls)
        return cls._only

    def __repr__(self) -> str:
        return "missing"

    def __reduce__(self) -> str:
        return "missing"

    def __bool__(self) -> bool:
        return False


missing = Missing()


@dataclass(frozen=True)
class AnyOf:
    """What a parameter may be.

    Attributes:
        texts: the canonical texts of values, as `values.indexed` returns them.
        ranges: ranges of numbers.
        missing: whether records without the parameter match too.
    """

    texts: tuple[str, ...]
    ranges: tuple[Between, ...]
    missing: bool


def any_of(wanted: Any, name: str) -> AnyOf:
    """Return what a caller's value asks for; a list, tuple, set or array means any of its items.

    A parameter whose value is itself a list is asked for by a list within the list.

    Raises:
        TypeError: a value cannot be a parameter's.
        ValueError: the list is empty.
    """
    if isinstance(wanted, np.ndarray) and wanted.ndim == 0:
        wanted = wanted[()]
    items = list(wanted) if isinstance(wanted, list | tuple | Set | range | np.ndarray) else [wanted]
    if not items:
        raise ValueError(f"{name}: expected a value or a list of values, got an empty list")
    texts = []
    for item in items:
        if not isinstance(item, Between | Missing):
            texts += _texts(item, name)
    ranges = tuple(item for item in items if isinstance(item, Between))
    return AnyOf(tuple(dict.fromkeys(texts)), ranges, any(isinstance(item, Missing) for item in items))


def _texts(item: Any, name: str) -> list[str]:
    """Return the texts that a value may have been kept under."""
    if isinstance(item, Mapping) and item:
        raise TypeError(f"{name}: expected a value, got a mapping; nested names are dotted")
    value = values.canonical(item, name)
    texts = [values.indexed(value)]
    number = values.number(value)
    # A large whole number may have been typed as an integer, which is tagged, or as a float, which is not.
    if number is not None and math.isfinite(number) and abs(number) > values.EXACT:
        known = values.plain(value)
        if int(number) == known:
            texts += [values.indexed(values.canonical(int(number))), values.indexed(number)]
    return texts


def _is_small(end: Any) -> bool:
    """Return whether a number has less than double precision, so that its shortest decimal is meant."""
    return isinstance(end, np.floating) and end.dtype.itemsize < 8 and bool(np.isfinite(end))
