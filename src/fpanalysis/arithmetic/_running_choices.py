"""How rounding errors pass through choices, comparisons and conversions, all points at once."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from fpanalysis.arithmetic._pairs import Pair, rounded, whole
from fpanalysis.arithmetic._program import Step, is_narrow


def _dtype(step: Step) -> Any:
    return step.results[0].dtype


def _is_float(step: Step) -> bool:
    return step.results[0].is_float


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
        return whole(np.fmod)(step, a, b)
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
        return whole(function)(step, a, b)
    decided = ((a.value == decides) & (a.bound == 0)) | ((b.value == decides) & (b.bound == 0))
    return Pair(function(a.value, b.value), np.where(decided, 0.0, a.bound + b.bound))


def _not(step: Step, a: Pair) -> Pair:
    return Pair(np.invert(a.value), a.bound)


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


CHOICES: dict[str, Callable] = {
    "and": _and,
    "ceil": _stairs(np.ceil),
    "clamp": _clamp,
    "convert_element_type": _convert,
    "eq": _compare(np.equal),
    "eq_to": _compare(np.equal),
    "floor": _stairs(np.floor),
    "ge": _compare(np.greater_equal),
    "gt": _compare(np.greater),
    "is_finite": _is_finite,
    "le": _compare(np.less_equal),
    "le_to": _compare(np.less_equal),
    "lt": _compare(np.less),
    "lt_to": _compare(np.less),
    "max": _max,
    "min": _min,
    "ne": _compare(np.not_equal),
    "not": _not,
    "or": _or,
    "rem": _rem,
    "round": _round,
    "select_n": select,
    "sign": _sign,
    "stop_gradient": lambda step, a: a,
}
