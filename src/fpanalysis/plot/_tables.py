"""What a dataset says of itself, as tables of HTML."""

import html
import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import numpy as np
import xarray as xr

_FOLDED = 200
"""Number of characters above which the value of an attribute is folded."""


def dims_table(ds: xr.Dataset) -> str:
    """Return the dims with their lengths and labels."""
    rows = [
        [_plain(dim), f"{size:,}", _plain(_extent(ds[dim]) if dim in ds.coords else "no labels")]
        for dim, size in ds.sizes.items()
    ]
    return _table(("dimension", "length", "labels"), rows)


def variables_table(ds: xr.Dataset) -> str:
    """Return coordinates and variables with meaning, dims, unit and type."""
    rows = []
    for name, each in (*ds.coords.items(), *ds.data_vars.items()):
        dims = ", ".join(map(str, each.dims))
        meaning = str(each.attrs.get("long_name", "coordinate" if name in ds.coords else ""))
        if "flag_meanings" in each.attrs:
            meaning = f"{meaning}: {each.attrs['flag_meanings']}".lstrip(": ")
        kind = "string" if each.dtype.kind in "UO" else each.dtype
        rows.append([_plain(cell) for cell in (name, meaning, dims, each.attrs.get("units", ""), kind)])
    return _table(("variable", "meaning", "dimensions", "unit", "type"), rows)


def attributes_table(ds: xr.Dataset) -> str:
    """Return the attributes of the dataset; JSON in lines, and folded, as everything long is."""
    return _table(("attribute", "value"), [[_plain(name), _value(each)] for name, each in ds.attrs.items()])


def _plain(text: object) -> str:
    return html.escape(str(text))


def _table(head: tuple[str, ...], rows: Iterable[list[str]]) -> str:
    """Return a table of cells that are HTML already."""
    body = ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    if not body:
        return "<p>none</p>"
    titles = "".join(f"<th>{title}</th>" for title in head)
    lines = ["<table>", f"<thead><tr>{titles}</tr></thead>", "<tbody>", *body, "</tbody>", "</table>"]
    return "\n".join(lines)


def _extent(coord: xr.DataArray) -> str:
    """Return the values of a coordinate; of many, the first two and the last."""
    values = coord.values if coord.size <= 6 else coord.values[[0, 1, -1]]
    texts = [f"{value:.6g}" if isinstance(value, float) else str(value) for value in values.tolist()]
    if coord.size > 6:
        texts.insert(2, "…")
    return f"{', '.join(texts)} {coord.attrs.get('units', '')}".strip()


def _value(value: Any) -> str:
    text = str(value.tolist() if isinstance(value, np.ndarray | np.generic) else value)
    kind = "text"
    if text.lstrip().startswith(("{", "[")):
        with suppress(json.JSONDecodeError):
            text, kind = json.dumps(json.loads(text), indent=2, ensure_ascii=False), "JSON"
    if kind == "text" and len(text) <= _FOLDED:
        return _plain(text)
    summary = f"{kind}, {len(text):,} characters"
    return f"<details><summary>{summary}</summary><pre>{_plain(text)}</pre></details>"
