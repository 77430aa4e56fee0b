"""Operations that only put elements elsewhere, as indices, and linear ones, as matrices."""

from collections.abc import Sequence
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

# How many operands of each are data; the others say where from, or where to.
DATA_OPERANDS = {
    "broadcast_in_dim": 1,
    "concatenate": None,
    "dynamic_slice": 1,
    "dynamic_update_slice": 2,
    "expand_dims": 1,
    "gather": 1,
    "pad": 2,
    "reshape": 1,
    "rev": 1,
    "scatter": (0, 2),
    "slice": 1,
    "split": 1,
    "squeeze": 1,
    "stack": None,
    "tile": 1,
    "transpose": 1,
    "unstack": 1,
}
# In which operands each is linear: in all of these at once, or in one of them where the other is held.
SUMS = {"cumsum": (0,), "reduce_window_sum": (0,), "scatter-add": (0, 2), "scatter-sub": (0, 2)}
PRODUCTS = {"conv_general_dilated": (0, 1)}


def data_positions(name: str, n_operands: int) -> tuple[int, ...]:
    """Return which operands of an operation that moves elements are the data."""
    n_data = DATA_OPERANDS[name]
    if isinstance(n_data, tuple):
        return n_data
    return tuple(range(n_operands if n_data is None else n_data))


def move_indices(
    name: str, primitive: Any, params: dict, shapes: Sequence[tuple[int, ...]], others: dict[int, Any]
) -> list[np.ndarray]:
    """Return where the elements of each result come from.

    Args:
        name: the primitive's name.
        primitive: JAX's primitive.
        params: its parameters.
        shapes: the operands' shapes.
        others: the operands that are no data, by their position.

    Returns:
        For each result an array of its shape: positions in the data operands, flattened and joined; −1 where
        an element comes from nowhere (a gather out of bounds).
    """
    with jax.enable_x64(True), jax.debug_nans(False):
        results = move_sources(name, primitive, params, shapes, others)
    return [np.maximum(np.atleast_1d(result), -1).reshape(np.shape(result)) for result in results]


def move_sources(
    name: str, primitive: Any, params: dict, shapes: Sequence[tuple[int, ...]], others: dict[int, Any]
) -> list:
    """Return `move_indices`, where nothing may be a number below −1; the others may be traced."""
    operands, start = [], 0
    for position, shape in enumerate(shapes):
        if position in others:
            operands.append(others[position])
        else:
            operands.append(np.arange(start, start + prod(shape)).reshape(shape))
            start += prod(shape)
    simple = _SIMPLE.get(name)
    if simple is not None:
        results = simple(params, *operands)
    else:
        results = primitive.bind(*[jnp.asarray(operand) for operand in operands], **params)
    return list(results) if isinstance(results, list | tuple) else [results]


def _broadcast(params: dict, a: np.ndarray) -> np.ndarray:
    shape = [1] * len(params["shape"])
    for size, axis in zip(a.shape, params["broadcast_dimensions"], strict=True):
        shape[axis] = size
    return np.broadcast_to(a.reshape(shape), params["shape"])


def _slice(params: dict, a: np.ndarray) -> np.ndarray:
    strides = params["strides"] or (1,) * a.ndim
    limits = zip(params["start_indices"], params["limit_indices"], strides, strict=True)
    return a[tuple(slice(start, stop, step) for start, stop, step in limits)]


def _reshape(params: dict, a: np.ndarray) -> np.ndarray:
    if params.get("dimensions") is not None:
        a = a.transpose(params["dimensions"])
    return a.reshape(params["new_sizes"])


_SIMPLE = {
    "broadcast_in_dim": _broadcast,
    "concatenate": lambda params, *parts: np.concatenate(parts, params["dimension"]),
    "expand_dims": lambda params, a: np.expand_dims(a, params["dimensions"]),
    "reshape": _reshape,
    "rev": lambda params, a: np.flip(a, params["dimensions"]),
    "slice": _slice,
    "split": lambda params, a: np.split(a, np.cumsum(params["sizes"])[:-1].astype(int), params["axis"]),
    "squeeze": lambda params, a: np.squeeze(a, tuple(params["dimensions"])),
    "stack": lambda params, *parts: np.stack(parts, params["axis"]),
    "tile": lambda params, a: np.tile(a, params["reps"]),
    "transpose": lambda params, a: np.transpose(a, params["permutation"]),
    "unstack": lambda params, a: list(np.moveaxis(a, params["axis"], 0)),
}


def linear_matrix(
    primitive: Any, params: dict, shapes: Sequence[tuple[int, ...]], position: int, others: dict[int, Any]
) -> np.ndarray:
    """Return the matrix of an operation in one of its operands, `(result, operand)`, in float64.

    Args:
        primitive: JAX's primitive, linear in that operand where the others are held.
        params: its parameters.
        shapes: the operands' shapes.
        position: which operand.
        others: the operands that are held, by their position; those missing are zero.
    """
    size = prod(shapes[position])

    def apply(column: jax.Array) -> jax.Array:
        operands = [
            column.reshape(shape) if at == position else jnp.asarray(others.get(at, np.zeros(shape)))
            for at, shape in enumerate(shapes)
        ]
        return jnp.ravel(primitive.bind(*operands, **params))

    with jax.enable_x64(True), jax.debug_nans(False):
        return np.asarray(jax.vmap(apply, out_axes=1)(jnp.eye(size, dtype=jnp.float64)), float)


def matmul_axes(dimension_numbers: Any, left: tuple[int, ...], right: tuple[int, ...]) -> tuple:
    """Return how a `dot_general` becomes products of matrices.

    Args:
        dimension_numbers: as JAX writes them.
        left: shape of the left operand.
        right: shape of the right operand.

    Returns:
        The axes of the left operand in the order batch, rows, contracted; of the right one in the order
        batch, contracted, columns; and the four sizes batch, rows, contracted, columns.
    """
    (left_sum, right_sum), (left_batch, right_batch) = dimension_numbers
    rows = [axis for axis in range(len(left)) if axis not in (*left_sum, *left_batch)]
    columns = [axis for axis in range(len(right)) if axis not in (*right_sum, *right_batch)]
    sizes = (
        prod(left[axis] for axis in left_batch),
        prod(left[axis] for axis in rows),
        prod(left[axis] for axis in left_sum),
        prod(right[axis] for axis in columns),
    )
    return (*left_batch, *rows, *left_sum), (*right_batch, *right_sum, *columns), sizes
