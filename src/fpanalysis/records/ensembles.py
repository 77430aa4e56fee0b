"""Recorded models as one ensemble: the hyperparameters that vary among them become its dims."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from fpanalysis.control.ensemble import Ensemble
from fpanalysis.control.rollout import Model
from fpanalysis.records import values
from fpanalysis.records.entry import Entry
from fpanalysis.records.tables_out import order, value_of, varying

_MISSING = "missing"


def ensemble_of(entries: Sequence[Entry], models: Sequence[Model]) -> Ensemble:
    """Return recorded models with what varies among them as labels.

    Hyperparameters whose every combination occurs once become dims. Others that follow from these are
    coordinates along them. Where combinations are missing or occur twice, there is one dim `model`, along
    which every varying hyperparameter is a coordinate.

    Args:
        entries: records of the models, at least one.
        models: in the same order.
    """
    rows = [values.flat(entry.params) for entry in entries]
    texts = {name: [values.text(row[name]) if name in row else "" for row in rows] for name in varying(rows)}
    labels = _short(list(texts))
    dims = _grid(texts, len(rows))
    if dims is None:
        table = xr.Dataset({"member": ("model", np.arange(len(rows)))}, {"model": np.arange(len(rows))})
        coords = {labels[name]: ("model", _array(column)) for name, column in texts.items()}
    else:
        table, coords = _labelled(texts, dims, labels)
    table = table.assign_coords(coords)
    hashes = np.array([entry.hash for entry in entries], dtype=object)
    table["record"] = (table["member"].dims, hashes[table["member"].values].astype(str))
    return Ensemble(list(models), table)


def _grid(texts: dict[str, list[str]], count: int) -> list[str] | None:
    """Return the parameters that span all records as a full grid, each point once; None if none do."""
    dims: list[str] = []
    seen: set[tuple[str, ...]] = {()}
    for name, column in sorted(texts.items(), key=lambda item: _preference(item[1])):
        columns = [texts[dim] for dim in dims] + [column]
        wider = set(zip(*columns, strict=True))
        if len(wider) == len(seen) * len(set(column)) and len(wider) > len(seen):
            dims.append(name)
            seen = wider
    if len(seen) != count:
        return None
    return [name for name in texts if name in dims]


def _preference(column: list[str]) -> tuple[int, bool]:
    # Of parameters that say the same in other words, one with few values spans the grid, numbers first.
    return len(set(column)), any(order(text)[0] for text in column)


def _labelled(
    texts: dict[str, list[str]], dims: list[str], labels: dict[str, str]
) -> tuple[xr.Dataset, dict[str, Any]]:
    """Return the table of a full grid, and what follows from its dims as coordinates along them."""
    levels = {dim: sorted(set(texts[dim]), key=order) for dim in dims}
    places = [[levels[dim].index(text) for text in texts[dim]] for dim in dims]
    shape = tuple(len(levels[dim]) for dim in dims)
    member = np.empty(shape, int)
    member[tuple(places)] = np.arange(len(texts[dims[0]]) if dims else 1)
    axes = [labels[dim] for dim in dims]
    table = xr.Dataset({"member": (axes, member)}, {labels[dim]: _array(levels[dim]) for dim in dims})
    coords: dict[str, Any] = {}
    for name, column in texts.items():
        if name not in dims:
            whole = np.array(column, dtype=object)[member]
            along = [axis for axis in range(len(dims)) if (whole != whole.take([0], axis)).any()]
            kept = whole[tuple(slice(None) if axis in along else 0 for axis in range(len(dims)))]
            coords[labels[name]] = (
                [axes[axis] for axis in along],
                _array(kept.ravel().tolist()).reshape(kept.shape),
            )
    return table, coords


def _short(names: Sequence[str]) -> dict[str, str]:
    """Return the part after the last dot of every name, or all of it where two would be the same."""
    ends = [name.rpartition(".")[2] for name in names]
    taken = {"model", "member", "record", "kind"}
    return {
        name: end if ends.count(end) == 1 and end not in taken else name
        for name, end in zip(names, ends, strict=True)
    }


def _array(texts: Sequence[str]) -> np.ndarray:
    """Return labels as one array: numbers, booleans or strings, and strings of all where they are mixed."""
    found = [value_of(text) for text in texts]
    if all(isinstance(value, bool) for value in found):
        return np.array(found, dtype=bool)
    if all(isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 for value in found):
        return np.array(found, dtype=np.int64)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in found):
        return np.array(found, dtype=np.float64)
    # netCDF has neither None nor lists.
    words = [
        value if isinstance(value, str) else text or _MISSING
        for value, text in zip(found, texts, strict=True)
    ]
    return np.array(words, dtype=str)
