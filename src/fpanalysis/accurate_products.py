"""Products of matrices to twice the working precision, for powers that would lose their digits otherwise."""

from typing import NamedTuple

import numpy as np

# Parts that numbers of the working precision are cut into: products of two parts have no rounding error.
_PARTS = 3
# Terms of the series of the exponential: 0.5^m/m! is below 1e-33 from here on.
_TERMS = 26


class Accurate(NamedTuple):
    """A matrix as an unevaluated sum `high + low`, with about 32 digits; `low` is None where 16 will do."""

    high: np.ndarray
    low: np.ndarray | None


def multiply(a: Accurate, b: Accurate) -> Accurate:
    """Return the product of two matrices, to twice the working precision unless neither has a `low` part.

    Entry by entry the error is about 1e-31 times the largest entries of the row and of the column, times
    their length. The leading parts are cut into pieces of so few bits that sums of their products are exact
    in the working precision, whatever the order in which BLAS takes them.

    Source: Ozaki, Ogita, Oishi and Rump 2012, Numerical Algorithms 59.

    Args:
        a: `(rows, inner)`.
        b: `(inner, columns)`.

    Example:
        >>> import numpy as np
        >>> third = Accurate(np.array([[1 / 3]]), np.array([[1 / 3 - 0.333333333333333314829616256247]]))
        >>> multiply(third, Accurate(np.array([[3.0]]), None)).high.tolist()
        [[1.0]]
    """
    if a.low is None and b.low is None:
        return Accurate(a.high @ b.high, None)
    inner = a.high.shape[1]
    bits = (53 - max(inner - 1, 0).bit_length()) // 2
    left, right = _cut(a.high, 1, bits), _cut(b.high, 0, bits)
    # The smallest products first, so that little is left to be rounded.
    terms = sorted(((i + j, i, j) for i in range(_PARTS) for j in range(_PARTS)), reverse=True)
    high, low = np.zeros((2, a.high.shape[0], b.high.shape[1]))
    for _, i, j in terms:
        high, rest = _sum(high, left[i] @ right[j])
        low = low + rest
    for one, other in ((a.high, b.low), (a.low, b.high)):
        if one is not None and other is not None:
            low = low + one @ other
    return Accurate(*_sum(high, low))


def exponential(matrix: np.ndarray) -> Accurate:
    """Return `e^matrix` to twice the working precision, of a matrix whose 2-norm is at most 0.5.

    Example:
        >>> import numpy as np
        >>> exponential(np.array([[0.0, 0.25], [0.0, 0.0]])).high.tolist()
        [[1.0, 0.25], [0.0, 1.0]]
    """
    one, argument = np.eye(len(matrix)), Accurate(matrix, np.zeros_like(matrix))
    total = Accurate(one, np.zeros_like(one))
    for term in range(_TERMS, 0, -1):
        part = _divide(multiply(argument, total), float(term))
        high, rest = _sum(one, part.high)
        assert part.low is not None
        total = Accurate(*_sum(high, rest + part.low))
    return total


def _divide(a: Accurate, divisor: float) -> Accurate:
    """Divide by a number of at most 20 bits."""
    quotient = a.high / divisor
    # A quotient cut in two has exact products with so short a divisor.
    short = quotient - (quotient - quotient.astype(np.float32))
    rest = (a.high - short * divisor) - (quotient - short) * divisor
    assert a.low is not None
    return Accurate(*_sum(quotient, (rest + a.low) / divisor))


def _sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rounded sum and its error (Knuth 1969)."""
    total = a + b
    shifted = total - a
    return total, (a - (total - shifted)) + (b - shifted)


def _cut(matrix: np.ndarray, axis: int, bits: int) -> list[np.ndarray]:
    """Cut a matrix into parts of a few bits each, counted from the largest entry of a row or a column."""
    parts: list[np.ndarray] = []
    rest = matrix
    for _ in range(_PARTS - 1):
        largest = np.abs(rest).max(axis=axis, keepdims=True, initial=0.0)
        _, exponent = np.frexp(largest)
        anchor = np.where(largest > 0, np.ldexp(0.75, exponent + 54 - bits), 0.0)
        part = (rest + anchor) - anchor
        parts.append(part)
        rest = rest - part
    # What is left has as many bits as the others where they share an exponent, and is small where not.
    return [*parts, rest]
