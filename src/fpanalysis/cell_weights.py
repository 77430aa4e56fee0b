"""The weights of recurrent cells as matrices, one for each gate."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import numpy as np

from fpanalysis._blas import one_blas_thread
from fpanalysis._cells import CellStep, RNNCell, StackedCell
from fpanalysis.spectrum import eigenpairs

# In the order in which Equinox stacks the gates, which is PyTorch's. The candidate is what the state may
# become; the other gates decide how far it does.
GATES: dict[type, tuple[str, ...]] = {
    RNNCell: ("recurrent",),
    eqx.nn.GRUCell: ("reset", "update", "candidate"),
    eqx.nn.LSTMCell: ("input", "forget", "candidate", "output"),
}


class GateWeights(NamedTuple):
    """What one gate of one layer weighs.

    Attributes:
        gate: its name, `candidate`, or `layer1.candidate` where cells are stacked.
        recurrent: weights of the layer's own hidden units, `(unit_out, unit)`.
        input: weights of the inputs, or of the layer below, `(unit_out, input)`.
        is_lowest: whether it reads the inputs.
    """

    gate: str
    recurrent: np.ndarray
    input: np.ndarray
    is_lowest: bool


def gate_weights(function: Callable) -> list[GateWeights]:
    """Return the weights of every gate of a vector field's function, in float64.

    Raises:
        TypeError: it is no cell whose weights are known.
    """
    cell: Any = function.cell if isinstance(function, CellStep) else function
    layers = cell.cells if isinstance(cell, StackedCell) else (cell,)
    found = []
    for i, layer in enumerate(layers):
        if type(layer) not in GATES:
            known = ", ".join(kind.__name__ for kind in GATES)
            what = "a function" if not isinstance(layer, eqx.Module) else type(layer).__name__
            hint = "; give the controller itself, not its closed loop" if hasattr(layer, "controller") else ""
            raise TypeError(f"model: expected cells whose weights are known ({known}), got {what}{hint}")
        gates = GATES[type(layer)]
        start = f"layer{i}" if len(layers) > 1 else ""
        names = [start if start and len(gates) == 1 else ".".join(filter(None, (start, g))) for g in gates]
        parts = (np.split(np.asarray(w, np.float64), len(gates)) for w in (layer.weight_hh, layer.weight_ih))
        found += [
            GateWeights(name, recurrent, given, i == 0)
            for name, recurrent, given in zip(names, *parts, strict=True)
        ]
    return found


def kind_of(function: Callable) -> str:
    """Return the kinds of the cells of a vector field's function, lowest layer first."""
    cell: Any = function.cell if isinstance(function, CellStep) else function
    return " ".join(type(layer).__name__ for layer in getattr(cell, "cells", (cell,)))


def singular_values(matrices: np.ndarray) -> np.ndarray:
    """Return the singular values of matrices `(n, unit, unit)`, largest first; NaN for those not finite."""
    found = np.full(matrices.shape[:2], np.nan)
    good = np.isfinite(matrices).all(axis=(1, 2))
    # One thread: for so small matrices, more cost more than they give.
    with one_blas_thread():
        found[good] = np.linalg.svd(matrices[good], compute_uv=False)
    return found


def eigenvalues(matrices: np.ndarray) -> np.ndarray:
    """Return the eigenvalues of square matrices `(n, unit, unit)`, by modulus, largest first."""
    return eigenpairs(matrices, "discrete", vectors=False).eigenvalue
