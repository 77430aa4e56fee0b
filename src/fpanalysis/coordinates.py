"""Labels of conditions as NumPy's own values, whatever pandas made of them: files hold no others."""

from typing import TypeVar

import numpy as np
import pandas as pd
import xarray as xr

_WITHOUT_INDEX = (np.float16, np.longdouble)
Labelled = TypeVar("Labelled", xr.DataArray, xr.Dataset)


def plain_labels(data: Labelled, argument: str) -> Labelled:
    """Return data whose coordinates hold plain NumPy values; levels of a MultiIndex are left as they are.

    Categories become the values that they stand for, nullable numbers and booleans numbers and booleans,
    intervals and periods text, and times of a time zone times in UTC (which the attribute `time_zone` says).
    Floating-point numbers that pandas has no index for (float16, longdouble) become float64.

    Args:
        data: a DataArray or a Dataset.
        argument: what it is called in a message.

    Raises:
        ValueError: labels are missing.
        TypeError: labels are of a kind that is neither number, text, truth nor time.
    """
    new = {}
    for name, coord in data.coords.items():
        if coord.ndim > 1 or isinstance(data.xindexes.get(name), xr.indexes.PandasMultiIndex):
            continue
        if coord.dtype in _WITHOUT_INDEX:
            coord = coord.astype(float)
            new[name] = coord.variable
        where = f"{argument}: the labels {str(name)!r}"
        if isinstance(coord.dtype, np.dtype) and coord.dtype != object:
            if coord.ndim and coord.dtype.kind in "fcmM":
                _refuse_missing(np.asarray(coord.isnull()), where)
            continue
        index = coord.to_index() if coord.ndim else pd.Index([coord.item()])
        missing = np.asarray(index.isna())
        if missing.any() and not coord.ndim:
            continue  # no condition's label
        _refuse_missing(missing, where)
        if coord.dtype == object:
            index = _unpacked(index)
        if isinstance(index, pd.CategoricalIndex):
            index = index.categories.take(index.codes)
        if index.dtype != object:
            values = _plain(index, where)
            zone = {"time_zone": "UTC"} if isinstance(index.dtype, pd.DatetimeTZDtype) else {}
            new[name] = xr.Variable(coord.dims, values.reshape(coord.shape), {**coord.attrs, **zone})
    return data.assign_coords(new) if new else data


def without_levels(data: Labelled, argument: str) -> Labelled:
    """Return data in which the levels of a MultiIndex are labels along its dim, and the dim is numbered.

    Neither a file nor a result can hold a MultiIndex; `set_index` makes one of the labels again.

    Args:
        data: a DataArray or a Dataset.
        argument: what it is called in a message.

    Raises:
        ValueError: labels are missing.
        TypeError: labels are of a kind that is neither number, text, truth nor time.
    """
    indexes = [index for index in data.xindexes.values() if isinstance(index, xr.indexes.PandasMultiIndex)]
    for index in indexes:
        for name, codes in zip(index.index.names, index.index.codes, strict=True):
            _refuse_missing(np.asarray(codes) < 0, f"{argument}: the labels {str(name)!r}")
    for dim in dict.fromkeys(index.dim for index in indexes):
        data = data.reset_index(dim).assign_coords({dim: np.arange(data.sizes[dim])})
    return plain_labels(data, argument)


def differing_labels(one: xr.DataArray, other: xr.DataArray) -> list[str]:
    """Return the names of labels beside a dim's own that both have along it, and that differ.

    Where goals lie may differ: candidates may come from other goals.
    """
    return [
        str(name)
        for name, coord in one.coords.items()
        if coord.ndim == 1
        and name not in (coord.dims[0], f"{coord.dims[0]}_x", f"{coord.dims[0]}_y")
        and name in other.coords
        and coord.dims == other.coords[name].dims
        and not coord.variable.equals(other.coords[name].variable)
    ]


def _refuse_missing(missing: np.ndarray, where: str) -> None:
    """Raise `ValueError` where labels are missing, `(label,)`."""
    if at := np.flatnonzero(missing).tolist():
        raise ValueError(
            f"{where} are missing at {len(at)} of {len(missing)} positions, first at {at[0]}; "
            "leave those conditions out, or give them labels of their own"
        )


def _unpacked(index: pd.Index) -> pd.Index:
    """Return objects as what they all are; text and what is mixed stay objects."""
    if all(isinstance(value, str) for value in index):
        return index.astype(object)
    return pd.Index(pd.Series(index.to_numpy(), dtype=object).infer_objects())


def _plain(index: pd.Index, where: str) -> np.ndarray:
    if isinstance(index, pd.DatetimeIndex):
        return (index if index.tz is None else index.tz_convert("UTC").tz_localize(None)).to_numpy()
    if isinstance(index, pd.IntervalIndex | pd.PeriodIndex):
        return np.array([str(value) for value in index])
    values = np.asarray(index.array)
    if values.dtype != object:
        return values
    if not all(isinstance(value, str) for value in values):
        raise TypeError(
            f"{where} have the pandas type {index.dtype}; give numbers, text, truth values or times instead"
        )
    return values.astype(str)
