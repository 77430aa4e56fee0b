"""How rounding errors pass through arithmetic and elementary functions, all points at once."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from fpanalysis.arithmetic._elementary import ELEMENTARY, Elementary
from fpanalysis.arithmetic._pairs import Pair, exactly, rounded, whole
from fpanalysis.arithmetic._program import Step


def _dtype(step: Step) -> Any:
    return step.results[0].dtype


def _is_float(step: Step) -> bool:
    return step.results[0].is_float


def _elementary(function: Elementary) -> Callable:
    def rule(step: Step, a: Pair) -> Pair:
        reach = a.reach
        value = function.value(a.value)
        slope = function.slope(a.value - reach, a.value + reach)
        bound = np.where(a.bound == 0, 0.0, a.bound * slope)
        at_ends = function.value(a.value - reach), function.value(a.value + reach)
        over = np.isinf(value) & np.isfinite(a.bound) & np.isinf(at_ends[0]) & np.isinf(at_ends[1])
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
            return whole(np.add if sign > 0 else np.subtract)(step, a, b)
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
        return whole(np.multiply)(step, a, b)
    value = a.value * b.value
    bound = (np.abs(a.value) + a.bound) * b.bound + (np.abs(b.value) + b.bound) * a.bound + a.bound * b.bound
    zero = ((a.value == 0) & (a.bound == 0)) | ((b.value == 0) & (b.bound == 0))
    zero = zero & np.isfinite(value)
    pair = rounded(_dtype(step), value, np.where(zero, 0.0, bound), 1.0, zero)
    over = np.isinf(value) & (np.abs(a.value) > a.reach) & (np.abs(b.value) > b.reach)
    return Pair(pair.value, np.where(over, 0.0, pair.bound))


def _div(step: Step, a: Pair, b: Pair) -> Pair:
    if not _is_float(step):
        return whole(_truncated_quotient)(step, a, b)
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
        return whole(lambda value: value**power)(step, a)
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


def _truncated_quotient(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.trunc(a / np.where(b == 0, 1, b))


ARITHMETIC: dict[str, Callable] = {
    **{name: _elementary(function) for name, function in ELEMENTARY.items()},
    "abs": _abs,
    "add": _sum(1.0),
    "add_any": _sum(1.0),
    "atan2": _atan2,
    "div": _div,
    "integer_pow": _integer_pow,
    "logaddexp": _logaddexp,
    "mul": _mul,
    "neg": _neg,
    "pow": _pow,
    "rsqrt": _rsqrt,
    "sqrt": _sqrt,
    "square": _square,
    "sub": _sum(-1.0),
}
