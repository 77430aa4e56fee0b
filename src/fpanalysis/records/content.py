"""What an object is, apart from how its file happens to be written: hashes of models, datasets, figures."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from fpanalysis.control.controller import Controller
from fpanalysis.control.network import Network
from fpanalysis.load._checkpoint import checkpoint_content
from fpanalysis.records import values
from fpanalysis.vector_field import VectorField

MODEL, EVALUATION, FIGURE = KINDS = ("model", "evaluation", "figure")
# Under this attribute a dataset from a store says which record it is.
RECORD = "record"
# What tells when and where a dataset was made, not what it is.
CIRCUMSTANCES = {RECORD, "created", "host", "hostname", "platform", "versions"}


def kind_of(content: Any) -> str:
    """Return as what an object is kept.

    Raises:
        TypeError: it is none of what a store keeps.
    """
    if isinstance(content, VectorField | Controller | Network):
        return MODEL
    if isinstance(content, xr.Dataset):
        return EVALUATION
    if _is_figure(content):
        return FIGURE
    raise TypeError(
        "expected a controller, a network, a vector field, a dataset or a plotly figure, "
        f"got {type(content).__name__}"
    )


def content_hash(content: Any) -> str:
    """Return a sha256 over a canonical form of an object, 64 hexadecimal digits.

    Args:
        content: a `Controller`, a `Network` or a `VectorField` (its structure and the bits of its weights);
            a dataset (names, dims, dtypes, values, and attributes except those that say when, where and
            with which versions it was made); or a plotly figure (its JSON).

    Raises:
        TypeError: it is something else, or holds what a file cannot.

    Example:
        >>> import xarray as xr
        >>> from fpanalysis.records.content import content_hash
        >>> one, two = xr.Dataset({"x": 1.0}), xr.Dataset({"x": 1.0}, attrs={"created": "today"})
        >>> content_hash(one) == content_hash(two) != content_hash(two.astype("f4"))
        True
    """
    kind = kind_of(content)
    if kind == MODEL:
        header, arrays = checkpoint_content(content)
        return values.digest(values.text(values.canonical(header)).encode() + b"\n" + arrays)
    if kind == EVALUATION:
        return _of_dataset(content)
    return values.digest(values.text(values.canonical(json.loads(content.to_json()))))


def _of_dataset(ds: xr.Dataset) -> str:
    whole = hashlib.sha256()
    for name in sorted(map(str, ds.variables)):
        variable = ds.variables[name]
        data = np.asarray(variable.values)
        header = {
            "name": name,
            "dims": list(map(str, variable.dims)),
            "shape": list(data.shape),
            "is_coord": name in ds.coords,
            "attrs": _attributes(variable.attrs),
        }
        if data.dtype.kind in "UO":
            header["dtype"] = "str"
            raw = values.text(values.canonical(list(map(str, data.ravel())))).encode()
        else:
            data = np.ascontiguousarray(data, data.dtype.newbyteorder("<"))
            header["dtype"] = data.dtype.str
            raw = memoryview(data.reshape(-1).view(np.uint8)) if data.size else b""  # pyright: ignore
        whole.update(values.text(values.canonical(header)).encode() + b"\n")
        whole.update(raw)
    about = {"sizes": {str(k): v for k, v in ds.sizes.items()}, "attrs": _attributes(ds.attrs)}
    whole.update(values.text(values.canonical(about)).encode())
    return whole.hexdigest()


def _attributes(attrs: Mapping) -> dict[str, Any]:
    told = {str(key): _attribute(value) for key, value in attrs.items()}
    return {k: v for k, v in told.items() if k not in CIRCUMSTANCES and not k.endswith("_version")}


def _attribute(value: Any) -> Any:
    # A file gives back a list of one as an array, and a number as NumPy's.
    return np.asarray(value).tolist() if isinstance(value, np.ndarray | np.generic) else value


def _is_figure(content: Any) -> bool:
    # Looked up by name: whoever has no figure need not import plotly.
    return "BaseFigure" in {each.__name__ for each in type(content).__mro__ if "plotly" in each.__module__}


def check_kind(what: Any, kind: str, argument: str) -> None:
    """Raise `TypeError` unless an argument is an object of this kind."""
    try:
        found = kind_of(what)
    except TypeError as error:
        raise TypeError(f"{argument}: {error}") from error
    if found != kind:
        raise TypeError(f"{argument}: expected a {kind}, got a {found}; use db.add_{found}")


def class_name(model: Any) -> str:
    """Return the name of an object's class as a word, such as `vector_field`."""
    name = type(model).__name__
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))
