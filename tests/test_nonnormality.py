"""Non-normality: against brute force over powers and exponentials, and closed forms."""

import warnings
from fractions import Fraction
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


def test_henrici_has_no_floor():
    """Matrices with a known, tiny part above the diagonal, in a random orthogonal basis."""
    rng = np.random.default_rng(3)
    for size in (2, 10, 30):
        for share in (1e-2, 1e-6, 1e-9, 1e-12):
            triangular = np.diag(rng.uniform(-1, 1, size))
            triangular[0, 1] = share * np.linalg.norm(triangular)
            basis = np.linalg.qr(rng.normal(size=(size, size)))[0]
            matrix = (basis @ triangular @ basis.T)[None]
            found = henrici(matrix, eigenpairs(matrix, "discrete").eigenvalue)[0]
            expected = share / np.sqrt(1 + share**2)
            assert abs(found - expected) < 1e-6 * share + 3e-14
    for unit in (1e-200, 1e200):
        sheared = unit * np.array([[[0.5, 3.0], [0.0, 0.2]]])
        np.testing.assert_allclose(henrici(sheared, unit * np.array([[0.5, 0.2]])), 3.0 / np.sqrt(9.29))
    for unit in (5e-324, 1e-310, 1e200, 1e308):
        multiple = unit * np.eye(3)[None]
        found = eigenpairs(multiple, "discrete").eigenvalue
        assert (found == unit).all() and henrici(multiple, found).tolist() == [0.0]


def every_power(matrix, most):
    power, largest = np.eye(len(matrix)), 1.0
    for _ in range(most):
        power = power @ matrix
        norm = float(np.linalg.norm(power, 2))
        largest = max(largest, norm)
        if norm < 0.5:
            break
    return largest


