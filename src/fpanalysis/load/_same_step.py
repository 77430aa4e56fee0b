"""Does a live module do what its weights say? Its next state, and ours, at random states and inputs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from fpanalysis._compiled import compiled
from fpanalysis.load._convert import arrays_of, make_cell
from fpanalysis.load._live import first_line, in_float64, quiet, weights_of
from fpanalysis.load._names import LayerNames, layer_names
from fpanalysis.load._shells import any_dtype
from fpanalysis.vector_field import vector_field

_TOLERANCE = 1e-6
# From where the equations are all but linear to where every gate is saturated, and what clips would show.
_SCALES = np.repeat([0.1, 1.0, 5.0, 50.0], 4)


def check_next_state(module: Any, kind: str, nonlinearity: str, where: str) -> None:
    """Raise `ValueError` unless a recurrent module's next state and output are those of its equations.

    Both are evaluated in float64, so that what is compared are the equations, not how they are rounded.

    Args:
        module: a recurrent module, as `copied` returns it.
        kind: its class, such as `"GRU"`.
        nonlinearity: of a plain recurrent layer.
        where: its name in the whole model, for the message.
    """
    exact = in_float64(module)
    weights = weights_of(exact)
    layers = layer_names(weights, "")
    rng = np.random.default_rng(0)
    n_inputs, n_units = (int(weights[name].shape[1]) for name in (layers[0].weight_ih, layers[0].weight_hh))
    state = rng.normal(size=(len(layers), 1 + kind.startswith("LSTM"), len(_SCALES), n_units))
    state *= _SCALES[:, None]
    u = rng.normal(size=(len(_SCALES), n_inputs)) * rng.permutation(_SCALES)[:, None]
    try:
        got, output = _torchs(exact, kind, state, u)
    except Exception as error:
        # Hooks run along, and may do anything.
        raise ValueError(
            f"source: the recurrent layer at {where!r} cannot be run by itself to see whether its equations "
            f"are those of torch.nn.{kind} ({first_line(error)}); pass its state_dict() if they are"
        ) from error
    expected = _ours(weights, layers, nonlinearity, state, u)
    for what, theirs, ours in (("next state", got, expected), ("output", output, expected[-1, 0])):
        if theirs.shape != ours.shape or not _close(theirs, ours):
            raise ValueError(_differs(what, theirs, ours, kind, where))


def _close(theirs: np.ndarray, ours: np.ndarray) -> bool:
    return np.allclose(theirs, ours, rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True)


def _differs(what: str, theirs: np.ndarray, ours: np.ndarray, kind: str, where: str) -> str:
    by = f" by {np.nanmax(np.abs(theirs - ours)):.2g}" if theirs.shape == ours.shape else ""
    return (
        f"source: the {what} of the recurrent layer at {where!r} differs from what its weights give in a "
        f"torch.nn.{kind}{by}: a hook or a changed method has equations of its own; write them as a function "
        "for fpanalysis.vector_field, or pass its state_dict() to leave them out"
    )


def _torchs(module: Any, kind: str, state: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the module's next state `(layer, part, sample, unit)` and its output `(sample, unit)`."""
    import torch

    is_cell = kind.endswith("Cell")
    parts = [torch.from_numpy(state[:, part].copy()) for part in range(state.shape[1])]
    parts = [part[0] if is_cell else part for part in parts]
    given = tuple(parts) if len(parts) == 2 else parts[0]
    time = 1 if getattr(module, "batch_first", False) else 0
    # A scripted layer has two methods, for plain and for packed sequences, and none called `forward`.
    run: Callable = getattr(module, "forward__0", module)
    with quiet():
        found = run(torch.from_numpy(u) if is_cell else torch.from_numpy(u).unsqueeze(time), given)
    output, new = (None, found) if is_cell else found
    new = [
        np.asarray(part).reshape(state[:, 0].shape) for part in (new if isinstance(new, tuple) else (new,))
    ]
    return np.stack(new, axis=1), new[0][-1] if output is None else np.asarray(output.squeeze(time))


def _ours(
    weights: Mapping[str, Any],
    layers: Sequence[LayerNames],
    nonlinearity: str,
    state: np.ndarray,
    u: np.ndarray,
) -> np.ndarray:
    with any_dtype():
        field = vector_field(make_cell(layers, arrays_of(weights, layers), nonlinearity))
        flat = np.moveaxis(state, 2, 0).reshape(len(u), -1)
        new = np.asarray(_each(field, flat, u))
    n_layers, n_parts, n_samples, n_units = state.shape
    return np.moveaxis(new.reshape(n_samples, n_layers, n_parts, n_units), 0, 2)


@compiled
def _each(field: Callable, x: Any, u: Any) -> jax.Array:
    return jax.vmap(field)(x, u)
