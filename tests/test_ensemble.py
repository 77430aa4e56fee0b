"""Ensembles: their labels, their simulation, and measures of what they do."""

import dataclasses

import equinox as eqx
import numpy as np
import pytest
import xarray as xr

import fpanalysis as fpa


@pytest.fixture(scope="module")
def reaching():
    return fpa.datasets.reaching_ensemble()


@pytest.fixture(scope="module")
def few(reaching):
    return reaching.sel(method=["std", "active"], field_std=[0.0, 1.2], replicate=0)


@pytest.fixture(scope="module")
def trials():
    return fpa.tasks.SimpleReaches().validation(field=fpa.fields.Curl(0.7), context=1.0)


@pytest.fixture(scope="module")
def movements(few, trials):
    return fpa.simulate(few, trials, progress=False)


def test_the_bundled_ensemble_has_what_it_is_said_to_have(reaching):
    assert reaching.sizes == {"method": 4, "field_std": 4, "replicate": 3} and len(reaching) == 48
    assert reaching.table["field_std"].values.tolist() == [0.0, 0.4, 0.8, 1.2]
    assert {"validation_loss", "selected_checkpoint", "included", "is_best"} <= set(reaching.table)
    assert (reaching.table["is_best"].sum("replicate") == 1).all()
    assert reaching.history.sizes["iteration"] <= 200
    assert all(model.network.hidden_size == 50 for model in reaching)
    assert "field_std" in reaching.config


def test_bundled_controllers_reach(reaching):
    """Ninety-five of a hundred unperturbed reaches end within 2 cm, whatever the network was trained on."""
    best = reaching.sel(replicate=1)
    ds = fpa.simulate(best, fpa.tasks.SimpleReaches().validation(2, 24), progress=False)
    assert ((fpa.measures.end_point_error(ds) <= 0.02).mean("trial") >= 0.95).all()


def test_the_bundled_flipflop_holds_its_bits_and_rests_in_eight_places():
    network = fpa.datasets.flipflop_ensemble().one()
    assert isinstance(network, fpa.Network)
    ds = fpa.simulate(network, fpa.tasks.FlipFlop().validation(), progress=False)
    assert (np.sign(ds["y"]) == ds["target"]).mean() > 0.999
    points = fpa.find_fixed_points(network.vector_field(), spectra="values", progress=False)
    assert int(points["is_stable"].sum()) == 8


def test_the_bundled_integrator_follows_the_stream_that_counts():
    network = fpa.datasets.integration_ensemble().one()
    ds = fpa.simulate(network, fpa.tasks.ContextIntegration().validation(), progress=False)
    end = ds.isel(time=-1)
    assert float(np.abs(end["y"] - end["target"]).mean()) < 0.05
    assert np.corrcoef(end["y"].values.ravel(), end["target"].values.ravel())[0, 1] > 0.995


def test_models_are_found_by_their_labels(reaching):
    one = reaching.sel(method="std", field_std=0.8, replicate=2)
    assert len(one) == 1 and one.sizes == {}
    index = [
        i
        for i, labels in enumerate(reaching.labels)
        if (labels["method"], labels["field_std"], labels["replicate"]) == ("std", 0.8, 2)
    ]
    assert one.one() is reaching.models[index[0]]
    assert reaching.sel(field_std=np.float32(0.8)).sizes == {"method": 4, "replicate": 3}
    swapped = reaching.sel(method=["std_uniform", "active"])
    assert swapped.table["method"].values.tolist() == ["std_uniform", "active"]
    assert swapped.models[0] is reaching.sel(method="std_uniform").models[0]
    assert swapped.history["method"].values.tolist() == ["std_uniform", "active"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"feild_std": 0.4}, "no hyperparameter 'feild_std'.*did you mean 'field_std'"),
        ({"field_std": 0.5}, "no model has field_std = 0.5; there are '0.0', '0.4'"),
        ({"replicate": "1"}, "no model has replicate = '1'"),
        ({"method": ["std", "stdd"]}, "no model has method = 'stdd'"),
    ],
)
def test_labels_that_are_not_there_say_what_is(reaching, labels, message):
    with pytest.raises(ValueError, match=message):
        reaching.sel(**labels)


def test_one_of_several_says_what_tells_them_apart(reaching):
    with pytest.raises(ValueError, match="there are 3 models, which differ in 'replicate'"):
        reaching.sel(method="std", field_std=0.0).one()


