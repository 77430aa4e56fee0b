"""How balls and their derivatives pass through each operation, at one state."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from flint import arb, arb_mat

from fpanalysis.arithmetic._ball_functions import ANALYTIC, Analytic
from fpanalysis.arithmetic._data import element_sources, split_operands
from fpanalysis.arithmetic._moves import DATA_OPERANDS
from fpanalysis.arithmetic._program import Step

NAN: Any = arb.nan()
ZERO: Any = arb(0)
ONE: Any = arb(1)


class Uncertain(Exception):
    """A choice depends on a ball that is too wide to say."""


class Ball(NamedTuple):
    """Numbers with their derivatives in the state.

    Args:
        value: `(size,)`, balls (`arb`) of floating-point numbers; integers and truth values as they are.
        tangent: `(size, state)`, balls; None where there is no derivative to speak of.
    """

    value: np.ndarray
    tangent: np.ndarray | None = None


def elementwise(function: Callable, n_operands: int = 1) -> Any:
    """Make a function of balls one of arrays of balls."""
    return np.frompyfunc(function, n_operands, 1)


balls = elementwise(lambda value: arb(float(value)))
_is_zero = elementwise(lambda ball: ball.is_zero())


def _scaled(factor: np.ndarray, tangent: np.ndarray | None) -> np.ndarray | None:
    return None if tangent is None else factor[:, None] * tangent


def _added(a: np.ndarray | None, b: np.ndarray | None) -> np.ndarray | None:
    if a is None or b is None:
        return a if b is None else b
    return a + b


def _zeros(shape: Any) -> np.ndarray:
    return np.full(shape, ZERO, dtype=object)


def _array(items: list) -> np.ndarray:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


# Arithmetic


def _analytic(function: Analytic) -> Callable:
    value_of = elementwise(function.value)
    slope_of = elementwise(function.slope, 2)

    def rule(step: Step, a: Ball) -> Ball:
        value = value_of(a.value)
        return Ball(value, None if a.tangent is None else _scaled(slope_of(a.value, value), a.tangent))

    return rule


def _add(step: Step, a: Ball, b: Ball) -> Ball:
    return Ball(a.value + b.value, _added(a.tangent, b.tangent))


def _sub(step: Step, a: Ball, b: Ball) -> Ball:
    return Ball(a.value - b.value, _added(a.tangent, None if b.tangent is None else -b.tangent))


def _mul(step: Step, a: Ball, b: Ball) -> Ball:
    return Ball(a.value * b.value, _added(_scaled(b.value, a.tangent), _scaled(a.value, b.tangent)))


def _div(step: Step, a: Ball, b: Ball) -> Ball:
    value = a.value / b.value
    inverse = 1 / b.value
    return Ball(value, _added(_scaled(inverse, a.tangent), _scaled(-value * inverse, b.tangent)))


def _integer_pow(step: Step, a: Ball) -> Ball:
    power = step.params["y"]
    return Ball(a.value**power, _scaled(power * a.value ** (power - 1), a.tangent) if power else None)


def _power(a: arb, b: Any) -> arb:
    if a.is_zero() and b > 0:
        return ZERO
    whole = b.unique_fmpz() if isinstance(b, arb) and b.is_exact() and b.is_integer() else None
    return a ** (b if whole is None else whole)


def _power_slope(a: arb, b: arb) -> arb:
    return b * _power(a, b - 1)


def _pow(step: Step, a: Ball, b: Ball) -> Ball:
    exponent = b.value if step.operands[1].is_float else balls(b.value)
    power, slope = elementwise(_power, 2), elementwise(_power_slope, 2)
    value = power(a.value, exponent)
    of_b = None
    if b.tangent is not None:
        of_b = _scaled(elementwise(lambda y, x: y * x.log(), 2)(value, a.value), b.tangent)
    of_a = None if a.tangent is None else _scaled(slope(a.value, exponent), a.tangent)
    return Ball(value, _added(of_a, of_b))


def _atan2(step: Step, a: Ball, b: Ball) -> Ball:
    value = elementwise(lambda y, x: arb.atan2(y, x), 2)(a.value, b.value)
    square = a.value * a.value + b.value * b.value
    return Ball(value, _added(_scaled(b.value / square, a.tangent), _scaled(-a.value / square, b.tangent)))


def _log_sum(a: arb, b: arb) -> arb:
    a, b = (a, b) if a.mid() >= b.mid() else (b, a)
    return a + (b - a).exp().log1p()


def _logaddexp(step: Step, a: Ball, b: Ball) -> Ball:
    value = elementwise(_log_sum, 2)(a.value, b.value)
    weight = elementwise(lambda a, b: 1 / (1 + (b - a).exp()), 2)
    of_a = None if a.tangent is None else _scaled(weight(a.value, b.value), a.tangent)
    of_b = None if b.tangent is None else _scaled(weight(b.value, a.value), b.tangent)
    return Ball(value, _added(of_a, of_b))


# Choices


def compared(a: arb, b: arb) -> int | None:
    """Return the sign of `a − b`, or None where it is uncertain."""
    if a > b:
        return 1
    if a < b:
        return -1
    return 0 if a == b else None


def _extreme(sign: int) -> Callable:
    choose = elementwise(arb.max if sign > 0 else arb.min, 2)

    def rule(step: Step, a: Ball, b: Ball) -> Ball:
        value = choose(a.value, b.value)
        at_tie = 0.0 if step.hints.get("flat") else 0.5

        def weight(a: arb, b: arb) -> arb:
            # At a tie JAX gives each a half; where it is uncertain there is no derivative.
            order = compared(a, b)
            return NAN if order is None else arb((at_tie, 1, 0)[sign * order])

        weights = elementwise(weight, 2)
        of_a = None if a.tangent is None else _blended(weights(a.value, b.value), a.tangent)
        of_b = None if b.tangent is None else _blended(weights(b.value, a.value), b.tangent)
        return Ball(value, _added(of_a, of_b))

    return rule


def _blended(weight: np.ndarray, tangent: np.ndarray) -> np.ndarray:
    """Return the tangent times weights, with zero for what is not chosen, be it infinite."""
    scaled = weight[:, None] * tangent
    return np.where(_is_zero(weight).astype(bool)[:, None], ZERO, scaled)


def _clamp(step: Step, low: Ball, a: Ball, high: Ball) -> Ball:
    return _extreme(-1)(step, _extreme(1)(step, a, low), high)


def _sign_of(a: arb) -> arb:
    order = compared(a, ZERO)
    return NAN if order is None else arb(order)


def _abs(step: Step, a: Ball) -> Ball:
    value = elementwise(abs)(a.value)
    slope = elementwise(lambda ball: ONE if ball.is_zero() else _sign_of(ball))  # at 0 as JAX has it
    return Ball(value, None if a.tangent is None else _scaled(slope(a.value), a.tangent))


def _sign(step: Step, a: Ball) -> Ball:
    return Ball(elementwise(_sign_of)(a.value))


def _whole(ball: arb, function: Callable) -> arb:
    whole = function(ball).unique_fmpz()
    if whole is None:
        raise Uncertain
    return arb(whole)


def _truncated(ball: arb) -> arb:
    return _whole(ball, arb.ceil if ball < 0 else arb.floor)


def _stairs(function: Callable) -> Callable:
    of = elementwise(lambda ball: _whole(ball, function))
    return lambda step, a: Ball(of(a.value))


def _nearest(ball: arb) -> arb:
    shifted = ball + 0.5
    return NAN if shifted.is_exact() and shifted.is_integer() else shifted.floor()  # a tie


def _rem(step: Step, a: Ball, b: Ball) -> Ball:
    quotient = elementwise(_truncated)(a.value / b.value)
    return Ball(a.value - quotient * b.value, _added(a.tangent, _scaled(-quotient, b.tangent)))


def _select(step: Step, predicate: Ball, *cases: Ball) -> Ball:
    size = max(len(case.value) for case in cases)
    which = np.broadcast_to(predicate.value.astype(int), (size,))
    value = np.choose(which, [np.broadcast_to(case.value, (size,)) for case in cases])
    tangents = [case.tangent for case in cases]
    width = next((tangent.shape[1] for tangent in tangents if tangent is not None), None)
    if width is None:
        return Ball(value)
    filled = [_zeros((size, width)) if tangent is None else tangent for tangent in tangents]
    filled = [np.broadcast_to(tangent, (size, width)) for tangent in filled]
    return Ball(value, np.choose(which[:, None], filled))


def _compare(orders: tuple[int, ...]) -> Callable:
    def certain(a: Any, b: Any) -> bool:
        order = compared(a, b)
        if order is None:
            raise Uncertain
        return order in orders

    compare = elementwise(certain, 2)

    def rule(step: Step, a: Ball, b: Ball) -> Ball:
        if step.inputs[0] == step.inputs[1] and step.operands[0].is_float:  # the test for NaN
            return Ball(np.full(len(a.value), 0 in orders))
        return Ball(compare(a.value, b.value).astype(bool))

    return rule


def _is_finite(step: Step, a: Ball) -> Ball:
    return Ball(elementwise(lambda ball: ball.is_finite())(a.value).astype(bool))


def _convert(step: Step, a: Ball) -> Ball:
    source, target = step.operands[0], step.results[0]
    if target.is_float:
        return a if source.is_float else Ball(balls(a.value))
    if not source.is_float:
        return Ball(a.value.astype(target.dtype))
    if np.dtype(target.dtype) == np.dtype(bool):
        return _compare((-1, 1))(step, a, Ball(_zeros(len(a.value))))
    whole = [int(float(_truncated(ball))) for ball in a.value]
    return Ball(np.array(whole, dtype=target.dtype))


# Sums


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the product of two matrices of balls, `(rows, inner)` and `(inner, columns)`."""
    present = ~_is_zero(b).astype(bool)
    if np.all(np.sum(present, axis=0) <= 1):
        # Most often the derivative of the state itself: each column comes from one place.
        result = _zeros((len(a), b.shape[1]))
        inner, columns = np.nonzero(present)
        if len(columns):
            result[:, columns] = a[:, inner] * b[inner, columns]
        return result
    (rows, inner), columns = a.shape, b.shape[1]
    entries = arb_mat(rows, inner, list(a.ravel())) * arb_mat(inner, columns, list(b.ravel()))
    return _array(entries.entries()).reshape(len(a), b.shape[1])


