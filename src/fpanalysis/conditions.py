"""Constant inputs, however they are said, become labelled conditions."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from fpanalysis._given import CONDITION, check_names, labelled, matched, numbers, with_numbers
from fpanalysis._messages import listed
from fpanalysis.coordinates import differing_labels, plain_labels, without_levels
from fpanalysis.schema import RESERVED


@dataclass(frozen=True)
class Conditions:
    """The conditions that a search spans.

    Args:
        u: the constant input of each condition, `(condition, input)`, float64.
        template: a DataArray over the condition dims that carries their coordinates.
    """

    u: np.ndarray
    template: xr.DataArray

    @property
    def dims(self) -> tuple[str, ...]:
        """The names of the condition dims."""
        return tuple(map(str, self.template.dims))

    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the condition dims."""
        return self.template.shape

    def label(self, index: int) -> str:
        """Return a condition in words, such as `context=1.0, goal=3`."""
        where = np.unravel_index(index, self.shape)
        parts = []
        for dim, i in zip(self.dims, where, strict=True):
            value = self.template[dim].values[i] if dim in self.template.coords else i
            parts.append(f"{dim}={value}")
        return ", ".join(parts) or "the only condition"


def make_conditions(names: tuple[str, ...], goal: Any, inputs: Any) -> Conditions:
    """Return the conditions that `goal` or `inputs` (one of the two) say.

    Args:
        names: the model's input names.
        goal: nothing (zeros), an array `(input,)`, a mapping from input names to numbers or DataArrays, a
            DataArray with an `input` dim and any others, a Series with the inputs' names as index, or a
            DataFrame with them as columns and a row for each condition.
        inputs: the same.

    Raises:
        TypeError: both are given, or something that is no input.
        ValueError: shapes, names, dims or values do not fit.
    """
    if goal is not None and inputs is not None:
        raise TypeError("goal, inputs: expected one of the two, got both; they are two ways to say the input")
    argument, value = ("goal", goal) if goal is not None else ("inputs", inputs)
    return conditions_from(names, value, argument)


def conditions_from(names: tuple[str, ...], value: Any, argument: str) -> Conditions:
    """Return the conditions that `value` says; see `make_conditions`.

    Args:
        names: the model's input names.
        value: the inputs.
        argument: what they are called in a message.
    """
    value = labelled(value, argument, (CONDITION, "input"))
    if value is None:
        array = xr.DataArray(np.zeros(len(names)), dims="input")
    elif isinstance(value, xr.DataArray):
        array = _from_dataarray(names, value, argument)
    elif isinstance(value, Mapping):
        array = _from_mapping(names, value, argument)
    else:
        array = _from_array(names, value, argument)
    array = array.drop_vars([name for name, coord in array.coords.items() if coord.ndim == 0])
    array = without_levels(array, argument)
    _check_dims(array, argument)
    array = array.transpose(..., "input").astype(float)
    if not np.all(np.isfinite(array.values)):
        bad = ~np.isfinite(array.values).reshape(-1, len(names))
        of = listed(np.array(names)[bad.any(axis=0)])
        raise ValueError(f"{argument}: expected finite numbers, got {int(bad.sum())} that are not, of {of}")
    template = array.isel(input=0, drop=True) if len(names) else array.sum("input")
    for dim in template.dims:
        if dim not in template.coords:
            template = template.assign_coords({dim: np.arange(template.sizes[dim])})
    if template.size == 0:
        raise ValueError(f"{argument}: expected at least one condition, got shape {dict(template.sizes)}")
    return Conditions(array.values.reshape(template.size, len(names)), template)


def _check_dims(array: xr.DataArray, argument: str) -> None:
    """Raise `ValueError` where a result could not hold the dims and coordinates of the conditions."""
    names = {*array.dims, *array.coords} - {"input"}
    if reserved := sorted(map(str, names & RESERVED)):
        raise ValueError(
            f"{argument}: {listed(reserved)} cannot name a dim or coordinate of the conditions, because a "
            "result uses the name itself; rename it"
        )
    if unnamed := [name for name in names if not isinstance(name, str)]:
        raise ValueError(f"{argument}: expected dims with text for names, got {unnamed}")


