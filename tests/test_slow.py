"""Slow points: minima of q above the tolerance, never fixed points."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from systems import cubic, find, points

import fpanalysis as fpa
from fpanalysis.schema import Kind

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
    q = lambda x: 0.5 * np.sum(residual(x, drive) ** 2)
    best = scipy.optimize.minimize(
        q, ds.x.values[0] + 0.01, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-22}
    )
    np.testing.assert_allclose(ds.x.values[0], best.x, atol=1e-7)
    np.testing.assert_allclose(ds.q.values, [best.fun], rtol=1e-9)
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
