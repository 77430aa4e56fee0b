"""What floating-point arithmetic makes of one elementary function: its slope, and how XLA rounds it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special

SQRT_PI = np.sqrt(np.pi)


class Elementary(NamedTuple):
    """A function of one number.

    Args:
        value: the function, of an array.
        slope: `(lo, hi) ->` the largest modulus of its derivative between the two.
        ulps: `(x, value) ->` how many units `eps · |value|` XLA's result on the CPU may be off, for any
            of the dtypes; measured against arbitrary precision (`tests/test_arithmetic.py`), with a margin.
        zero: whether it is exactly 0 at exactly 0.
    """

    value: Callable
    slope: Callable
    ulps: Callable
    zero: bool = False


def _largest(lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(lo), np.abs(hi))


def _smallest(lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    return np.where((lo <= 0) & (hi >= 0), 0.0, np.minimum(np.abs(lo), np.abs(hi)))


def _positive(lo: np.ndarray, slope: np.ndarray) -> np.ndarray:
    return np.where(lo > 0, slope, np.inf)


def _tanh_slope(lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    decay = np.exp(-2 * _smallest(lo, hi))
    return 4 * decay / (1 + decay) ** 2


def _logistic_slope(lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    decay = np.exp(-_smallest(lo, hi))
    return decay / (1 + decay) ** 2


def _tan_slope(lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    least = np.abs(np.cos((lo + hi) / 2)) - (hi - lo) / 2
    return _positive(least, least**-2.0)


def _sin_slope(lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    return np.minimum(1.0, np.abs(np.cos((lo + hi) / 2)) + (hi - lo) / 2)


def _cos_slope(lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    return np.minimum(1.0, np.abs(np.sin((lo + hi) / 2)) + (hi - lo) / 2)


def _inside_one(lo: np.ndarray, hi: np.ndarray, power: float) -> np.ndarray:
    largest = _largest(lo, hi)
    return _positive(1 - largest, ((1 - largest) * (1 + largest)) ** -power)


def _gauss(lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    return 2 / SQRT_PI * np.exp(-(_smallest(lo, hi) ** 2))


def _flat(count: int) -> Callable:
    return lambda x, value: count


def _growing(count: int) -> Callable:
    # XLA shifts the argument, multiplies it, or fuses exp(a) · exp(b) to exp(a + b): the argument rounds too.
    return lambda x, value: count + np.abs(x)


def _absolute(count: int) -> Callable:
    return lambda x, value: count * (1 + 1 / np.abs(value))


ELEMENTARY = {
    "acos": Elementary(np.arccos, lambda lo, hi: _inside_one(lo, hi, 0.5), _absolute(3)),
    "acosh": Elementary(
        np.arccosh, lambda lo, hi: _positive(lo - 1, 1 / np.sqrt((lo - 1) * (lo + 1))), _flat(5)
    ),
    "asin": Elementary(np.arcsin, lambda lo, hi: _inside_one(lo, hi, 0.5), _flat(4), True),
    "asinh": Elementary(np.arcsinh, lambda lo, hi: 1 / np.hypot(1, _smallest(lo, hi)), _flat(4), True),
    "atan": Elementary(np.arctan, lambda lo, hi: 1 / (1 + _smallest(lo, hi) ** 2), _flat(3), True),
    "atanh": Elementary(np.arctanh, lambda lo, hi: _inside_one(lo, hi, 1.0), _flat(200), True),
    "cbrt": Elementary(np.cbrt, lambda lo, hi: np.cbrt(_smallest(lo, hi)) ** -2.0 / 3, _flat(5), True),
    "cos": Elementary(np.cos, _cos_slope, _flat(2)),
    "cosh": Elementary(np.cosh, lambda lo, hi: np.sinh(_largest(lo, hi)), _growing(6)),
    "digamma": Elementary(
        special.digamma, lambda lo, hi: _positive(lo, special.polygamma(1, lo)), _absolute(32)
    ),
    "erf": Elementary(special.erf, _gauss, _flat(5), True),
    "erfc": Elementary(special.erfc, _gauss, lambda x, value: 8 + x * x),
    "exp": Elementary(np.exp, lambda lo, hi: np.exp(hi), _growing(2)),
    "exp2": Elementary(np.exp2, lambda lo, hi: np.exp2(hi) * np.log(2), _growing(4)),
    "expm1": Elementary(np.expm1, lambda lo, hi: np.exp(hi), _growing(6), True),
    "lgamma": Elementary(
        special.gammaln,
        lambda lo, hi: _positive(lo, np.maximum(np.abs(special.digamma(lo)), np.abs(special.digamma(hi)))),
        _absolute(32),
    ),
    "log": Elementary(np.log, lambda lo, hi: _positive(lo, 1 / lo), _flat(2)),
    "log1p": Elementary(
        np.log1p,
        lambda lo, hi: _positive(1 + lo, 1 / (1 + lo)),
        # The polynomial that is used for small arguments is poor at the left end of its range.
        lambda x, value: np.where((x > -0.45) & (x < -0.3), 200.0, 4.0),
        True,
    ),
    "logistic": Elementary(special.expit, _logistic_slope, _flat(4)),
    "sin": Elementary(np.sin, _sin_slope, _flat(2), True),
    "sinh": Elementary(np.sinh, lambda lo, hi: np.cosh(_largest(lo, hi)), _growing(6), True),
    "tan": Elementary(np.tan, _tan_slope, _flat(3), True),
    "tanh": Elementary(np.tanh, _tanh_slope, _flat(6), True),
}
