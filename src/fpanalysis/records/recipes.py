"""What a function and its arguments are called in a recipe, so that the same call is the same recipe."""

import functools
import inspect
import re
import textwrap
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from fpanalysis.goal import Goal
from fpanalysis.records import exact, values
from fpanalysis.records.content import content_hash
from fpanalysis.records.entry import Entry
from fpanalysis.records.exact_code import VERSION, path_of
from fpanalysis.records.exact_objects import REPRESENTED

# Longer arrays are known by their hash.
_MOST_ENTRIES = 1000
# Longer descriptions of objects are cut; a digest stands behind them.
_LONGEST = 200
# What `repr` leaves out, in recipes of before it was hashed: arrays, functions, whatever has an address.
_HIDDEN = re.compile(
    r"\b(weak_)?(bool|b?f|i|u|c|key)\w*\[[\d,]*\]|<|\.\.\.|\barray\(|\b[A-Z]\w*\((?=.*\bat 0x)"
)
_CALL = re.compile(r"[A-Za-z_][\w.]*\(.*\)|<.*>", re.DOTALL)  # with a digest behind it, it is not one


class Producer(NamedTuple):
    """A function that makes what is recorded.

    Attributes:
        type: its name.
        path: the name with its module.
        version: what its author calls this version of it.
        source_hash: of its code, empty if that is not known.
        function: the function itself, if the data that it holds decide its results as well.
    """

    type: str
    path: str
    version: str
    source_hash: str
    function: Callable | None = None


def versioned(version: str) -> Callable[[Callable], Callable]:
    """Say which version a function is; with another one, what it made before is computed anew.

    Args:
        version: any text.

    Example:
        >>> from fpanalysis.records import versioned
        >>> @versioned("2")
        ... def peak_force(model, amplitude): ...
    """

    def mark(function: Callable) -> Callable:
        setattr(function, VERSION, _checked(version))
        return function

    return mark


def producer_of(function: Callable, type_: str | None, version: str | None) -> Producer:
    """Return what a function is called.

    Args:
        function: with a name of its own, unless `type_` is given.
        type_: takes the place of its name.
        version: takes the place of that which `versioned` said.

    Raises:
        TypeError: it is no function, or has no name, or holds arguments that nobody sees.
    """
    if isinstance(function, functools.partial):
        raise TypeError(
            "function: a partial holds arguments that would not be recorded; give the function itself, and "
            "the arguments as parameters"
        )
    if not callable(function):
        raise TypeError(f"function: expected a function, got {type(function).__name__}")
    name = getattr(function, "__name__", None)
    if type_ is None and (name is None or name == "<lambda>"):
        raise TypeError("function: it has no name; define it with def, or give type='…'")
    said = getattr(function, VERSION, "") if version is None else _checked(version)
    path = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', name)}"
    return Producer(type_ or str(name), path, said, _source_hash(function), function)


def described(value: Any, name: str = "params", depth: int = 0) -> Any:
    """Return an argument as it stands in a recipe, in canonical values.

    Long arrays and datasets are known by their hash, goals by what they ask for; other objects by a name, and
    a digest of what it does not tell.

    Raises:
        TypeError: it is something that has no content that can be told.
        ValueError: it is nested too deeply.
    """
    if depth > values.DEEPEST:
        raise ValueError(f"{name[:200]}: nested deeper than {values.DEEPEST} levels")
    if isinstance(value, Goal):
        fields = ("position", "velocity", "context", "feedback_position", "feedback_velocity", "others")
        said = {field: getattr(value, field) for field in fields}
        return {k: described(v, f"{name}.{k}") for k, v in said.items() if v is not None and v is not value}
    if isinstance(value, xr.Dataset):
        return {"content": content_hash(value)}
    if isinstance(value, xr.DataArray):
        return _labelled(value, name)
    if isinstance(value, Mapping):
        return {
            values.checked_name(k, name): described(v, f"{name}.{k}", depth + 1) for k, v in value.items()
        }
    if isinstance(value, list | tuple) and type(value) in (list, tuple):
        return [described(item, name, depth + 1) for item in value]
    if hasattr(value, "__array__") and np.size(value) > _MOST_ENTRIES:
        array = np.ascontiguousarray(value)
        return {
            "sha256": values.digest(array.tobytes()),
            "shape": list(array.shape),
            "dtype": array.dtype.str,
        }
    try:
        return values.canonical(value, name, depth)
    except TypeError:
        return _object(value, name)


def hides(entry: Entry) -> bool:
    """Return whether a record is of a time when objects stood in recipes without what they hold.

    Two calls with other arrays in the same place had the same recipe then, and the same answer.
    """
    said = values.flat(entry.params).values()
    return any(isinstance(each, str) and _CALL.fullmatch(each) and _HIDDEN.search(each) for each in said)


def warn_of_source(known: Entry, producer: Producer) -> None:
    """Warn if a result was computed by other code than that which now has its name and version."""
    if known.source_hash and producer.source_hash and known.source_hash != producer.source_hash:
        warnings.warn(
            f"function: the code of {producer.type} changed since its result of {known.created[:19]} was "
            f"computed, but its version ({producer.version!r}) did not; the earlier result is returned. Give "
            "another version= to compute it anew",
            stacklevel=4,
        )


def _labelled(array: xr.DataArray, name: str) -> Any:
    if array.ndim == 0 and not array.coords:
        return described(array.values[()], name)
    if array.size > _MOST_ENTRIES:
        return {"content": content_hash(array.to_dataset(name="values"))}
    coords = {str(key): described(coord.values, name) for key, coord in array.coords.items()}
    if array.ndim == 1 and set(coords) == {array.dims[0]} and np.array_equal(array, array[array.dims[0]]):
        return described(array.values, name)  # such as contexts, which label themselves
    return {"dims": list(map(str, array.dims)), "values": described(array.values, name), "coords": coords}


def _object(value: Any, name: str) -> str:
    """Return what an object is called, with the digest of its content unless the name tells all."""
    walk = exact.Walk()
    found = walk.of(value, name).hex()
    if type(value).__module__.startswith(REPRESENTED):
        said = repr(value)
        if walk.is_told and not _HIDDEN.search(said):
            return said
    else:
        said = path_of(value)
    return f"{' '.join(said.split())[:_LONGEST]} #{found[:16]}"


def _source_hash(function: Callable) -> str:
    try:
        source = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        return ""
    cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    held = [repr(cell) for cell in cells if isinstance(cell, bool | int | float | str | tuple)]
    return values.digest("\n".join([source, *held]))


def _checked(version: Any) -> str:
    if not isinstance(version, str | int) or isinstance(version, bool) or version == "":
        raise TypeError(f"version: expected a text such as '2', got {version!r}")
    return values.checked_text(str(version), "version", 1000)