def test_nearly_dependent_modes_do_no_harm():
    """Blocks of Jordan in random bases: conditions up to 1e10 and more, with which sums over modes cancel."""
    rng = np.random.default_rng(4)
    worst = 0.0
    for trial in range(16):
        size, radius = int(rng.integers(3, 8)), 1 - 10 ** rng.uniform(-2.5, -1)
        ones = np.diag(rng.uniform(0.0, 0.2, size - 1) * (np.arange(size - 1) < size // 2), 1)
        value = np.where(np.arange(size) <= size // 2, radius * (-1) ** trial, rng.uniform(-0.5, 0.5, size))
        basis = np.linalg.qr(rng.normal(size=(size, size)))[0]
        matrix = (basis @ (np.diag(value) + ones) @ basis.T)[None]
        found = eigenpairs(matrix, "discrete")
        worst = max(worst, float(found.condition.max()))
        expected = every_power(matrix[0], int(8 * size / (1 - radius)))
        np.testing.assert_allclose(peak_growth(matrix, found, "discrete"), expected, rtol=1e-8)
    assert worst > 1e10


def test_large_growth_against_exact_powers():
    """Dyadic matrices in integers, whose powers have no rounding error, and growth up to 1e10."""
    rng = np.random.default_rng(5)
    for size in (1e1, 1e3, 1e5):
        upper = np.triu(rng.integers(-64, 65, (3, 3)) * size, 1) / 64
        shear = np.eye(3) + np.tril(rng.integers(-2, 3, (3, 3)), -1)
        inverse = np.round(np.linalg.inv(shear))
        matrix = shear @ (np.diag([0.75, 0.625, 0.25]) + upper) @ inverse
        whole = np.vectorize(int, otypes=[object])(matrix * 2**20)
        assert (whole / 2**20 == matrix).all()
        power, largest = whole, 1.0
        for k in range(1, 60):
            largest = max(largest, float(np.linalg.norm((power / 2 ** (20 * k)).astype(float), 2)))
            power = power @ whole
        np.testing.assert_allclose(peak(matrix[None]), largest, rtol=1e-9)


def closed_form(a, b, shear, time):
    """Return the norms of `exp(t [[−a, shear], [0, −b]])`."""
    out = np.zeros((len(time), 2, 2))
    out[:, 0, 0], out[:, 1, 1] = np.exp(-a * time), np.exp(-b * time)
    out[:, 0, 1] = shear * (out[:, 1, 1] - out[:, 0, 0]) / (a - b)
    return np.linalg.norm(out, 2, axis=(1, 2))


@pytest.mark.parametrize("fast", [1e5, 1e7, 1e8])
def test_stiff_flows_peak_where_their_slow_part_does(fast):
    expected = closed_form(1.0, 1.1, 50.0, np.linspace(0, 5, 20_001)).max()
    matrix = np.diag([-fast, -1.0, -1.1])
    matrix[1, 2] = 50.0
    np.testing.assert_allclose(peak(matrix[None], "continuous"), expected, rtol=1e-7)
    coupled = matrix.copy()
    coupled[0, 1:] = 0.3 * fast, -0.1 * fast  # the fast entry follows the others
    found = float(peak(coupled[None], "continuous")[0])
    follows = np.sqrt(np.linalg.eigvalsh(np.eye(2) + np.outer([0.3, -0.1], [0.3, -0.1])).max())
    assert expected < found < 1.01 * expected * follows


@pytest.mark.parametrize("gap", [1e-5, 1e-7, 5e-9])
def test_slow_maps_peak_after_a_billion_steps(gap):
    matrix = np.array([[1 - gap, 50 * gap], [0.0, 1 - 1.1 * gap]])
    expected = closed_form(1.0, 1.1, 50.0, np.linspace(0, 5, 20_001)).max()
    np.testing.assert_allclose(peak(matrix[None]), expected, rtol=1e-4)
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])  # an irrational part of a turn in every step
    turning = np.kron(np.eye(2), turn) @ np.kron(matrix, np.eye(2))
    np.testing.assert_allclose(peak(turning[None]), expected, rtol=1e-4)


def test_lasting_oscillations_against_every_power():
    rng = np.random.default_rng(6)
    for gap in (1e-3, 1e-4):
        blocks = np.zeros((4, 4))
        for k, angle in enumerate(rng.uniform(0.1, 3.0, 2)):
            c, s = np.cos(angle), np.sin(angle)
            blocks[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] = (1 - gap) * np.array([[c, -3 * s], [s / 3, c]])
        blocks[:2, 2:] = rng.normal(size=(2, 2))
        expected = every_power(blocks, int(2 / gap))
        np.testing.assert_allclose(peak(blocks[None]), expected, rtol=1e-3)


def test_powers_that_grow_though_eigenvalues_decay_are_said():
    """Rounding may put eigenvalues of such matrices inside the circle that are outside."""
    matrix = np.array([[[1.01, 1.0], [0.0, 0.5]]])
    wrong = eigenpairs(0.9 * matrix, "discrete")
    with pytest.warns(UserWarning, match="NaN for 1 of 1 matrices.*grow without bound"):
        assert np.isnan(peak_growth(matrix, wrong, "discrete")).all()


def test_late_peaks_of_nearly_parallel_slow_modes():
    """Rounding of 16 digits hides them. Both matrices are exact, and so are the closed forms."""
    gap, shear = 2.0**-12, 2.0**12
    turn = np.array([[1, 1], [1, -1]])
    matrix = turn @ np.array([[1 - gap, shear], [0, 1 - 2 * gap]]) @ turn / 2
    k = np.arange(2000, 4000)
    beside = shear * ((1 - gap) ** k - (1 - 2 * gap) ** k) / gap  # the others are at most 1
    np.testing.assert_allclose(peak(matrix[None]), beside.max(), rtol=1e-7)
    rate, shear = 2.0**-8, 64.0
    turn = np.kron(turn, turn) / 2
    chain = np.diag([-rate, -2 * rate, -3 * rate, -1.0]) + np.diag([shear, shear, 0.0], 1)
    first = (shear / rate) ** 2 / 2 * 4 / 27  # where e^{-at} = 1/3
    found = peak((turn @ chain @ turn)[None], "continuous")[0]
    assert first < found < first * (1 + 1e-6)


def test_peaks_are_right_or_not_known_and_never_below_one_step():
    """Slow chains in random bases, some too steep for 32 digits, against powers of exact integers."""
    rng = np.random.default_rng(7)
    known = 0
    for size, gap, shear in [
        (2, 8, 2.0**14),
        (3, 6, 2.0**10),
        (3, 10, 2.0**8),
        (4, 6, 2.0**6),
        (5, 9, 2.0**12),
    ]:
        chain = np.diag(1 - 2.0**-gap * (1 + rng.uniform(0, 1, size))) + np.diag(np.full(size - 1, shear), 1)
        basis = np.linalg.qr(rng.normal(size=(size, size)))[0]
        matrix = basis @ chain @ basis.T
        inside = eigenpairs(0.5 * np.eye(size)[None], "discrete")  # to look at its powers in any case
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = float(peak_growth(matrix[None], inside, "discrete")[0])
        assert len(said) == np.isnan(found)
        if not np.isnan(found):
            known += 1
            np.testing.assert_allclose(found, exact_peak(matrix, 8 * size << gap), rtol=1e-6)
            assert found >= np.linalg.norm(matrix, 2)
    assert 2 <= known <= 4


def exact_peak(matrix, most):
    """Return the largest norm of the powers by thirds, in integers of 600 binary digits."""
    digits = 600
    one = np.vectorize(lambda x: int(Fraction(x) * 2**digits), otypes=[object])(matrix)
    squares = [one]
    while 1 << len(squares) <= most:
        squares.append((squares[-1] @ squares[-1]) >> digits)

    def norm(k):
        power = np.diag(np.array([1 << digits] * len(matrix), object))
        for octave, square in enumerate(squares):
            if k >> octave & 1:
                power = (power @ square) >> digits
        return float(np.linalg.norm((power >> digits - 60).astype(float) / 2.0**60, 2))

    low, high = 1, most
    while high - low > 2:  # one maximum
        third = (high - low) // 3
        low, high = (low + third, high) if norm(low + third) < norm(high - third) else (low, high - third)
    return max(norm(1), norm(low), norm(low + 1), norm(high))
