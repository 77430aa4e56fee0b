"""What every checkpoint is made of: cells and a linear readout, as its header describes them."""

from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import numpy as np

from fpanalysis._cells import RNNCell
from fpanalysis._messages import listed
from fpanalysis.load._shells import CELL_KINDS

_DTYPES = ("float16", "bfloat16", "float32", "float64")

# The arrays of a checkpoint, in their order in the file: a cell (or a `StackedCell`), and the readout: an
# `equinox.nn.Linear`, of a vector field also a `NormedLinear`, or None.
Parts = tuple[Any, Any]


def cell_header(cell: Any) -> dict[str, Any]:
    """Return the arguments of `cell_shell` that describe a cell."""
    return {
        "kind": type(cell).__name__,
        "input_size": cell.input_size,
        "hidden_size": cell.hidden_size,
        "bias": getattr(cell, "use_bias", True),
        "dtype": _dtype_name(cell.weight_hh),
        "nonlinearity": getattr(cell, "nonlinearity", None),
    }


def linear_header(linear: eqx.nn.Linear) -> dict[str, Any]:
    """Return the arguments of `linear_shell` that describe a readout."""
    return {
        "in_features": linear.in_features,
        "out_features": linear.out_features,
        "bias": linear.use_bias,
        "dtype": _dtype_name(linear.weight),
    }


def check_cells(cells: Sequence[Any], what: str) -> None:
    """Raise `TypeError` unless all cells are of a kind that a header describes.

    Args:
        cells: the cells of a model.
        what: the model, such as `"a network"`, for the message.
    """
    if all(type(each) in (RNNCell, eqx.nn.GRUCell, eqx.nn.LSTMCell) for each in cells):
        return
    raise TypeError(not_describable(f"{what} of {listed(sorted({type(each).__name__ for each in cells}))}"))


def not_describable(got: str) -> str:
    """Return the message for a model whose cells are of a kind that no header describes."""
    return (
        f"model: expected a network of {', '.join(CELL_KINDS)} cells, got {got}, which a file without code "
        "cannot describe; keep the code that makes it, and save its arrays with "
        "equinox.tree_serialise_leaves"
    )


def check_keys(described: Mapping[str, Any], keys: Sequence[str], what: str) -> None:
    """Raise `ValueError` naming the keys that the description of `what` in a header lacks."""
    if missing := set(keys) - set(described):
        raise ValueError(f"{what} lacks {listed(sorted(missing))}")


def _dtype_name(array: Any) -> str:
    if (name := np.dtype(array.dtype).name) not in _DTYPES:
        raise TypeError(f"model: expected weights of dtype {', '.join(_DTYPES)}, got {name}")
    return name
