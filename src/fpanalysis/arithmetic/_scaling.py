"""Rows of balls as floating-point numbers with an exponent of their own."""

import numpy as np
from flint import arb

ACCURACY_BITS = 42
SMALLEST_BITS = 1000
MOST_BITS = 2**62


def scaled_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return rows of balls as float64 numbers of order one times powers of two.

    Args:
        rows: balls, `(n, m)`.

    Returns:
        Mantissas, `(n, m)`, the largest of each row between 1/2 and 1, and exponents, `(n,)`; numbers below
        2⁻¹⁰⁰⁰ of the largest are 0. None where a ball is too wide to say a number to 12 digits, or an
        exponent too large.
    """
    numbers, exponents = np.zeros(rows.shape), np.zeros(len(rows), np.int64)
    for at, row in enumerate(rows):
        present = [(place, ball) for place, ball in enumerate(row) if not ball.is_zero()]
        if not present:
            continue
        if not all(ball.is_finite() for _, ball in present):
            return None
        exponent = max(_exponent(ball) for _, ball in present)
        if abs(exponent) > MOST_BITS:
            return None
        shift, smallest = arb(2) ** -exponent, arb(2) ** (exponent - SMALLEST_BITS)
        exponents[at] = exponent
        for place, ball in present:
            if ball.rel_accuracy_bits() >= ACCURACY_BITS:
                if abs(ball) > smallest:
                    numbers[at, place] = float(ball.mid() * shift)
            elif not abs(ball) < smallest:
                return None
    return numbers, exponents


def _exponent(ball: arb) -> int:
    mantissa, exponent = ball.abs_upper().man_exp()
    return int(mantissa).bit_length() + int(exponent)