def _move(step: Step, *data: Ball) -> Ball:
    return _taken(data, step.params["index"])


def _dynamic_move(step: Step, *operands: Ball) -> list[Ball]:
    data, others = split_operands(step, operands)
    indices = element_sources(step, {at: ball.value[None] for at, ball in others.items()})
    return [_taken(data, index[0]) for index in indices]


def _taken(data: Sequence[Ball], index: np.ndarray) -> Ball:
    value = np.concatenate([ball.value for ball in data])[index]
    if np.any(index < 0):
        value = np.where(index < 0, NAN, value)
    width = next((ball.tangent.shape[1] for ball in data if ball.tangent is not None), None)
    if width is None:
        return Ball(value)
    tangents = [_zeros((len(b.value), width)) if b.tangent is None else b.tangent for b in data]
    return Ball(value, np.concatenate(tangents)[index])


def _linear(step: Step, *operands: Ball) -> Ball:
    value, tangent = None, None
    for matrix, a in zip(step.params["matrices"], operands, strict=True):
        matrix = balls(matrix)
        value = _added(value, product(matrix, a.value[:, None])[:, 0])
        tangent = _added(tangent, None if a.tangent is None else product(matrix, a.tangent))
    assert value is not None
    return Ball(value, tangent)


def _matmul(step: Step, a: Ball, b: Ball) -> Ball:
    batch, rows, inner, columns = step.params["sizes"]
    left = a.value.reshape(batch, rows, inner)
    right = b.value.reshape(batch, inner, columns)
    values = [product(left[at], right[at]) for at in range(batch)]
    tangent = None
    if b.tangent is not None:
        width = b.tangent.shape[1]
        moved = b.tangent.reshape(batch, inner, columns * width)
        tangent = [product(left[at], moved[at]) for at in range(batch)]
        tangent = np.concatenate(tangent).reshape(-1, width)
    if a.tangent is not None:
        width = a.tangent.shape[1]
        moved = np.moveaxis(a.tangent.reshape(batch, rows, inner, width), 3, 2).reshape(batch, -1, inner)
        parts = [product(moved[at], right[at]).reshape(rows, width, columns) for at in range(batch)]
        tangent = _added(tangent, np.moveaxis(np.array(parts, dtype=object), 2, 3).reshape(-1, width))
    return Ball(np.concatenate(values).ravel(), tangent)


