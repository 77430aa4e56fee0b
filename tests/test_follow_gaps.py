"""Branches go on across conditions that a mask has left out, and across a point in which they cross."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

import fpanalysis as fpa
from fpanalysis.rows import rows_of
from fpanalysis.vector_field import TimeDomain

R = np.linspace(-1.0, 1.0, 9)  # with 0


def swept(f, values=R, time_domain: TimeDomain = "continuous", state=("x",), starts=None):
    """Return the fixed points of a function of one input, swept over values."""
    field = fpa.vector_field(f, state=list(state), inputs=["r"], time_domain=time_domain)
    starts = np.linspace(-3, 3, 41)[:, None] if starts is None else starts
    r = xr.DataArray(values, {"r": values})
    return fpa.find_fixed_points(field, {"r": r}, candidates=starts, progress=False)


def events(ds):
    """Return how many branches begin and end in which way, without what is at the ends of the sweep."""
    said = {}
    for name in ("branch_begins", "branch_ends"):
        words = ds[name].attrs["flag_meanings"].split()
        for value in ds[name].values.ravel():
            if words[value] not in ("none", "start", "end"):
                said[words[value]] = said.get(words[value], 0) + 1
    return said


def states_of(ds, branch):
    """Return the first entry of a branch at every value, NaN where it has no row."""
    return ds.x.isel(state=0).where(ds.branch == branch).max("fixed_point").values


@pytest.fixture(scope="module")
def network():
    """Return three points under seven inputs, with their modes."""
    weights = jnp.array([[1.6, 0.4], [-0.3, 1.5]])
    field = fpa.vector_field(lambda x, u: jnp.tanh(weights @ x) + 0.05 * u, state=2, inputs=["r"])
    r = xr.DataArray(R[1:-1], {"r": R[1:-1]})
    return fpa.find_fixed_points(field, {"r": r}, n_candidates=64, progress=False)


@pytest.mark.parametrize("left_out", [[3], [2, 3], [0], [6], [0, 2, 5]])
def test_masked_conditions_change_nothing_elsewhere(network, left_out):
    whole = fpa.follow(network, "r")
    keep = xr.DataArray(~np.isin(np.arange(7), left_out), {"r": network.r})
    masked = fpa.follow(network.where(keep), "r")
    assert (masked.branch[left_out] == -1).all()
    assert events(masked) == events(whole) == {}
    for name in ("branch", "mode_track"):
        np.testing.assert_array_equal(masked[name][keep.values], whole[name][keep.values])
    assert float(masked.branch_confidence[keep.values].min()) > 0.5


def test_masks_of_one_of_two_conditions(network):
    both = network.where((network.r != 0.0) | xr.DataArray([True, False], {"k": [0, 1]}))
    followed = fpa.follow(both, "r")
    assert rows_of(both).is_masked.sum() == 1
    assert events(followed) == {}
    rest = network.r.values != 0.0
    np.testing.assert_array_equal(followed.branch.isel(k=1)[rest], followed.branch.isel(k=0)[rest])
    turned = fpa.follow(both.transpose(..., "k"), "r")
    np.testing.assert_array_equal(turned.branch.transpose(*followed.branch.dims), followed.branch)


def test_nothing_is_known_of_a_result_that_is_masked_altogether(network):
    assert (fpa.follow(network.where(network.r > 9.0), "r").branch == -1).all()


CROSSINGS: dict[str, tuple[Any, Any, TimeDomain, int]] = {
    "transcritical": (lambda x, u: u[0] * x - x**2, R, "continuous", 2),
    "logistic map": (lambda x, u: u[0] * x * (1 - x), np.linspace(0.76, 1.24, 9), "discrete", 2),
    "two that change signs": (lambda x, u: u[0] ** 2 - x**2, R, "continuous", 2),
    "three at once": (lambda x, u: x * (u[0] - x) * (2 * u[0] - x), R, "continuous", 3),
}


@pytest.mark.parametrize("kind", CROSSINGS)
def test_branches_that_cross_go_on(kind):
    f, values, domain, n = CROSSINGS[kind]
    ds = fpa.follow(swept(f, values, domain), "r")
    at = len(values) // 2
    assert ds.n_fixed_points.values.tolist() == [n] * at + [1] + [n] * at
    assert int(ds.branch.max()) + 1 == n
    assert events(ds) == {}
    assert (ds.branch[at] >= 0).sum() == 1  # one of them has the row
    masked = fpa.follow(ds.where(ds.r != values[at]), "r")
    np.testing.assert_array_equal(np.delete(masked.branch, at, 0), np.delete(ds.branch, at, 0))
    tracks = ds.mode_track.values[ds.branch.values >= 0]
    assert (tracks == 0).all()


def test_a_crossing_branch_is_the_same_line_on_both_sides():
    ds = fpa.follow(swept(lambda x, u: u[0] * x - x**2), "r")
    line = next(states_of(ds, k) for k in (0, 1) if states_of(ds, k)[0] < -0.5)
    np.testing.assert_allclose(line[R != 0], R[R != 0], atol=1e-9)


def test_two_crossings_at_one_condition():
    def f(x, u):
        return jnp.stack([u[0] * x[0] - x[0] ** 2, x[1] - x[1] ** 3])

    starts = np.random.default_rng(0).uniform(-2, 2, (200, 2))
    ds = fpa.follow(swept(f, state=("x", "y"), starts=starts), "r")
    assert ds.n_fixed_points.values.tolist() == [6] * 4 + [3] + [6] * 4
    assert int(ds.branch.max()) + 1 == 6
    assert events(ds) == {}


@pytest.mark.parametrize(
    ("f", "values", "expected"),
    [
        (lambda x, u: u[0] + x**2, R, {"fold": 2}),
        (lambda x, u: u[0] - x**2, R, {"fold": 2}),
        (lambda x, u: u[0] + 3 * x - x**3, np.linspace(-4, 4, 9), {"fold": 4}),
        (lambda x, u: u[0] * x - x**3, R, {"birth": 2}),
        (lambda x, u: -u[0] * x - x**3, R, {"death": 2}),
        (lambda x, u: u[0] - x**3, R, {}),
        # Where the sweep ends or starts at the point itself, it may be a crossing as well.
        (lambda x, u: u[0] + x**2, R[:5], {"death": 1}),
        (lambda x, u: u[0] - x**2, R[4:], {"birth": 1}),
        (lambda x, u: u[0] * x - x**2, R[:5], {"death": 1}),
        (lambda x, u: u[0] * x - x**2, R[4:], {"birth": 1}),
    ],
)
@pytest.mark.filterwarnings("ignore:.*no fixed point:UserWarning")
def test_folds_come_in_pairs(f, values, expected):
    assert events(fpa.follow(swept(f, values), "r")) == expected
