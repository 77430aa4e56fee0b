"""Our solver inside Optimistix, and Optimistix's solvers inside ours."""

import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
import pytest
import scipy.optimize
from systems import assert_same_points, cubic, cubic_roots, find, points, tanh_network

import fpanalysis as fpa

WEIGHT = np.array([[1.8, -0.6, 0.0], [0.3, 1.5, 0.4], [-0.2, 0.1, 1.2]])
STARTS = np.random.default_rng(0).normal(size=(60, 3))


@pytest.fixture(scope="module")
def expected():
    """Return the points that scipy finds from the same starts."""
    found: list[np.ndarray] = []
    for start in STARTS:
        solution = scipy.optimize.root(lambda x: np.tanh(WEIGHT @ x) - x, start, tol=1e-14)
        if np.abs(solution.fun).max() < 1e-12 and all(np.linalg.norm(solution.x - x) > 1e-6 for x in found):
            found.append(solution.x)
    return np.array(found)


@pytest.mark.parametrize(
    "solver",
    [
        None,
        fpa.solvers.DampedNewton(),
        optx.Newton(rtol=1e-10, atol=1e-10),
        optx.Dogleg(rtol=1e-10, atol=1e-10),
        optx.LevenbergMarquardt(rtol=1e-10, atol=1e-10),
        optx.Newton(rtol=1e-3, atol=1e-3),
    ],
    ids=["default", "ours", "newton", "dogleg", "levenberg-marquardt", "loose"],
)
def test_any_solver_finds_the_same_points(solver, expected):
    ds = find(tanh_network(WEIGHT), candidates=STARTS, solver=solver)
    assert_same_points(points(ds), expected, atol=1e-12)
    assert ds.residual.max() <= 1e-15
    name = "fpanalysis.DampedNewton" if solver is None else type(solver).__name__
    assert ds.attrs["solver"].endswith(name)
    assert ds.n_hits.sum() + ds.n_failed == 60


def test_another_solver_survives_bad_starts_and_several_conditions():
    import xarray as xr

    drives = xr.DataArray([-0.6, 0.1], dims="context")
    starts = np.concatenate([np.linspace(-2, 2, 30)[:, None], [[np.nan]]])
    ds = find(cubic(), {"drive": drives}, candidates=starts, solver=optx.Newton(rtol=1e-10, atol=1e-10))
    assert ds.n_fixed_points.values.tolist() == [1, 3]
    for c, drive in enumerate((-0.6, 0.1)):
        np.testing.assert_allclose(points(ds.isel(context=c))[:, 0], cubic_roots(1.5, drive), atol=1e-12)
    assert np.all(ds.n_failed >= 1)


def test_ours_as_an_optimistix_root_finder(expected):
    """Wherever our solver says that it succeeded, it stands on one of the points."""
    solver = fpa.solvers.DampedNewton(atol=1e-13)

    def solve(start):
        solution = optx.root_find(
            lambda x, weight: jnp.tanh(weight @ x) - x, solver, start, args=weight, throw=False
        )
        return solution.value, solution.result == optx.RESULTS.successful

    with jax.enable_x64(True):
        weight = jnp.asarray(WEIGHT)
        values, success = map(np.asarray, jax.jit(jax.vmap(solve))(jnp.asarray(STARTS)))
    assert success.sum() > 20
    distance = np.linalg.norm(values[success][:, None] - expected[None], axis=-1)
    assert distance.min(axis=1).max() < 1e-11
    assert len(np.unique(distance.argmin(axis=1))) == len(expected)


def test_our_solver_says_why_it_ends():
    solver = fpa.solvers.DampedNewton(atol=1e-10, rtol=0.0)
    with jax.enable_x64(True):
        one = optx.root_find(lambda y, args: y**2 + 1.0, solver, jnp.array([0.3]), throw=False)
        two = optx.root_find(lambda y, args: jnp.log(y), solver, jnp.array([-1.0]), throw=False)
        three = optx.root_find(lambda y, args: y**3 - 8.0, solver, jnp.array([2.0]))
    assert one.result == optx.RESULTS.nonlinear_divergence
    assert two.result == optx.RESULTS.nonfinite
    assert three.result == optx.RESULTS.successful
    np.testing.assert_allclose(three.value, [2.0])


def test_our_solver_works_in_float32_and_takes_auxiliary_output():
    def fn(y, args):
        return y**3 - args, {"seen": y}

    solution = optx.root_find(
        fn,
        fpa.solvers.DampedNewton(atol=1e-5),
        jnp.array([3.0, 1.0]),
        args=jnp.array([8.0, 27.0]),
        has_aux=True,
    )
    assert solution.value.dtype == jnp.float32
    np.testing.assert_allclose(solution.value, [2.0, 3.0], rtol=1e-5)
    np.testing.assert_array_equal(solution.aux["seen"], solution.value)


def test_our_solver_wants_a_flat_vector():
    with pytest.raises(ValueError, match="y0: DampedNewton solves for one flat vector"):
        optx.root_find(lambda y, args: y, fpa.solvers.DampedNewton(), {"a": jnp.zeros(2)})
