"""Training: against a plain loop, stopped and resumed, and when numbers explode."""

import json
import re
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fpanalysis as fpa
from fpanalysis.control.rollout import rollouts
from fpanalysis.training import group, trainer
from fpanalysis.training.config import Config, ConfigError
from fpanalysis.training.folder import read_arrays

TINY = {
    "task": {"n_steps": 10},
    "network": {"hidden_size": 5},
    "perturbation": {"method": "std", "field_std": 0.5},
    "training": {"iterations": 6, "batch_size": 4, "validate_every": 2, "checkpoints": [2, 4, 6]},
    "replicates": 2,
}


def tiny(**changes):
    config = json.loads(json.dumps(TINY))
    for name, value in changes.items():
        section, _, key = name.rpartition("__")
        (config.setdefault(section, {}) if section else config)[key] = value
    return config


def weights(model):
    return [np.asarray(leaf) for leaf in jax.tree_util.tree_leaves(eqx.filter(model, eqx.is_array))]


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


def train(config, *args, **options):
    return fpa.train(config, *args, progress=False, **options)


@pytest.fixture(scope="module")
def trained():
    return train(TINY)


def test_weights_are_those_of_a_plain_loop(trained):
    config = Config.from_dict(tiny(replicates=1))
    plan = trainer.expand(config)
    jobs, initial = trainer.jobs_of(plan.members, None)
    job, params = jobs[0], initial[0]
    settings = config.optimizer
    schedule = optax.schedules.cosine_decay_schedule(settings.learning_rate, 6, settings.final_fraction)
    optimizer = optax.adamw(schedule, weight_decay=settings.weight_decay)
    state = optimizer.init(params)
    for iteration in range(6):
        trials, keys = job.batch(jnp.int32(iteration))

        def loss(params, trials=trials, keys=keys):
            runs: Any = rollouts(job.model(params), trials, keys)
            late = (jnp.arange(1, 11, dtype=jnp.float32) / 10)[None, :, None] ** 6
            error = (runs.position - trials.targets["position"]) ** 2
            per_trial = jnp.sum(late * error, axis=(1, 2)) + jnp.sum(runs.velocity[:, -1] ** 2, axis=1)
            effort = jnp.sum(runs.output**2, axis=(1, 2)) + jnp.sum(runs.hidden**2, axis=(1, 2))
            return jnp.mean(per_trial + 1e-5 * effort)

        value, slope = jax.value_and_grad(loss)(params)
        total = trained.history["loss"].isel(replicate=0, iteration=iteration).sum("term")
        assert float(total) == pytest.approx(float(value), rel=1e-4)
        with jax.numpy_dtype_promotion("standard"):
            change, state = optimizer.update(slope, state, params)
            params = optax.apply_updates(params, change)
    found = trained.sel(replicate=0).one()
    for a, b in zip(jax.tree_util.tree_leaves(params), weights(found), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5)


def test_replicates_start_apart_and_what_is_swept_starts_alike():
    ensemble = train(
        tiny(training__iterations=1, training__checkpoints=[0], sweep={"perturbation.field_std": [0.0, 0.7]})
    )
    assert ensemble.sizes == {"field_std": 2, "replicate": 2}
    a, b = (ensemble.sel(field_std=value, replicate=0).one() for value in (0.0, 0.7))
    assert same(a, b)
    assert not same(a, ensemble.sel(field_std=0.0, replicate=1).one())


def test_the_same_configuration_gives_the_same_bits(trained):
    again = train(TINY)
    for a, b in zip(trained, again, strict=True):
        assert same(a, b)
    np.testing.assert_array_equal(trained.history["loss"], again.history["loss"])


def test_a_network_does_not_feel_what_it_is_trained_beside(trained):
    crowd = train(tiny(sweep={"perturbation.field_std": [0.9, 0.5, 0.1]}))
    for replicate in range(2):
        assert same(
            crowd.sel(field_std=0.5, replicate=replicate).one(), trained.sel(replicate=replicate).one()
        )


