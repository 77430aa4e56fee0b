"""The flow on a plane is the vector field itself, along the plane's axes."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from systems import find, lorenz

import fpanalysis as fpa


def linear(matrix, time_domain: Any = "continuous", inputs=0):
    matrix = np.asarray(matrix, float)

    def f(x, u):
        change = matrix @ x
        return change + u[0] * jnp.ones(len(matrix)) if inputs else change

    return fpa.vector_field(f, state=len(matrix), inputs=inputs, time_domain=time_domain)


def cloud(n_state, n=40, seed=0):
    states = np.random.default_rng(seed).normal(size=(n, n_state)) * np.arange(n_state, 0, -1) + 0.3
    names = [f"x[{i}]" for i in range(n_state)]
    return xr.Dataset({"x": (("trial", "state"), states)}, coords={"state": names})


def states_at(ds):
    """Return the state at every node, `(first, second, state)`, by the formula of the schema."""
    one, other = ds.axes.values
    first, second = ds["first"].values[:, None, None], ds["second"].values[None, :, None]
    return ds.origin.values + first * one + second * other


@pytest.mark.parametrize("time_domain", ["continuous", "discrete"])
def test_a_linear_system_on_its_principal_components(time_domain):
    matrix = np.random.default_rng(1).normal(size=(5, 5))
    given = cloud(5)
    ds = fpa.flow_field(linear(matrix, time_domain), given, n=7)
    moved = states_at(ds) @ (matrix if time_domain == "continuous" else matrix - np.eye(5)).T
    np.testing.assert_allclose(ds.flow.values, moved @ ds.axes.values.T, atol=1e-12)
    np.testing.assert_allclose(ds.speed.values, np.sqrt((moved**2).sum(axis=-1)), atol=1e-12)
    np.testing.assert_allclose(ds.speed_in_plane**2, (ds.flow**2).sum("plane_axis"), atol=1e-10)
    assert bool((ds.speed_in_plane <= ds.speed + 1e-12).all())
    assert ds.flow.attrs["units"] == ("1/s" if time_domain == "continuous" else "1/step")
    # The plane is that of the largest eigenvalues of the covariance, through the mean.
    value, vector = np.linalg.eigh(np.cov(given.x.values.T))
    np.testing.assert_allclose(ds.origin, given.x.values.mean(axis=0))
    np.testing.assert_allclose(ds.variance_share, value[[-1, -2]] / value.sum())
    np.testing.assert_allclose(np.abs(np.sum(ds.axes.values * vector[:, [-1, -2]].T, axis=1)), 1)
    places = (given.x.values - ds.origin.values) @ ds.axes.values.T
    for axis, dim in enumerate(("first", "second")):
        assert ds[dim].values[0] < places[:, axis].min() < places[:, axis].max() < ds[dim].values[-1]


def test_lorenz_in_the_plane_of_two_states():
    extent, y = ((-20.0, 20.0), (0.0, 50.0)), 3.0
    ds = fpa.flow_field(lorenz(), ("x", "z"), through=[99.0, y, 99.0], extent=extent, n=11)
    x, z = ds["first"], ds["second"]
    np.testing.assert_allclose(ds.flow.sel(plane_axis="x"), 10 * (y - x) + 0 * z, atol=1e-12)
    np.testing.assert_allclose(ds.flow.sel(plane_axis="z"), x * y - 8 / 3 * z, atol=1e-12)
    speed = np.sqrt((10 * (y - x)) ** 2 + (x * (28 - z) - y) ** 2 + (x * y - 8 / 3 * z) ** 2)
    np.testing.assert_allclose(ds.speed, speed, rtol=1e-12)
    assert ds.origin.values.tolist() == [0.0, y, 0.0]
    assert (ds["first"].values[[0, -1]].tolist(), ds["second"].values[[0, -1]].tolist()) == (
        [-20.0, 20.0],
        [0.0, 50.0],
    )
    assert bool(ds.variance_share.isnull().all())


def test_the_three_points_of_lorenz_lie_in_the_plane_through_them():
    rng = np.random.default_rng(0)
    points = find(lorenz(), candidates=rng.normal(scale=15.0, size=(200, 3)) + [0, 0, 20])
    ds = fpa.flow_field(lorenz(), points, n=5)
    off = points.x.values - ds.origin.values
    np.testing.assert_allclose(off @ ds.axes.values.T @ ds.axes.values, off, atol=1e-9)


def test_the_pitchfork_rests_where_it_should():
    fork = fpa.vector_field(
        lambda x, u: jnp.stack([u[0] * x[0] - x[0] ** 3, -x[1]]),
        state=["x", "y"],
        inputs=["r"],
        time_domain="continuous",
    )
    for r, resting in ((-1.0, [0.0]), (0.25, [-0.5, 0.0, 0.5])):
        ds = fpa.flow_field(fork, ("x", "y"), {"r": r}, extent=((-1.0, 1.0), (-1.0, 1.0)), n=9)
        slow = ds.speed.where(ds.speed < 1e-12, drop=True)
        assert (slow["first"].values.tolist(), slow["second"].values.tolist()) == (resting, [0.0])
        assert ds.u.sel(input="r") == r


def test_the_bundled_gru_is_evaluated_as_written_down(gru, gru_points):
    u = {"pulse[1]": 0.7}
    ds = fpa.flow_field(gru, gru_points, u, n=31)
    cell = gru.function.cell
    w_hh, w_ih, bias, bias_n = (
        np.asarray(each, float) for each in (cell.weight_hh, cell.weight_ih, cell.bias, cell.bias_n)
    )
    rng = np.random.default_rng(4)
    for _ in range(20):
        i, j = rng.integers(31, size=2)
        h = states_at(ds)[i, j]
        given = np.split(w_ih @ [0, 0.7, 0] + bias, 3)
        own = np.split(w_hh @ h, 3)
        reset, update = (1 / (1 + np.exp(-given[k] - own[k])) for k in (0, 1))
        new = np.tanh(given[2] + reset * (own[2] + bias_n))
        moved = new + update * (h - new) - h
        np.testing.assert_allclose(ds.flow.values[i, j], ds.axes.values @ moved, atol=1e-12)
        np.testing.assert_allclose(ds.speed.values[i, j], np.linalg.norm(moved), atol=1e-12)
    assert ds.flow.dtype == np.float64
    assert jnp.asarray(0.5).dtype == jnp.float32
    assert ds.attrs["model_hash"] == gru_points.attrs["model_hash"]
    assert ds.attrs["time_domain"] == "discrete"


def test_a_controller_is_looked_at_with_its_feedback_held():
    controller: Any = fpa.datasets.reaching_ensemble().sel(method="std", field_std=0.8, replicate=0).one()
    trials = fpa.tasks.SimpleReaches(n_steps=10).validation(n_directions=4)
    reaches = fpa.simulate(controller, trials, progress=False)
    goal = fpa.Goal(position=(0.05, -0.02), context=1.0)
    ds = fpa.flow_field(controller, reaches, goal, n=5)
    same = fpa.flow_field(controller.network.vector_field(), reaches, ds.u, n=5)
    assert ds.drop_attrs().identical(same.drop_attrs())
    states = reaches.hidden.values.reshape(-1, 50)
    np.testing.assert_allclose(ds.origin, states.mean(axis=0))
    assert ds.u.sel(input="context") == 1.0
    assert ds.u.sel(input="feedback.position[1]") == -0.02


def test_padding_spans_no_plane():
    given = cloud(4, n=6).rename(trial="fixed_point")
    given["kind"] = ("fixed_point", np.array([1, 1, 2, 1, 0, 0], np.int8))
    used = given.isel(fixed_point=[0, 1, 2, 3])
    given["x"][4], given["x"][5] = 7.0, np.nan
    field = linear(np.eye(4))
    assert (
        fpa.flow_field(field, given, n=3).drop_attrs().equals(fpa.flow_field(field, used, n=3).drop_attrs())
    )


def test_a_state_of_two_entries_keeps_its_own_coordinates():
    ds = fpa.flow_field(linear(np.eye(2)), cloud(2), n=3)
    assert ds.plane_axis.values.tolist() == ["x[0]", "x[1]"]
    assert (ds.axes.values == np.eye(2)).all()
    np.testing.assert_allclose(ds.flow.sel(plane_axis="x[0]"), ds["first"] + 0 * ds["second"], atol=1e-12)


def test_states_on_a_line_or_in_one_place_still_span_a_plane():
    line = cloud(3).assign(x=lambda ds: ds.x * [1.0, 0.0, 0.0])
    for given in (line, line.isel(trial=[3]), line.isel(trial=[3, 3])):
        ds = fpa.flow_field(linear(np.eye(3)), given, n=3)
        np.testing.assert_allclose(ds.axes.values @ ds.axes.values.T, np.eye(2), atol=1e-12)
        assert min(np.ptp(ds[dim].values) for dim in ("first", "second")) > 0


def test_many_nodes_are_evaluated_in_parts_that_agree():
    field, given = linear(np.random.default_rng(2).normal(size=(3, 3))), cloud(3)
    many = fpa.flow_field(field, given, n=201)
    few = fpa.flow_field(field, given, n=5)
    np.testing.assert_allclose(many.speed.values[::50, ::50], few.speed.values, rtol=1e-12)


def test_what_is_not_finite_is_said():
    field = fpa.vector_field(
        lambda x, u: jnp.log(x) + 0 * x[::-1], state=["a", "b"], time_domain="continuous"
    )
    with pytest.warns(RuntimeWarning, match="NaN or infinite at 5 of 9 nodes"):
        ds = fpa.flow_field(field, ("a", "b"), extent=((-1.0, 3.0), (-1.0, 3.0)), n=3)
    assert np.isfinite(ds.speed.values[1:, 1:]).all()


def test_a_flow_survives_its_file(tmp_path):
    ds = fpa.flow_field(linear(np.eye(3), inputs=1), cloud(3), {"input[0]": 2.0}, n=4)
    fpa.save(ds, tmp_path / "flow.nc")
    assert fpa.open_dataset(tmp_path / "flow.nc").identical(ds)


EXTENT = ((-1.0, 1.0), (-1.0, 1.0))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"plane": ("x[0]", "zz")}, ValueError, "plane: the state has no entry 'zz'"),
        ({"plane": ("x[0]", "x[0]")}, ValueError, "plane: .*'x.0.' twice"),
        ({"plane": "x[0]"}, TypeError, "plane: expected two names"),
        ({"plane": cloud(3)}, ValueError, "plane: its state has 3 entries, that of the model 4"),
        ({"plane": cloud(4) * np.nan}, ValueError, "plane: .*no finite state"),
        ({"plane": xr.Dataset({"z": 1})}, ValueError, "plane: .*no variable 'x' or 'hidden'"),
        ({"extent": None}, ValueError, "extent: .*got none"),
        ({"extent": ((1, -1), (0, 1))}, ValueError, "extent: .*low < high"),
        ({"extent": "wide"}, TypeError, "extent: expected"),
        ({"n": 1}, ValueError, "n: .*got 1"),
        ({"through": [1.0, 2.0]}, ValueError, r"through: .*got shape \(2,\)"),
        ({"through": "middle"}, TypeError, "through: expected a state"),
        ({"u": {"inptu[0]": 1.0}}, ValueError, "u: .*did you mean 'input"),
        (
            {"u": xr.DataArray(np.ones((3, 1)), dims=("level", "input"))},
            ValueError,
            "u: expected one .*got 3",
        ),
        ({"u": fpa.Goal(position=(0.0, 0.0))}, TypeError, "u: a Goal is for controllers"),
        ({"model": lambda x, u: x}, TypeError, "model: .*wrap it first"),
        ({"model": linear([[1.0]])}, ValueError, "model: a plane needs a state of two entries"),
        ({"model": fpa.datasets.delay_ensemble()}, ValueError, "model: .*ensemble of 2 .*'delay'"),
        ({"model": fpa.datasets.delay_ensemble().models[0]}, ValueError, "u: a controller needs a goal"),
    ],
)
def test_bad_arguments_are_named(change, error, message):
    given = {"model": linear(np.eye(4), inputs=1), "plane": ("x[0]", "x[1]"), "extent": EXTENT, "n": 3}
    with pytest.raises(error, match=message):
        fpa.flow_field(**(given | change))


def test_hidden_units_alone_are_no_state_of_the_closed_loop():
    controller: Any = fpa.datasets.delay_ensemble().sel(delay=0).one()
    reaches = fpa.simulate(controller, fpa.tasks.SimpleReaches(n_steps=3).validation(n_directions=2))
    with pytest.raises(ValueError, match="plane: it holds the hidden units only.*'plant"):
        fpa.flow_field(controller.closed_loop(), reaches)
