"""Slow points: minima of q above the tolerance, never fixed points."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from systems import cubic, find, points

import fpanalysis as fpa
from fpanalysis import slow
from fpanalysis.schema import Kind
from fpanalysis.slow import find_slow_points

EPSILON = 1e-3
STARTS = np.random.default_rng(0).uniform(-1, 1, size=(80, 2))


def ghost(x, u):
    """Just after a saddle-node bifurcation: no fixed point is left, and the flow is slow where it was."""
    return jnp.stack([x[0] + u[0] + x[0] ** 2 + 0.1 * x[1], 0.5 * x[1] + 0.2 * x[0]])


def residual(x, epsilon=EPSILON):
    return np.array([epsilon + x[0] ** 2 + 0.1 * x[1], -0.5 * x[1] + 0.2 * x[0]])


@pytest.fixture(scope="module")
def model():
    return fpa.vector_field(ghost, state=2, inputs=["drive"])


def test_a_ghost_is_one_slow_point_and_no_fixed_point(model):
    drive = 2 * EPSILON
    with pytest.warns(UserWarning, match="no fixed point was found"):
        ds = find(model, [drive], candidates=STARTS, slow_points=True)
    assert (int(ds.n_fixed_points), int(ds.n_slow_points)) == (0, 1)
    assert ds.kind.values.tolist() == [Kind.SLOW]
    assert not ds.is_fixed.any()
    # What is minimised is q in units of the candidates' spread of each entry.
    unit = STARTS.std(axis=0)
    q = lambda x: 0.5 * np.sum((residual(x, drive) / unit) ** 2)
    best = scipy.optimize.minimize(
        q, ds.x.values[0] + 0.01, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-22}
    )
    np.testing.assert_allclose(ds.x.values[0], best.x, atol=1e-7)
    np.testing.assert_allclose(ds.q.values, [0.5 * np.sum(residual(best.x, drive) ** 2)], rtol=1e-6)
    np.testing.assert_allclose(ds.residual, np.abs(residual(ds.x.values[0], drive)).max(), rtol=1e-12)
    assert ds.n_failed == 80
    assert ds.n_hits.values[0] > 1
    assert ds.eigenvalue.shape == (1, 2)


def test_slow_points_are_listed_only_where_asked_for(model):
    with pytest.warns(UserWarning, match="no fixed point was found"):
        ds = find(model, [2 * EPSILON], candidates=STARTS)
    assert ds.sizes["fixed_point"] == 0
    assert ds.n_slow_points == 0


def test_fast_minima_are_no_slow_points(model):
    """A minimum of q at which the state moves by more than a hundredth of the spread is not listed."""
    with pytest.warns(UserWarning, match="no fixed point was found"):
        ds = find(model, [0.1], candidates=STARTS, slow_points=True)
    assert ds.n_slow_points == 0


def test_fixed_points_come_first_and_are_not_slow_points_too():
    """One dimension of a cubic with one root left and a ghost where the other two were."""

    def step(x, u):
        return x - (x - 1.0) * ((x + 0.5) ** 2 + EPSILON)

    ds = find(
        fpa.vector_field(step, state=1), candidates=np.linspace(-1.5, 1.5, 61)[:, None], slow_points=True
    )
    assert ds.kind.values.tolist() == [Kind.FIXED, Kind.SLOW]
    assert ds.is_fixed.values.tolist() == [True, False]
    np.testing.assert_allclose(points(ds), [[1.0]], atol=1e-12)
    assert ds.x.values[1, 0] == pytest.approx(-0.5, abs=1e-3)
    assert (int(ds.n_fixed_points), int(ds.n_slow_points)) == (1, 1)
    assert ds.n_hits.values[0] + ds.n_failed == 61
    long = fpa.to_long(ds)
    assert long.kind.values.tolist() == ds.kind.values.tolist()


def test_a_system_with_fixed_points_only_has_no_slow_points():
    ds = find(cubic(), candidates=np.linspace(-2, 2, 41)[:, None], slow_points=True)
    assert (int(ds.n_fixed_points), int(ds.n_slow_points)) == (3, 0)


def test_slow_points_of_several_conditions_are_padded(model):
    import xarray as xr

    drives = xr.DataArray([-0.1, 2 * EPSILON], dims="drive_level")
    with pytest.warns(UserWarning, match=r"1 of 2 conditions \(drive_level=1\)"):
        ds = find(model, {"drive": drives}, candidates=STARTS, slow_points=True, spectra=False)
    assert ds.n_fixed_points.values.tolist() == [2, 0]
    assert ds.n_slow_points.values.tolist() == [0, 1]
    assert ds.kind.values.tolist() == [[1, 1], [2, 0]]


def test_in_continuous_time():
    field = fpa.vector_field(
        lambda x, u: jnp.stack([EPSILON + x[0] ** 2, -x[1]]), state=2, time_domain="continuous"
    )
    with pytest.warns(UserWarning, match="no fixed point was found"):
        ds = find(field, candidates=STARTS, slow_points=True)
    assert ds.n_slow_points == 1
    np.testing.assert_allclose(ds.x.values, [[0, 0]], atol=1e-6)
    np.testing.assert_allclose(ds.q.values, [EPSILON**2 / 2], rtol=1e-9)


def test_where_the_model_gives_no_numbers_the_search_turns_back():
    """NaN to the left of −0.3, where steps towards the minimum of q at 0 may well land."""
    field = fpa.vector_field(lambda x, u: x + EPSILON + jnp.sqrt(x + 0.3) * x**2, state=1)
    with pytest.warns(UserWarning, match="no fixed point was found"):
        ds = find(field, candidates=np.linspace(-1, 1, 41)[:, None], slow_points=True)
    assert np.any(np.abs(ds.x.values) < 1e-3)


def search(field, starts, scale, fixed=()):
    """Return the slow points of a field without inputs, sorted, and their hits."""
    starts = np.asarray(starts, float)
    fixed = np.reshape(np.asarray(fixed, float), (-1, starts.shape[1]))
    x, hits = find_slow_points(field, starts, np.zeros(0), np.asarray(scale, float), fixed, lambda n: None)
    order = np.lexsort(np.round(x / scale, 6).T[::-1])
    return x[order], hits[order]


class Net(eqx.Module):
    """`tanh(W x + b)` with every entry in a unit of its own; `rate (tanh(W x + b) − x)` as a flow."""

    weight: np.ndarray
    bias: np.ndarray
    unit: np.ndarray
    rate: np.ndarray
    is_flow: bool = eqx.field(static=True, default=False)

    def __call__(self, u, x):
        new = self.unit * jnp.tanh(self.weight @ (x / self.unit) + self.bias)
        return self.rate * (new - x) if self.is_flow else new


def network(seed, n=3):
    """Return weights, biases and scales of a network; every third has a ghost of its own in each unit."""
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(n, n)) * 1.5 / np.sqrt(n) + 1.3 * np.eye(n)
    if seed % 3 == 0:
        weight, gap = 0.1 * rng.normal(size=(n, n)) + 2.0 * np.eye(n), np.sqrt(0.5)
        return weight, 2.0 * gap - np.arctanh(gap) + 0.05 + 0.02 * rng.random(n), rng.uniform(0.4, 0.9, n)
    return weight, 0.5 * rng.normal(size=n), rng.uniform(0.4, 0.9, n)


def minima_by_scipy(weight, bias, scale, n_starts):
    """Return the minima of `½ Σ (f / scale)²` that are no zeros, by SciPy from random starts, unscaled."""

    def parts(x):
        t = np.tanh(weight @ x + bias)
        jacobian = (1 - t * t)[:, None] * weight - np.eye(len(x))
        return t, (t - x) / scale**2, jacobian

    def q(x):
        t, weighted, jacobian = parts(x)
        return 0.5 * np.sum((t - x) * weighted), jacobian.T @ weighted

    def hessian(x):
        t, weighted, jacobian = parts(x)
        bend = weight.T @ ((weighted * -2 * t * (1 - t * t))[:, None] * weight)
        return jacobian.T @ (jacobian / scale[:, None] ** 2) + bend

    found = []
    for start in np.random.default_rng(0).uniform(-1.2, 1.2, (n_starts, len(bias))):
        options = {"gtol": 1e-12, "maxiter": 300}
        end = scipy.optimize.minimize(q, start, jac=True, hess=hessian, method="trust-exact", options=options)
        is_minimum = end.fun > 1e-14 and np.linalg.norm(end.jac) < 1e-10
        if is_minimum and np.linalg.eigvalsh(hessian(end.x))[0] > 1e-9:
            if not any(np.allclose(end.x, x, atol=1e-5) for x in found):
                found.append(end.x)
    return np.array(found).reshape(-1, len(bias))


def same_points(x, y, atol):
    return len(x) == len(y) and all(np.min(np.max(np.abs(x - point), axis=1)) < atol for point in y)


def test_all_minima_of_random_networks(monkeypatch):
    """All that SciPy finds from its own starts, fast ones too, and nothing else."""
    monkeypatch.setattr(slow, "MOVE", 10.0)
    starts, total = np.random.default_rng(1).uniform(-1.2, 1.2, (600, 3)), 0
    for seed in (0, 1, 2, 3, 5, 6):
        weight, bias, scale = network(seed)
        expected = minima_by_scipy(weight, bias, scale, 120)
        one = np.ones(3)
        x, hits = search(fpa.vector_field(Net(weight, bias, one, one), state=3), starts, scale)
        assert same_points(x, expected, 1e-6), (seed, x, expected)
        assert np.all(hits > 0)
        total += len(x)
    assert total > 20


@pytest.mark.parametrize("is_flow", [False, True])
def test_units_of_entries_and_of_time_do_not_matter(is_flow, monkeypatch):
    monkeypatch.setattr(slow, "MOVE", 10.0)
    starts, total = np.random.default_rng(1).uniform(-1.2, 1.2, (300, 3)), 0
    domain = "continuous" if is_flow else "discrete"
    for seed, unit in ((0, [1e-12, 1.0, 1e9]), (3, [7e3, 3e-5, 0.9]), (6, [1e9, 1e-12, 1e-3])):
        weight, bias, scale = network(seed)
        one = np.ones(3)
        wrapped = [
            fpa.vector_field(Net(weight, bias, np.array(d), rate * one, is_flow), state=3, time_domain=domain)
            for d, rate in ((one, 1.0), (unit, 1e9 if seed else 1e-9))
        ]
        expected, _ = search(wrapped[0], starts, scale)
        x, _ = search(wrapped[1], starts * unit, scale * unit)
        assert same_points(x / unit, expected, 1e-7)
        total += len(x)
    assert total > 15


@pytest.mark.parametrize("n", [1, 2, 4])
def test_every_combination_of_independent_ghosts_is_found(n):
    """`n` units with a fixed point and a ghost each have `2ⁿ` minima of `q`, all but one of them slow."""
    gap = np.sqrt(0.5)
    bias = 2.0 * gap - np.arctanh(gap) + 1e-3
    ds = find(fpa.vector_field(lambda x, u: jnp.tanh(2.0 * x + bias), state=n), slow_points=True)
    assert (int(ds.n_fixed_points), int(ds.n_slow_points)) == (1, 2**n - 1)
    found: Any = scipy.optimize.minimize_scalar(
        lambda x: (np.tanh(2.0 * x + bias) - x) ** 2, (-0.75, -0.65), tol=1e-12
    )
    ghost = found.x
    x = ds.x.values[1:]
    rest = points(ds)[0, 0]
    assert {tuple(row) for row in np.abs(x - ghost) < 1e-6} == {
        tuple(row) for row in np.ndindex(*[2] * n) if any(row)
    }
    np.testing.assert_allclose(np.where(np.abs(x - ghost) < 1e-6, rest, x), rest, atol=1e-5)


@pytest.mark.parametrize("rate", [1e-6, 1.0, 1e6])
def test_a_ghost_of_one_dimension_has_the_clock_of_its_surroundings(rate):
    """At the ghost itself nothing but the flow moves: all rates vanish there."""
    field = fpa.vector_field(lambda x, u: rate * (EPSILON + x**2), state=1, time_domain="continuous")
    x, _ = search(field, STARTS[:, :1], [0.6])
    np.testing.assert_allclose(x, [[0.0]], atol=1e-6)


def test_angles_count_modulo_turns():
    def f(x, u):
        return jnp.stack([x[0] + EPSILON + 0.1 * (1 + jnp.cos(x[0])), 0.5 * x[1]])

    field = fpa.vector_field(f, state=["angle", "rate"], periodic=["angle"])
    starts = np.random.default_rng(0).uniform([-30.0, -1.0], [30.0, 1.0], (200, 2))
    x, hits = search(field, starts, [1.0, 1.0])
    assert x.shape == (1, 2)
    assert abs(x[0, 0]) == pytest.approx(np.pi, abs=1e-6)
    assert hits[0] > 50
    assert len(search(field, starts, [1.0, 1.0], fixed=[[-x[0, 0], 0.0]])[0]) == 0


TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(2, 2)))[0]
LINE = TURN @ np.diag([1.0, 0.5]) @ TURN.T


class Line(eqx.Module):
    """`W x + b`, through `tanh` where asked for."""

    weight: np.ndarray
    bias: np.ndarray
    bends: bool = eqx.field(static=True, default=False)

    def __call__(self, u, x):
        new = self.weight @ x + self.bias
        return jnp.tanh(new) if self.bends else new


DEGENERATE = {
    "fold": lambda x, u: jnp.stack([x[0] + x[0] ** 2 + 0.1 * x[1], 0.5 * x[1] + 0.1 * x[0] ** 3]),
    "pitchfork": Line(LINE, np.zeros(2), bends=True),
    "root of order 5": lambda x, u: jnp.stack([x[0] - x[0] ** 5, 0.5 * x[1]]),
    "line": Line(LINE, np.zeros(2)),
    "ring": lambda x, u: x * (1.5 - 0.5 * jnp.sum(x**2)),
    "shut gate": lambda x, u: x * (1 - jnp.exp(-(x**2))) - 0.5 * jnp.exp(-(x**2)),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_fixed_points_and_continua_are_not_slow(name):
    """Even where none of the fixed points is known; the last has one that is regular, and tails."""
    x, _ = search(fpa.vector_field(DEGENERATE[name], state=2), STARTS, [0.6, 0.6])
    assert len(x) == 0


def test_what_is_flat_within_rounding_is_represented_by_a_few():
    """The smallest residual of 1e-12 + x⁴ hides in rounding; on a line that drifts evenly all are minima."""
    hidden = fpa.vector_field(lambda x, u: jnp.stack([x[0] + 1e-12 + x[0] ** 4, 0.5 * x[1]]), state=2)
    x, _ = search(hidden, STARTS, [0.6, 0.6])
    assert x.shape == (1, 2)
    np.testing.assert_allclose(x, 0.0, atol=5e-3)
    drifting = fpa.vector_field(Line(LINE, 1e-3 * TURN[:, 0]), state=2)
    x, hits = search(drifting, STARTS, [0.6, 0.6])
    assert 1 <= len(x) <= 5
    assert hits.sum() > 40


def test_a_slow_point_is_no_fixed_point_however_slow():
    for gap in (1e-6, 1e-9, 1e-12):
        field = fpa.vector_field(
            lambda x, u, gap=gap: jnp.stack([x[0] + gap + x[0] ** 2, 0.5 * x[1]]), state=2
        )
        x, _ = search(field, STARTS, [0.6, 0.6])
        np.testing.assert_allclose(x, [[0.0, 0.0]], atol=1e-6)


def test_nothing_to_start_from():
    field = fpa.vector_field(lambda x, u: x + jnp.nan, state=1)
    for starts in (np.zeros((0, 1)), np.full((3, 1), np.nan), np.ones((3, 1))):
        x, hits = search(field, starts, [1.0])
        assert x.shape == (0, 1) and hits.shape == (0,)