def spread_candidates(candidates: Any, names: tuple[str, ...], conditions: Conditions) -> np.ndarray:
    """Return the caller's candidates for every condition, `(condition, candidate, state)`.

    Args:
        candidates: an array `(candidate, state)` shared by all conditions, a DataFrame with the states' names
            as columns, or a DataArray with dims `candidate`, `state` and any condition dims.
        names: the names of the state's entries.
        conditions: the conditions of the search.

    Raises:
        ValueError: shapes, names or dims do not fit, or there is no candidate.
    """
    candidates = labelled(candidates, "candidates", ("candidate", "state"))
    if isinstance(candidates, xr.DataArray):
        candidates = without_levels(with_numbers(candidates, "candidates"), "candidates")
    else:
        candidates = xr.DataArray(numbers(candidates, "candidates"))
        if candidates.ndim != 2 or candidates.shape[1] != len(names):
            raise ValueError(
                f"candidates: expected shape (candidate, {len(names)}), one state a row, "
                f"got {candidates.shape}"
            )
        candidates = candidates.rename(dict(zip(candidates.dims, ("candidate", "state"), strict=True)))
    allowed = {"candidate", "state", *conditions.dims}
    if not {"candidate", "state"} <= set(candidates.dims) <= allowed:
        raise ValueError(
            "candidates: expected the dims 'candidate', 'state' and any of the conditions' "
            f"({listed(conditions.dims) or 'none'}), got {candidates.dims}"
        )
    if candidates.sizes["candidate"] == 0:
        raise ValueError("candidates: expected at least one state to start from, got none")
    candidates = matched(candidates, "state", names, "candidates")
    try:
        candidates, _ = xr.align(candidates, conditions.template, join="exact")
    except ValueError as error:
        raise ValueError(f"candidates: their coordinates are not those of the conditions ({error})") from None
    if differ := differing_labels(candidates, conditions.template):
        raise ValueError(f"candidates: their coordinates {listed(differ)} are not those of the conditions")
    full = {dim: conditions.template.sizes[dim] for dim in conditions.dims}
    wide = candidates.transpose(..., "candidate", "state").variable
    wide = wide.set_dims({**full, "candidate": wide.sizes["candidate"], "state": len(names)})
    values = np.asarray(wide.transpose(*conditions.dims, "candidate", "state").values, float)
    return values.reshape(-1, *values.shape[-2:])


def _from_dataarray(names: tuple[str, ...], value: xr.DataArray, argument: str) -> xr.DataArray:
    value = plain_labels(with_numbers(value, argument), argument)
    if "input" not in value.dims:
        raise ValueError(f"{argument}: expected a DataArray with a dim 'input', got dims {tuple(value.dims)}")
    return matched(value, "input", names, argument)


def _from_mapping(names: tuple[str, ...], value: Mapping, argument: str) -> xr.DataArray:
    given = {str(name): entry for name, entry in value.items()}
    if not given:
        return xr.DataArray(np.zeros(len(names)), dims="input")
    blocks = {name.split("[")[0] for name in names}
    parts: dict[str, xr.DataArray] = {}
    for name, entry in given.items():
        if name not in names and name not in blocks:
            check_names([name], "input", (*names, *sorted(blocks - set(names))), argument)
        members = [name] if name in names else [n for n in names if n.split("[")[0] == name]
        for member, part in zip(members, _split(entry, members, f"{argument}[{name!r}]"), strict=True):
            if member in parts:
                raise ValueError(f"{argument}: {member!r} is given twice")
            parts[member] = plain_labels(part, argument)
    zeros = xr.DataArray(0.0)
    try:
        aligned = xr.broadcast(*xr.align(*(parts.get(name, zeros) for name in names), join="exact"))
    except ValueError as error:
        raise ValueError(f"{argument}: the coordinates of its DataArrays do not agree ({error})") from None
    index = xr.DataArray(list(names), dims="input", name="input")
    return xr.concat(aligned, dim=index, coords="minimal", compat="override").drop_vars("input")


def _split(entry: Any, members: list[str], argument: str) -> list[xr.DataArray]:
    """Return one DataArray per member of a block."""
    n = len(members)
    if isinstance(entry, pd.Series) and n == 1 and entry.index.name is not None:
        entry = xr.DataArray(numbers(entry.to_numpy(), argument), {entry.index.name: entry.index})
    entry = labelled(entry, argument, (CONDITION, "input"))
    if isinstance(entry, xr.DataArray):
        if n == 1 and "input" not in entry.dims:
            return [with_numbers(entry, argument)]
        if "input" in entry.coords and entry.dims == ("input",):
            entry = matched(entry, "input", members, argument)
        entry = entry.data
    array = numbers(entry, argument)
    if array.ndim == 0 and n >= 1:
        return [xr.DataArray(float(array))] * n
    if array.shape != (n,):
        raise ValueError(
            f"{argument}: expected a number{f' or {n} of them' if n > 1 else ''}, got shape "
            f"{array.shape}; to sweep an input, give a DataArray with a named dim"
        )
    return [xr.DataArray(float(number)) for number in array]


def _from_array(names: tuple[str, ...], value: Any, argument: str) -> xr.DataArray:
    array = numbers(value, argument, "numbers, a mapping from input names or a DataArray")
    if array.ndim == 0 and len(names) == 1:
        array = array[None]
    if array.shape != (len(names),):
        hint = ""
        if array.ndim == 2 and array.shape[-1] == len(names):
            hint = "; for several conditions give a DataArray with a named dim beside 'input'"
        raise ValueError(
            f"{argument}: expected shape ({len(names)},), one number an input "
            f"({listed(names) or 'there is none'}), got {array.shape}{hint}"
        )
    return xr.DataArray(array, dims="input")
