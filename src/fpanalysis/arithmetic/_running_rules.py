"""How values and their rounding errors pass through each operation, all points at once."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from fpanalysis.arithmetic._data import element_sources, split_operands
from fpanalysis.arithmetic._elementary import ELEMENTARY, Elementary
from fpanalysis.arithmetic._moves import DATA_OPERANDS
from fpanalysis.arithmetic._pairs import Pair, exactly, rounded
from fpanalysis.arithmetic._program import Step, is_narrow

HALF_EPS = 0.5


def _dtype(step: Step) -> Any:
    return step.results[0].dtype


def _is_float(step: Step) -> bool:
    return step.results[0].is_float


def _spread(pair: Pair, *others: Pair) -> tuple[np.ndarray, ...]:
    """Return values and bounds of several operands in one shape."""
    return np.broadcast_arrays(pair.value, pair.bound, *[part for other in others for part in other])


# Arithmetic


def _elementary(function: Elementary) -> Callable:
    def rule(step: Step, a: Pair) -> Pair:
        reach = a.reach
        value = function.value(a.value)
        slope = function.slope(a.value - reach, a.value + reach)
        bound = np.where(a.bound == 0, 0.0, a.bound * slope)
        over = np.isinf(value) & np.isfinite(a.bound) & np.isinf(function.value(a.value - reach))
        bound = np.where(over | (np.isinf(a.value) & (a.bound == 0)), 0.0, bound)
        ulps = np.where(value == 0, 1.0, function.ulps(a.value, value))
        is_zero = (a.value == 0) & (a.bound == 0) if function.zero else False
        pair = rounded(_dtype(step), value, bound, ulps, is_zero)
        # Saturated at an argument that overflows, or overflowing itself.
        off = np.where(
            np.isinf(a.value) & (a.bound == 0) & np.isfinite(value), _rounding(step, value), pair.bound
        )
        return Pair(pair.value, np.where(over, 0.0, off))

    return rule


def _rounding(step: Step, value: np.ndarray) -> np.ndarray:
    info = jnp.finfo(_dtype(step))
    return 8 * float(info.eps) * np.abs(value) + float(info.tiny)


def _sum(sign: float) -> Callable:
    def rule(step: Step, a: Pair, b: Pair) -> Pair:
        if not _is_float(step):
            return _whole(np.add if sign > 0 else np.subtract)(step, a, b)
        value = a.value + sign * b.value
        pair = rounded(_dtype(step), value, a.bound + b.bound)
        over = np.isinf(value) & np.isfinite(a.bound) & np.isfinite(b.bound)
        bound = np.where(over, 0.0, pair.bound)
        # (a + c) + d becomes a + (c + d), and c + d rounds
        bound = bound + float(jnp.finfo(_dtype(step)).eps) * step.hints.get("literals", 0.0)
        return Pair(pair.value, bound)

    return rule


def _mul(step: Step, a: Pair, b: Pair) -> Pair:
    if not _is_float(step):
        return _whole(np.multiply)(step, a, b)
    value = a.value * b.value
    bound = (np.abs(a.value) + a.bound) * b.bound + (np.abs(b.value) + b.bound) * a.bound + a.bound * b.bound
    zero = ((a.value == 0) & (a.bound == 0)) | ((b.value == 0) & (b.bound == 0))
    zero = zero & np.isfinite(value)
    pair = rounded(_dtype(step), value, np.where(zero, 0.0, bound), 1.0, zero)
    over = np.isinf(value) & (np.abs(a.value) > a.reach) & (np.abs(b.value) > b.reach)
    return Pair(pair.value, np.where(over, 0.0, pair.bound))


def _div(step: Step, a: Pair, b: Pair) -> Pair:
    if not _is_float(step):
        return _whole(_truncated_quotient)(step, a, b)
    dtype = _dtype(step)
    value = a.value / b.value
    least = np.abs(b.value) - b.reach
    quotient = (np.abs(a.value) + a.bound) / (np.abs(b.value) - b.bound)
    bound = np.where(least > 0, (a.bound + quotient * b.bound) / least, np.inf)
    # One over infinity is zero, and one over what overflowed is next to it.
    beyond = np.isinf(b.value) & (b.bound == 0) & np.isfinite(a.value)
    bound = np.where(beyond, (np.abs(a.value) + a.bound) / float(jnp.finfo(dtype).max), bound)
    zero = (a.value == 0) & (a.bound == 0) & (least > 0)
    # A division by a constant becomes a multiplication by its reciprocal, which has rounded as well.
    return rounded(dtype, value, np.where(zero, 0.0, bound), 2.0, zero)


def _neg(step: Step, a: Pair) -> Pair:
    return Pair(-a.value, a.bound)


def _abs(step: Step, a: Pair) -> Pair:
    return Pair(np.abs(a.value), a.bound)


def _square(step: Step, a: Pair) -> Pair:
    return _integer_power(step, a, 2)


def _integer_pow(step: Step, a: Pair) -> Pair:
    return _integer_power(step, a, step.params["y"])


def _integer_power(step: Step, a: Pair, power: int) -> Pair:
    if not _is_float(step):
        return _whole(lambda value: value**power)(step, a)
    if power == 0:
        return exactly(np.ones(a.value.shape))
    if power < 0:
        return _div(step, exactly(np.ones((1, 1))), _integer_power(step, a, -power))
    size = np.abs(a.value) + a.reach
    slope = power * size ** (power - 1)
    bound = np.where(a.bound == 0, 0.0, slope * a.bound)
    zero = (a.value == 0) & (a.bound == 0)
    pair = rounded(_dtype(step), a.value**power, bound, float(power), zero)
    # Intermediate powers that underflow are multiplied on.
    tiny = float(jnp.finfo(_dtype(step)).tiny)
    return Pair(pair.value, pair.bound + np.where(zero, 0.0, tiny * power * np.maximum(1.0, size) ** power))


def _sqrt(step: Step, a: Pair) -> Pair:
    value = np.sqrt(a.value)
    least = a.value - a.reach
    # Of a number that is zero but for underflow, nothing worse than the root of that is made.
    almost = (a.value >= 0) & (a.value + a.reach < 1e-290)
    bound = np.where(least > 0, a.bound / (2 * np.sqrt(np.maximum(least, 0))), np.inf)
    bound = np.where(almost & (least <= 0), np.sqrt(a.value + a.reach), bound)
    zero = (a.value == 0) & (a.bound == 0)
    return rounded(_dtype(step), value, np.where(a.bound == 0, 0.0, bound), 1.0, zero)


def _rsqrt(step: Step, a: Pair) -> Pair:
    least = a.value - a.reach
    bound = np.where(least > 0, a.bound * 0.5 * np.abs(least) ** -1.5, np.inf)
    return rounded(_dtype(step), a.value**-0.5, bound, 2.0, False)


def _pow(step: Step, a: Pair, b: Pair) -> Pair:
    if not step.operands[1].is_float:
        b = exactly(b.value.astype(float))
    value = a.value**b.value
    lo, hi = a.value - a.reach, a.value + a.reach
    positive = lo > 0
    logarithm = np.maximum(np.abs(np.log(lo)), np.abs(np.log(hi)))
    exponent = np.abs(b.value) + b.reach
    # The logarithm of the result moves by this much.
    moved = logarithm * b.reach + exponent * a.reach / lo
    bound = np.where(positive, np.abs(value) * np.expm1(moved), np.inf)
    whole = (b.bound == 0) & (b.value == np.round(b.value)) & (b.value >= 1)
    size = np.abs(a.value) + a.reach
    bound = np.where(~positive & whole, exponent * size ** (exponent - 1) * a.bound, bound)
    exact = (a.bound == 0) & (b.bound == 0)
    bound = np.where(exact, 0.0, bound)
    # exp(a)^b becomes exp(a · b), whose argument rounds.
    ulps = 4.0 + np.where(positive, exponent * logarithm, exponent)
    return rounded(_dtype(step), value, bound, ulps, False)


def _atan2(step: Step, a: Pair, b: Pair) -> Pair:
    value = np.arctan2(a.value, b.value)
    distance = np.hypot(a.value, b.value) - np.hypot(a.reach, b.reach)
    crosses = (np.abs(a.value) <= a.reach) & (a.bound > 0) & (b.value - b.reach <= 0)
    bound = np.where(distance > 0, np.hypot(a.bound, b.bound) / distance, np.inf)
    bound = np.where((a.bound == 0) & (b.bound == 0), 0.0, np.where(crosses, 2 * np.pi, bound))
    return rounded(_dtype(step), value, np.minimum(bound, 2 * np.pi), 4.0)


def _logaddexp(step: Step, a: Pair, b: Pair) -> Pair:
    """Log of the sum of two exponentials, as max + log1p(exp(−|a − b|))."""
    top = np.maximum(a.value, b.value)
    value = np.logaddexp(a.value, b.value)
    eps = float(jnp.finfo(_dtype(step)).eps)
    gap = np.abs(a.value - b.value)
    rest = np.exp(-gap)
    # Weights of the two, never more than one in sum; a saturated one passes on its own error only.
    weight = 1 / (1 + np.exp(np.maximum(gap - a.reach - b.reach, 0.0)))
    of_a, of_b = np.where(a.value >= b.value, 1.0, weight), np.where(b.value >= a.value, 1.0, weight)
    bound = of_a * a.bound + of_b * b.bound
    inner = rest * (8 + gap + gap) * eps
    return rounded(_dtype(step), value, bound + inner + eps * np.abs(top) * (top != 0), 1.0)


# Choices


def _max(step: Step, a: Pair, b: Pair) -> Pair:
    return _extreme(np.maximum, step, a, b)


def _min(step: Step, a: Pair, b: Pair) -> Pair:
    return _extreme(np.minimum, step, a, b)


def _extreme(choose: Callable, step: Step, a: Pair, b: Pair) -> Pair:
    value, at, bt = choose(a.value, b.value), a.bound, b.bound
    apart = np.abs(a.value - b.value) > a.reach + b.reach
    first = value == a.value
    return Pair(value, np.where(apart, np.where(first, at, bt), np.maximum(at, bt)))


def _clamp(step: Step, low: Pair, a: Pair, high: Pair) -> Pair:
    return _extreme(np.minimum, step, _extreme(np.maximum, step, a, low), high)


def _sign(step: Step, a: Pair) -> Pair:
    return Pair(np.sign(a.value), np.where((np.abs(a.value) > a.reach) | (a.bound == 0), 0.0, 2.0))


def _stairs(function: Callable) -> Callable:
    def rule(step: Step, a: Pair) -> Pair:
        return Pair(function(a.value), function(a.value + a.reach) - function(a.value - a.reach))

    return rule


def _round(step: Step, a: Pair) -> Pair:
    away = str(step.params.get("rounding_method", 0)).endswith("0") or "AWAY" in str(
        step.params.get("rounding_method")
    )
    function = (lambda v: np.sign(v) * np.floor(np.abs(v) + 0.5)) if away else np.round
    return _stairs(function)(step, a)


def _rem(step: Step, a: Pair, b: Pair) -> Pair:
    if not _is_float(step):
        return _whole(np.fmod)(step, a, b)
    value = np.fmod(a.value, b.value)
    quotient = a.value / b.value
    error = (a.reach + np.abs(quotient) * b.reach) / np.abs(b.value) + 4e-16 * np.abs(quotient)
    steady = np.trunc(quotient - error) == np.trunc(quotient + error)
    exact = (a.bound == 0) & (b.bound == 0)
    bound = np.where(steady, a.bound + (np.abs(quotient) + 1) * b.bound, 2 * (np.abs(b.value) + b.bound))
    return rounded(_dtype(step), value, np.where(exact, 0.0, bound), 0.0)


def select(step: Step | None, predicate: Pair, *cases: Pair) -> Pair:
    """Choose by point and element; where the choice is uncertain, the bound reaches over all cases."""
    which = predicate.value.astype(int)
    shape = np.broadcast_shapes(which.shape, *[case.value.shape for case in cases])
    which = np.broadcast_to(which, shape)
    value, bound = cases[0].value, cases[0].bound
    for at, case in enumerate(cases[1:], 1):
        value = np.where(which == at, case.value, value)
        bound = np.where(which == at, case.bound, bound)
    if np.any(predicate.bound > 0):
        values = [np.broadcast_to(case.value.astype(float), shape) for case in cases]
        spread = np.max(values, axis=0) - np.min(values, axis=0)
        reach = 3 * np.max([np.broadcast_to(case.bound, shape) for case in cases], axis=0)
        over_all = np.where(np.isnan(spread + reach), np.inf, spread + reach)
        bound = np.where(predicate.bound > 0, over_all, bound)
    if value.dtype.kind in "bui":
        bound = np.where(bound > 0, np.inf, 0.0)
    return Pair(np.broadcast_to(value, shape), np.broadcast_to(bound, shape))


# Truth values


def _compare(function: Callable) -> Callable:
    def rule(step: Step, a: Pair, b: Pair) -> Pair:
        value = function(a.value, b.value)
        if step.inputs[0] == step.inputs[1]:  # the test for NaN
            certain = np.isfinite(a.bound) & ~np.isnan(a.value)
        else:
            difference = np.abs(a.value.astype(float) - b.value.astype(float))
            overflowed = np.isinf(a.value) ^ np.isinf(b.value)
            certain = (difference > a.reach + b.reach) | ((a.bound == 0) & (b.bound == 0) & ~overflowed)
            certain = certain | (overflowed & (a.bound == 0) & (b.bound == 0))
        return Pair(value, np.where(certain, 0.0, np.inf))

    return rule


def _is_finite(step: Step, a: Pair) -> Pair:
    return Pair(np.isfinite(a.value), np.where(np.isfinite(a.bound) & ~np.isnan(a.value), 0.0, np.inf))


def _and(step: Step, a: Pair, b: Pair) -> Pair:
    return _logical(np.bitwise_and, False, step, a, b)


def _or(step: Step, a: Pair, b: Pair) -> Pair:
    return _logical(np.bitwise_or, True, step, a, b)


def _logical(function: Callable, decides: bool, step: Step, a: Pair, b: Pair) -> Pair:
    if np.dtype(_dtype(step)) != np.dtype(bool):
        return _whole(function)(step, a, b)
    decided = ((a.value == decides) & (a.bound == 0)) | ((b.value == decides) & (b.bound == 0))
    return Pair(function(a.value, b.value), np.where(decided, 0.0, a.bound + b.bound))


def _not(step: Step, a: Pair) -> Pair:
    return Pair(np.invert(a.value), a.bound)


def _whole(function: Callable) -> Callable:
    """Make a rule for integers, element by element."""

    def rule(step: Step, *operands: Pair) -> Pair:
        value = function(*[pair.value for pair in operands]).astype(_dtype(step))
        bound = sum((pair.bound for pair in operands), np.zeros((1, 1)))
        return Pair(value, np.broadcast_to(bound, value.shape))

    return rule


def _truncated_quotient(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.trunc(a / np.where(b == 0, 1, b))


def _convert(step: Step, a: Pair) -> Pair:
    source, target = step.operands[0], step.results[0]
    if not target.is_float:
        if source.is_float:
            whole = np.trunc(a.value)
            certain = np.trunc(a.value - a.reach) == np.trunc(a.value + a.reach)
            certain = certain & (np.abs(whole) < 2.0**31)
            if np.dtype(target.dtype) == np.dtype(bool):
                whole, certain = a.value != 0, (np.abs(a.value) > a.reach) | (a.bound == 0)
            return Pair(np.nan_to_num(whole).astype(target.dtype), np.where(certain, 0.0, np.inf))
        return Pair(a.value.astype(target.dtype), a.bound)
    value = a.value.astype(float)
    if source.is_float and jnp.finfo(source.dtype).eps >= jnp.finfo(target.dtype).eps:
        return Pair(value, np.where(np.isinf(value), np.inf, a.bound))
    exact = not source.is_float and not is_narrow(target.dtype)
    ulps = 0.0 if exact and np.all(np.abs(value) < 2.0**53) else 1.0
    return rounded(target.dtype, value, a.bound, ulps, (value == 0) & (a.bound == 0) | (ulps == 0))


# Sums and other reductions


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
    return (count + 1) * HALF_EPS * float(jnp.finfo(_dtype(step)).eps)


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


RULES: dict[str, Callable] = {
    **{name: _elementary(function) for name, function in ELEMENTARY.items()},
    "abs": _abs,
    "add": _sum(1.0),
    "add_any": _sum(1.0),
    "and": _and,
    "atan2": _atan2,
    "ceil": _stairs(np.ceil),
    "clamp": _clamp,
    "convert_element_type": _convert,
    **dict.fromkeys(DATA_OPERANDS, _dynamic_move),
    "div": _div,
    "eq": _compare(np.equal),
    "eq_to": _compare(np.equal),
    "floor": _stairs(np.floor),
    "ge": _compare(np.greater_equal),
    "gt": _compare(np.greater),
    "integer_pow": _integer_pow,
    "is_finite": _is_finite,
    "le": _compare(np.less_equal),
    "linear": _linear,
    "logaddexp": _logaddexp,
    "le_to": _compare(np.less_equal),
    "lt": _compare(np.less),
    "lt_to": _compare(np.less),
    "matmul": _matmul,
    "max": _max,
    "min": _min,
    "move": _move,
    "mul": _mul,
    "ne": _compare(np.not_equal),
    "neg": _neg,
    "not": _not,
    "or": _or,
    "pow": _pow,
    "rem": _rem,
    "round": _round,
    "rsqrt": _rsqrt,
    "select_n": select,
    "sign": _sign,
    "sqrt": _sqrt,
    "square": _square,
    "stop_gradient": lambda step, a: a,
    "sub": _sum(-1.0),
}
