"""Numbers as callers give them: plain, NumPy's, pandas' or xarray's. No label and no mask is dropped."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from fpanalysis._messages import listed, nearest
from fpanalysis._numerics import refuse_traced

# What rows of a table are where its index has no name: each a constant input.
CONDITION = "condition"


def numbers(value: Any, argument: str, expected: str = "numbers") -> np.ndarray:
    """Return an argument as float64; what is missing in it is NaN.

    Args:
        value: the argument. pandas objects must have no labels of their own; see `labelled`.
        argument: what it is called in a message.
        expected: what it should be, for a message.

    Raises:
        TypeError: it is text, complex, or only traced by JAX, or has labels that would be lost.
        ValueError: a mask hides some of it.
    """
    refuse_traced(value, argument)
    refuse_hidden(value, argument)
    try:
        array = np.asarray(_without_na(value))
        if array.dtype.kind == "O" and any(isinstance(each, str | bytes) for each in array.ravel()):
            raise TypeError
        if array.dtype.kind not in "biufO":  # NumPy would read text as numbers, and drop imaginary parts
            raise TypeError
        return np.array(array, float)  # a copy: what is given may change later
    except (TypeError, ValueError):
        raise TypeError(f"{argument}: expected {expected}, got {_shown(value)}") from None


def with_numbers(value: xr.DataArray, argument: str) -> xr.DataArray:
    """Return a DataArray with float64 for its values, whatever held them; see `numbers`."""
    return value.copy(data=numbers(value.data, argument))


def refuse_hidden(value: Any, argument: str) -> None:
    """Raise where values have a mask, or labels, that an array of them would be without.

    Raises:
        TypeError: a pandas object has labels that are not just its positions.
        ValueError: a mask hides some of the values.
    """
    if np.ma.is_masked(value):
        mask = np.ma.getmaskarray(value)
        raise ValueError(
            f"{argument}: expected numbers, got {int(mask.sum())} of {mask.size} that are masked; leave them "
            "out, or give numbers for them (filled)"
        )
    if isinstance(value, pd.Series | pd.DataFrame):
        labels = [label for axis in value.axes if not _are_positions(axis) for label in axis]
        if labels:
            raise TypeError(
                f"{argument}: expected numbers without labels, got a {type(value).__name__} with "
                f"{listed(map(str, labels), 4)}, which are not looked at here; give its to_numpy()"
            )


def labelled(value: Any, argument: str, dims: tuple[str, ...]) -> Any:
    """Return a pandas object as a DataArray, so that its labels count; anything else as it is.

    The index of a Series and the columns of a DataFrame name the entries along the last of `dims`; integers
    that increase are positions, and name nothing. The rows of a DataFrame lie along the dim that the name of
    its index says, else along the first of `dims`; labels beside 0, 1, … become its coordinate.

    Args:
        value: the argument.
        argument: what it is called in a message.
        dims: the dims of its rows and of its columns.

    Raises:
        TypeError: it has labels of several levels where one is expected, or holds no numbers.
    """
    if not isinstance(value, pd.Series | pd.DataFrame):
        return value
    *rows, names = value.axes
    if isinstance(names, pd.MultiIndex) or any(
        isinstance(index, pd.MultiIndex) and dims[0] != CONDITION for index in rows
    ):
        raise TypeError(
            f"{argument}: expected one label an entry, got a {type(value).__name__} with labels of several "
            "levels; give a DataArray with named dims"
        )
    coords = {} if _are_positions(names) else {dims[-1]: [str(name) for name in names]}
    array = xr.DataArray(_floats(value, argument), dims=dims[-1 - len(rows) :], coords=coords)
    for index in rows:
        name = dims[0] if isinstance(index, pd.MultiIndex) or index.name is None else index.name
        array = array.rename({dims[0]: name}) if name != dims[0] else array
        if isinstance(index, pd.MultiIndex):
            array = array.assign_coords(xr.Coordinates.from_pandas_multiindex(index, name))
        elif not index.equals(pd.RangeIndex(len(index))):
            array = array.assign_coords({name: index})
    return array


def matched(value: xr.DataArray, dim: str, names: Sequence[str], argument: str) -> xr.DataArray:
    """Return a DataArray with its entries along a dim in the order of the model's names, labels taken off.

    Args:
        value: with `dim`; without labels along it, the entries are taken to be in order.
        dim: such as `"input"` or `"state"`.
        names: the model's names of the entries.
        argument: what the array is called in a message.

    Raises:
        ValueError: names are unknown, missing or repeated, or the number of entries is another.
    """
    if dim in value.coords:
        given = [str(name) for name in value[dim].values]
        check_names(given, dim, names, argument)
        if left_out := [name for name in names if name not in given]:
            raise ValueError(f"{argument}: no values are given for the {dim} {listed(left_out)}")
        value = value.isel({dim: [given.index(name) for name in names]})
    elif value.sizes[dim] != len(names):
        raise ValueError(
            f"{argument}: expected {len(names)} entries along {dim!r} ({listed(names)}), "
            f"got {value.sizes[dim]}"
        )
    return value.drop_vars([name for name, coord in value.coords.items() if dim in coord.dims])


def check_names(given: Sequence[str], dim: str, names: Sequence[str], argument: str) -> None:
    """Raise `ValueError` where a name is not one of the model's, or is given twice."""
    for name in given:
        if name not in names:
            raise ValueError(
                f"{argument}: the model has no {dim} {name!r}{nearest(name, names)}; "
                f"it has {listed(names) or 'none'}"
            )
    if len(set(given)) != len(given):
        raise ValueError(f"{argument}: the names along {dim!r} repeat: {listed(given)}")


def _floats(value: pd.Series | pd.DataFrame, argument: str) -> np.ndarray:
    return numbers(_without_na(value), argument) if value.size else np.zeros(value.shape)


def _without_na(value: Any) -> Any:
    """Return a pandas object as an array, in which what is missing is NaN; anything else as it is."""
    if not isinstance(value, pd.Series | pd.DataFrame | pd.Index | pd.api.extensions.ExtensionArray):
        return value
    array, missing = np.asarray(value), np.asarray(pd.isna(value))
    return np.where(missing, np.nan, array) if array.dtype == object and missing.any() else array


def _are_positions(index: pd.Index) -> bool:
    """Return whether labels are integers that increase, and name nothing."""
    return pd.api.types.is_integer_dtype(index.dtype) and index.is_monotonic_increasing


def _shown(value: Any) -> str:
    """Return a value in a message: the repr, of pandas' objects, which take many lines, their type."""
    if isinstance(value, pd.DataFrame):
        return f"a DataFrame of {listed(map(str, value.dtypes), 4)}"
    return f"a Series of {value.dtype}" if isinstance(value, pd.Series) else repr(value)
