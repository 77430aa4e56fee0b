"""How values and their rounding errors pass through sums, maxima, sorting and other work along an axis."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from fpanalysis.arithmetic._pairs import Pair, rounded
from fpanalysis.arithmetic._program import Step


def _shaped(step: Step, a: Pair, at: int = 0) -> Pair:
    shape = step.operands[at].shape
    return Pair(a.value.reshape(len(a.value), *shape), a.bound.reshape(len(a.bound), *shape))


def _flat(pair: Pair) -> Pair:
    rows = len(pair.value)
    size = int(np.prod(pair.value.shape[1:], dtype=int))
    return Pair(pair.value.reshape(rows, size), pair.bound.reshape(rows, size))


def _axes(step: Step) -> tuple[int, ...]:
    return tuple(axis + 1 for axis in step.params["axes"])


def _half_eps(step: Step) -> float:
    return 0.5 * float(jnp.finfo(step.results[0].dtype).eps)


def _reduce_sum(step: Step, a: Pair) -> Pair:
    value, bound = _shaped(step, a)
    axes = _axes(step)
    if not step.results[0].is_float:
        return _flat(Pair(np.sum(value, axis=axes, dtype=step.results[0].dtype), np.sum(bound, axis=axes)))
    count = int(np.prod([value.shape[axis] for axis in axes], dtype=int))
    size = np.sum(np.abs(value) + bound, axis=axes)
    lost = np.sum(bound, axis=axes) + (count - 1) * _half_eps(step) * size
    total = _flat(Pair(np.sum(value, axis=axes), lost))
    return rounded(step.results[0].dtype, total.value, total.bound, 0.0)


def _reduce_extreme(function: Callable) -> Callable:
    def rule(step: Step, a: Pair) -> Pair:
        value, bound = _shaped(step, a)
        return _flat(Pair(function(value, axis=_axes(step)), np.max(bound, axis=_axes(step))))

    return rule


def _reduce_prod(step: Step, a: Pair) -> Pair:
    value, bound = _shaped(step, a)
    axes = _axes(step)
    moved = tuple(range(1, 1 + len(axes)))
    shape = (len(value), -1, *np.delete(value.shape, (0, *axes)))
    value = np.moveaxis(value, axes, moved).reshape(shape)
    bound = np.moveaxis(bound, axes, moved).reshape(shape)
    product, lost = np.ones_like(value[:, 0]), np.zeros_like(bound[:, 0])
    # Factors in any order: every partial product may underflow, and is multiplied on.
    largest = np.prod(np.maximum(1.0, np.abs(value) + bound), axis=1)
    for at in range(value.shape[1]):
        factor, of_factor = value[:, at], bound[:, at]
        lost = np.abs(product) * of_factor + np.abs(factor) * lost + lost * of_factor
        product = product * factor
    tiny = value.shape[1] * float(jnp.finfo(step.results[0].dtype).tiny) * largest
    pair = _flat(Pair(product, lost + tiny))
    return rounded(step.results[0].dtype, pair.value, pair.bound, float(value.shape[1]))


def _reduce_logical(function: Callable, decides: bool) -> Callable:
    def rule(step: Step, a: Pair) -> Pair:
        value, bound = _shaped(step, a)
        axes = _axes(step)
        decided = np.any((value == decides) & (bound == 0), axis=axes)
        lost = np.where(decided, 0.0, np.sum(bound, axis=axes))
        return _flat(Pair(function(value, axis=axes), lost))

    return rule


def _arg_extreme(function: Callable, sign: float) -> Callable:
    def rule(step: Step, a: Pair) -> Pair:
        value, bound = _shaped(step, a)
        axis = step.params["axes"][0] + 1
        where = np.expand_dims(function(value, axis=axis), axis)
        score = sign * value.astype(float)
        best = np.take_along_axis(score - 2 * bound, where, axis)
        others = score + 2 * bound
        np.put_along_axis(others, where, -np.inf, axis)
        certain = np.all(best > others, axis=axis) | np.all(bound == 0, axis=axis)
        where = np.squeeze(where, axis).astype(step.params["index_dtype"])
        return _flat(Pair(where, np.where(certain, 0.0, np.inf)))

    return rule


def _along(step: Step, a: Pair, function: Callable) -> Pair:
    """Carry out a cumulative operation along its axis, from whichever end it starts at."""
    value, bound = _shaped(step, a)
    axis = step.params["axis"] + 1
    if step.params["reverse"]:
        value, bound = np.flip(value, axis), np.flip(bound, axis)
    value, bound = function(value, bound, axis)
    if step.params["reverse"]:
        value, bound = np.flip(value, axis), np.flip(bound, axis)
    return _flat(Pair(value, bound))


def _cumulative_extreme(function: Any) -> Callable:
    def work(value: np.ndarray, bound: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
        return function.accumulate(value, axis), np.maximum.accumulate(bound, axis)

    return lambda step, a: _along(step, a, work)


def _cumulative_product(step: Step, a: Pair) -> Pair:
    eps, tiny = 2 * _half_eps(step), float(jnp.finfo(step.results[0].dtype).tiny)

    def work(value: np.ndarray, bound: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
        count = value.shape[axis]
        size = np.abs(value)
        product = np.multiply.accumulate(value, axis)
        grown = np.multiply.accumulate(size * (1 + count * eps) + bound, axis)
        largest = np.multiply.accumulate(np.maximum(1.0, size + bound), axis)
        least = np.multiply.accumulate(size, axis)
        # The cancellation in the difference of the two is covered by the second term.
        return product, (grown - least) + count * eps * grown + count * tiny * largest

    pair = _along(step, a, work)
    return rounded(step.results[0].dtype, pair.value, pair.bound)


def _sort(step: Step, *operands: Pair) -> list[Pair]:
    axis = step.params["dimension"] + 1
    shaped = [_shaped(step, pair, at) for at, pair in enumerate(operands)]
    key = shaped[0]
    if len(operands) == 1:
        # The k-th smallest number moves by no more than the numbers do.
        widest = np.broadcast_to(np.max(key.bound, axis=axis, keepdims=True), key.bound.shape)
        return [_flat(Pair(np.sort(key.value, axis=axis), widest))]
    order = np.argsort(key.value, axis=axis, kind="stable")
    value = np.take_along_axis(key.value, order, axis).astype(float)
    bound = np.take_along_axis(key.bound, order, axis)
    apart = np.diff(value, axis=axis) > 2 * np.add(*_neighbours(bound, axis))
    certain = np.all(apart, axis=axis, keepdims=True) | np.all(bound == 0, axis=axis, keepdims=True)
    if step.params["num_keys"] != 1:
        certain = np.zeros_like(certain)
    rows = np.broadcast_shapes(*[pair.value.shape for pair in shaped])
    taken = []
    for pair in shaped:
        at = np.broadcast_to(order, rows)
        value, bound = (np.take_along_axis(np.broadcast_to(part, rows), at, axis) for part in pair)
        taken.append(_flat(Pair(value, np.where(certain, bound, np.inf))))
    return taken


def _neighbours(a: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    last = a.shape[axis]
    return np.take(a, range(last - 1), axis), np.take(a, range(1, last), axis)


REDUCTIONS: dict[str, Callable] = {
    "argmax": _arg_extreme(np.argmax, 1.0),
    "argmin": _arg_extreme(np.argmin, -1.0),
    "cummax": _cumulative_extreme(np.maximum),
    "cummin": _cumulative_extreme(np.minimum),
    "cumprod": _cumulative_product,
    "reduce_and": _reduce_logical(np.all, False),
    "reduce_max": _reduce_extreme(np.max),
    "reduce_min": _reduce_extreme(np.min),
    "reduce_or": _reduce_logical(np.any, True),
    "reduce_prod": _reduce_prod,
    "reduce_sum": _reduce_sum,
    "sort": _sort,
}
