"""Trained networks that come with the package, to try things on.

Three recurrent networks of 64 units, trained in PyTorch on the 3-bit flip-flop (Sussillo & Barak, 2013): each
of three inputs sends pulses of ±1, and each of three outputs holds the sign of the last pulse on its input.
Their test errors (mean squared) are 3.8e-4 (`"tanh"`), 1.7e-4 (`"gru"`) and 3.9e-4 (`"lstm"`). Without
input, each of them has 27 fixed points, of which 8 are stable: one for every content of the memory.
"""

from importlib.resources import as_file, files

import numpy as np
from jaxtyping import Float64

from fpanalysis._messages import listed, nearest
from fpanalysis.labels import entry_names
from fpanalysis.load import load_torch
from fpanalysis.vector_field import VectorField

__all__ = ["flipflop", "flipflop_states"]

_CELLS = ("tanh", "gru", "lstm")


def flipflop(cell: str = "gru") -> VectorField:
    """Return a network trained on the 3-bit flip-flop.

    Args:
        cell: `"tanh"`, `"gru"` or `"lstm"`.

    Returns:
        A discrete-time `VectorField` in float32, with inputs `pulse[0..2]`, outputs `bit[0..2]` and a state
        of `hidden[0..63]`, followed by `cell[0..63]` for the LSTM.

    Raises:
        ValueError: there is no such network.

    Example:
        >>> import fpanalysis as fpa
        >>> field = fpa.datasets.flipflop("lstm")
        >>> len(field.state), field.state[64], field.inputs
        (128, 'cell[0]', ('pulse[0]', 'pulse[1]', 'pulse[2]'))
    """
    with as_file(files(__name__) / f"flipflop_{_checked(cell)}64.safetensors") as path:
        return load_torch(path, inputs=entry_names("pulse", (3,)), outputs=entry_names("bit", (3,)))


def flipflop_states(cell: str = "gru") -> Float64[np.ndarray, "1024 state"]:
    """Return states of a flip-flop network to start from when looking for its fixed points.

    Args:
        cell: `"tanh"`, `"gru"` or `"lstm"`.

    Returns:
        1,024 states that the network visits on test trials, plus Gaussian noise of standard deviation 0.5,
        in the order of the entries of `flipflop(cell).state`.

    Raises:
        ValueError: there is no such network.

    Example:
        >>> import fpanalysis as fpa
        >>> fpa.datasets.flipflop_states("tanh").shape
        (1024, 64)
    """
    with as_file(files(__name__) / f"flipflop_{_checked(cell)}64_states.npy") as path:
        return np.load(path, allow_pickle=False).astype(np.float64)


def _checked(cell: str) -> str:
    if cell not in _CELLS:
        raise ValueError(f"cell: expected one of {listed(_CELLS)}, got {cell!r}{nearest(str(cell), _CELLS)}")
    return cell
