"""Operations on constants by NumPy: JAX would compile each of them anew for its first shape, for 20 ms."""

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

_ELEMENTWISE: dict[str, Callable] = {
    "abs": np.abs,
    "add": np.add,
    "eq": np.equal,
    "floor": np.floor,
    "ge": np.greater_equal,
    "gt": np.greater,
    "le": np.less_equal,
    "lt": np.less,
    "mul": np.multiply,
    "ne": np.not_equal,
    "neg": np.negative,
    "sub": np.subtract,
}
# Of several numbers the largest or smallest; which of two zeros, or what of NaN, is left to JAX.
_CHOOSING: dict[str, Callable] = {
    "clamp": lambda low, value, high: np.minimum(np.maximum(value, low), high),
    "max": np.maximum,
    "min": np.minimum,
}
_REDUCING: dict[str, Callable] = {"reduce_max": np.max, "reduce_min": np.min}


def by_numpy(name: str, params: dict, values: Sequence[Any], result: Any) -> np.ndarray | None:
    """Return the result of one operation on constants, or None where it is left to JAX.

    Only what NumPy computes to the same bits: nothing transcendental, no sums.

    Args:
        name: name of the JAX primitive.
        params: its parameters.
        values: its operands.
        result: shape and dtype of its result.
    """
    if not all(isinstance(value, np.ndarray) for value in values):
        return None
    with np.errstate(all="ignore"):
        out = _computed(name, params, values)
        if out is None:
            out = _moved(name, params, values, result)
        elif any(map(_has_subnormal, (*values, out))):  # XLA takes them for zeros
            out = None
    return None if out is None or out.shape != result.shape else np.asarray(out, result.dtype)


def _computed(name: str, params: dict, values: Sequence[np.ndarray]) -> np.ndarray | None:
    if name in _ELEMENTWISE and all(value.dtype == values[0].dtype for value in values):
        return np.asarray(_ELEMENTWISE[name](*values))
    if name == "div" and values[0].dtype in (np.float64, np.float32):
        return np.asarray(np.divide(*values))
    return _chosen(name, params, values)


def _chosen(name: str, params: dict, values: Sequence[np.ndarray]) -> np.ndarray | None:
    if name not in _CHOOSING and name not in _REDUCING:
        return None
    if any(value.size == 0 or value.dtype.kind == "c" for value in values):
        return None
    if any(np.any((value == 0) & np.signbit(value) | np.isnan(value)) for value in values):
        return None
    if name in _REDUCING:
        return np.asarray(_REDUCING[name](values[0], axis=tuple(params["axes"])))
    return np.asarray(_CHOOSING[name](*values))


def _has_subnormal(value: np.ndarray) -> bool:
    if not jnp.issubdtype(value.dtype, jnp.floating):
        return False
    return bool(np.any((value != 0) & (np.abs(value) < jnp.finfo(value.dtype).tiny)))


def _moved(name: str, params: dict, values: Sequence[np.ndarray], result: Any) -> np.ndarray | None:
    """Return elements moved, repeated, joined, chosen or converted."""
    if name == "iota" and not values:
        axis = [-1 if at == params["dimension"] else 1 for at in range(len(result.shape))]
        numbers = np.arange(result.shape[params["dimension"]], dtype=result.dtype)
        return np.broadcast_to(numbers.reshape(axis), result.shape)
    if name == "broadcast_in_dim":
        axes = params["broadcast_dimensions"]
        kept = [values[0].shape[axes.index(at)] if at in axes else 1 for at in range(len(result.shape))]
        return np.broadcast_to(values[0].reshape(kept), result.shape)
    if name == "squeeze" or (name == "reshape" and params.get("dimensions") is None):
        return values[0].reshape(result.shape)
    if name == "transpose":
        return values[0].transpose(params["permutation"])
    if name == "concatenate":
        return np.concatenate(values, axis=params["dimension"])
    if name == "slice":
        steps = params["strides"] or (1,) * values[0].ndim
        limits = zip(params["start_indices"], params["limit_indices"], steps, strict=True)
        return values[0][tuple(slice(*each) for each in limits)]
    if name == "rev":
        return np.flip(values[0], params["dimensions"])
    if name == "select_n" and len(values) == 3 and values[0].dtype == bool:
        return np.where(values[0], values[2], values[1])
    if name == "convert_element_type" and np.can_cast(values[0].dtype, result.dtype, "same_kind"):
        return values[0].astype(result.dtype)
    return None
