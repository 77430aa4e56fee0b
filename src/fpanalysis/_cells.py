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


def hidden_state(f: Callable) -> Callable[[PyTree], PyTree]:
    """Return the function that takes from `f`'s state what a readout and a next layer see."""
    if isinstance(f, eqx.nn.LSTMCell):
        return _first
    if isinstance(f, StackedCell):
        return _last_first if isinstance(f.cells[-1], eqx.nn.LSTMCell) else _last
    return _identity


def cell_inputs(f: Callable) -> int | None:
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
