"""The package's own checkpoints: a line of JSON that says what the network is, then its arrays.

The file is whole or absent, holds no code, and gives back the same vector field bit for bit.
"""

import dataclasses
import hashlib
import io
import json
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np

from fpanalysis._cells import RNNCell, StackedCell, cell_layout
from fpanalysis._messages import listed
from fpanalysis.load._content import CHECKPOINT, CHECKPOINT_FORMAT, check_content
from fpanalysis.load._shells import CELL_KINDS, any_dtype, cell_shell, linear_shell
from fpanalysis.vector_field import VectorField, vector_field

_VERSION = 1
_LONGEST_HEADER = 2**26
_DTYPES = ("float16", "bfloat16", "float32", "float64")


def save_checkpoint(field: VectorField, path: str | os.PathLike[str]) -> None:
    """Write a vector field to an `.eqx` file, which `load` reads.

    The file appears whole or not at all: it is written beside its place and then moved there.

    Args:
        field: made of a `GRUCell`, an `LSTMCell` or a plain recurrent cell, or several on top of each
            other, with a linear readout or none.
        path: where to; it ends in `.eqx`. A file that is there is replaced.

    Raises:
        FileNotFoundError: the folder does not exist.
        TypeError: the vector field is of another kind, such as a function.
        ValueError: the path does not end in `.eqx`.

    Example:
        >>> import tempfile, fpanalysis as fpa
        >>> from fpanalysis.load._checkpoint import save_checkpoint
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_checkpoint(fpa.datasets.flipflop("gru"), f"{folder}/gru.eqx")
        ...     fpa.load(f"{folder}/gru.eqx").outputs
        ('bit[0]', 'bit[1]', 'bit[2]')
    """
    path = Path(path)
    if path.suffix.lower() != ".eqx":
        raise ValueError(f"path: expected a name that ends in .eqx, got {path.name!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path: there is no folder {str(path.parent)!r}")
    header, arrays = _describe(field)
    buffer = io.BytesIO()
    eqx.tree_serialise_leaves(buffer, arrays)
    content = buffer.getvalue()
    header["bytes"] = len(content)
    header["sha256"] = _checksum(header, content)
    _write_whole(path, json.dumps(header).encode() + b"\n" + content)


def read_checkpoint(path: Path) -> VectorField:
    """Return the vector field that `save_checkpoint` wrote to a file.

    Raises:
        ValueError: the file is of another kind, of a newer version, damaged, or cut short.
    """
    check_content(path, CHECKPOINT)
    with open(path, "rb") as file:
        header = _read_header(path, file.readline(_LONGEST_HEADER))
        content = file.read()
    if len(content) != header["bytes"]:
        raise _damaged(
            path, f"its header promises {header['bytes']} bytes of arrays, {len(content)} are there"
        )
    if _checksum(header, content) != header["sha256"]:
        raise _damaged(path, "its content does not match its checksum")
    try:
        with any_dtype():
            arrays = eqx.tree_deserialise_leaves(buffer := io.BytesIO(content), _shells(header))
            if buffer.read(1):
                raise ValueError("there are more arrays than it names")
            return _assemble(arrays, header)
    except Exception as error:
        # Equinox, JAX and NumPy each have exceptions of their own for what a wrong header leads to.
        raise _damaged(path, f"its header does not fit its arrays ({error})") from error


def _checksum(header: dict[str, Any], content: bytes) -> str:
    """Return a sha256 over the arrays and everything that the header says besides."""
    said = {name: value for name, value in header.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(said).encode() + content).hexdigest()


def _read_header(path: Path, line: bytes) -> dict[str, Any]:
    if not line.endswith(b"\n"):
        raise _damaged(path, "its header has no end")
    try:
        header = json.loads(line)
    except ValueError as error:
        raise _damaged(path, f"its header is not JSON ({error})") from error
    if not isinstance(header.get("version"), int) or header["version"] > _VERSION:
        raise ValueError(
            f"path: {path.name!r} is a checkpoint of version {header.get('version')!r}, written by "
            f"fpanalysis {header.get('package')}; this is fpanalysis {version('fpanalysis')}, which reads up "
            f"to version {_VERSION}: update it"
        )
    if missing := {"cells", "stacked", "readout", "state", "bytes", "sha256"} - set(header):
        raise _damaged(path, f"its header lacks {listed(sorted(missing))}")
    return header


def _damaged(path: Path, why: str) -> ValueError:
    return ValueError(f"path: the checkpoint {path.name!r} is damaged or cut short: {why}")


