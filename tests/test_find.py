"""Fixed points of systems whose points, derivatives and stability are known some other way."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
from systems import assert_same_points, cubic, cubic_roots, find, lorenz, points, tanh_network

import fpanalysis as fpa


@pytest.mark.parametrize("a", [-0.5, 0.5, 1.4, 2.9, 3.5])
@pytest.mark.parametrize("drive", [0.0, 0.3])
def test_cubic_map_has_the_roots_of_its_polynomial(a, drive):
    ds = find(cubic(a), {"drive": drive}, n_candidates=128)
    roots = cubic_roots(a, drive)
    slopes = a - 3 * roots**2
    np.testing.assert_allclose(points(ds)[:, 0], roots, atol=1e-13)
    np.testing.assert_allclose(ds.eigenvalue.values[:, 0], slopes, atol=1e-12)
    np.testing.assert_allclose(ds.jacobian.values[:, 0, 0], slopes, atol=1e-12)
    np.testing.assert_array_equal(ds.input_jacobian.values, np.ones((len(roots), 1, 1)))
    np.testing.assert_array_equal(ds.is_stable, np.abs(slopes) < 1)
    np.testing.assert_array_equal(ds.n_unstable, np.abs(slopes) > 1)
    np.testing.assert_allclose(ds.time_constant.values[:, 0], -1 / np.log(np.abs(slopes)), rtol=1e-9)
    np.testing.assert_array_equal(ds.frequency.values[:, 0], np.where(slopes < 0, 0.5, 0.0))
    assert ds.residual.max() <= 1e-15
    assert int(ds.n_hits.sum() + ds.n_failed) == 128


@pytest.mark.parametrize("a", [0.99, 1.01])
def test_cubic_map_beside_its_pitchfork(a):
    ds = find(cubic(a), n_candidates=128)
    np.testing.assert_allclose(points(ds)[:, 0], cubic_roots(a, 0.0), atol=1e-13)


def test_a_root_of_higher_order_is_listed_once():
    """At the pitchfork the residual falls as the cube of the distance: many states meet the tolerance."""
    ds = find(cubic(1.0), n_candidates=256)
    assert ds.n_fixed_points == 1
    np.testing.assert_allclose(points(ds), 0.0, atol=1e-6)


def magnetization(beta: float) -> Any:
    """Return the positive root of `m = tanh(β m)`."""
    return scipy.optimize.brentq(lambda m: np.tanh(beta * m) - m, 0.1, 1.0, xtol=1e-15)


def test_hopfield_network_with_two_orthogonal_patterns():
    """Units where the patterns agree, and units where they differ, each obey `m = tanh(β m)`."""
    beta = 1.7
    patterns = scipy.linalg.hadamard(8)[1:3]
    ds = find(tanh_network(beta / 8 * patterns.T @ patterns), n_candidates=512)
    m = magnetization(beta)
    same, differ = (patterns[0] + patterns[1]) / 2, (patterns[0] - patterns[1]) / 2
    expected = [m * (i * same + j * differ) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    assert_same_points(points(ds), expected, atol=1e-12)
    attractors = m * np.concatenate([patterns, -patterns])
    assert_same_points(points(ds)[ds.is_stable.values], attractors, atol=1e-12)
    slope = {True: beta * (1 - m**2), False: beta}
    for x, eigenvalues in zip(points(ds), ds.eigenvalue.values, strict=True):
        moved = [bool(np.any(np.abs(x[block != 0]) > 1e-6)) for block in (same, differ)]
        expected = np.concatenate([[slope[own] for own in moved], np.zeros(6)])
        np.testing.assert_allclose(np.sort(eigenvalues.real), np.sort(expected), atol=1e-9)


def test_hopfield_network_with_three_patterns_against_brute_force():
    beta = 2.5
    patterns = scipy.linalg.hadamard(8)[[1, 2, 4]].astype(float)
    weight = beta / 8 * patterns.T @ patterns
    ds = find(tanh_network(weight), n_candidates=1024)

    def overlaps(m):
        return patterns @ np.tanh(beta * patterns.T @ m) / 8 - m

    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 9)] * 3), axis=-1).reshape(-1, 3)
    expected = brute_force(overlaps, grid)
    assert_same_points(points(ds) @ patterns.T / 8, expected)
    m = magnetization(beta)
    stable = points(ds)[ds.is_stable.values]
    for pattern in patterns:
        for sign in (-1, 1):
            assert np.linalg.norm(stable - sign * m * pattern, axis=1).min() < 1e-12


@pytest.mark.parametrize(
    ("weight", "bias"),
    [
        ([[2.5, -1.2], [0.8, 2.2]], [0.1, -0.3]),
        ([[3.0, 0.4], [-0.3, 3.0]], [0.0, 0.2]),
        ([[0.2, 4], [-4, 1]], [0, 0]),
    ],
)
def test_two_neurons_against_a_grid(weight, bias):
    """Cells of a fine grid in which both residuals change sign, each refined by another library's solver."""
    weight, bias = np.array(weight), np.array(bias, float)
    ds = find(tanh_network(weight, bias), n_candidates=512)

    def residual(x):
        return np.tanh(weight @ x + bias) - x

    axis = np.linspace(-1.05, 1.05, 211)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    positive = np.tanh(grid @ weight.T + bias) - grid > 0
    corners = np.stack([positive[i : i - 1 or None, j : j - 1 or None] for i in (0, 1) for j in (0, 1)])
    changes = np.all(corners.any(axis=0) & ~corners.all(axis=0), axis=-1)
    expected = brute_force(residual, grid[:-1, :-1][changes])
    assert_same_points(points(ds), expected, atol=1e-8)
    for x, eigenvalues in zip(points(ds), ds.eigenvalue.values, strict=True):
        closed_form = np.linalg.eigvals((1 - x**2)[:, None] * weight)
        np.testing.assert_allclose(np.sort_complex(eigenvalues), np.sort_complex(closed_form), atol=1e-12)


