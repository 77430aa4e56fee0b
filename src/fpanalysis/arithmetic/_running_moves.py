"""How rounding errors pass through linear maps and moved elements, all points at once."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from fpanalysis.arithmetic._data import element_sources, split_operands
from fpanalysis.arithmetic._moves import DATA_OPERANDS
from fpanalysis.arithmetic._pairs import Pair, rounded
from fpanalysis.arithmetic._program import Step


def _dtype(step: Step) -> Any:
    return step.results[0].dtype


def _move(step: Step, *data: Pair) -> Pair:
    rows = max(len(pair.value) for pair in data)
    index = step.params["index"]
    if len(data) == 1:
        value, bound = data[0]
    else:
        value = np.concatenate([np.broadcast_to(p.value, (rows, p.value.shape[1])) for p in data], axis=1)
        bound = np.concatenate([np.broadcast_to(p.bound, (rows, p.bound.shape[1])) for p in data], axis=1)
    value, bound = value[:, index], bound[:, index]
    if np.any(index < 0):
        bound = np.where(index < 0, np.inf, bound)
    return Pair(value, bound)


def _dynamic_move(step: Step, *operands: Pair) -> list[Pair]:
    """Elements whose place depends on the state; where that is uncertain, any of them."""
    data, others = split_operands(step, operands)
    rows = max(len(pair.value) for pair in operands)
    certain = np.ones((rows, 1), bool)
    for pair in others.values():
        certain = certain & np.all(pair.bound == 0, axis=1, keepdims=True)
    value, bound = (
        np.concatenate([np.broadcast_to(pair[part], (rows, pair[part].shape[1])) for pair in data], axis=1)
        for part in (0, 1)
    )
    spread = np.max(value, axis=1, keepdims=True) - np.min(value, axis=1, keepdims=True)
    reach = spread + 3 * np.max(bound, axis=1, keepdims=True)
    results = []
    for index in element_sources(step, {at: pair.value for at, pair in others.items()}):
        index = np.broadcast_to(index, (rows, index.shape[1]))
        missing = index < 0
        index = np.maximum(index, 0)
        lost = np.where(certain, np.take_along_axis(bound, index, axis=1), reach)
        results.append(Pair(np.take_along_axis(value, index, axis=1), np.where(missing, np.inf, lost)))
    return results


def _gamma(step: Step, count: int) -> float:
    return (count + 1) * 0.5 * float(jnp.finfo(_dtype(step)).eps)


def _linear(step: Step, *operands: Pair) -> Pair:
    value, bound = np.zeros((1, 1)), np.zeros((1, 1))
    for matrix, a in zip(step.params["matrices"], operands, strict=True):
        size = np.abs(matrix)
        count = int(np.max(np.sum(matrix != 0, axis=1), initial=0)) + len(operands)
        value = value + a.value @ matrix.T
        bound = bound + (a.bound + _gamma(step, count) * (np.abs(a.value) + a.bound)) @ size.T
    return rounded(_dtype(step), value, bound, 0.0)


def _matmul(step: Step, a: Pair, b: Pair) -> Pair:
    batch, rows, contracted, columns = step.params["sizes"]
    value_a, bound_a = (part.reshape(len(part), batch, rows, contracted) for part in a)
    value_b, bound_b = (part.reshape(len(part), batch, contracted, columns) for part in b)
    value = value_a @ value_b
    size_a, size_b = np.abs(value_a), np.abs(value_b)
    gamma = _gamma(step, contracted)
    bound = (size_a + bound_a) @ (bound_b + gamma * (size_b + bound_b))
    if np.any(bound_a):
        bound = bound + bound_a @ (size_b + bound_b)
    value, bound = (part.reshape(len(part), batch * rows * columns) for part in (value, bound))
    tiny = contracted * float(jnp.finfo(_dtype(step)).tiny)
    return rounded(_dtype(step), value, bound + np.where((value == 0) & (bound == 0), 0.0, tiny), 0.0)


MOVES: dict[str, Callable] = {
    **dict.fromkeys(DATA_OPERANDS, _dynamic_move),
    "linear": _linear,
    "matmul": _matmul,
    "move": _move,
}
