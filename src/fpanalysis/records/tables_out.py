"""Records as pandas tables: what they have, and what varies among them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from fpanalysis.records import values
from fpanalysis.records.entry import Entry

Params = dict[str, Any]
_ABSENT = object()
# What differs wherever parameters or contents do.
_FOLLOWS = {"hash", "recipe_hash", "file", "file_sha256"}


def frame(entries: Sequence[Entry]) -> pd.DataFrame:
    """Return one row a record, indexed by hash, with one column a hyperparameter.

    What a record lacks is `pandas.NA`; a parameter that is None stays None.
    """
    params = [values.flat(entry.params) for entry in entries]
    results = [{f"result.{k}": v for k, v in values.flat(entry.results).items()} for entry in entries]
    columns: dict[str, pd.Series] = {}
    index = pd.Index([entry.hash for entry in entries], name="hash", dtype=object)
    for name in ("type", "label"):
        columns[name] = pd.Series([getattr(entry, name) for entry in entries], index, dtype=object)
    for rows in (params, results):
        for name in _names(rows):
            columns[name] = _column([row.get(name, pd.NA) for row in rows], index)
    columns["tags"] = pd.Series([", ".join(entry.tags) for entry in entries], index, dtype=object)
    columns["created"] = pd.Series(pd.to_datetime([entry.created for entry in entries]), index)
    return pd.DataFrame(columns, index)


def varying(rows: Sequence[Params]) -> dict[str, dict[str, int]]:
    """Return by name of parameter how often each value occurs, for those that vary.

    Args:
        rows: canonical parameters by dotted name, one mapping for each record.

    Returns:
        Canonical texts and their counts, in the order of values; an empty text stands for "missing".
    """
    found = {}
    for name in _names(rows):
        column = [row.get(name, _ABSENT) for row in rows]
        if _is_constant(column):
            continue
        counts = Counter("" if value is _ABSENT else _key(value) for value in column)
        if len(counts) > 1:
            texts = {key if isinstance(key, str) else values.text(key[1]): n for key, n in counts.items()}
            found[name] = dict(sorted(texts.items(), key=lambda item: order(item[0])))
    return found


def _is_constant(column: list[Any]) -> bool:
    """Return whether all values are certainly the same, as those of most parameters are."""
    first = column[0]
    if isinstance(first, list | dict):  # within which True would equal 1
        return len(set(map(repr, column))) == 1
    return column.count(first) == len(column) and len(set(map(type, column))) == 1


def _key(value: Any) -> str | tuple[type, Any]:
    """Return what two values share if they are the same: of numbers and words much faster than their text."""
    return values.text(value) if isinstance(value, list | dict) else (type(value), value)


def differences(entries: Sequence[Entry]) -> pd.DataFrame:
    """Return all in which records differ: what it is `of`, its `name`, and a column for each record."""
    data = [{k: v for k, v in entry.to_dict().items() if k not in _FOLLOWS} for entry in entries]
    table = []
    for of in ("params", "results", "versions"):
        flat = [values.flat(each.pop(of)) for each in data]
        table += [(of, name, *(_cell(row, name) for row in flat)) for name in varying(flat)]
    table += [("record", name, *(_cell(row, name) for row in data)) for name in varying(data)]
    return as_frame(table, ("of", "name", *(entry.hash[:8] for entry in entries)))


def _cell(row: Params, name: str) -> Any:
    return values.plain(row[name]) if name in row else pd.NA


def order(text: str) -> tuple:
    """Return a key that sorts canonical texts: numbers first and by size, then all else by its text."""
    number = values.number(values.load(text)) if text else None
    return (1, 0.0, text) if number is None else (0, number, text)


def value_of(text: str) -> Any:
    """Return what a canonical text stands for; `pandas.NA` for "missing"."""
    return values.plain(values.load(text)) if text else pd.NA


def counted(found: dict[str, dict[str, int]]) -> list[tuple[str, Any, int]]:
    """Return parameter, value and count, a row each."""
    return [(name, value_of(text), n) for name, counts in found.items() for text, n in counts.items()]


def as_frame(rows: Iterable[tuple], columns: Sequence[str]) -> pd.DataFrame:
    """Return a table whose values keep their types: True is not 1, None is not missing."""
    rows = list(rows)
    series = {
        name: pd.Series([row[i] for row in rows], dtype="int64" if name == "count" else object)
        for i, name in enumerate(columns)
    }
    return pd.DataFrame(series)


def _names(rows: Sequence[Params]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _column(column: list[Any], index: pd.Index) -> pd.Series:
    kinds = {type(value) for value in column}
    if kinds == {bool}:
        return pd.Series(column, index, dtype=bool)
    if kinds == {int}:
        return pd.Series(column, index, dtype="int64")
    plain = [value if value is pd.NA else values.plain(value) for value in column]
    if kinds <= {int, float, str} and {type(value) for value in plain} == {float}:
        return pd.Series(plain, index, dtype="float64")
    if kinds <= {int, float}:
        return pd.Series(plain, index, dtype="float64")
    return pd.Series(plain, index, dtype=object)