RULES: dict[str, Callable] = {
    **{name: _analytic(function) for name, function in ANALYTIC.items()},
    "abs": _abs,
    "add": _add,
    "add_any": _add,
    "atan2": _atan2,
    "ceil": _stairs(arb.ceil),
    "clamp": _clamp,
    "convert_element_type": _convert,
    **dict.fromkeys(DATA_OPERANDS, _dynamic_move),
    "div": _div,
    "eq": _compare((0,)),
    "eq_to": _compare((0,)),
    "floor": _stairs(arb.floor),
    "ge": _compare((0, 1)),
    "gt": _compare((1,)),
    "integer_pow": _integer_pow,
    "is_finite": _is_finite,
    "le": _compare((-1, 0)),
    "linear": _linear,
    "logaddexp": _logaddexp,
    "le_to": _compare((-1, 0)),
    "lt": _compare((-1,)),
    "lt_to": _compare((-1,)),
    "matmul": _matmul,
    "max": _extreme(1),
    "min": _extreme(-1),
    "move": _move,
    "mul": _mul,
    "ne": _compare((-1, 1)),
    "pow": _pow,
    "rem": _rem,
    "round": _stairs(_nearest),
    "select_n": _select,
    "sign": _sign,
    "stop_gradient": lambda step, a: Ball(a.value),
    "sub": _sub,
}
