"""Cells and readouts without their arrays: what there is to fill when a network is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from fpanalysis._cells import RNNCell

CELL_KINDS = ("RNNCell", "GRUCell", "LSTMCell")


@contextmanager
def any_dtype() -> Iterator[None]:
    """Build networks of any floating dtype, whatever JAX is set to."""
    # Without x64, JAX cuts float64 arrays to float32; the structure of a vector field is checked with a
    # float32 state, which strict promotion does not let meet weights of another dtype.
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        yield


def cell_shell(
    kind: str, input_size: int, hidden_size: int, bias: bool, dtype: str, nonlinearity: str | None = None
) -> Any:
    """Return a cell of this kind with `jax.ShapeDtypeStruct`s in place of its arrays."""
    if kind == "RNNCell":
        return eqx.filter_eval_shape(_empty_rnn, input_size, hidden_size, dtype, nonlinearity)
    make = {"GRUCell": eqx.nn.GRUCell, "LSTMCell": eqx.nn.LSTMCell}[kind]
    return eqx.filter_eval_shape(make, input_size, hidden_size, bias, jnp.dtype(dtype), key=_key())


def linear_shell(in_features: int, out_features: int, bias: bool, dtype: str) -> Any:
    """Return an `equinox.nn.Linear` with `jax.ShapeDtypeStruct`s in place of its arrays."""
    return eqx.filter_eval_shape(eqx.nn.Linear, in_features, out_features, bias, jnp.dtype(dtype), key=_key())


def _empty_rnn(input_size: int, hidden_size: int, dtype: str, nonlinearity: str) -> RNNCell:
    weight_ih, weight_hh = jnp.zeros((hidden_size, input_size), dtype), jnp.zeros((hidden_size,) * 2, dtype)
    return RNNCell(weight_ih, weight_hh, jnp.zeros(hidden_size, dtype), nonlinearity)


def _key() -> jax.ShapeDtypeStruct:
    # Of the kind that JAX is set to: kinds differ in their shapes.
    return jax.eval_shape(lambda: jax.random.key(0))
