"""Non-normality: against brute force over powers and exponentials, and closed forms."""

from typing import Literal

import numpy as np
import pytest
import scipy.linalg

from fpanalysis.nonnormality import henrici, initial_growth, peak_growth
from fpanalysis.spectrum import eigenpairs


def peak(jacobian, domain: Literal["discrete", "continuous"] = "discrete"):
    jacobian = np.asarray(jacobian, float)
    return peak_growth(jacobian, eigenpairs(jacobian, domain), domain)


def stable(n, radius, count=3, seed=0):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(count, n, n)) + np.triu(rng.normal(size=(count, n, n)), 1)
    return matrix * (radius / np.abs(np.linalg.eigvals(matrix)).max(axis=1))[:, None, None]


def test_henrici_is_zero_for_normal_matrices_and_known_for_a_shear():
    rotation = np.array([[[0.6, -0.8], [0.8, 0.6]], [[2.0, 0.0], [0.0, 2.0]], [[0.0, 0.0], [0.0, 0.0]]])
    np.testing.assert_allclose(henrici(rotation, np.linalg.eigvals(rotation)), 0.0, atol=1e-7)
    shear = np.array([[[0.5, 3.0], [0.0, 0.2]]])
    expected = 3.0 / np.sqrt(0.25 + 9.0 + 0.04)
    np.testing.assert_allclose(henrici(shear, np.array([[0.5, 0.2]])), expected)


def test_initial_growth_is_the_derivative_of_the_norm():
    matrix = stable(6, 0.9)
    step = 1e-7
    expected = [(np.linalg.norm(scipy.linalg.expm(step * m), 2) - 1.0) / step for m in matrix]
    np.testing.assert_allclose(initial_growth(matrix, "continuous"), expected, rtol=1e-5)
    np.testing.assert_allclose(initial_growth(matrix, "discrete"), [np.linalg.norm(m, 2) for m in matrix])


@pytest.mark.parametrize(("n", "radius"), [(2, 0.5), (5, 0.9), (20, 0.99), (6, 0.9995)])
def test_peak_growth_against_every_power(n, radius):
    matrix = stable(n, radius)
    for m, found in zip(matrix, peak(matrix), strict=True):
        power, largest = np.eye(n), 1.0
        for _ in range(int(10 / (1 - radius))):
            power = power @ m
            largest = max(largest, np.linalg.norm(power, 2))
        np.testing.assert_allclose(found, largest, rtol=1e-10)


def test_a_peak_late_in_the_slow_modes_is_found():
    """Two slow modes, nearly parallel: the norm peaks after hundreds of steps."""
    matrix = np.array([[0.999, 0.05], [0.0, 0.998]])
    k = np.arange(20_000)
    difference = (0.999**k - 0.998**k) / 0.001
    powers = np.zeros((len(k), 2, 2))
    powers[:, 0, 0], powers[:, 1, 1], powers[:, 0, 1] = 0.999**k, 0.998**k, 0.05 * difference
    norms = np.linalg.norm(powers, 2, axis=(1, 2))
    assert norms.argmax() > 500
    np.testing.assert_allclose(peak(matrix[None]), norms.max(), rtol=1e-9)


def test_a_jordan_block_has_its_peak_where_calculus_says():
    matrix = np.array([[[0.98, 1.0], [0.0, 0.98]]])
    k = np.arange(1000)
    powers = 0.98 ** k[:, None, None] * np.eye(2)
    powers[:, 0, 1] += k * 0.98 ** (k - 1.0)
    np.testing.assert_allclose(peak(matrix), np.linalg.norm(powers, 2, axis=(1, 2)).max(), rtol=1e-6)


def test_normal_matrices_never_grow_and_unstable_ones_without_bound():
    symmetric = np.array([[[0.5, 0.2], [0.2, 0.1]], [[1.0, 0.0], [0.0, 0.1]], [[1.1, 0.0], [0.0, 0.0]]])
    assert peak(symmetric).tolist() == [1.0, np.inf, np.inf]
    assert peak(symmetric - 1.05 * np.eye(2), "continuous")[0] == 1.0
    assert peak(np.zeros((1, 2, 2)), "continuous")[0] == np.inf


@pytest.mark.parametrize("n", [2, 6])
def test_peak_growth_in_continuous_time_against_a_fine_grid(n):
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(4, n, n)) + np.triu(3 * rng.normal(size=(4, n, n)), 1)
    matrix -= (np.linalg.eigvals(matrix).real.max(axis=1) + 0.3)[:, None, None] * np.eye(n)
    found = peak(matrix, "continuous")
    for m, value in zip(matrix, found, strict=True):
        step = scipy.linalg.expm(1e-3 * m)
        state, largest = np.eye(n), 1.0
        for _ in range(40_000):
            state = state @ step
            largest = max(largest, np.linalg.norm(state, 2) if n == 2 or _ % 5 == 0 else 0.0)
        assert largest * (1 - 1e-9) <= value <= largest * (1 + 1e-4)
