"""How figures say values in words: labels, units, flags, and titles of axes."""

import html
from collections.abc import Iterable, Mapping
from textwrap import wrap
from typing import Any

import numpy as np


def joined(lines: Iterable[list[str]]) -> list[str]:
    """Return one hover text per point from lists that hold one line per point."""
    return ["<br>".join(parts) for parts in zip(*lines, strict=True)]


def said(values: np.ndarray, attrs: Mapping[Any, Any]) -> np.ndarray:
    """Return values as strings: flags by their meaning, numbers with their unit."""
    if "flag_values" in attrs and "flag_meanings" in attrs:
        flags = np.atleast_1d(attrs["flag_values"]).tolist()
        meanings = dict(zip(flags, str(attrs["flag_meanings"]).split(), strict=False))
        return _each(values, lambda value: escaped(meanings.get(value, value)))
    unit = unit_of(attrs)
    return _each(values, lambda value: label(value) + (f" {unit}" if unit else ""))


def _each(values: np.ndarray, function: Any) -> np.ndarray:
    return objects([function(value) for value in np.ravel(values).tolist()]).reshape(np.shape(values))


def objects(values: list) -> np.ndarray:
    """Return values of any kind as an array of as many objects."""
    # Filled by slice: numpy would otherwise look into the values for a further dimension.
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def unit_of(attrs: Mapping[Any, Any]) -> str:
    """Return the unit among a variable's attributes; an empty string for numbers without one."""
    unit = str(attrs.get("units", ""))
    return "" if unit in ("1", "dimensionless") else escaped(unit)


def label(value: Any) -> str:
    """Return a condition's value as text: `1.0`, `0.3`, `12`, `fast`."""
    if not isinstance(value, float):
        return escaped(value)
    text = number(value, digits=6)
    return f"{text}.0" if text.lstrip("-").isdigit() else text


def capitalised(words: str) -> str:
    """Return words that begin a title; what follows stays as it is, unlike in `str.capitalize`."""
    return words[:1].upper() + words[1:]


def number(value: float, digits: int = 4) -> str:
    """Return a number with this many significant digits."""
    return f"{value:.{digits}g}".replace("inf", "∞").replace("nan", "not known")


def escaped(value: object) -> str:
    """Return text that plotly shows as it is, rather than reading it as markup."""
    return html.escape(str(value), quote=False)


def axis_title(name: str, attrs: Mapping[Any, Any]) -> str:
    """Return the title of an axis: what is shown in words, and its unit."""
    unit = unit_of(attrs)
    return escaped(attrs.get("long_name", name.replace("_", " "))) + (f" ({unit})" if unit else "")


def in_lines(texts: Iterable[str], width: int) -> str:
    """Return texts below one another, in lines of at most so many characters where words allow it."""
    lines = [line for text in texts for line in text.split("<br>")]
    # A word stays whole: it can hold signs that are written as several, such as &amp;.
    return "<br>".join(part for line in lines for part in wrap(line, width, break_long_words=False))
