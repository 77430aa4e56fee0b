"""Trajectories against loops in numpy and solutions on paper."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from fpanalysis import vector_field
from fpanalysis.simulation import simulate
from fpanalysis.trajectories import trajectories


@pytest.fixture(scope="module")
def linear():
    """Return a discrete system of two states and three named inputs with a readout, and its matrices."""
    rng = np.random.default_rng(0)
    a, b, c = 0.5 * rng.normal(size=(2, 2)), rng.normal(size=(2, 3)), rng.normal(size=(1, 2))
    field = vector_field(
        lambda x, u: jnp.tanh(a @ x + b @ u),
        state=["p", "q"],
        inputs=["left", "right", "go"],
        readout=lambda x: c @ x,
    )
    return field, a, b, c


def loop(a, b, x, u):
    """Return the states that `tanh(a x + b u)` runs through."""
    states = []
    for now in u:
        x = np.tanh(a @ x + b @ now)
        states.append(x)
    return np.array(states)


def test_discrete_matches_a_loop(linear):
    field, a, b, c = linear
    rng = np.random.default_rng(1)
    u, x0 = rng.normal(size=(4, 9, 3)), rng.normal(size=(4, 2))
    ds = simulate(field, u, x0, dt=0.02)
    expected = np.stack([loop(a, b, *pair) for pair in zip(x0, u, strict=True)])
    np.testing.assert_allclose(ds.x, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(ds.y, expected @ c.T, rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(ds.u, u)
    np.testing.assert_array_equal(ds.x0, x0)
    assert ds.x.dims == ("trial", "time", "state")
    assert ds.y.dims == ("trial", "time", "output")
    np.testing.assert_allclose(ds.time, 0.02 * np.arange(1, 10))
    assert ds.time.attrs["units"] == "s"
    assert ds.attrs["dt"] == 0.02
    assert ds.attrs["time_domain"] == "discrete"
    assert ds.state.values.tolist() == ["p", "q"]
    assert ds.input.values.tolist() == ["left", "right", "go"]


def test_a_bare_float32_cell_runs_in_float64():
    cell = eqx.nn.GRUCell(2, 4, key=jax.random.key(0))
    ds = simulate(cell, 5)
    assert ds.x.dims == ("time", "state")
    assert ds.x.dtype == np.float64
    assert "y" not in ds
    assert ds.time.values.tolist() == [1, 2, 3, 4, 5]
    assert ds.time.attrs["units"] == "step"
    assert "dt" not in ds.attrs
    h, zero = jnp.zeros(4), jnp.zeros(2)
    for k in range(5):
        h = cell(zero, h)
        np.testing.assert_allclose(ds.x[k], np.asarray(h), atol=1e-6)


def test_dataarray_dims_in_any_order_and_inputs_by_name(linear):
    field, a, b, _ = linear
    rng = np.random.default_rng(2)
    u = xr.DataArray(
        rng.normal(size=(3, 2, 6, 4)),
        dims=("input", "context", "time", "goal"),
        coords={
            "input": ["go", "left", "right"],
            "context": [-1.0, 1.0],
            "goal_x": ("goal", np.arange(4.0)),
            "session": "s1",
            "time": np.arange(6) * 0.1,
        },
    )
    x0 = xr.DataArray(
        rng.normal(size=(2, 5, 4)), dims=("state", "start", "goal"), coords={"state": ["q", "p"]}
    )
    ds = simulate(field, u, x0)
    assert ds.x.dims == ("context", "goal", "start", "time", "state")
    assert ds.attrs["dt"] == pytest.approx(0.1)
    assert ds.goal_x.dims == ("goal",)
    assert ds.session.item() == "s1"
    assert ds.start.values.tolist() == [0, 1, 2, 3, 4]
    one = {"context": 1, "goal": 2, "start": 3}
    values = u.isel(context=1, goal=2).transpose("time", "input").values[:, [1, 2, 0]]
    start = x0.isel(goal=2, start=3).values[::-1]
    np.testing.assert_allclose(ds.x.isel(one), loop(a, b, start, values), rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(ds.u.isel(one), values)


def test_many_starts_under_one_input(linear):
    field, a, b, _ = linear
    x0 = np.random.default_rng(3).normal(size=(3, 2))
    ds = simulate(field, 4, x0)
    assert ds.x.dims == ("trial", "time", "state")
    np.testing.assert_allclose(ds.x[2], loop(a, b, x0[2], np.zeros((4, 3))), rtol=1e-12)
    np.testing.assert_allclose(simulate(field, 4, x0[1]).x, ds.x[1], rtol=1e-12)


def test_oscillator_driven_by_steps_matches_its_solution():
    # x'' = −ω²(x − u): around each held u the solution is a rotation.
    w, dt = 2.0, 0.3
    field = vector_field(
        lambda x, u: jnp.stack([x[1], -(w**2) * (x[0] - u[0])]), state=2, inputs=1, time_domain="continuous"
    )
    u = np.random.default_rng(4).normal(size=(12, 1))
    ds = simulate(field, u, [1.0, 0.0], dt=dt)
    turn = np.array([[np.cos(w * dt), np.sin(w * dt) / w], [-w * np.sin(w * dt), np.cos(w * dt)]])
    x, expected = np.array([1.0, 0.0]), []
    for (now,) in u:
        rest = np.array([now, 0.0])
        x = rest + turn @ (x - rest)
        expected.append(x)
    np.testing.assert_allclose(ds.x, expected, atol=2e-7)
    np.testing.assert_allclose(ds.time, dt * np.arange(1, 13))


def test_blow_up_costs_one_trial_and_is_said():
    # x' = x² has the solution x0 / (1 − x0 t).
    field = vector_field(lambda x, u: x**2, state=1, time_domain="continuous", dt=0.1)
    with pytest.warns(RuntimeWarning, match=r"1 of 3 trials became infinite or NaN, first at t = 1(\.1)? s"):
        ds = simulate(field, 15, [[1.0], [0.5], [-1.0]])
    assert not np.isfinite(ds.x[0, 10:]).any()
    for k, start in ((1, 0.5), (2, -1.0)):
        np.testing.assert_allclose(ds.x[k, :, 0], start / (1 - start * ds.time), rtol=1e-5)


def test_discrete_blow_up_is_said():
    field = vector_field(lambda x, u: x**3, state=1)
    with pytest.warns(RuntimeWarning, match="1 of 2 trials became infinite or NaN, first at step 7"):
        ds = simulate(field, 9, [[10.0 ** (308 / 3**6.5)], [0.5]])
    assert np.isfinite(ds.x[1]).all()


def test_new_values_do_not_compile_again():
    traces = []

    def f(x, u):
        traces.append(1)
        return -x

    field = vector_field(f, state=1, time_domain="continuous")
    trajectories(field, np.ones((2, 1)), np.zeros((2, 3, 0)), 0.1)
    n = len(traces)
    trajectories(field, np.zeros((2, 1)), np.zeros((2, 3, 0)), 0.2, rtol=1e-6)
    assert len(traces) == n


def test_time_steps_must_agree(linear):
    field = linear[0]
    time = xr.DataArray(np.zeros((4, 3)), dims=("time", "input"), coords={"time": 0.1 * np.arange(4)})
    with pytest.raises(
        ValueError, match="dt is 0.2 s, but the spacing of the time coordinate of inputs is 0.1 s"
    ):
        simulate(field, time, dt=0.2)
    with pytest.raises(ValueError, match="evenly spaced"):
        simulate(field, time.assign_coords(time=[0.0, 1.0, 3.0, 4.0]))
    sampled = vector_field(lambda x, u: x, state=1, dt=0.01)
    assert simulate(sampled, 3).attrs["dt"] == 0.01
    with pytest.raises(ValueError, match=r"dt is 0.2 s, but the model's dt is 0.01 s"):
        simulate(sampled, 3, dt=0.2)
    with pytest.raises(ValueError, match="dt: expected a positive number of seconds, got -1"):
        simulate(sampled, 3, dt=-1.0)
    continuous = vector_field(lambda x, u: -x, state=1, time_domain="continuous")
    with pytest.raises(ValueError, match="dt: a continuous-time model needs the seconds between samples"):
        simulate(continuous, 3)


def test_results_feed_the_next_simulation(linear):
    ds = simulate(linear[0], np.random.default_rng(5).normal(size=(6, 3)))
    again = simulate(linear[0], ds.u, ds.x0)
    np.testing.assert_array_equal(again.x, ds.x)
    assert again.time.attrs["units"] == "step"


@pytest.mark.parametrize(
    ("inputs", "x0", "words"),
    [
        (0, None, "inputs: expected at least one step, got 0"),
        (np.zeros((5, 2)), None, r"shape \(time, 3\) or \(trial, time, 3\), got shape \(5, 2\)"),
        (np.zeros((2, 5, 3)), np.zeros((3, 2)), r"x0: expected .* \(2,\) or \(2, 2\), got \(3, 2\)"),
        (5, np.zeros(3), r"x0: expected .* \(2,\) or \(trial, 2\), got \(3,\)"),
        (xr.DataArray(np.zeros((5, 3)), dims=("step", "input")), None, "'step', 'input' without 'time'"),
        (
            xr.DataArray(np.zeros((5, 3)), dims=("time", "input"), coords={"input": ["left", "rigth", "go"]}),
            None,
            r"the model has no input 'rigth' \(did you mean 'right'\?\)",
        ),
        (
            xr.DataArray(np.zeros((5, 2)), dims=("time", "input"), coords={"input": ["left", "go"]}),
            None,
            "no values are given for the input 'right'",
        ),
        (
            xr.DataArray(np.zeros((2, 5, 3)), dims=("goal", "time", "input"), coords={"goal": [0, 1]}),
            xr.DataArray(np.zeros((2, 2)), dims=("goal", "state"), coords={"goal": [1, 2]}),
            "x0: its dims and coordinates differ",
        ),
    ],
)
def test_arguments_are_checked(linear, inputs, x0, words):
    with pytest.raises(ValueError, match=words):
        simulate(linear[0], inputs, x0)


def test_weights_must_be_finite():
    cell = eqx.nn.GRUCell(2, 3, key=jax.random.key(0))
    cell = eqx.tree_at(lambda c: c.weight_hh, cell, jnp.full_like(cell.weight_hh, jnp.nan))
    with pytest.raises(ValueError, match="weight_hh"):
        simulate(cell, 3)
