"""PyTorch models become vector fields."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import numpy as np

from fpanalysis._cells import cell_inputs
from fpanalysis._messages import listed
from fpanalysis.labels import names_from
from fpanalysis.load._convert import make_cell, make_linear
from fpanalysis.load._names import LayerNames, layer_names, readout_prefix, recurrent_prefix
from fpanalysis.load._shells import any_dtype
from fpanalysis.load._sources import as_array, named_tensors
from fpanalysis.vector_field import VectorField, vector_field

# Modules whose equations are known: a class of one's own may use the same names for other ones.
_KNOWN_MODULES = ("RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell")


def load_torch(
    source: Any,
    *,
    layer: str | None = None,
    readout: str | bool | None = None,
    nonlinearity: str = "tanh",
    inputs: int | Sequence[str] | None = None,
    outputs: int | Sequence[str] | None = None,
    dt: float | None = None,
) -> VectorField:
    """Make a vector field of a PyTorch model's recurrent layer, and of its linear readout.

    `torch.nn.RNN`, `GRU`, `LSTM` (stacked too) and their cells are known by the names and shapes of their
    weights, under any prefix. The input is what the recurrent layer itself is given: layers before it are
    no part of the vector field, nor is dropout. No code of a file is ever run.

    Args:
        source: the path of a state dict (`.pt`, `.pth`, `.safetensors`), a state dict (names of weights,
            and tensors or arrays), or a live PyTorch module. A checkpoint such as
            `{"state_dict": ..., "epoch": 3}` is entered where it holds one mapping of weights.
        layer: prefix of the recurrent layer, such as `"encoder.rnn"`; needed where there are several.
        readout: prefix of the linear layer that reads the top hidden units, such as `"decoder"`. None looks
            for the one that fits; False leaves it out.
        nonlinearity: `"tanh"` or `"relu"`, of a plain recurrent layer. A live module says it itself.
        inputs: names of the inputs (or their number).
        outputs: names of the outputs (or their number).
        dt: seconds per step, where there is such a time.

    Returns:
        A discrete-time `VectorField`. Its state is `hidden`, for an LSTM `hidden` then `cell`, one after
        the other for each layer of a stack. float32 and float64 are kept, half precision becomes float32;
        PyTorch's two biases are added up in that dtype.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: a `.pt` file is to be read, and PyTorch is not installed.
        TypeError: `source` is none of the above, or an option is of the wrong type.
        ValueError: there is no recurrent layer, it is one of several, bidirectional, with projections, of
            unknown equations, or torn; several readouts fit; names do not fit the sizes; or the file is
            damaged, of another kind, or holds more than weights.

    Example:
        >>> import numpy as np, fpanalysis as fpa
        >>> weights = {
        ...     "rnn.weight_ih_l0": np.zeros((4, 2)),
        ...     "rnn.weight_hh_l0": np.eye(4) / 2,
        ...     "decoder.weight": np.ones((1, 4)),
        ... }
        >>> field = fpa.load_torch(weights, inputs=["go", "stop"], outputs=["speed"], dt=0.01)
        >>> field.state, field.inputs, field.outputs
        (('hidden[0]', 'hidden[1]', 'hidden[2]', 'hidden[3]'), ('go', 'stop'), ('speed',))
    """
    tensors = named_tensors(source)
    prefix = recurrent_prefix(tensors, layer)
    layers = layer_names(tensors, prefix)
    read = readout_prefix(tensors, _hidden_size(layers[-1], tensors), readout)
    arrays = _arrays(tensors, layers, read)
    with any_dtype():
        cell = make_cell(layers, arrays, _nonlinearity_of(source, prefix, nonlinearity))
        linear = None if read is None else make_linear(read, arrays)
    return _field(cell, linear, inputs, outputs, dt)


def _field(cell: Callable, linear: eqx.nn.Linear | None, inputs: Any, outputs: Any, dt: Any) -> VectorField:
    input_names = names_from(inputs, "input", "inputs") if inputs is not None else None
    output_names = names_from(outputs, "output", "outputs") if outputs is not None else None
    _check_count("inputs", input_names, cell_inputs(cell) or 0, "the recurrent layer")
    _check_count("outputs", output_names, 0 if linear is None else linear.weight.shape[0], "the readout")
    with any_dtype():
        return vector_field(cell, inputs=input_names, readout=linear, outputs=output_names, dt=dt)


def _check_count(argument: str, names: Sequence[str] | None, size: int, owner: str) -> None:
    if names is not None and len(names) != size:
        none_found = " (no readout was found)" if argument == "outputs" and size == 0 else ""
        raise ValueError(
            f"{argument}: expected {size} for {owner}{none_found}, got {len(names)}: {listed(names)}"
        )


def _nonlinearity_of(source: Any, prefix: str, given: str) -> str:
    """Return the nonlinearity that a live module says, or else the given one."""
    if not callable(getattr(source, "get_submodule", None)):
        return given
    module = source.get_submodule(prefix)
    kind = getattr(module, "original_name", type(module).__name__)
    bases = [base.__name__ for base in type(module).__mro__ if base.__module__.startswith("torch.nn.")]
    if not set(_KNOWN_MODULES) & {kind, *bases}:
        raise ValueError(
            f"source: expected the recurrent layer at {prefix!r} to be one of torch.nn's, got {kind}, whose "
            "equations are unknown; if they are those of torch.nn, pass its state_dict(), else write them as "
            "a function for fpanalysis.vector_field"
        )
    own = getattr(module, "nonlinearity", given)
    if given not in ("tanh", own):
        raise ValueError(f"nonlinearity: the module at {prefix!r} says {own!r}, got {given!r}")
    return own


def _hidden_size(names: LayerNames, tensors: Mapping[str, Any]) -> int:
    # What is wrong with this shape is said where the cell is made.
    shape = tensors[names.weight_hh].shape
    return int(shape[1]) if len(shape) == 2 else -1


def _arrays(
    tensors: Mapping[str, Any], layers: Sequence[LayerNames], read: str | None
) -> dict[str, np.ndarray]:
    names = [name for layer in layers for name in layer if name is not None]
    if read is not None:
        start = f"{read}." if read else ""
        names += [name for name in (f"{start}weight", f"{start}bias") if name in tensors]
    arrays = {name: as_array(name, tensors[name]) for name in names}
    # One dtype throughout, the widest, so that no operation depends on how JAX promotes.
    dtype = np.result_type(*(array.dtype for array in arrays.values()))
    return {name: array.astype(dtype, copy=False) for name, array in arrays.items()}
