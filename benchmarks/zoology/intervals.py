"""Interval arithmetic with first derivatives, for many boxes at once.

Every operation rounds outwards by a few units in the last place, more than the elementary functions of
NumPy are off, so that the true values lie inside. Source: Moore, Kearfott and Cloud 2009, Introduction to
Interval Analysis.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from zoology.arithmetic import Arithmetic

ULPS = 8 * np.finfo(float).eps
TINY = 1e-300


class Interval:
    """Lower and upper bounds, arrays of one shape."""

    __array_ufunc__ = None

    def __init__(self, lo: Any, hi: Any) -> None:
        self.lo, self.hi = lo, hi

    def __add__(self, other: "Interval") -> "Interval":
        return outward(self.lo + other.lo, self.hi + other.hi)

    def __neg__(self) -> "Interval":
        return Interval(-self.hi, -self.lo)

    def __sub__(self, other: "Interval") -> "Interval":
        return self + (-other)

    def __mul__(self, other: "Interval") -> "Interval":
        with np.errstate(invalid="ignore"):
            ends = [a * b for a in (self.lo, self.hi) for b in (other.lo, other.hi)]
        # 0 · ∞ is 0 here: the bound is infinite, the number is not.
        ends = [np.nan_to_num(end, nan=0.0, posinf=np.inf, neginf=-np.inf) for end in ends]
        return outward(np.minimum.reduce(ends), np.maximum.reduce(ends))

    def inverse(self) -> "Interval":
        """Return 1/x, everything where 0 is inside."""
        around = (self.lo <= 0) & (self.hi >= 0)
        lo, hi = np.where(around, 1.0, self.lo), np.where(around, 1.0, self.hi)
        out = outward(1 / hi, 1 / lo)
        return Interval(np.where(around, -np.inf, out.lo), np.where(around, np.inf, out.hi))

    def power(self, k: int) -> "Interval":
        """Return the k-th power for k ≥ 0."""
        if k == 0:
            return Interval(np.ones_like(self.lo), np.ones_like(self.hi))
        a, b = self.lo**k, self.hi**k
        if k % 2:
            return outward(a, b)
        around = (self.lo < 0) & (self.hi > 0)
        return outward(np.where(around, 0.0, np.minimum(a, b)), np.maximum(a, b))

    def monotone(self, f: Callable) -> "Interval":
        """Return the image under an increasing function."""
        return outward(f(self.lo), f(self.hi))

    def __getitem__(self, index: Any) -> "Interval":
        return Interval(self.lo[index], self.hi[index])


def outward(lo: Any, hi: Any) -> Interval:
    """Return bounds rounded outwards."""
    return Interval(lo - ULPS * np.abs(lo) - TINY, hi + ULPS * np.abs(hi) + TINY)


def exactly(value: Any) -> Interval:
    """Return numbers as intervals without width."""
    value = np.asarray(value, float)
    return Interval(value, value)


class Dual:
    """Values `(box, …)` and their derivatives `(box, …, unknown)` over boxes, as intervals."""

    __array_ufunc__ = None

    def __init__(self, value: Interval, gradient: Interval) -> None:
        self.value, self.gradient = value, gradient

    @staticmethod
    def over(lo: np.ndarray, hi: np.ndarray) -> "Dual":
        """Return the unknowns themselves over boxes `(box, unknown)`."""
        eye = np.broadcast_to(np.eye(lo.shape[1]), (*lo.shape, lo.shape[1]))
        return Dual(Interval(lo, hi), exactly(eye))

    def chain(self, value: Interval, slope: Interval) -> "Dual":
        """Return a function of this with the given value and derivative."""
        return Dual(value, Interval(slope.lo[..., None], slope.hi[..., None]) * self.gradient)

    def __getitem__(self, index: tuple) -> "Dual":
        return Dual(self.value[index], self.gradient[(*index, slice(None))])

    def __add__(self, other: Any) -> "Dual":
        if isinstance(other, Dual):
            return Dual(self.value + other.value, self.gradient + other.gradient)
        return Dual(self.value + exactly(other), self.gradient)

    def __neg__(self) -> "Dual":
        return Dual(-self.value, -self.gradient)

    def __sub__(self, other: Any) -> "Dual":
        return self + (-other)

    def __rsub__(self, other: Any) -> "Dual":
        return (-self) + other

    def __mul__(self, other: Any) -> "Dual":
        if isinstance(other, Dual):
            left = self.chain(self.value * other.value, other.value)
            return Dual(left.value, left.gradient + other.chain(left.value, self.value).gradient)
        return self.chain(self.value * exactly(other), exactly(other))

    def __truediv__(self, other: Any) -> "Dual":
        if isinstance(other, Dual):
            inverse = other.value.inverse()
            return self * other.chain(inverse, -(inverse * inverse))
        return self.chain(self.value * exactly(other).inverse(), exactly(other).inverse())

    def __rtruediv__(self, other: Any) -> "Dual":
        inverse = self.value.inverse()
        return self.chain(inverse, -(inverse * inverse)) * other

    def __pow__(self, k: int) -> "Dual":
        return self.chain(self.value.power(k), exactly(float(k)) * self.value.power(k - 1))

    def __matmul__(self, matrix: np.ndarray) -> "Dual":
        value = _times(self.value, matrix)
        lo, hi = (np.swapaxes(end, -1, -2) for end in (self.gradient.lo, self.gradient.hi))
        gradient = _times(Interval(lo, hi), matrix)
        return Dual(value, Interval(np.swapaxes(gradient.lo, -1, -2), np.swapaxes(gradient.hi, -1, -2)))

    __radd__, __rmul__ = __add__, __mul__


def _times(x: Interval, matrix: np.ndarray) -> Interval:
    """Return the product of row vectors with a matrix; every entry enters once, so the bounds are sharp."""
    up, down = np.maximum(matrix, 0.0), np.minimum(matrix, 0.0)
    slack = (len(matrix) + 4) * ULPS * (np.maximum(np.abs(x.lo), np.abs(x.hi)) @ np.abs(matrix)) + TINY
    return Interval(x.lo @ up + x.hi @ down - slack, x.hi @ up + x.lo @ down + slack)


def _tanh(x: Dual) -> Dual:
    t = x.value.monotone(np.tanh)
    return x.chain(t, exactly(1.0) - t.power(2))


def _logistic(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


def _sigmoid(x: Dual) -> Dual:
    s = x.value.monotone(_logistic)
    return x.chain(s, exactly(0.25) - (s - exactly(0.5)).power(2))


def _exp(x: Dual) -> Dual:
    with np.errstate(over="ignore"):
        e = x.value.monotone(np.exp)
    return x.chain(e, e)


def _cosine(x: Interval) -> Interval:
    ends = np.cos(x.lo), np.cos(x.hi)
    turn = 2 * np.pi
    # Wider by a little than the box, so that a rounded multiple of π is not missed.
    lo, hi = x.lo - 1e-12, x.hi + 1e-12
    has_top = np.floor(hi / turn) >= np.ceil(lo / turn)
    has_bottom = np.floor((hi - np.pi) / turn) >= np.ceil((lo - np.pi) / turn)
    low = np.where(has_bottom, -1.0, np.minimum(*ends))
    return outward(low, np.where(has_top, 1.0, np.maximum(*ends)))


def _sine(x: Interval) -> Interval:
    return _cosine(outward(x.lo - np.pi / 2, x.hi - np.pi / 2))


def _cosh(x: Dual) -> Dual:
    e = _exp(x)
    return 0.5 * (e + 1.0 / e)


def _sqrt(x: Dual) -> Dual:
    root = x.value.monotone(np.sqrt)
    return x.chain(root, (root + root).inverse())


def _linoid_value(x: np.ndarray) -> np.ndarray:
    y = np.where(x == 0, 1.0, x)
    with np.errstate(over="ignore"):
        return np.where(x == 0, 1.0, y / -np.expm1(-y))


def _linoid_slope(x: np.ndarray) -> np.ndarray:
    # It grows from 0 to 1; near 0, where its formula cancels, by its series.
    near = np.abs(x) < 1e-2
    y = np.clip(np.where(near, 1.0, x), -600.0, 600.0)
    e = -np.expm1(-y)
    return np.where(near, 0.5 + x / 6 - x**3 / 180, 1 / e - y * np.exp(-y) / e**2)


def _linoid(x: Dual) -> Dual:
    lo, hi = _linoid_slope(x.value.lo), _linoid_slope(x.value.hi)
    # Room for what the series and the cancellation leave.
    return x.chain(x.value.monotone(_linoid_value), Interval(lo - 1e-9, hi + 1e-9))


def _stack(entries: Sequence[Dual]) -> Dual:
    def ends(side: str, part: str, axis: int) -> np.ndarray:
        return np.stack([getattr(getattr(entry, part), side) for entry in entries], axis)

    return Dual(
        Interval(ends("lo", "value", -1), ends("hi", "value", -1)),
        Interval(ends("lo", "gradient", -2), ends("hi", "gradient", -2)),
    )


def _relu(x: Dual) -> Dual:
    # On a kink every slope from 0 to 1 counts; that bounds all differences, and Krawczyk needs no more.
    slope = Interval((x.value.lo > 0).astype(float), (x.value.hi >= 0).astype(float))
    return x.chain(Interval(np.maximum(x.value.lo, 0.0), np.maximum(x.value.hi, 0.0)), slope)


def _join(parts: Sequence[Dual]) -> Dual:
    def ends(side: str, part: str, axis: int) -> np.ndarray:
        return np.concatenate([getattr(getattr(piece, part), side) for piece in parts], axis)

    return Dual(
        Interval(ends("lo", "value", -1), ends("hi", "value", -1)),
        Interval(ends("lo", "gradient", -2), ends("hi", "gradient", -2)),
    )


ON_BOXES = Arithmetic(
    _exp,
    lambda x: x.chain(x.value.monotone(np.log), x.value.inverse()),
    _tanh,
    _sigmoid,
    lambda x: x.chain(_sine(x.value), _cosine(x.value)),
    lambda x: x.chain(_cosine(x.value), -_sine(x.value)),
    _cosh,
    _sqrt,
    _relu,
    lambda x: _relu(x) + _relu(-x),
    _linoid,
    _stack,
    _join,
)
