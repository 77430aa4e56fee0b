"""The largest norm among all powers of one matrix, however late it comes."""

from typing import NamedTuple

import numpy as np

from fpanalysis.accurate_products import Accurate, multiply

# Powers below this are looked at one by one; of each octave beyond, so many samples.
_EXHAUSTIVE = 4096
_SAMPLES = 512
# So many samples are looked at more closely, again and again, until the powers next to them are known.
_BEST = 16
# A sample that is this much below the best one is not looked at more closely.
_HOPELESS = 0.8
# Powers nearly as large as the largest, among which a maximum in between may be the larger one.
NEARLY = 0.98
# Octaves after which even the slowest mode that counts as decaying has died out.
_OCTAVES = 60
_HUGE = 1e100
# Strides are multiples of none of these, lest all samples meet a rotation at the same phase.
_SMALL_PRIMES = 2 * 3 * 5 * 7 * 11 * 13
# Two ways to one power must agree this well, or the search is repeated with more digits, or given up.
_AGREEMENT = 1e-7
# Larger norms than this amplify rounding so much that 16 digits may show the peak in a wrong place.
_DELICATE = 1e6
# What the second way changes the matrix by, relatively: a few times the error of a product with 32 digits.
_CHANGE = 1e-31
# Directions that a power shrinks to this share of its norm are left out of the powers that follow.
_RANK = 1e-15
# Numbers in one batch of powers.
_BATCH = 2**22


class Peak(NamedTuple):
    """Where the powers of a matrix are largest.

    Attributes:
        norm: the largest 2-norm; NaN where rounding hides it, or the powers do not end.
        powers: which power has it, and others that are nearly as large as those next to them are smaller.
    """

    norm: float
    powers: list[int]


class _Samples(NamedTuple):
    """Norms of powers that are `stride` apart; 0 where a bound shows that they are small."""

    first: int
    stride: int
    norm: np.ndarray


def norms(matrix: np.ndarray) -> np.ndarray:
    """Return the 2-norms of matrices `(..., row, column)`; NaN of those that are not finite."""
    finite = np.asarray(np.isfinite(matrix).all(axis=(-2, -1)))
    known = np.where(finite[..., None, None], matrix, 0.0)
    return np.where(finite, np.linalg.svd(known, compute_uv=False).max(axis=-1, initial=0.0), np.nan)


class Powers:
    """Powers of a matrix, from squares of squares that are formed as they are needed."""

    def __init__(self, matrix: Accurate) -> None:
        self.squares = [matrix]

    def square(self, octave: int) -> Accurate:
        """Return `A^(2^octave)`, with 32 digits."""
        while len(self.squares) <= octave:
            self.squares.append(multiply(self.squares[-1], self.squares[-1]))
        return self.squares[octave]

    def power(self, k: int, exact: bool = True) -> Accurate:
        """Return `Aᵏ`, `k ≥ 1`; with 32 digits if `exact`."""
        factors = [self.square(octave) for octave in range(k.bit_length()) if k >> octave & 1]
        out, *others = factors if exact else [Accurate(factor.high, None) for factor in factors]
        for factor in others:
            out = multiply(factor, out)
        return out

    def norm(self, k: int) -> float:
        """Return `‖Aᵏ‖₂`, `k ≥ 1`."""
        return float(norms(self.power(k).high))

    def changed(self) -> "Powers":
        """Return the powers of a matrix that differs in the 31st digit, whose rounding errors are others."""
        high, low = self.squares[0]
        signs = np.random.default_rng(0).choice([-1.0, 1.0], high.shape)
        change = _CHANGE * signs * np.abs(high).max(initial=0.0)
        return Powers(Accurate(high, change if low is None else low + change))


def largest_power(powers: Powers, start: int, best: float) -> Peak:
    """Return the largest 2-norm of the powers `Aᵏ` with `k ≥ start`.

    Squares of squares reach late powers in few steps. They are formed with 32 digits, since their rounding
    errors grow with the power. One whose norm is at most 1 ends the search: `‖Aᵐ⁺ʳ‖ ≤ ‖Aᵐ‖ ‖Aʳ‖`, so that
    no later power is larger than all earlier ones. Up to there, powers below 4096 are looked at one by one,
    and of each octave beyond 512; around the best 16 of these samples there are 512 closer ones, and so on,
    until they are next to each other.

    The largest power is computed again with 32 digits. If the norms differ by more than 1e-7, or are so
    large that rounding may hide the peak, the search is repeated with 32 digits throughout. If the peak then
    moves by more than 1e-7 when the 31st digit of `A` is changed, its norm is NaN; so it is where no square
    ends the search.

    Args:
        powers: `A`, with both its parts.
        start: the first power, itself a power of two.
        best: the largest norm that is known from elsewhere, at least 1. What is clearly below it is skipped.
    """
    squares = _squares(powers)
    if squares is None:
        return Peak(np.nan, [])
    if max(squares, default=1.0) <= _DELICATE:
        peak = _search(powers, start, len(squares), best, exact=False)
        if peak.norm == 0.0:
            return peak
        if peak.powers and _agree(value := powers.norm(peak.powers[0]), peak.norm) and value <= _DELICATE:
            return Peak(value, peak.powers)
    peak = _search(powers, start, len(squares), best, exact=True)
    if not peak.powers or _agree(peak.norm, powers.changed().norm(peak.powers[0])):
        return peak
    return Peak(np.nan, [])