def brute_force(fn, starts):
    """Return the distinct roots that `scipy.optimize.root` finds from many starts."""
    found = []
    for start in starts:
        solution = scipy.optimize.root(fn, start, tol=1e-14)
        if np.max(np.abs(fn(solution.x))) > 1e-11:
            continue
        if all(np.linalg.norm(solution.x - other) > 1e-5 for other in found):
            found.append(solution.x)
    return np.array(found)


def line_attractor(x, u):
    """Keep the first entry; the second decays to twice its square: every `(s, 2 s²)` is a fixed point."""
    return jnp.stack([x[0], 0.5 * x[1] + x[0] ** 2])


def test_a_line_attractor_gives_fixed_points_on_the_line():
    """The Jacobian less the identity is singular everywhere: the call survives, and what it lists is true."""
    field = fpa.vector_field(line_attractor, state=2)
    candidates = np.random.default_rng(0).normal(size=(50, 2))
    ds = find(field, candidates=candidates)
    x = points(ds)
    assert len(x) >= 1
    np.testing.assert_allclose(x[:, 1], 2 * x[:, 0] ** 2, atol=1e-11)
    assert np.all(
        np.abs(0.5 * x[:, 1] + x[:, 0] ** 2 - x[:, 1]) <= 1e-12 * np.maximum(1, np.abs(x).max(axis=1))
    )
    np.testing.assert_allclose(ds.eigenvalue.values, np.tile([1.0, 0.5], (len(x), 1)), atol=1e-12)
    assert not ds.is_stable.any()
    assert np.all(ds.n_unstable == 0)
    assert np.all(np.isinf(ds.time_constant.values[:, 0]))
    assert np.linalg.norm(x[:, None] - x[None], axis=-1)[~np.eye(len(x), dtype=bool)].min(initial=1) > 1e-7


def test_a_linear_integrator_in_a_rotated_basis_survives():
    """Here rounding decides whether the Jacobian is singular."""
    basis = np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    weight = basis @ np.diag([1.0, 0.5, 0.5, 0.3, -0.2, 0.0]) @ basis.T
    field = fpa.vector_field(lambda x, u: jnp.asarray(weight) @ x, state=6)
    x = points(find(field, n_candidates=64, spectra=False))
    assert len(x) >= 1
    size = np.maximum(1.0, np.abs(x).max(axis=1))
    assert np.all(np.abs(x @ basis[:, 1:]) <= 1e-12 * size[:, None])


def test_a_perturbed_line_attractor_has_alternating_points():
    """`s + ε sin 2πs` leaves the multiples of ½: unstable at the integers, stable half-way between them."""
    epsilon = 1e-3

    def step(x, u):
        along = x[0] + epsilon * jnp.sin(2 * jnp.pi * x[0])
        return jnp.stack([along, 0.5 * x[1] + x[0] ** 2])

    candidates = np.random.default_rng(0).uniform(-1.2, 1.2, size=(400, 2))
    ds = find(fpa.vector_field(step, state=2), candidates=candidates)
    halves = points(ds)[:, 0] * 2
    k = np.round(halves)
    np.testing.assert_allclose(halves, k, atol=1e-9)
    assert set(range(-2, 3)) <= set(k.astype(int))
    assert len(np.unique(k)) == len(k)
    np.testing.assert_array_equal(ds.is_stable, k % 2 == 1)
    largest = 1 + 2 * np.pi * epsilon * np.where(k % 2 == 0, 1, -1)
    np.testing.assert_allclose(ds.eigenvalue.values[:, 0], largest, atol=1e-9)


