"""Shifts of fixed points and their condition numbers: in any units, and where there is none."""

import numpy as np
import pytest

from fpanalysis.shift import SINGULAR, shifts

DOMAINS = ["discrete", "continuous"]


@pytest.mark.parametrize("domain", DOMAINS)
def test_units_change_the_shift_as_they_must_and_the_condition_not_at_all(domain):
    rng = np.random.default_rng(0)
    for n in (1, 2, 5, 12):
        jacobian, drive = rng.normal(size=(20, n, n)) / np.sqrt(n), rng.normal(size=(20, n, 2))
        unit = 10 ** rng.uniform(-12, 9, (20, n))
        one = shifts(jacobian, drive, domain)
        other = shifts(unit[:, :, None] * jacobian / unit[:, None], unit[:, :, None] * drive, domain)
        system = np.eye(n) - jacobian if domain == "discrete" else -jacobian
        np.testing.assert_allclose(one.shift, np.linalg.solve(system, drive), rtol=1e-7, atol=1e-9)
        error = np.abs(other.shift / unit[:, :, None] / one.shift - 1).max(axis=(1, 2))
        assert (error <= 1e-12 * one.condition).all()
        np.testing.assert_allclose(other.condition, one.condition, rtol=0.05)


def test_the_condition_is_the_largest_eigenvalue_that_it_is_said_to_be():
    rng = np.random.default_rng(1)
    jacobian = rng.normal(size=(30, 6, 6)) / 3
    inverse = np.abs(np.linalg.inv(np.eye(6) - jacobian))
    expected = np.abs(np.linalg.eigvals(inverse @ (np.eye(6) + np.abs(jacobian)))).max(axis=1)
    np.testing.assert_allclose(
        shifts(jacobian, np.zeros((30, 6, 1)), "discrete").condition, expected, rtol=0.03
    )


@pytest.mark.parametrize("domain", DOMAINS)
def test_exactly_and_nearly_singular_systems_have_infinite_shifts(domain):
    """An averaging network is singular for LU; in a random basis, rounding hides it from LU."""
    average = np.full((2, 2), 0.5)
    basis = np.linalg.qr(np.random.default_rng(2).normal(size=(2, 2)))[0]
    maps = np.stack([average, basis @ np.diag([1.0, 0.3]) @ basis.T, 0.5 * np.eye(2)])
    jacobian = maps if domain == "discrete" else maps - np.eye(2)
    found = shifts(jacobian, np.ones((3, 2, 1)), domain)
    assert (found.condition > SINGULAR).tolist() == [True, True, False]
    assert np.isposinf(found.shift[:2]).all()
    np.testing.assert_allclose(found.shift[2], 2.0)
    assert np.isposinf(shifts(np.zeros((1, 2, 2)), np.ones((1, 2, 1)), "continuous").condition).all()


def test_points_that_are_not_isolated_are_singular_and_what_is_no_number_stays_none():
    jacobian = np.stack([0.5 * np.eye(2), 0.5 * np.eye(2), np.full((2, 2), np.nan)])
    found = shifts(jacobian, np.ones((3, 2, 1)), "discrete", np.array([True, False, True]))
    np.testing.assert_array_equal(found.condition, [3.0, np.inf, np.nan])
    np.testing.assert_array_equal(found.shift[:, 0, 0], [2.0, np.inf, np.nan])
    assert shifts(np.zeros((0, 2, 2)), np.zeros((0, 2, 3)), "discrete").shift.shape == (0, 2, 3)
