"""Products with 32 digits: against exact fractions."""

from fractions import Fraction

import numpy as np
import pytest

from fpanalysis.accurate_products import Accurate, exponential, multiply


def exact(matrix: Accurate) -> np.ndarray:
    """Return the matrix as fractions, which have no rounding error."""
    low = np.zeros_like(matrix.high) if matrix.low is None else matrix.low
    return np.vectorize(Fraction, otypes=[object])(matrix.high) + np.vectorize(Fraction, otypes=[object])(low)


@pytest.mark.parametrize(("n", "decades"), [(1, 0), (3, 0), (3, 8), (20, 5)])
def test_products_have_32_digits(n, decades):
    rng = np.random.default_rng(n)

    def draw():
        high = rng.normal(size=(n, n)) * 10 ** rng.uniform(-decades, decades, (n, n))
        return Accurate(high, 1e-17 * rng.normal(size=(n, n)) * high)

    a, b = draw(), draw()
    error = np.abs(exact(multiply(a, b)) - exact(a) @ exact(b)).astype(float)
    scale = np.abs(a.high).max(axis=1)[:, None] * np.abs(b.high).max(axis=0)
    assert (error <= 1e-30 * n * scale).all()
    plain = np.abs(exact(Accurate(a.high @ b.high, None)) - exact(a) @ exact(b)).astype(float)
    assert plain.max() > 1e6 * error.max()


def test_the_exponential_has_32_digits():
    """Against the sum of fractions, and of a block of Jordan in closed form."""
    matrix = np.array([[0.125, 0.375, 0.0], [-0.25, 0.0625, 0.125], [0.0, -0.125, -0.25]])
    fractions = np.vectorize(Fraction, otypes=[object])(matrix)
    term = total = np.vectorize(Fraction, otypes=[object])(np.eye(3))
    for k in range(1, 40):
        term = term @ fractions / k
        total = total + term
    assert np.abs(exact(exponential(matrix)) - total).astype(float).max() < 1e-31
