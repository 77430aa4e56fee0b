"""PyTorch models become vector fields."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import equinox as eqx

from fpanalysis._cells import cell_inputs
from fpanalysis._messages import listed
from fpanalysis.labels import names_from
from fpanalysis.load._convert import arrays_of, make_cell, make_linear, make_norm
from fpanalysis.load._live import as_module, copied, has_forward, kind_of_module, part_at, weights_of
from fpanalysis.load._names import LayerNames, foreign_weights, layer_names, readout_prefix, recurrent_prefix
from fpanalysis.load._normed import NormedLinear
from fpanalysis.load._own_steps import check_steps
from fpanalysis.load._pickled_layer import check_pickled, unlike_linear
from fpanalysis.load._readout import Readout, left_out, readout_by_name, readout_in_run
from fpanalysis.load._reparametrised import with_whole_weights
from fpanalysis.load._same_step import check_next_state
from fpanalysis.load._shells import any_dtype
from fpanalysis.load._sources import check_values, named_weights
from fpanalysis.load._whole_run import run_whole
from fpanalysis.vector_field import VectorField, vector_field


class Options(NamedTuple):
    """The options of `load_torch`."""

    layer: str | None = None
    readout: str | bool | None = None
    nonlinearity: str | None = None
    inputs: int | Sequence[str] | None = None
    outputs: int | Sequence[str] | None = None
    dt: float | None = None


class _Found(NamedTuple):
    """What of a model is read: all its weights, those of the recurrent layers by name, and the readout."""

    tensors: Mapping[str, Any]
    layers: Sequence[LayerNames]
    nonlinearity: str
    readout: Readout
    norm_eps: float = 0.0
    notes: tuple[str, ...] = ()


def load_torch(
    source: Any,
    *,
    layer: str | None = None,
    readout: str | bool | None = None,
    nonlinearity: str | None = None,
    inputs: int | Sequence[str] | None = None,
    outputs: int | Sequence[str] | None = None,
    dt: float | None = None,
) -> VectorField:
    """Make a vector field of a PyTorch model's recurrent layer, and of its linear readout.

    `torch.nn.RNN`, `GRU`, `LSTM` (stacked too) and their cells are known by the names and shapes of their
    weights, under any prefix. The input is what the recurrent layer itself is given: layers before it are
    no part of the vector field, nor is dropout. No code of a file is ever run.

    A live module is looked at more closely. A copy of it on the CPU is run, in evaluation mode: its recurrent
    layer must be of PyTorch's own class, or of one derived from it that leaves `forward` alone, and its next
    state must be that of the equations to 1e-6. Then the whole module is run on made-up inputs: it must not
    change the state between steps, nor make the layer's input from it, nor call a cell twice per step, and
    `y` is what its readout computes of the hidden units. A `torch.nn.LayerNorm` before the linear layer is
    taken along; where anything else stands between, the readout is left out. Parametrised and pruned weights
    are those that the module computes with.

    Args:
        source: the path of a file that holds weights or a whole pickled module (known by its content, and
            read without PyTorch), a state dict (names of weights, and tensors or arrays), or a live PyTorch
            module. A checkpoint such as `{"state_dict": ..., "epoch": 3}` is entered where it holds one
            mapping of weights.
        layer: prefix of the recurrent layer, such as `"encoder.rnn"`; needed where there are several.
        readout: prefix of the linear layer that reads the top hidden units, such as `"decoder"`. None looks
            for the one that fits; False leaves it out. One that is named is taken in any case: of weights
            without a word, of a module in which something stands before it with a warning.
        nonlinearity: `"tanh"` or `"relu"`, of a plain recurrent layer. A live module says it itself; weights
            do not, and None takes tanh with a warning.
        inputs: names of the inputs (or their number).
        outputs: names of the outputs (or their number).
        dt: seconds per step, where there is such a time.

    Returns:
        A discrete-time `VectorField`. Its state is `hidden`, for an LSTM `hidden` then `cell`, one after
        the other for each layer of a stack. float32 and float64 are kept, half precision becomes float32;
        PyTorch's two biases are added up in that dtype.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: `source` is none of the above, or an option is of the wrong type.
        ValueError: there is no recurrent layer, it is one of several, bidirectional, with projections, of
            unknown equations, quantised, torn, or without values (on the meta device); a weight is
            parametrised in a way that a state dict does not tell; several readouts fit; names do not fit the
            sizes; or the file is damaged, or of another kind.

    Warns:
        UserWarning: tanh is assumed; something stands, or may stand, between the hidden units and the readout
            or comes after it; or a module could not be run to see.

    Example:
        >>> import numpy as np, fpanalysis as fpa
        >>> weights = {
        ...     "rnn.weight_ih_l0": np.zeros((4, 2)),
        ...     "rnn.weight_hh_l0": np.eye(4) / 2,
        ...     "decoder.weight": np.ones((1, 4)),
        ... }
        >>> names = {"inputs": ["go", "stop"], "outputs": ["speed"]}
        >>> field = fpa.load_torch(weights, nonlinearity="tanh", dt=0.01, **names)
        >>> field.state, field.inputs, field.outputs
        (('hidden[0]', 'hidden[1]', 'hidden[2]', 'hidden[3]'), ('go', 'stop'), ('speed',))
    """
    field, notes = read_torch(source, Options(layer, readout, nonlinearity, inputs, outputs, dt))
    for note in notes:
        warnings.warn(note, stacklevel=2)
    return field


def read_torch(source: Any, options: Options) -> tuple[VectorField, tuple[str, ...]]:
    """Return what `load_torch` does, and the warnings that it gives."""
    module = as_module(source)
    found = _in_weights(source, options) if module is None else _in_module(copied(module), options)
    linear, norm, notes = found.readout
    arrays = arrays_of(found.tensors, found.layers, [name for name in (linear, norm) if name is not None])
    with any_dtype():
        cell = make_cell(found.layers, arrays, found.nonlinearity)
        reads = None if linear is None else make_linear(linear, arrays)
        if reads is not None and norm is not None:
            reads = NormedLinear(make_norm(norm, arrays, reads.weight.shape[1], found.norm_eps), reads)
    return _field(cell, reads, options), found.notes + notes


def _in_weights(source: Any, options: Options) -> _Found:
    """Find the model in a file or a state dict."""
    weights = named_weights(source)
    tensors = with_whole_weights(weights.tensors)
    prefix = recurrent_prefix(tensors, options.layer)
    layers = layer_names(tensors, prefix)
    for names in layers:
        _check_axes(names, tensors)
    shape = tuple(tensors[layers[-1].weight_hh].shape)
    linear = readout_prefix(tensors, _hidden_size(layers[-1], tensors), options.readout)
    notes = () if (note := foreign_weights(tensors, prefix, linear)) is None else (note,)
    readout = _by_name(tensors, prefix, layers, linear, options)
    if weights.modules:
        part = check_pickled(weights.modules, prefix, layers, tensors)
        if linear is not None and (what := unlike_linear(weights.modules.get(linear), linear)):
            readout = left_out(linear, what, isinstance(options.readout, str))
        nonlinearity = _own_nonlinearity(part, prefix, options.nonlinearity)
        return _Found(tensors, layers, nonlinearity, readout, notes=notes)
    if options.nonlinearity is None and len(shape) == 2 and shape[0] == shape[1]:
        notes += (_TANH_ASSUMED,)
    return _Found(tensors, layers, options.nonlinearity or "tanh", readout, notes=notes)


def _in_module(module: Any, options: Options) -> _Found:
    """Find the model in a copy of a live module, and see whether it does what its weights say."""
    tensors = weights_of(module)
    prefix = recurrent_prefix(tensors, options.layer)
    layers = layer_names(tensors, prefix)
    recurrent = part_at(module, prefix)
    kind = kind_of_module(recurrent, prefix)
    nonlinearity = _own_nonlinearity(recurrent, prefix, options.nonlinearity)
    check_next_state(recurrent, kind, nonlinearity, prefix)
    linear = readout_prefix(tensors, _hidden_size(layers[-1], tensors), options.readout)
    if not prefix or not has_forward(module):
        return _Found(tensors, layers, nonlinearity, _by_name(tensors, prefix, layers, linear, options))
    fits = None if linear is None else tensors[f"{linear}.weight" if linear else "weight"]
    run, is_cell = run_whole(module, prefix, kind, fits), kind.endswith("Cell")
    if isinstance(run, str):
        readout = _by_name(tensors, prefix, layers, linear, options)
        notes = (_not_run(run, prefix, readout.linear, is_cell),) if is_cell or linear else ()
        is_told = options.readout is not None and not is_cell
        return _Found(tensors, layers, nonlinearity, readout, notes=() if is_told or readout.notes else notes)
    check_steps(run, prefix, kind, linear)
    if linear is None:
        return _Found(tensors, layers, nonlinearity, Readout(None))
    readout = readout_in_run(module, run, prefix, linear, is_asked=isinstance(options.readout, str))
    eps = 0.0 if readout.norm is None else float(part_at(module, readout.norm).eps)
    return _Found(tensors, layers, nonlinearity, readout, eps)


_TANH_ASSUMED = (
    "nonlinearity: the weights of a torch.nn.RNN do not say whether it is tanh or relu, and tanh, PyTorch's "
    "default, is assumed; say it by nonlinearity='tanh' or nonlinearity='relu'"
)


def _not_run(why: str, prefix: str, linear: str | None, is_cell: bool) -> str:
    unsure = (
        []
        if linear is None
        else [f"{linear!r} reads the hidden units as they are (say so by readout={linear!r})"]
    )
    unsure += [f"the module changes the state of {prefix!r}, or feeds it back, from step to step"] * is_cell
    return (
        f"source: the module could not be run on made-up inputs ({why}), so that it is not known whether "
        f"{' and whether '.join(unsure)}"
    )


def _by_name(
    tensors: Mapping[str, Any],
    prefix: str,
    layers: Sequence[LayerNames],
    linear: str | None,
    options: Options,
) -> Readout:
    if linear is None or isinstance(options.readout, str):
        return Readout(linear)
    return readout_by_name(tensors, prefix, linear, int(tensors[layers[0].weight_ih].shape[-1]))


def _field(cell: Callable, readout: eqx.nn.Linear | NormedLinear | None, options: Options) -> VectorField:
    inputs = names_from(options.inputs, "input", "inputs") if options.inputs is not None else None
    outputs = names_from(options.outputs, "output", "outputs") if options.outputs is not None else None
    _check_count("inputs", inputs, cell_inputs(cell) or 0, "the recurrent layer")
    _check_count("outputs", outputs, 0 if readout is None else int(readout.out_features), "the readout")
    with any_dtype():
        return vector_field(cell, inputs=inputs, readout=readout, outputs=outputs, dt=options.dt)


def _check_count(argument: str, names: Sequence[str] | None, size: int, owner: str) -> None:
    if names is not None and len(names) != size:
        none_found = " (no readout was found)" if argument == "outputs" and size == 0 else ""
        raise ValueError(
            f"{argument}: expected {size} for {owner}{none_found}, got {len(names)}: {listed(names)}"
        )


def _own_nonlinearity(module: Any, prefix: str, given: str | None) -> str:
    """Return the nonlinearity that a live module says, where it is a plain one, or else the given one."""
    # A layer decides by its mode, whatever `nonlinearity` was set to later; a cell has no mode.
    mode = getattr(module, "mode", "")
    is_mode = isinstance(mode, str) and mode.startswith("RNN_")
    own = mode.removeprefix("RNN_").lower() if is_mode else getattr(module, "nonlinearity", None)
    if own is not None and given not in (None, own):
        raise ValueError(f"nonlinearity: the module at {prefix!r} says {own!r}, got {given!r}")
    return own or given or "tanh"


def _check_axes(names: LayerNames, tensors: Mapping[str, Any]) -> None:
    """Refuse weights without values or axes; what is wrong with others is said where the cell is made."""
    for name in (names.weight_ih, names.weight_hh):
        check_values(name, tensors[name])
        if not len(tensors[name].shape):
            raise ValueError(f"source: expected {name!r} to be a matrix, got a number")


def _hidden_size(names: LayerNames, tensors: Mapping[str, Any]) -> int:
    # What is wrong with this shape is said where the cell is made.
    shape = tensors[names.weight_hh].shape
    return int(shape[1]) if len(shape) == 2 else -1