def test_an_ensemble_moves_like_its_members(few, trials, movements):
    assert movements["position"].dims == ("method", "field_std", "trial", "time", "axis")
    for labels, model in zip(few.labels, few, strict=True):
        alone = fpa.simulate(model, trials, progress=False)
        at = {name: labels[name] for name in ("method", "field_std")}
        for name in ("position", "velocity", "force", "hidden", "u", "field_force"):
            np.testing.assert_array_equal(movements[name].sel(at), alone[name])
    np.testing.assert_allclose(movements["direction"], np.arange(7) * 2 * np.pi / 7)
    np.testing.assert_allclose(movements["time"], 0.05 * np.arange(1, 100))
    v = movements["velocity"]
    np.testing.assert_allclose(movements["field_force"].sel(axis="x"), -0.7 * v.sel(axis="y"), atol=1e-12)
    assert (movements["u"].sel(input="context") == 1.0).all()
    assert movements["position"].attrs["units"] == "m" and movements["force"].attrs["units"] == "N"


def test_movements_are_saved_and_read(movements, tmp_path):
    fpa.save(movements, tmp_path / "movements.nc")
    assert fpa.open_dataset(tmp_path / "movements.nc").identical(movements)


def test_noise_comes_with_a_seed_only(few, trials, movements):
    again = fpa.simulate(few, trials, progress=False)
    assert again["position"].identical(movements["position"]) and movements.attrs["noise"] == 0
    noisy, same = (fpa.simulate(few, trials, seed=3, progress=False) for _ in range(2))
    assert noisy["position"].identical(same["position"]) and noisy.attrs["noise"] == 1
    assert float(abs(noisy["position"] - movements["position"]).max()) > 1e-4


def test_what_does_not_go_together_is_said(few, gru, trials, unchecked):
    with pytest.raises(TypeError, match="Ensemble runs on trials"):
        fpa.simulate(few, 10)
    with pytest.raises(TypeError, match="trials and noise are for a Controller"):
        fpa.simulate(gru, trials)
    with pytest.raises(ValueError, match="needs to know where each trial starts"):
        fpa.simulate(few, fpa.tasks.FlipFlop().validation())
    with pytest.raises(ValueError, match="the network has an input 'pulse', which is not shown"):
        fpa.simulate(fpa.datasets.flipflop_ensemble(), trials)
    slow = fpa.tasks.SimpleReaches(dt=0.1, n_steps=5).validation()
    with pytest.raises(ValueError, match="steps by 0.05 s, but the trials by 0.1 s"):
        fpa.simulate(few, slow)


def test_measures_against_loops(movements):
    error = fpa.measures.end_point_error(movements)
    deviation = fpa.measures.lateral_deviation(movements)
    assert error.dims == deviation.dims == ("method", "field_std", "trial")
    assert (error.attrs["units"], deviation.attrs["units"]) == ("m", "%")
    path = movements["position"].values
    for index in np.ndindex(error.shape):
        goal = movements["target_position"].values[index[-1], -1]
        start = movements["start"].values[index[-1]]
        ends = [np.hypot(*(point - goal)) for point in path[index][-5:]]
        assert float(error.values[index]) == pytest.approx(np.mean(ends), rel=1e-12)
        along = (goal - start) / np.hypot(*(goal - start))
        aside = [abs(np.cross(np.append(along, 0), np.append(point - start, 0))[2]) for point in path[index]]
        wanted = 100 * max(aside) / np.hypot(*(goal - start))
        assert float(deviation.values[index]) == pytest.approx(wanted, rel=1e-12)


def test_measures_of_something_else_say_what_they_need():
    with pytest.raises(ValueError, match="'target_position' is not in it"):
        fpa.measures.end_point_error(xr.Dataset({"position": ("time", [0.0, 1.0])}))
    ds = fpa.simulate(
        fpa.datasets.reaching_ensemble().sel(method="std", field_std=0.0, replicate=0),
        fpa.tasks.SimpleReaches(n_steps=4).validation(),
        progress=False,
    )
    with pytest.raises(ValueError, match="last: expected between 0.05 s and 0.2 s"):
        fpa.measures.end_point_error(ds, last=1.0)


def test_movements_that_explode_are_said_to(few, reaching):
    strong = fpa.tasks.SimpleReaches().validation(field=fpa.fields.Curl(1.0))
    euler = dataclasses.replace(reaching.models[0], plant=fpa.plants.PointMass(integrator="euler"))
    wild = fpa.tasks.SimpleReaches().validation(field=fpa.fields.Curl(1e30))
    with pytest.warns(RuntimeWarning, match=r"the states of 7 of 7 trials became .* first at t = [\d.]+ s"):
        fpa.simulate(euler, wild)
    weight = reaching.models[0].network.readout.weight
    broken = eqx.tree_at(lambda m: m.network.readout.weight, reaching.models[0], weight * np.nan)
    with pytest.raises(ValueError, match="expected finite weights"):
        fpa.simulate(broken, strong)
    both = fpa.Ensemble([reaching.models[0], broken], xr.Dataset({"member": ("replicate", [0, 1])}))
    with pytest.warns(RuntimeWarning, match="the states of 7 of 14 trials"):
        ds = fpa.simulate(both, strong, progress=False)
    assert np.isfinite(ds["position"].isel(replicate=0)).all()