def _describe(field: VectorField) -> tuple[dict[str, Any], tuple]:
    """Return the header of a vector field and the arrays that stand below it."""
    cell = getattr(field.function, "cell", None)
    cells = cell.cells if type(cell) is StackedCell else (cell,)
    linear = None if field.readout is None else getattr(field.readout, "readout", None)
    _check_kinds(cell, cells, linear, field)
    header = {
        "format": CHECKPOINT_FORMAT,
        "version": _VERSION,
        "package": version("fpanalysis"),
        "cells": [_cell_header(each) for each in cells],
        "stacked": type(cell) is StackedCell,
        "readout": None if linear is None else _linear_header(linear),
        "state": list(field.state),
        "inputs": list(field.inputs),
        "outputs": list(field.outputs),
        "time_domain": field.time_domain,
        "dt": field.dt,
    }
    _check_described(field, (cell, linear), header)
    return header, (cell, linear)


def _check_kinds(cell: Any, cells: tuple, linear: Any, field: VectorField) -> None:
    kinds = {type(each).__name__ for each in cells}
    known = all(type(each) in (RNNCell, eqx.nn.GRUCell, eqx.nn.LSTMCell) for each in cells)
    if cell is None or not known:
        what = f"a vector field of {listed(sorted(kinds))}" if cell is not None else "a function"
        raise TypeError(
            f"model: expected a network of {', '.join(CELL_KINDS)} cells, got {what}, which a file "
            "without code cannot describe; keep the code that makes it, and save its arrays with "
            "equinox.tree_serialise_leaves"
        )
    if field.readout is not None and type(linear) is not eqx.nn.Linear:
        got = type(field.readout if linear is None else linear).__name__
        raise TypeError(f"model: expected an equinox.nn.Linear as readout, or none, got {got}")


def _check_described(field: VectorField, arrays: tuple, header: dict[str, Any]) -> None:
    """Raise `TypeError` unless the header, on the way back, gives this very vector field."""
    with any_dtype():
        described, rebuilt = _shells(header), _assemble(arrays, header)
    pairs = zip(_leaves(described), _leaves(arrays), strict=False)
    for (place, expected), (_, leaf) in pairs:
        if expected != leaf:
            raise TypeError(f"model: expected {place} to be of shape and dtype {expected}, got {leaf}")
    same = jax.tree_util.tree_structure(described) == jax.tree_util.tree_structure(arrays)
    if not same or jax.tree_util.tree_structure(rebuilt) != jax.tree_util.tree_structure(field):
        raise TypeError(
            "model: this vector field was not made by vector_field, load or load_torch alone: it holds more "
            "than cells, a linear readout and names, which a checkpoint cannot describe"
        )


def _leaves(arrays: tuple) -> list[tuple[str, str]]:
    paths = jax.tree_util.tree_leaves_with_path(arrays)
    return [(jax.tree_util.keystr(path), f"{leaf.shape} {leaf.dtype}") for path, leaf in paths]


def _cell_header(cell: Any) -> dict[str, Any]:
    return {
        "kind": type(cell).__name__,
        "input_size": cell.input_size,
        "hidden_size": cell.hidden_size,
        "bias": getattr(cell, "use_bias", True),
        "dtype": _dtype_name(cell.weight_hh),
        "nonlinearity": getattr(cell, "nonlinearity", None),
    }


def _linear_header(linear: eqx.nn.Linear) -> dict[str, Any]:
    return {
        "in_features": linear.in_features,
        "out_features": linear.out_features,
        "bias": linear.use_bias,
        "dtype": _dtype_name(linear.weight),
    }


def _dtype_name(array: Any) -> str:
    if (name := np.dtype(array.dtype).name) not in _DTYPES:
        raise TypeError(f"model: expected weights of dtype {', '.join(_DTYPES)}, got {name}")
    return name


def _shells(header: dict[str, Any]) -> tuple:
    cells = tuple(cell_shell(**each) for each in header["cells"])
    linear = None if header["readout"] is None else linear_shell(**header["readout"])
    return StackedCell(cells) if header["stacked"] else cells[0], linear


def _assemble(arrays: tuple[Callable, eqx.nn.Linear | None], header: dict[str, Any]) -> VectorField:
    cell, linear = arrays
    field = vector_field(
        cell,
        inputs=tuple(header["inputs"]),
        readout=linear,
        outputs=tuple(header["outputs"]),
        time_domain=header["time_domain"],
        dt=header["dt"],
    )
    layout = cell_layout(cell)
    if layout is None or layout.names == tuple(header["state"]):
        return field
    layout = dataclasses.replace(layout, names=tuple(header["state"]))
    return dataclasses.replace(field, state_layout=layout)


def _write_whole(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
