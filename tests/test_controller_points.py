"""Fixed points of controllers and ensembles under goals, and along simulated reaches."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from controllers import spring
from systems import cubic, cubic_roots

import fpanalysis as fpa
from fpanalysis.control.ensemble import Ensemble

GOAL = fpa.Goal(position=fpa.grid(3, 3), context=[0.0, 1.0])


def find(*args, **options):
    return fpa.find_fixed_points(*args, **{"progress": False, "spectra": False, **options})


@pytest.fixture(scope="module")
def robust():
    return fpa.datasets.reaching_ensemble().sel(method="std", field_std=[0.0, 0.8])


@pytest.fixture(scope="module")
def controller(robust):
    return robust.models[0]


@pytest.fixture(scope="module")
def reaches(controller):
    trials = fpa.tasks.SimpleReaches(n_steps=21).validation(n_directions=3)
    return fpa.simulate(controller, trials, progress=False)


def broken(controller):
    where = lambda c: c.network.cell.weight_hh  # noqa: E731
    return eqx.tree_at(where, controller, jnp.full_like(where(controller), np.nan))


def with_members(ensemble, change):
    models = [change(k, model) for k, model in enumerate(ensemble.models)]
    table = ensemble.table.assign(
        member=(ensemble.table["member"].dims, np.arange(len(models)).reshape(ensemble.table["member"].shape))
    )
    return Ensemble(models, table)


def test_clamped_points_are_those_of_the_bare_network(controller):
    ds = find(controller, GOAL)
    field = controller.network.vector_field()
    for context in (0.0, 1.0):
        for goal in (0, 5):
            row = ds.sel(context=context, goal=goal)
            bare = find(field, row.u.values, n_candidates=128)
            assert int(bare.n_fixed_points) == int(row.n_fixed_points) == 1
            np.testing.assert_allclose(row.x, bare.x, atol=1e-10)
    assert float(ds.residual.max()) <= 1e-12


def test_the_force_is_the_readout_of_the_state(controller):
    ds = find(controller, GOAL)
    readout = controller.network.readout
    force = ds.x.values @ np.asarray(readout.weight, float).T + np.asarray(readout.bias, float)
    np.testing.assert_allclose(ds.force.values, force, atol=1e-12)
    np.testing.assert_allclose(ds.force_norm.values, np.linalg.norm(force, axis=-1), atol=1e-12)
    assert ds.force.attrs["units"] == "N"
    assert ds.axis.values.tolist() == ["x", "y"]


def test_at_a_true_steady_state_no_force_is_left():
    ds = find(spring(), fpa.Goal(position=(0.4, 0.1)))
    np.testing.assert_allclose(ds.force_norm.values, 0.0, atol=1e-15)
    elsewhere = find(spring(4.0), fpa.Goal(position=(0.4, 0.1), feedback_position=(0.3, 0.1)))
    np.testing.assert_allclose(elsewhere.force.values, [[4.0 / 2.0 * np.tanh(2.0 * 0.1), 0.0]], atol=1e-7)


def test_an_ensemble_gives_its_labels_and_every_member_its_own_points(robust):
    ds = find(robust, GOAL)
    assert ds.n_fixed_points.dims == ("field_std", "replicate", "context", "goal")
    assert ds.field_std.values.tolist() == [0.0, 0.8]
    for k in (0, 4):
        labels = robust.labels[k]
        own = find(robust.models[k], GOAL)
        row = ds.sel({name: labels[name] for name in ("field_std", "replicate")})
        np.testing.assert_allclose(row.x.values, own.x.values, atol=1e-12)
        xr.testing.assert_equal(row.u.drop_vars(["field_std", "replicate"]), own.u)


def test_members_that_failed_are_labelled_rows(robust):
    some = with_members(robust, lambda k, model: broken(model) if k in (1, 5) else model)
    with pytest.warns(UserWarning, match=r"2 of 6 members .*replicate=1.*weight_hh.*bad_model"):
        ds = find(some, GOAL, spectra="full")
    bad = np.zeros((2, 3), bool)
    bad[0, 1] = bad[1, 2] = True
    names = np.array(ds.status.attrs["flag_meanings"].split())
    assert np.all((names[ds.status.values] == "bad_model") == bad[..., None, None])
    assert np.all(ds.n_fixed_points.values == ~bad[..., None, None])
    assert np.all(ds.n_candidates.values[bad] == 0)
    whole = find(robust, GOAL, spectra="full")
    for name in ("x", "eigenvalue", "force", "jacobian"):
        np.testing.assert_array_equal(ds[name].values[~bad], whole[name].values[~bad])


def test_an_ensemble_of_failures_raises(robust):
    with pytest.raises(ValueError, match="all 6 members of the ensemble hold NaN .*weight_hh"):
        find(with_members(robust, lambda k, model: broken(model)), GOAL)


def test_a_single_broken_controller_raises(controller):
    with pytest.raises(ValueError, match="model: expected finite weights"):
        find(broken(controller), GOAL)


def test_members_of_other_sizes_are_refused(robust):
    other = spring(plant=None)
    with pytest.raises(ValueError, match="members differ in their state"):
        find(with_members(robust, lambda k, model: other if k == 0 else model), GOAL)


def test_sparing_candidates_loses_nothing(robust):
    spared, whole = find(robust, GOAL), find(robust, GOAL, exhaustive=True)
    assert np.all(whole.n_candidates == 64)
    assert float(spared.n_candidates.mean()) < 32
    np.testing.assert_array_equal(spared.n_fixed_points, whole.n_fixed_points)
    np.testing.assert_allclose(spared.x, whole.x, atol=1e-11)


def test_where_there_is_more_than_one_point_all_candidates_run():
    """A bistable 'controller': its context unit feeds on itself."""
    controller = spring()
    with_loop = controller.network.cell.weight_hh.at[0, 0].set(3.0)
    controller = eqx.tree_at(lambda c: c.network.cell.weight_hh, controller, with_loop)
    goal = fpa.Goal(position=[(0.0, 0.0), (0.1, 0.0)])
    ds, whole = find(controller, goal), find(controller, goal, exhaustive=True)
    assert ds.n_fixed_points.values.tolist() == [3, 3]
    np.testing.assert_allclose(ds.x, whole.x, atol=1e-11)


def test_linearize_serves_ensembles(robust):
    ds = find(robust, GOAL, spectra="full")
    bare = ds.drop_vars(["jacobian", "eigenvalue"])
    np.testing.assert_array_equal(fpa.linearize(robust, bare, progress=False).jacobian, ds.jacobian)
    one = robust.sel(field_std=0.8)
    part = fpa.linearize(one, bare.sel(field_std=0.8), progress=False)
    np.testing.assert_array_equal(part.jacobian, ds.jacobian.sel(field_std=0.8))
    with pytest.raises(ValueError, match="expected the ensemble's values of 'field_std'"):
        fpa.linearize(robust.sel(field_std=[0.8]), bare.isel(field_std=[0]), progress=False)


def test_a_trail_is_solved_at_every_step(controller, reaches):
    ds = find(controller, inputs=reaches)
    assert ds.n_fixed_points.dims == ("trial", "time")
    assert np.all(ds.n_fixed_points == 1)
    np.testing.assert_array_equal(ds.u.values, reaches.u.values)
    np.testing.assert_array_equal(ds.time.values, reaches.time.values)
    assert "direction" in ds.coords
    asked = ds.n_candidates.values[0] > 0
    assert np.flatnonzero(asked).tolist() == [0, 10, 20]
    assert np.all(ds.n_candidates.values[:, asked] == 64)
    assert np.all(ds.n_neighbour_hits.values >= 1)
    for trial, time in ((0, 7), (2, 15)):
        alone = find(controller, inputs=reaches.u.isel(trial=trial, time=time))
        np.testing.assert_allclose(ds.x.values[trial, time], alone.x.values, atol=1e-11)


def test_a_trail_of_an_ensemble_uses_the_inputs_of_each_member(robust):
    trials = fpa.tasks.SimpleReaches(n_steps=5).validation(n_directions=2)
    reaches = fpa.simulate(robust, trials, progress=False)
    ds = find(robust, inputs=reaches)
    assert ds.n_fixed_points.dims == ("field_std", "replicate", "trial", "time")
    np.testing.assert_array_equal(ds.u.values, reaches.u.values)
    own = find(robust.models[4], inputs=reaches.isel(field_std=1, replicate=1))
    np.testing.assert_allclose(ds.isel(field_std=1, replicate=1).x, own.x, atol=1e-12)


def test_a_trail_through_a_fold_keeps_every_point():
    """A cubic map under a ramp: from three points to one. Every tenth step has candidates."""
    ramp = xr.DataArray(np.linspace(0.0, 0.4, 41)[:, None], dims=("time", "input"))
    counts = [len(cubic_roots(1.5, float(u))) for u in ramp.values[:, 0]]
    assert set(counts) == {1, 3}
    assert find(cubic(), inputs=ramp).n_fixed_points.values.tolist() == counts


def test_a_trail_says_where_candidates_and_neighbours_differ():
    pulse = xr.DataArray(np.full((21, 1), 0.4), dims=("time", "input"))
    pulse[10] = 0.0  # three points, to two of which no neighbour leads
    with pytest.warns(UserWarning, match=r"in 1 of the 3 conditions .*different points \(time=10\)"):
        ds = find(cubic(), inputs=pulse)
    assert ds.n_fixed_points.values.tolist() == [1] * 10 + [3] + [1] * 10
    assert sum(ds.n_neighbour_hits.values[10] == 0) >= 1
    assert np.all(ds.n_hits.values[10] > 0)


def test_a_trail_of_one_step_has_no_neighbours_to_differ_from(controller, reaches):
    assert np.all(find(controller, inputs=reaches.isel(time=[3])).n_fixed_points == 1)


@pytest.mark.parametrize("dim", ["trial", "time"])
def test_an_empty_simulation(controller, reaches, dim):
    with pytest.raises(ValueError, match=rf"inputs: the simulation is empty.*'{dim}': 0"):
        find(controller, inputs=reaches.isel({dim: slice(0)}))


def test_a_dataset_that_is_no_simulation(controller, reaches):
    with pytest.raises(ValueError, match="inputs: expected a dataset made by simulate"):
        find(controller, inputs=reaches.drop_vars("u"))


def test_a_network_and_an_ensemble_of_networks():
    ensemble = fpa.datasets.flipflop_ensemble()
    ds = find(ensemble.one(), n_candidates=256)
    many = find(ensemble, n_candidates=256)
    np.testing.assert_allclose(many.x.values.reshape(ds.x.shape), ds.x.values, atol=1e-12)
    assert "force" not in ds