def _agree(one: float, other: float) -> bool:
    return abs(one - other) <= _AGREEMENT * one


def _squares(powers: Powers) -> list[float] | None:
    """Return the norms of `A`, `A²`, `A⁴`, … above 1; None where they do not end, as far as can be told."""
    out: list[float] = []
    for octave in range(_OCTAVES):
        norm = float(norms(powers.square(octave).high))
        if norm <= 1.0:
            return out
        if not norm <= _HUGE:
            return None
        out.append(norm)
    return None


def _search(powers: Powers, start: int, octaves: int, best: float, exact: bool) -> Peak:
    """Return the largest of the powers from `start` to `2^octaves`; NaN where samples contradict others."""
    found: list[_Samples] = []
    known = best
    for octave in range(start.bit_length() - 1, octaves):
        first = 1 << octave
        stride = 1 if first < _EXHAUSTIVE else _odd(first // _SAMPLES)
        part = _sampled(powers, first, stride, first // stride, _HOPELESS * best, exact)
        best = max(best, float(part.norm.max()))
        found.append(part)
    peak = _peak(_refined(powers, found, best, exact), best)
    return Peak(np.nan, []) if best > known and not peak.powers else peak


def _refined(powers: Powers, found: list[_Samples], best: float, exact: bool) -> list[_Samples]:
    """Return samples that are next to each other, around the best of those that are not."""
    dense = [part for part in found if part.stride == 1]
    coarse = [part for part in found if part.stride > 1]
    while coarse:
        closer: list[_Samples] = []
        for k, stride, _ in _maxima(coarse, _HOPELESS * best)[:_BEST]:
            first = max(k - stride, 1)
            step = -(-2 * stride // _SAMPLES)
            step = _odd(step) if step > 1 else 1
            closer.append(_sampled(powers, first, step, 2 * stride // step + 1, _HOPELESS * best, exact))
            best = max(best, float(closer[-1].norm.max()))
        dense += [part for part in closer if part.stride == 1]
        coarse = [part for part in closer if part.stride > 1]
    return dense


def _maxima(parts: list[_Samples], least: float) -> list[tuple[int, int, float]]:
    """Return samples larger than those next to them, largest first: powers, strides and norms."""
    out: list[tuple[int, int, float]] = []
    for first, stride, norm in parts:
        around = np.pad(norm, 1, constant_values=-1.0)
        is_top = (norm >= around[:-2]) & (norm > around[2:]) & (norm >= least)
        out += [(first + stride * int(t), stride, float(norm[t])) for t in np.flatnonzero(is_top)]
    return sorted(out, key=lambda sample: -sample[2])


def _peak(dense: list[_Samples], best: float) -> Peak:
    tops = _maxima(dense, NEARLY * best)
    powers = [k for k, _, norm in tops if norm >= NEARLY * tops[0][2]][:_BEST]
    return Peak(tops[0][2], list(dict.fromkeys(powers))) if tops else Peak(0.0, [])


def _odd(stride: int) -> int:
    """Return the next stride that shares no small factor with a period."""
    while np.gcd(stride, _SMALL_PRIMES) > 1:
        stride += 1
    return stride


def _sampled(powers: Powers, first: int, stride: int, count: int, least: float, exact: bool) -> _Samples:
    """Return the norms of `A^(first + stride t)` for `t < count`, 0 where a bound is below `least`."""
    state = powers.power(first, exact)
    if not exact:
        state = Accurate(_compressed(state.high), None)
    size = state.high.shape[1]
    most = max(1, min(count, _BATCH // state.high.size))
    doublings = (most - 1).bit_length()
    jumps = [powers.power(stride << i, exact) for i in range(doublings)]
    out: list[np.ndarray] = []
    while sum(map(len, out)) < count:
        batch = state
        for jump in jumps:
            batch = _joined(batch, multiply(jump, batch))
        out.append(_norms_of(batch.high, size, least))
        if (1 << doublings) < count:
            state = multiply(powers.power(stride << doublings, exact), state)
    return _Samples(first, stride, np.concatenate(out)[:count])


def _compressed(matrix: np.ndarray) -> np.ndarray:
    """Return a matrix with fewer columns that has, multiplied from the left by another, the same norm."""
    left, size, _ = np.linalg.svd(matrix)
    kept = size > _RANK * size.max(initial=0.0)
    return left[:, kept] * size[kept]


def _joined(a: Accurate, b: Accurate) -> Accurate:
    low = None if a.low is None or b.low is None else np.concatenate([a.low, b.low], axis=1)
    return Accurate(np.concatenate([a.high, b.high], axis=1), low)


def _norms_of(side_by_side: np.ndarray, size: int, least: float) -> np.ndarray:
    """Return the 2-norms of matrices of `size` columns each, 0 where they are surely below `least`."""
    matrices = side_by_side.reshape(len(side_by_side), -1, size).transpose(1, 0, 2)
    out = np.sqrt(np.sum(matrices**2, axis=(1, 2)))
    large = out >= least
    out[~large] = 0.0
    gram = matrices[large].transpose(0, 2, 1) @ matrices[large]
    if size > 1 and np.isfinite(gram).all():  # the square sum is a bound where squares are too large
        out[large] = np.sqrt(np.linalg.eigvalsh(gram).max(axis=-1, initial=0.0))
    return out
