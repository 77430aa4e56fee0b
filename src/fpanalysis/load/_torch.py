"""PyTorch models become vector fields."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from fpanalysis._cells import cell_inputs
from fpanalysis.labels import names_from
from fpanalysis.load._convert import make_cell, make_linear
from fpanalysis.load._names import LayerNames, layer_names, readout_prefix, recurrent_prefix
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
    # float64 weights would be cut to float32 outside.
    with jax.enable_x64(True):
        cell = make_cell(layers, arrays, _nonlinearity_of(source, prefix, nonlinearity))
        linear = None if read is None else make_linear(read, arrays)
        return vector_field(
            cell,
            inputs=_checked(names_from(inputs, "input", "inputs"), cell_inputs(cell), "inputs", inputs),
            readout=linear,
            outputs=_checked(
                names_from(outputs, "output", "outputs"),
                None if linear is None else int(linear.weight.shape[0]),
                "outputs",
                outputs,
            ),
            dt=dt,
        )


def _hidden_size(names: LayerNames, tensors: Mapping[str, Any]) -> int:
    # What is wrong with this shape is said where the cell is made.
    shape = tensors[names.weight_hh].shape
    return int(shape[1]) if len(shape) == 2 else -1


def _arrays(tensors: Mapping[str, Any], layers: Sequence[LayerNames], read: str | None) -> dict[str, np.ndarray]:
    names = [name for layer in layers for name in layer if name is not None]
    if read is not None:
        start = f"{read}." if read else ""
        names += [name for name in (f"{start}weight", f"{start}bias") if name in tensors]
    arrays = {name: as_array(name, tensors[name]) for name in names}
    # One dtype throughout, the widest, so that no operation depends on how JAX promotes.
    dtype = np.result_type(*arrays.values())
    return {name: array.astype(dtype, copy=False) for name, array in arrays.items()}