def test_lorenz_equilibria_and_their_eigenvalues():
    ds = find(lorenz(), n_candidates=256)
    c = np.sqrt(8 / 3 * 27)
    np.testing.assert_allclose(points(ds), [[-c, -c, 27], [0, 0, 0], [c, c, 27]], atol=1e-12)
    origin = np.append(np.roots([1, 11, 10 * (1 - 28)]), -8 / 3)
    wings = np.roots([1, 10 + 8 / 3 + 1, 8 / 3 * (10 + 28), 2 * 10 * 8 / 3 * 27])
    for found, expected in zip(ds.eigenvalue.values, [wings, origin, wings], strict=True):
        expected = expected[np.lexsort((-np.imag(expected), -np.real(expected)))]
        np.testing.assert_allclose(found, expected, atol=1e-11)
    assert ds.n_unstable.values.tolist() == [2, 1, 2]
    np.testing.assert_allclose(ds.time_constant, -1 / ds.eigenvalue.real, rtol=1e-12)
    np.testing.assert_allclose(ds.frequency, np.abs(ds.eigenvalue.imag) / (2 * np.pi), rtol=1e-12)
    assert (ds.time_constant.units, ds.frequency.units, ds.attrs["time_domain"]) == ("s", "Hz", "continuous")


def test_fitzhugh_nagumo_in_its_bistable_regime():
    """The nullclines meet where `v − v³/3 − v/γ + I = 0`; trace and determinant decide stability."""
    gamma, rate, drive = 5.0, 0.08, 0.05

    def field(x, u):
        return jnp.stack([x[0] - x[0] ** 3 / 3 - x[1] + u[0], rate * (x[0] - gamma * x[1])])

    model = fpa.vector_field(field, state=["v", "w"], inputs=["current"], time_domain="continuous")
    ds = find(model, {"current": drive}, n_candidates=256)
    v = np.sort(np.roots([-1 / 3, 0, 1 - 1 / gamma, drive]).real)
    np.testing.assert_allclose(points(ds), np.stack([v, v / gamma], axis=1), atol=1e-12)
    trace, determinant = 1 - v**2 - rate * gamma, -(1 - v**2) * rate * gamma + rate
    np.testing.assert_allclose(ds.eigenvalue.sum("mode").values, trace, atol=1e-12)
    np.testing.assert_allclose(ds.eigenvalue.prod("mode").values, determinant, atol=1e-12)
    np.testing.assert_array_equal(ds.is_stable, (trace < 0) & (determinant > 0))


def test_van_der_pol_has_one_unstable_point():
    mu = 2.0
    field = fpa.vector_field(
        lambda x, u: jnp.stack([x[1], mu * (1 - x[0] ** 2) * x[1] - x[0]]), state=2, time_domain="continuous"
    )
    ds = find(field, n_candidates=64)
    np.testing.assert_allclose(points(ds), [[0, 0]], atol=1e-14)
    np.testing.assert_allclose(np.sort(ds.eigenvalue.values[0]), np.sort(np.roots([1, -mu, 1])), atol=1e-7)
    assert ds.n_unstable.values.tolist() == [2]


@pytest.mark.parametrize("speed", [1e-4, 1e7])
def test_fast_and_slow_ode_are_solved_to_the_same_relative_accuracy(speed):
    """The residual of a fast ODE never reaches 1e-12: its rounding floor is ε ‖J‖ ‖x‖."""
    field = fpa.vector_field(
        lambda x, u: -speed * (x - 3.0) * (x - 1.0) * (x + 2.0), state=1, time_domain="continuous"
    )
    ds = find(field, candidates=np.linspace(-4, 5, 31)[:, None])
    np.testing.assert_allclose(points(ds)[:, 0], [-2, 1, 3], atol=1e-9)
    np.testing.assert_allclose(ds.eigenvalue.values[:, 0], speed * np.array([-15, 6, -10]), rtol=1e-6)
    assert ds.is_stable.values.tolist() == [True, False, True]


def test_continuous_and_discrete_time_agree_on_an_euler_step():
    weight = np.array([[0.0, 2.0], [-2.0, 0.5]])
    rate = fpa.vector_field(lambda x, u: jnp.tanh(weight @ x) - x, state=2, time_domain="continuous")
    euler = fpa.vector_field(lambda x, u: x + 0.1 * (jnp.tanh(weight @ x) - x), state=2, dt=0.1)
    one, other = find(rate, n_candidates=64), find(euler, n_candidates=64)
    assert_same_points(points(one), points(other))
    np.testing.assert_allclose(1 + 0.1 * one.eigenvalue.values, other.eigenvalue.values, atol=1e-12)
    assert (other.time_constant.units, other.attrs["dt"]) == ("s", 0.1)