def test_everything_that_shares_shapes_is_compiled_once():
    traced = []

    def seen(model, trial, rollout):
        traced.append(1)
        return jnp.sum(rollout.position**2)

    def count(config):
        traced.clear()
        loss = fpa.losses.reaching_loss() + 0.1 * fpa.losses.term("seen", seen)
        ensemble = train(config, loss=loss)
        return len(traced), len(ensemble)

    one, _ = count(tiny(replicates=1))
    many, networks = count(
        tiny(
            sweep={
                "perturbation.method": ["active", "amplitude", "std", "std_uniform"],
                "perturbation.field_std": [0.0, 0.5],
                "seed": [1, 2],
            }
        )
    )
    assert networks == 32 and many == one


@pytest.mark.parametrize("stop_at", [0, 3, 5])
def test_a_run_that_was_interrupted_ends_with_the_same_bits(tmp_path, monkeypatch, trained, stop_at):
    monkeypatch.setattr(group, "SAVE_EVERY", 0.0)
    advance = group.advance

    def interrupted(learners, jobs, iteration):
        if int(iteration) == stop_at:
            raise KeyboardInterrupt
        return advance(learners, jobs, iteration)

    monkeypatch.setattr(group, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(TINY, tmp_path / "run")
    monkeypatch.setattr(group, "advance", advance)
    resumed = train(TINY, tmp_path / "run")
    for a, b in zip(trained, resumed, strict=True):
        assert same(a, b)
    np.testing.assert_array_equal(trained.history["loss"], resumed.history["loss"])
    np.testing.assert_array_equal(trained.history["monitored_loss"], resumed.history["monitored_loss"])
    assert "resuming at iteration" in (tmp_path / "run" / "log.txt").read_text() or stop_at == 0


def test_the_folder_holds_the_run_and_gives_it_back(tmp_path, trained, monkeypatch):
    train(TINY, tmp_path / "run")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"config.yaml", "history.nc", "models.safetensors", "checkpoints", "log.txt"} <= names
    assert Config.from_yaml(tmp_path / "run" / "config.yaml") == Config.from_dict(TINY)
    kept, notes = read_arrays(tmp_path / "run" / "checkpoints" / "group0_0000004.safetensors")
    assert notes["iteration"] == 4 and kept["network.cell.weight_hh"].shape == (2, 15, 5)
    loaded = fpa.load(tmp_path / "run")
    for a, b in zip(trained, loaded, strict=True):
        assert same(a, b)
    assert loaded.history.drop_attrs().identical(trained.history.drop_attrs())
    monkeypatch.setattr(group, "advance", None)  # a finished run is read, not trained again
    assert same(train(TINY, tmp_path / "run").models[0], trained.models[0])


def test_what_a_killed_process_left_half_written_is_cleared_away(tmp_path):
    train(TINY, tmp_path / "run")
    (tmp_path / "run" / "models.safetensors").unlink()
    left = tmp_path / "run" / "checkpoints" / ".group0_0000002.safetensors.17.partial"
    left.write_bytes(b"half")
    train(TINY, tmp_path / "run")
    assert not left.exists()
    with pytest.raises(ValueError, match="is finished, and was not trained with 'mine'"):
        train(TINY, tmp_path / "run", loss=fpa.losses.term("mine", lambda *given: jnp.zeros(())) * 1.0)


