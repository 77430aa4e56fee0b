"""How balls and their derivatives pass through sums, maxima, products and sorting along an axis."""

from collections.abc import Callable

import numpy as np
from flint import arb

from fpanalysis.arithmetic._ball_rules import RULES, Ball, Uncertain, compared, elementwise
from fpanalysis.arithmetic._program import Step


def _rows(step: Step, a: Ball) -> list[Ball]:
    """Return what is reduced, as one ball array for each position along the reduced axes."""
    shape = step.operands[0].shape
    axes = step.params["axes"]
    index = np.moveaxis(np.arange(len(a.value)).reshape(shape), axes, range(len(axes)))
    index = index.reshape(int(np.prod([shape[axis] for axis in axes], dtype=int)), -1)
    return [_taken(a, at) for at in index]


def _taken(a: Ball, index: np.ndarray) -> Ball:
    return Ball(a.value[index], None if a.tangent is None else a.tangent[index])


def _folded(name: str) -> Callable:
    rule = RULES[name]

    def reduce(step: Step, a: Ball) -> Ball:
        first, *rest = _rows(step, a)
        for row in rest:
            first = rule(step, first, row)
        return first

    return reduce


def _order(step: Step, value: np.ndarray) -> np.ndarray:
    """Return the positions along the last axis in growing order."""
    order = np.argsort(elementwise(lambda ball: float(ball.mid()))(value).astype(float), kind="stable")
    ordered = np.take_along_axis(value, order, -1)
    for row in ordered.reshape(-1, ordered.shape[-1]):
        if any(compared(a, b) not in (-1, 0) for a, b in zip(row, row[1:], strict=False)):
            raise Uncertain
    return order


def _sort(step: Step, *operands: Ball) -> list[Ball]:
    axis = step.params["dimension"]
    shape = step.operands[0].shape
    index = np.moveaxis(np.arange(len(operands[0].value)).reshape(shape), axis, -1)
    if step.params["num_keys"] != 1 or operands[0].value.dtype != object:
        raise Uncertain
    order = _order(step, operands[0].value[index])
    taken = np.moveaxis(np.take_along_axis(index, order, -1), -1, axis).ravel()
    return [_taken(a, taken) for a in operands]


def _arg_extreme(sign: int) -> Callable:
    def rule(step: Step, a: Ball) -> Ball:
        (axis,) = step.params["axes"]
        value = np.moveaxis(a.value.reshape(step.operands[0].shape), axis, -1)
        found = []
        for row in value.reshape(-1, value.shape[-1]):
            best = 0
            for at in range(1, len(row)):
                order = (
                    compared(row[at], row[best])
                    if isinstance(row[at], arb)
                    else int(np.sign(int(row[at]) - int(row[best])))
                )
                if order is None:
                    raise Uncertain
                best = at if order == sign else best
            found.append(best)
        return Ball(np.array(found, dtype=step.params["index_dtype"]))

    return rule


def _cumulative(name: str) -> Callable:
    rule = RULES[name]

    def accumulate(step: Step, a: Ball) -> Ball:
        axis = step.params["axis"]
        shape = step.operands[0].shape
        index = np.moveaxis(np.arange(len(a.value)).reshape(shape), axis, 0)
        moved = index.shape
        index = index.reshape(shape[axis], -1)
        index = index[::-1] if step.params["reverse"] else index
        parts = [_taken(a, index[0])]
        for at in index[1:]:
            parts.append(rule(step, parts[-1], _taken(a, at)))
        parts = parts[::-1] if step.params["reverse"] else parts
        back = np.moveaxis(np.arange(len(a.value)).reshape(moved), 0, axis).ravel()
        tangents = [part.tangent for part in parts if part.tangent is not None]
        joined = Ball(
            np.concatenate([part.value for part in parts]), np.concatenate(tangents) if tangents else None
        )
        return _taken(joined, back)

    return accumulate


REDUCTIONS: dict[str, Callable] = {
    "argmax": _arg_extreme(1),
    "argmin": _arg_extreme(-1),
    "cummax": _cumulative("max"),
    "cummin": _cumulative("min"),
    "cumprod": _cumulative("mul"),
    "reduce_max": _folded("max"),
    "reduce_min": _folded("min"),
    "reduce_prod": _folded("mul"),
    "reduce_sum": _folded("add"),
    "sort": _sort,
}
