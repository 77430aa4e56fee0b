"""Recurrent cells: the conventions by which a cell becomes a vector field, and those Equinox lacks."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, PyTree

from fpanalysis.labels import Layout, layout_of


class CellStep(eqx.Module):
    """A cell, called the other way round: `(state, input)` instead of `(input, state)`."""

    cell: Any

    def __call__(self, state: PyTree, u: Float[Array, " input"]) -> PyTree:
        """Return the cell's next state."""
        return self.cell(u, state)


class RNNCell(eqx.Module):
    """An Elman cell: `h' = φ(W_ih u + W_hh h + b)`, with φ `"tanh"` or `"relu"`."""

    weight_ih: Float[Array, "hidden input"]
    weight_hh: Float[Array, "hidden hidden"]
    bias: Float[Array, " hidden"]
    nonlinearity: str = eqx.field(static=True)

    @property
    def input_size(self) -> int:
        """Number of inputs."""
        return self.weight_ih.shape[1]

    @property
    def hidden_size(self) -> int:
        """Number of hidden units."""
        return self.weight_hh.shape[0]

    def __call__(self, input: Float[Array, " input"], hidden: Float[Array, " hidden"]) -> Array:
        """Return the next hidden state."""
        phi = {"tanh": jax.numpy.tanh, "relu": jax.nn.relu}[self.nonlinearity]
        return phi(self.weight_ih @ input + self.weight_hh @ hidden + self.bias)


class StackedCell(eqx.Module):
    """Cells on top of each other: each takes the next hidden state of the one below as its input."""

    cells: tuple[Callable, ...]

    @property
    def input_size(self) -> int:
        """Number of inputs of the lowest cell."""
        return self.cells[0].input_size

    def __call__(self, input: Float[Array, " input"], state: Sequence[PyTree]) -> tuple[PyTree, ...]:
        """Return the next state of every cell, lowest first."""
        new = []
        for cell, own in zip(self.cells, state, strict=True):
            new.append(cell(input, own))
            input = hidden_state(cell)(new[-1])
        return tuple(new)


def _identity(state: PyTree) -> PyTree:
    return state


def _first(state: Sequence[PyTree]) -> PyTree:
    return state[0]


def _last(state: Sequence[PyTree]) -> PyTree:
    return state[-1]


def _last_first(state: Sequence[PyTree]) -> PyTree:
    return state[-1][0]


def is_known_cell(f: Any) -> bool:
    """Return whether a cell is one of a class whose state and input are known."""
    return type(f) in (eqx.nn.GRUCell, eqx.nn.LSTMCell, RNNCell, StackedCell)


def hidden_state(f: Any) -> Callable[[PyTree], PyTree]:
    """Return the function that takes from `f`'s state what a readout and a next layer see."""
    if isinstance(f, eqx.nn.LSTMCell):
        return _first
    if isinstance(f, StackedCell):
        return _last_first if isinstance(f.cells[-1], eqx.nn.LSTMCell) else _last
    return _identity


def shares_a_unit(f: Callable) -> bool:
    """Return whether the entries of each block of `f`'s state share a unit, as the units of a cell do."""
    return is_known_cell(f) or getattr(f, "blocks_share_a_unit", False)


def rests_somewhere(f: Callable) -> bool:
    """Return whether a cell maps a bounded convex set into itself, and so has a fixed point (Brouwer)."""
    if isinstance(f, StackedCell):
        return all(map(rests_somewhere, f.cells))
    return type(f) in (eqx.nn.GRUCell, eqx.nn.LSTMCell) or (type(f) is RNNCell and f.nonlinearity == "tanh")


def resting_state(cell: Any, u: Float[Array, " input"], state: PyTree, divide_lstm: bool) -> PyTree:
    """Return the state in which every entry would rest if the others stayed: at a fixed point, `state`.

    A gate that is almost closed makes a cell stand still wherever it is, to rounding. Here it is divided
    out: a GRU rests where `h = n`, an LSTM where `c = i g (1 + e^a)` with `a` the argument of its forget
    gate and `h = o tanh(c)`. Of other cells it is the next state.

    Args:
        cell: the cell.
        u: its input.
        state: its state.
        divide_lstm: whether to divide an LSTM's gate out; Newton's method converges better where it is not.
    """
    if isinstance(cell, StackedCell):
        inputs = (u, *(hidden_state(below)(own) for below, own in zip(cell.cells, state, strict=False)))
        return tuple(
            resting_state(each, below, own, divide_lstm)
            for each, below, own in zip(cell.cells, inputs, state, strict=False)
        )
    if type(cell) is eqx.nn.GRUCell:
        return _gru_new(cell, u, state)
    if type(cell) is eqx.nn.LSTMCell and divide_lstm:
        return _lstm_rest(cell, u, state)
    return cell(u, state)


def _gru_new(cell: eqx.nn.GRUCell, u: Array, hidden: Array) -> Array:
    n = cell.hidden_size
    driven, own = cell.weight_ih @ u, cell.weight_hh @ hidden
    new = own[2 * n :]
    if cell.bias is not None and cell.bias_n is not None:
        driven, new = driven + cell.bias, new + cell.bias_n
    reset = jax.nn.sigmoid(driven[:n] + own[:n])
    return jax.numpy.tanh(driven[2 * n :] + reset * new)


def _lstm_rest(cell: eqx.nn.LSTMCell, u: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
    hidden, memory = state
    lines = cell.weight_ih @ u + cell.weight_hh @ hidden
    if cell.bias is not None:
        lines = lines + cell.bias
    i, forget, g, o = jax.numpy.split(lines, 4)
    rest = jax.nn.sigmoid(i) * jax.numpy.tanh(g) * (1 + jax.numpy.exp(forget))
    return jax.nn.sigmoid(o) * jax.numpy.tanh(memory), rest


class RestingStep(eqx.Module):
    """The resting state of a cell, called as `(state, input)`; see `resting_state`."""

    cell: Any
    divide_lstm: bool = eqx.field(static=True)

    def __call__(self, state: PyTree, u: Float[Array, " input"]) -> PyTree:
        """Return the state in which every entry would rest."""
        return resting_state(self.cell, u, state, self.divide_lstm)


def cell_inputs(f: Any) -> int | None:
    """Return the number of inputs that a cell declares (`input_size`), if it does."""
    size = getattr(f, "input_size", None)
    return 1 if size == "scalar" else size


def cell_layout(f: Callable) -> Layout | None:
    """Return the layout of a cell's state: `hidden`, and `cell` beside it for an LSTM; None if unknown."""
    if isinstance(f, StackedCell):
        trees, blocks = [], []
        for i, cell in enumerate(f.cells):
            tree, names = _state_of(cell)
            trees.append(tree)
            blocks += [f"layer{i}.{name}" for name in names]
        return layout_of(tuple(trees), blocks)
    if getattr(f, "hidden_size", None) is None:
        return None
    tree, blocks = _state_of(f)
    return layout_of(tree, blocks)


def _state_of(cell: Callable) -> tuple[PyTree, list[str]]:
    vector = jax.ShapeDtypeStruct((cell.hidden_size,), jax.numpy.float32)
    if isinstance(cell, eqx.nn.LSTMCell):
        return (vector, vector), ["hidden", "cell"]
    return vector, ["hidden"]
