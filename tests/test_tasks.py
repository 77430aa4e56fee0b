"""Tasks: what is drawn against closed forms, targets against plain loops, validation sets by hand."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from fpanalysis.control import fields, tasks
from fpanalysis.control.tasks.perturbations import Amplitude, AnyOf, Std
from fpanalysis.control.trials import Trial, Trials

N = 4_000
BOX = ((-0.3, 0.1), (0.5, 0.4))
TASKS = [
    tasks.SimpleReaches(),
    tasks.SimpleReaches(Std(1.5, fields.Constant()), workspace=BOX),
    tasks.DelayedReaches(Amplitude(1.5), catch_probability=0.5, n_steps=60),
    tasks.FlipFlop(n_bits=2, n_steps=40, pulse_probability=0.3),
    tasks.ContextIntegration(coherences=(-1.0, 0.0, 1.0), n_steps=30),
]


def sampled(task, n=N, seed=0):
    """Return many random trials, as NumPy arrays."""
    trials = jax.jit(jax.vmap(task.sample))(jax.random.split(jax.random.key(seed), n))
    return jax.tree_util.tree_map(np.asarray, trials)


def assert_uniform(samples, low, high):
    assert low <= samples.min() and samples.max() <= high
    assert scipy.stats.kstest(samples, scipy.stats.uniform(low, high - low).cdf).pvalue > 1e-3


# --- what holds for all of them ---------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_trials_have_the_declared_inputs_outputs_and_steps(task):
    trial = jax.eval_shape(task.sample, jax.random.key(0))
    assert {name: x.shape for name, x in trial.inputs.items()} == {
        name: (task.n_steps, size) for name, size in task.inputs.items()
    }
    if task.outputs:
        assert set(trial.targets) == {"output"} and trial.start is None and trial.field is None
        assert trial.targets["output"].shape == (task.n_steps, sum(task.outputs.values()))
    else:
        assert {name: x.shape for name, x in trial.targets.items()} == {
            "position": (task.n_steps, 2),
            "velocity": (task.n_steps, 2),
        }
        assert trial.start.shape == (2,)


@pytest.mark.parametrize("task", TASKS)
def test_the_key_alone_decides_the_trial(task):
    keys = jax.random.split(jax.random.key(1), 5)
    together, sample = jax.jit(jax.vmap(task.sample))(keys), jax.jit(task.sample)
    one = lambda i: jax.tree_util.tree_map(lambda leaf: leaf[i], together)
    assert eqx.tree_equal(one(2), sample(keys[2]), rtol=1e-5, atol=1e-6)
    assert not eqx.tree_equal(one(2).inputs, one(3).inputs)


@pytest.mark.parametrize("task", TASKS)
def test_trials_have_the_default_dtype_and_agree_between_precisions(task):
    def of(task):
        trials = (jax.jit(task.sample)(jax.random.key(2)), task.validation().trial)
        leaves = jax.tree_util.tree_leaves([(trial.inputs, trial.targets, trial.start) for trial in trials])
        return {leaf.dtype.name for leaf in leaves}, leaves

    dtypes, single = of(task)
    assert dtypes == {"float32"}
    with jax.enable_x64(True):
        dtypes, double = of(task)
        assert dtypes == {"float64"}
        for a, b in zip(single, double, strict=True):
            np.testing.assert_allclose(a, np.asarray(b), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_validation_sets_are_fixed_labelled_arrays(task):
    trials, again = task.validation(), task.validation()
    assert eqx.tree_equal(trials.trial, again.trial)
    assert trials.dt == task.dt
    leaves = jax.tree_util.tree_leaves(trials.trial)
    assert all(isinstance(leaf, jax.Array) and leaf.shape[0] == len(trials) for leaf in leaves)
    assert {np.shape(values) for values in trials.labels.values()} == {(len(trials),)}


def test_sizes_are_static_and_the_strength_of_the_field_is_a_leaf():
    assert jax.tree_util.tree_leaves(tasks.DelayedReaches()) == []
    assert jax.tree_util.tree_leaves(tasks.ContextIntegration()) == []
    strength = jnp.float32(3.0)
    leaves = jax.tree_util.tree_leaves(tasks.SimpleReaches(Std(strength)))
    assert any(leaf is strength for leaf in leaves)
    assert all(isinstance(leaf, float) for leaf in leaves if leaf is not strength)


def test_lists_serve_where_tuples_are_meant():
    lists = {"workspace": [[-1.0, -1.0], [1.0, 1.0]], "cue_window": [0.5, 2.0]}
    task = tasks.DelayedReaches(**lists)
    assert task == tasks.DelayedReaches() and hash(task) == hash(tasks.DelayedReaches())


# --- SimpleReaches ----------------------------------------------------------------------------------------


def test_starts_and_goals_are_uniform_in_the_workspace():
    trial = sampled(tasks.SimpleReaches(workspace=BOX))
    goal = trial.inputs["target.position"][:, 0]
    for points in (trial.start, goal):
        for axis in range(2):
            assert_uniform(points[:, axis], BOX[0][axis], BOX[1][axis])
    correlations = np.corrcoef(np.concatenate([trial.start, goal], axis=1).T)
    assert np.abs(correlations - np.eye(4)).max() < 5 / np.sqrt(N)


def test_the_goal_is_shown_and_wanted_throughout():
    trial = sampled(TASKS[1], 20)
    shown = trial.inputs["target.position"]
    assert np.all(shown == shown[:, :1]) and np.ptp(shown) > 0.1
    np.testing.assert_array_equal(trial.targets["position"], shown)
    assert not np.any(trial.inputs["target.velocity"]) and not np.any(trial.targets["velocity"])


def test_without_a_perturbation_there_is_no_field_and_no_context():
    trial = sampled(tasks.SimpleReaches(), 5)
    assert trial.field is None and not np.any(trial.inputs["context"])


@pytest.mark.parametrize("kind", [tasks.SimpleReaches, tasks.DelayedReaches])
def test_the_context_tells_of_the_field_throughout(kind):
    trial = sampled(kind(Amplitude(1.5)), 50)
    context = trial.inputs["context"]
    assert np.all(context == context[:, :1]) and len(np.unique(context)) == 50
    np.testing.assert_allclose(np.abs(trial.field.amplitude), 1.5 * context[:, 0, 0], rtol=1e-6)


def test_reach_and_field_are_independent():
    trial = sampled(tasks.SimpleReaches(Amplitude(1.0)))
    drawn = np.column_stack([trial.start, trial.inputs["target.position"][:, 0], trial.field.amplitude])
    assert np.abs(np.corrcoef(drawn.T)[-1, :-1]).max() < 5 / np.sqrt(N)


def test_one_compiled_function_samples_with_several_methods():
    methods = (Amplitude(1.0), Std(2.0))
    key = jax.random.key(9)
    together = jax.vmap(lambda i: tasks.SimpleReaches(AnyOf(i, methods)).sample(key))(jnp.arange(2))
    for i, method in enumerate(methods):
        alone = tasks.SimpleReaches(method).sample(key)
        assert eqx.tree_equal(jax.tree_util.tree_map(lambda leaf, i=i: leaf[i], together), alone)


def test_seven_directions_from_the_centre():
    trials = tasks.SimpleReaches(workspace=((0.0, 1.0), (2.0, 3.0)), reach_length=0.25).validation()
    assert len(trials) == 7
    np.testing.assert_array_equal(trials.trial.start, np.tile([1.0, 2.0], (7, 1)).astype(np.float32))
    for k in range(7):
        angle = k * 360 / 7 * np.pi / 180
        goal = 1 + 0.25 * np.cos(angle), 2 + 0.25 * np.sin(angle)
        assert trials.labels["direction"][k] == pytest.approx(angle)
        np.testing.assert_allclose(trials.trial.inputs["target.position"][k, -1], goal, rtol=1e-6)
        assert (trials.labels["goal_x"][k], trials.labels["goal_y"][k]) == pytest.approx(goal)
    assert trials.trial.field is None and not np.any(trials.trial.inputs["context"])


def test_the_full_validation_set_stays_in_the_workspace():
    trials = tasks.SimpleReaches().validation(2, 24)
    starts = np.asarray(trials.trial.start)
    goals = np.asarray(trials.trial.targets["position"][:, 0])
    assert len(trials) == 2 * 2 * 24
    expected = [[x, y] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for _ in range(24)]
    np.testing.assert_array_equal(starts, expected)
    np.testing.assert_allclose(np.linalg.norm(goals - starts, axis=1), 0.5, rtol=1e-6)
    assert np.abs(goals).max() <= 1.0
    assert len(np.unique(np.round(goals, 5), axis=0)) > 90
    np.testing.assert_allclose(starts, np.column_stack([trials.labels["start_x"], trials.labels["start_y"]]))


def test_a_grid_of_three_lies_in_the_middle_of_thirds():
    labels = tasks.SimpleReaches(workspace=((0.0, 0.0), (6.0, 12.0))).validation(3, 1).labels
    np.testing.assert_allclose(labels["start_x"], [1, 1, 1, 3, 3, 3, 5, 5, 5])
    np.testing.assert_allclose(labels["start_y"], [2, 6, 10, 2, 6, 10, 2, 6, 10])


@pytest.mark.parametrize("kind", [tasks.SimpleReaches, tasks.DelayedReaches])
def test_validation_under_a_context_and_a_field(kind):
    trials = kind(Std(2.0)).validation(context=0.75, field=fields.Constant(3.0, angle=0.5))
    assert np.all(np.asarray(trials.trial.inputs["context"]) == 0.75)
    assert isinstance(trials.trial.field, fields.Constant)
    np.testing.assert_array_equal(trials.trial.field.amplitude, np.full(7, 3.0))
    np.testing.assert_array_equal(trials.trial.field.angle, np.full(7, 0.5))
    assert not any(leaf.weak_type for leaf in jax.tree_util.tree_leaves(trials.trial.field))


# --- DelayedReaches ---------------------------------------------------------------------------------------


def test_the_cue_comes_within_its_window_or_never():
    task = tasks.DelayedReaches(cue_window=(0.3, 0.7), catch_probability=0.2, n_steps=50, dt=0.1)
    go = sampled(task).inputs["go"][:, :, 0]
    assert set(np.unique(go)) == {0.0, 1.0}
    assert np.all(np.diff(go, axis=1) >= 0), "the cue does not go away"
    caught = ~go.any(axis=1)
    assert scipy.stats.binomtest(int(caught.sum()), N, 0.2).pvalue > 1e-3
    cue = go[~caught].argmax(axis=1)
    steps, counts = np.unique(cue, return_counts=True)
    assert steps.tolist() == [3, 4, 5, 6, 7]
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_the_effector_stays_until_the_cue():
    trial = sampled(tasks.DelayedReaches(catch_probability=0.3), 60)
    go, goal = trial.inputs["go"][:, :, 0], trial.inputs["target.position"]
    assert np.all(goal == goal[:, :1])
    for i in range(60):
        for t in range(139):
            wanted = goal[i, t] if go[i, t] else trial.start[i]
            np.testing.assert_array_equal(trial.targets["position"][i, t], wanted)
    assert not np.any(trial.targets["velocity"]) and (go.sum(axis=1) == 0).any()


@pytest.mark.parametrize(("probability", "goes"), [(0.0, True), (1.0, False)])
def test_catch_trials_always_or_never(probability, goes):
    trial = sampled(tasks.DelayedReaches(catch_probability=probability), 200)
    assert np.all(trial.inputs["go"].any(axis=(1, 2)) == goes)


def test_delayed_validation_has_every_cue_for_every_reach():
    task = tasks.DelayedReaches(cue_window=(0.5, 2.0))
    trials = task.validation(n_grid=2, n_directions=3, n_cues=4)
    assert len(trials) == 2 * 2 * 3 * 4
    np.testing.assert_allclose(trials.labels["cue"][:4], [0.5, 1.0, 1.5, 2.0])
    np.testing.assert_array_equal(trials.labels["direction"][:5], [0, 0, 0, 0, 2 * np.pi / 3])
    start = np.asarray(trials.trial.start)
    for k in range(len(trials)):
        step = round(trials.labels["cue"][k] / 0.05)
        go = np.asarray(trials.trial.inputs["go"][k, :, 0])
        assert not go[:step].any() and go[step:].all()
        goal = [trials.labels["goal_x"][k], trials.labels["goal_y"][k]]
        np.testing.assert_allclose(trials.trial.targets["position"][k, step], goal, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(trials.trial.targets["position"][k, step - 1], start[k])
    assert set(task.validation().labels["cue"]) == {1.25}, "one cue: the middle of the window"


# --- FlipFlop ---------------------------------------------------------------------------------------------


def test_bits_hold_the_sign_of_the_last_pulse():
    trial = sampled(tasks.FlipFlop(n_bits=2, n_steps=40), 30)
    for pulses, bits in zip(trial.inputs["pulse"], trial.targets["output"], strict=True):
        for channel in range(2):
            held = None
            for t in range(40):
                if pulses[t, channel] != 0:
                    held = pulses[t, channel]
                assert bits[t, channel] == held


def test_pulses_come_as_often_as_said_with_either_sign():
    pulses = sampled(tasks.FlipFlop(n_steps=50, pulse_probability=0.2), 1_000).inputs["pulse"]
    assert set(np.unique(pulses)) == {-1.0, 0.0, 1.0}
    assert np.all(pulses[:, 0] != 0), "every channel starts with a pulse"
    later = pulses[:, 1:]
    assert scipy.stats.binomtest(int(np.count_nonzero(later)), later.size, 0.2).pvalue > 1e-3
    n_pulses = np.count_nonzero(pulses)
    assert scipy.stats.binomtest(int(np.sum(pulses == 1)), n_pulses, 0.5).pvalue > 1e-3
    channels = np.corrcoef(later.reshape(-1, 3).T) - np.eye(3)
    assert np.abs(channels).max() < 5 / np.sqrt(later.size / 3)


def test_flipflop_labels_are_the_memory_in_the_end():
    trials = tasks.FlipFlop(n_bits=2).validation(10)
    assert len(trials) == 10 and list(trials.labels) == ["bit_0", "bit_1"]
    for i in range(10):
        for channel in range(2):
            pulses = np.asarray(trials.trial.inputs["pulse"][i, :, channel])
            assert trials.labels[f"bit_{channel}"][i] == pulses[np.flatnonzero(pulses)[-1]]
    assert not eqx.tree_equal(trials.trial, tasks.FlipFlop(n_bits=2).validation(10, seed=1).trial)


# --- ContextIntegration -----------------------------------------------------------------------------------


def test_the_target_is_the_running_sum_of_the_stream_that_counts():
    task = tasks.ContextIntegration(coherences=(-0.2, 0.1, 0.4), n_steps=25)
    trial = sampled(task, 40)
    context = trial.inputs["context"]
    assert np.all(context == context[:, :1]) and np.all(context.sum(axis=-1) == 1)
    attended = context[:, 0].argmax(axis=1)
    for i in range(40):
        expected = np.cumsum(trial.inputs["stream"][i, :, attended[i]].astype(float)) / (25 * 0.4)
        np.testing.assert_allclose(trial.targets["output"][i, :, 0], expected, rtol=1e-4, atol=1e-5)


def test_streams_are_a_coherence_and_noise():
    coherences = (-1.0, 0.25, 1.0)
    task = tasks.ContextIntegration(coherences=coherences, noise_std=0.3, n_steps=60)
    trial = sampled(task, 2_000)
    streams = trial.inputs["stream"].astype(float)
    nearest = np.argmin(np.abs(streams.mean(axis=1)[..., None] - np.array(coherences)), axis=-1)
    pairs = np.bincount(3 * nearest[:, 0] + nearest[:, 1], minlength=9)
    assert scipy.stats.chisquare(pairs).pvalue > 1e-3, "both coherences are drawn, independently"
    noise = streams - np.array(coherences)[nearest][:, None]
    assert scipy.stats.kstest(noise.ravel() / 0.3, "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(noise.reshape(-1, 2).T)[0, 1]) < 5 / np.sqrt(noise.size / 2)
    second = int(trial.inputs["context"][:, 0, 1].sum())
    assert scipy.stats.binomtest(second, 2_000, 0.5).pvalue > 1e-3


def test_without_noise_the_strongest_evidence_leads_to_one():
    trials = tasks.ContextIntegration(coherences=(-0.5, 0.2), noise_std=0.0).validation()
    final = np.asarray(trials.trial.targets["output"][:, -1, 0])
    chosen = np.where(
        trials.labels["attended"] == 0, trials.labels["coherence_0"], trials.labels["coherence_1"]
    )
    np.testing.assert_allclose(final, np.where(chosen < 0, -1.0, 0.4), rtol=1e-5)


def test_integration_validation_has_every_combination():
    task = tasks.ContextIntegration(coherences=(-0.5, 0.5), noise_std=0.1)
    trials = task.validation(n_repeats=3)
    rows = np.column_stack([trials.labels[name] for name in ("coherence_0", "coherence_1", "attended")])
    combinations, counts = np.unique(rows, axis=0, return_counts=True)
    assert len(combinations) == 8 and set(counts) == {3}
    means = np.asarray(trials.trial.inputs["stream"]).mean(axis=1)
    np.testing.assert_allclose(means, rows[:, :2], atol=0.06)
    np.testing.assert_array_equal(trials.trial.inputs["context"][:, 0, 1], rows[:, 2])
    assert len(np.unique(means[:, 0])) == 24, "every repeat has noise of its own"


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tasks.SimpleReaches(n_steps=0), "n_steps: expected a whole number of at least 1, got 0"),
        (lambda: tasks.SimpleReaches(dt=0.0), "dt: expected a number above 0, got 0.0"),
        (lambda: tasks.SimpleReaches(dt=float("nan")), "dt: expected a number above 0, got nan"),
        (lambda: tasks.SimpleReaches(reach_length=-0.5), "reach_length: expected a number above 0, got -0.5"),
        (lambda: tasks.SimpleReaches(workspace=((0.0, 0.0), (1.0, 0.0))), "workspace: expected"),
        (lambda: tasks.SimpleReaches().validation(n_grid=0), "n_grid: expected a whole number of at least 1"),
        (lambda: tasks.SimpleReaches().validation(2, 0), "n_directions: expected a whole number"),
        (lambda: tasks.DelayedReaches(workspace=((1.0, 1.0), (0.0, 0.0))), "workspace: expected"),
        (
            lambda: tasks.DelayedReaches(catch_probability=1.5),
            "catch_probability: expected a number of at least 0 and at most 1, got 1.5",
        ),
        (
            lambda: tasks.DelayedReaches(cue_window=(2.0, 1.0)),
            r"cue_window: expected two times in order from 0 to below 6.95 s, .* got \(2.0, 1.0\)",
        ),
        (lambda: tasks.DelayedReaches(cue_window=(0.0, 7.0)), "cue_window: expected two times"),
        (lambda: tasks.DelayedReaches(cue_window=(0.0, 6.94)), "cue_window: expected two times"),
        (lambda: tasks.DelayedReaches().validation(n_cues=0), "n_cues: expected a whole number"),
        (lambda: tasks.FlipFlop(n_bits=0), "n_bits: expected a whole number of at least 1, got 0"),
        (
            lambda: tasks.FlipFlop(pulse_probability=-0.1),
            "pulse_probability: expected a number of at least 0",
        ),
        (lambda: tasks.FlipFlop().validation(0), "n_trials: expected a whole number"),
        (lambda: tasks.ContextIntegration(coherences=()), "coherences: expected finite numbers"),
        (lambda: tasks.ContextIntegration(coherences=(0.0,)), "coherences: expected finite numbers"),
        (lambda: tasks.ContextIntegration(noise_std=-1.0), "noise_std: expected a number of at least 0"),
        (lambda: tasks.ContextIntegration().validation(0), "n_repeats: expected a whole number"),
    ],
)
def test_what_is_out_of_range_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_window_needs_two_times(unchecked):
    with pytest.raises(ValueError, match=r"cue_window: expected two times .* got \(1.0, 2.0, 3.0\)"):
        tasks.DelayedReaches(cue_window=(1.0, 2.0, 3.0))  # pyright: ignore[reportArgumentType]


def test_labels_must_fit_the_trials():
    trial = Trial({"pulse": jnp.zeros((4, 10, 1))}, {"output": jnp.zeros((4, 10, 1))})
    assert len(Trials(trial, 0.1, {"kind": np.arange(4)})) == 4
    with pytest.raises(ValueError, match="labels: expected one entry for each of 4 trials, but .* 'kind'"):
        Trials(trial, 0.1, {"kind": np.arange(3)})
    uneven = eqx.tree_at(lambda t: t.targets["output"], trial, jnp.zeros((3, 10, 1)))
    with pytest.raises(ValueError, match=r"trial: expected 4 trials .* got \(3, 10, 1\)"):
        Trials(uneven, 0.1, {})
