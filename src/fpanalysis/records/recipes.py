"""What a function and its arguments are called in a recipe, so that the same call is the same recipe."""

import functools
import inspect
import textwrap
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from fpanalysis.control.fields import AbstractField
from fpanalysis.goal import Goal
from fpanalysis.records import values
from fpanalysis.records.content import content_hash
from fpanalysis.records.entry import Entry

# Longer arrays are known by their hash.
_MOST_ENTRIES = 1000
_VERSION = "__fpanalysis_version__"


class Producer(NamedTuple):
    """A function that makes what is recorded.

    Attributes:
        type: its name.
        path: the name with its module.
        version: what its author calls this version of it.
        source_hash: of its code, empty if that is not known.
    """

    type: str
    path: str
    version: str
    source_hash: str


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
        setattr(function, _VERSION, _checked(version))
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
    said = getattr(function, _VERSION, "") if version is None else _checked(version)
    path = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', name)}"
    return Producer(type_ or str(name), path, said, _source_hash(function))


def described(value: Any, name: str = "params") -> Any:
    """Return an argument as it stands in a recipe, in canonical values.

    Long arrays and datasets are known by their hash, goals by what they ask for, force fields and solvers by
    what they print.

    Raises:
        TypeError: it is something else that JSON has no place for.
    """
    if isinstance(value, Goal):
        fields = ("position", "velocity", "context", "feedback_position", "feedback_velocity", "others")
        said = {field: getattr(value, field) for field in fields}
        return {k: described(v, f"{name}.{k}") for k, v in said.items() if v is not None and v is not value}
    if isinstance(value, xr.Dataset):
        return {"content": content_hash(value)}
    if isinstance(value, xr.DataArray):
        return _labelled(value, name)
    if isinstance(value, Mapping):
        return {values.checked_name(k, name): described(v, f"{name}.{k}") for k, v in value.items()}
    if isinstance(value, AbstractField) or type(value).__module__.startswith(("optimistix", "fpanalysis")):
        return repr(value)
    if hasattr(value, "__array__") and np.size(value) > _MOST_ENTRIES:
        array = np.ascontiguousarray(value)
        return {
            "sha256": values.digest(array.tobytes()),
            "shape": list(array.shape),
            "dtype": array.dtype.str,
        }
    return values.canonical(value, name)


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
    return str(version)
