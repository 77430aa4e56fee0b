"""Weights in PyTorch's layout become Equinox cells."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from fpanalysis._cells import RNNCell, StackedCell
from fpanalysis._messages import nearest
from fpanalysis.load._names import LayerNames
from fpanalysis.load._normed import norm_shell
from fpanalysis.load._shells import cell_shell, linear_shell
from fpanalysis.load._sources import as_array

Arrays = Mapping[str, np.ndarray]
# Rows of weight_hh per hidden unit.
_KINDS = {1: "RNNCell", 3: "GRUCell", 4: "LSTMCell"}


def arrays_of(
    tensors: Mapping[str, Any], layers: Sequence[LayerNames], others: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Return the weights of recurrent layers, and of other modules, as arrays of one dtype."""
    names = [name for layer in layers for name in layer if name is not None]
    for other in others:
        start = f"{other}." if other else ""
        names += [name for name in (f"{start}weight", f"{start}bias") if name in tensors]
    arrays = {name: as_array(name, tensors[name]) for name in names}
    # One dtype throughout, the widest, so that no operation depends on how JAX promotes.
    dtype = np.result_type(*(array.dtype for array in arrays.values()))
    return {name: array.astype(dtype, copy=False) for name, array in arrays.items()}


def make_cell(layers: Sequence[LayerNames], arrays: Arrays, nonlinearity: str) -> Callable:
    """Return the cell that these layers describe: a `StackedCell` where there are several.

    Raises:
        ValueError: shapes do not fit together, or the nonlinearity is unknown.
    """
    cells, below = [], None
    for names in layers:
        kind = _check_shapes(names, arrays, below)
        below = arrays[names.weight_hh].shape[1]
        cells.append(_MAKE[kind](names, arrays, _nonlinearity(nonlinearity, kind)))
    return cells[0] if len(cells) == 1 else StackedCell(tuple(cells))


def make_linear(prefix: str, arrays: Arrays) -> eqx.nn.Linear:
    """Return the linear layer whose weight (and bias, if any) these are."""
    start = f"{prefix}." if prefix else ""
    weight, bias = arrays[f"{start}weight"], arrays.get(f"{start}bias")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise _torn(f"{start}bias", bias, weight.shape[:1])
    shell = linear_shell(weight.shape[1], weight.shape[0], bias is not None, weight.dtype.name)
    return _fill(shell, weight=weight, bias=bias)


def make_norm(prefix: str, arrays: Arrays, size: int, eps: float) -> eqx.nn.LayerNorm:
    """Return the layer norm whose weight and bias, if any, these are."""
    weight, bias = arrays.get(f"{prefix}.weight"), arrays.get(f"{prefix}.bias")
    dtype = next(iter(arrays.values())).dtype.name
    shell = norm_shell(size, eps, weight is not None, bias is not None, dtype)
    return _fill(shell, weight=weight, bias=bias)


def _check_shapes(names: LayerNames, arrays: Arrays, below: int | None) -> str:
    """Return the kind of cell, after a look at every shape; `below` is the size of the layer below."""
    hh, ih = arrays[names.weight_hh], arrays[names.weight_ih]
    gates = hh.shape[0] / hh.shape[1] if hh.ndim == 2 and hh.size else 0
    if gates not in _KINDS:
        raise ValueError(
            f"source: expected {names.weight_hh!r} to have 1 (RNN), 3 (GRU) or 4 (LSTM) times as many rows "
            f"as columns, got shape {hh.shape}"
        )
    rows = hh.shape[0]
    if ih.ndim != 2 or ih.shape[0] != rows or below not in (None, ih.shape[1]):
        raise _torn(names.weight_ih, ih, (rows, "inputs" if below is None else below))
    for name in (names.bias_ih, names.bias_hh):
        if name is not None and arrays[name].shape != (rows,):
            raise _torn(name, arrays[name], (rows,))
    return _KINDS[int(gates)]


def _torn(name: str, array: np.ndarray, expected: tuple) -> ValueError:
    shape = f"({', '.join(map(str, expected))}{',' if len(expected) == 1 else ''})"
    return ValueError(f"source: expected {name!r} to have shape {shape}, got {array.shape}")


def _nonlinearity(name: str, kind: str) -> str:
    known = ("tanh", "relu")
    if name not in known:
        raise ValueError(f"nonlinearity: expected 'tanh' or 'relu', got {name!r}{nearest(str(name), known)}")
    if name != "tanh" and kind != "RNNCell":
        raise ValueError(f"nonlinearity: {name!r} is for plain recurrent layers, but a {kind} was found")
    return name


def _biases(names: LayerNames, arrays: Arrays) -> tuple[np.ndarray, np.ndarray] | None:
    if names.bias_ih is None or names.bias_hh is None:
        return None
    return arrays[names.bias_ih], arrays[names.bias_hh]


def _rnn(names: LayerNames, arrays: Arrays, nonlinearity: str) -> RNNCell:
    hh, biases = arrays[names.weight_hh], _biases(names, arrays)
    bias = np.zeros(len(hh), hh.dtype) if biases is None else biases[0] + biases[1]
    ih = arrays[names.weight_ih]
    return RNNCell(jnp.asarray(ih), jnp.asarray(hh), jnp.asarray(bias), nonlinearity)


def _gru(names: LayerNames, arrays: Arrays, _: str) -> Any:
    bias = bias_n = None
    if biases := _biases(names, arrays):
        # Of the new gate only, the recurrent bias stands inside the reset gate's product.
        new = slice(2 * len(biases[0]) // 3, None)
        bias, bias_n = biases[0] + biases[1], biases[1][new]
        bias[new] = biases[0][new]
    return _fill(_shell("GRUCell", names, arrays), **_weights(names, arrays), bias=bias, bias_n=bias_n)


def _lstm(names: LayerNames, arrays: Arrays, _: str) -> Any:
    biases = _biases(names, arrays)
    bias = None if biases is None else biases[0] + biases[1]
    return _fill(_shell("LSTMCell", names, arrays), **_weights(names, arrays), bias=bias)


# PyTorch and Equinox order the gates alike: reset, update, new (GRU); input, forget, cell, output (LSTM).
_MAKE = {"RNNCell": _rnn, "GRUCell": _gru, "LSTMCell": _lstm}


def _weights(names: LayerNames, arrays: Arrays) -> dict[str, np.ndarray]:
    return {"weight_ih": arrays[names.weight_ih], "weight_hh": arrays[names.weight_hh]}


def _shell(kind: str, names: LayerNames, arrays: Arrays) -> Any:
    hh, ih = arrays[names.weight_hh], arrays[names.weight_ih]
    return cell_shell(kind, ih.shape[1], hh.shape[1], names.bias_ih is not None, hh.dtype.name)


def _fill(shell: Any, **arrays: np.ndarray | None) -> Any:
    """Return the shell with these arrays (absent ones left out), in their own dtype."""
    given = {name: jnp.asarray(array) for name, array in arrays.items() if array is not None}
    for name, array in given.items():
        shell = eqx.tree_at(lambda module, name=name: getattr(module, name), shell, array)
    return shell