def test_a_changed_configuration_is_refused_and_nothing_is_touched(tmp_path):
    folder = tmp_path / "run"
    train(tiny(training__iterations=2, training__checkpoints=[2]), folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with pytest.raises(ConfigError, match=r"another configuration(.|\n)*network.hidden_size: 5 → 6"):
        train(tiny(training__iterations=2, training__checkpoints=[2], network__hidden_size=6), folder)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("do not lose me")
    with pytest.raises(FileExistsError, match="not empty and holds no training run"):
        train(TINY, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_sweep_beyond_memory_says_how_much_it_needs(tmp_path):
    config = tiny(replicates=100, network__hidden_size=40_000)
    with pytest.raises(MemoryError, match=r"100 networks would take about [\d.]+ GiB.*has [\d.]+ GiB"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_network_that_explodes_stops_alone_and_says_where(tmp_path):
    config = tiny(
        plant__integrator="euler",
        training__iterations=4,
        training__checkpoints=[2, 4],
        sweep={"perturbation.field_std": [0.5, 1e12]},
    )
    with pytest.warns(RuntimeWarning) as caught:
        ensemble = train(config, tmp_path / "run")
    stopped = ensemble.table["stopped_at"]
    assert (stopped.sel(field_std=0.5) == -1).all() and (stopped.sel(field_std=1e12) >= 0).all()
    messages = [str(each.message) for each in caught]
    pattern = r"field_std=1000000000000.0, replicate=0: training stopped at iteration \d: \w+ is not finite"
    assert any(np.char.startswith(message, "plant.integrator") for message in messages)
    found = [message for message in messages if re.match(pattern, message)]
    assert (
        found
        and "in trial" in found[0]
        and re.search(r"(position|velocity|hidden|output)\S*\[\d\]", found[0])
    )
    exploded = ensemble.sel(field_std=1e12)
    assert all(np.isfinite(array).all() for model in exploded for array in weights(model))
    losses = exploded.history["loss"].isel(replicate=0).sum("term", skipna=False)
    at = int(stopped.sel(field_std=1e12, replicate=0))
    assert np.isfinite(losses[:at]).all() and np.isnan(losses[at:]).all()
    alone = train(tiny(plant__integrator="euler", training__iterations=4, training__checkpoints=[2, 4]))
    assert same(alone.models[0], ensemble.sel(field_std=0.5, replicate=0).one())


def test_a_loss_of_ones_own_trains_and_the_tasks_loss_validates(trained):
    speed: Any = lambda model, trial, rollout: jnp.sum(rollout.velocity**2)
    mine = 3.0 * fpa.losses.term("speed", speed)
    ensemble = train(TINY, loss=mine)
    history = ensemble.history
    assert float(history["loss"].sel(term="speed").isel(iteration=0).min()) > 0
    assert (history["loss"].sel(term="position") == 0).all()
    start = {"validation_iteration": 0}
    np.testing.assert_allclose(
        history["monitored_loss"].sel(start).sel(term="position"),
        trained.history["monitored_loss"].sel(start).sel(term="position"),
        rtol=1e-6,
    )


@pytest.mark.parametrize(
    ("task", "kind"), [("flip_flop", "gru"), ("context_integration", "lstm"), ("delayed_reaches", "tanh")]
)
def test_every_task_trains(task, kind):
    config = {
        "task": {"kind": task, "n_steps": 45},
        "network": {"kind": kind, "hidden_size": 4},
        "training": {"iterations": 2, "batch_size": 3},
        "replicates": 1,
    }
    model = train(config).one()
    ds = fpa.simulate(
        model, getattr(fpa.tasks, "".join(map(str.title, task.split("_"))))(n_steps=45).validation()
    )
    assert ds.sizes["time"] == 45 and np.isfinite(ds["hidden"]).all()


def test_the_arm_trains_within_its_workspace():
    config = tiny(replicates=1, plant={"kind": "two_link_arm"}, feedback={"delay": 2}, task__dt=0.01)
    model = train(config).one()
    assert isinstance(model, fpa.Controller)
    task = fpa.tasks.SimpleReaches(
        workspace=model.plant.workspace, reach_length=model.plant.reach_length, n_steps=10, dt=0.01
    )
    ds = fpa.simulate(model, task.validation())
    assert {"angle", "torque", "position"} <= set(ds) and ds["torque"].attrs["units"] == "N m"
    far = fpa.tasks.SimpleReaches(n_steps=10, dt=0.01, workspace=((-9.0, -9.0), (9.0, 9.0))).validation(2, 1)
    with pytest.raises(ValueError, match="start"):
        fpa.simulate(model, far)


def test_an_arm_that_would_have_to_reach_too_far_is_refused_before_anything_is_written(tmp_path):
    plant = {"kind": "two_link_arm", "workspace": [[-0.5, 0.2], [0.5, 0.6]]}
    with pytest.raises(ValueError, match="workspace.*expected a position that the arm can reach"):
        train(tiny(plant=plant), tmp_path / "run")
    plant = {"kind": "two_link_arm", "reach_length": 0.3}
    with pytest.raises(ValueError, match="validation goal.*expected a position that the arm can reach"):
        train(tiny(plant=plant), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_with_the_loss_that_it_was_begun_with(tmp_path, monkeypatch):
    monkeypatch.setattr(group, "SAVE_EVERY", 0.0)
    monkeypatch.setattr(group, "_judge", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(TINY, tmp_path / "run")
    with pytest.raises(ValueError, match="begun with the terms 'position'.*would go on with 'position'"):
        train(TINY, tmp_path / "run", loss=fpa.losses.position() + fpa.losses.hidden())
