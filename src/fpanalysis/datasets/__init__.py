"""Trained networks that come with the package, to try things on.

Three recurrent networks of 64 units, trained in PyTorch on the 3-bit flip-flop (Sussillo & Barak, 2013): each
of three inputs sends pulses of ±1, and each of three outputs holds the sign of the last pulse on its input.
Their test errors (mean squared) are 3.8e-4 (`"tanh"`), 1.7e-4 (`"gru"`) and 3.9e-4 (`"lstm"`). Without
input, each of them has 27 fixed points, of which 8 are stable: one for every content of the memory.

And networks that this package trained, as runs with configuration, history and log: controllers that reach
under force fields (`reaching_ensemble`, `delay_ensemble`, `arm_ensemble`), a flip-flop, and one that
integrates what the context tells it to.
"""

from importlib.resources import as_file, files

import numpy as np
from jaxtyping import Float64

from fpanalysis._messages import listed, nearest
from fpanalysis.control.ensemble import Ensemble
from fpanalysis.labels import entry_names
from fpanalysis.load import load, load_torch
from fpanalysis.vector_field import VectorField

__all__ = [
    "arm_ensemble",
    "delay_ensemble",
    "flipflop",
    "flipflop_ensemble",
    "flipflop_states",
    "integration_ensemble",
    "reaching_ensemble",
]

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
        inputs, outputs = entry_names("pulse", (3,)), entry_names("bit", (3,))
        return load_torch(path, nonlinearity="tanh", inputs=inputs, outputs=outputs)


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


def reaching_ensemble() -> Ensemble:
    """Return controllers of a point mass that were trained to reach under curl fields.

    GRUs of 50 units: three replicates for each of the methods `active`, `amplitude`, `std` and `std_uniform`
    and each of the field strengths 0, 0.4, 0.8 and 1.2 N s/m. Every network has the weights of its best
    checkpoint; `history` holds 200 iterations, evenly spaced on a logarithmic axis.

    Returns:
        48 `Controller`s with the dims `method`, `field_std` and `replicate`.

    Example:
        >>> import fpanalysis as fpa
        >>> fpa.datasets.reaching_ensemble().sizes
        {'method': 4, 'field_std': 4, 'replicate': 3}
    """
    return _run("reaching_ensemble")


def delay_ensemble() -> Ensemble:
    """Return two controllers of a point mass, whose feedback arrives at once and 5 steps (0.25 s) late.

    GRUs of 50 units, trained to reach under curl fields (method `std`, 0.8 N s/m).

    Returns:
        2 `Controller`s with the dim `delay`.

    Example:
        >>> import fpanalysis as fpa
        >>> fpa.datasets.delay_ensemble().sel(delay=5).one().feedback_delay
        5
    """
    return _run("delay_ensemble")


def arm_ensemble() -> Ensemble:
    """Return two controllers of a two-link arm, whose feedback arrives at once and 5 steps (0.05 s) late.

    GRUs of 50 units, trained to reach under curl fields (method `std`, 1 N s/m). Their reaches end 0.6 mm
    (median) from the target.

    Returns:
        2 `Controller`s with the dim `delay`.

    Example:
        >>> import fpanalysis as fpa
        >>> fpa.datasets.arm_ensemble().sel(delay=0).one().plant.command_name
        'torque'
    """
    return _run("arm_ensemble")


def flipflop_ensemble() -> Ensemble:
    """Return a GRU of 50 units that this package trained to hold three bits.

    Returns:
        One `Network`, with its history: `flipflop_ensemble().one()`.

    Example:
        >>> import fpanalysis as fpa
        >>> fpa.datasets.flipflop_ensemble().one().vector_field().outputs
        ('bit[0]', 'bit[1]', 'bit[2]')
    """
    return _run("flipflop_ensemble")


def integration_ensemble() -> Ensemble:
    """Return a tanh network of 50 units that integrates one of two streams, as the context says.

    Without evidence, its states drift along what is nearly a line attractor (Mante et al., Nature, 2013).

    Returns:
        One `Network`, with its history: `integration_ensemble().one()`.

    Example:
        >>> import fpanalysis as fpa
        >>> fpa.datasets.integration_ensemble().one().roles
        ('context', 'stream')
    """
    return _run("integration_ensemble")


def _run(name: str) -> Ensemble:
    with as_file(files(__name__) / name) as path:
        return load(path)


def _checked(cell: str) -> str:
    if cell not in _CELLS:
        raise ValueError(f"cell: expected one of {listed(_CELLS)}, got {cell!r}{nearest(str(cell), _CELLS)}")
    return cell
