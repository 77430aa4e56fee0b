"""Controllers and networks with named inputs: compared with loops written out in NumPy."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fpanalysis as fpa
from fpanalysis.control import rollout
from fpanalysis.control.trials import Trial

DT = 0.05
rollouts: Any = eqx.filter_jit(rollout.rollouts)


def float64(tree):
    return jax.tree_util.tree_map(
        lambda a: jnp.asarray(a, jnp.float64) if eqx.is_inexact_array(a) else a, tree
    )


def reach(n_trials=3, n_steps=40, field=None):
    """Return a few reaches that differ in everything."""
    rng = np.random.default_rng(0)
    shape = (n_trials, n_steps, 1)
    goal = np.broadcast_to(rng.normal(size=(n_trials, 1, 2)), (n_trials, n_steps, 2))
    inputs = {
        "context": np.broadcast_to(rng.normal(size=(n_trials, 1, 1)), shape),
        "target.position": goal,
        "target.velocity": np.zeros_like(goal),
    }
    inputs = {name: jnp.asarray(value) for name, value in inputs.items()}
    targets = {"position": inputs["target.position"], "velocity": inputs["target.velocity"]}
    fields = None if field is None else field(jnp.asarray(rng.normal(size=n_trials)))
    return Trial(inputs, targets, jnp.asarray(rng.normal(size=(n_trials, 2))), fields)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru(cell, x, h):
    """Return a GRU's next state (Cho et al., 2014, in the form that PyTorch and Equinox share)."""
    w_ih, w_hh, b, b_n = (np.asarray(a) for a in (cell.weight_ih, cell.weight_hh, cell.bias, cell.bias_n))
    i_r, i_z, i_n = np.split(w_ih @ x + b, 3)
    h_r, h_z, h_n = np.split(w_hh @ h, 3)
    reset, update = sigmoid(i_r + h_r), sigmoid(i_z + h_z)
    new = np.tanh(i_n + reset * (h_n + b_n))
    return new + update * (h - new)


def by_hand(controller, trial, index, amplitude=0.0):
    """Return positions, hidden states and what was felt in one trial of a controller of a point mass."""
    network = controller.network
    weight, bias = np.asarray(network.readout.weight), np.asarray(network.readout.bias)
    position, velocity = np.asarray(trial.start[index]), np.zeros(2)
    h = np.zeros(network.hidden_size)
    past = [(position, velocity)]
    turn = amplitude * DT
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    generator = np.array([[0, -amplitude], [amplitude, 0]])
    positions, hidden, felt = [], [], []
    for step in range(trial.inputs["context"].shape[1]):
        late = past[max(len(past) - 1 - controller.feedback_delay, 0)]
        shown = {name: np.asarray(values[index, step]) for name, values in trial.inputs.items()}
        shown |= {"feedback.position": late[0], "feedback.velocity": late[1]}
        h = gru(network.cell, np.concatenate([shown[role] for role in sorted(shown)]), h)
        force = weight @ h + bias
        if amplitude == 0:
            position = position + velocity * DT + force * DT**2 / 2
            velocity = velocity + force * DT
        else:  # v' = G v + u, solved by hand: G is invertible
            drift = np.linalg.solve(generator, force)
            start = velocity + drift
            position = position + np.linalg.solve(generator, rotation @ start - start) - drift * DT
            velocity = rotation @ start - drift
        past.append((position, velocity))
        positions.append(position)
        hidden.append(h)
        felt.append(late[0])
    return np.array(positions), np.array(hidden), np.array(felt)


@pytest.mark.parametrize(("delay", "amplitude"), [(0, 0.0), (1, 0.7), (5, -1.6)])
def test_a_rollout_is_what_the_equations_say(delay, amplitude):
    with jax.enable_x64(True):
        controller = fpa.Controller.create(hidden_size=12, feedback_delay=delay, key=jax.random.key(1))
        controller = float64(controller)
        trial = reach(field=lambda z: jax.vmap(fpa.fields.Curl)(jnp.full_like(z, amplitude)))
        runs = rollouts(controller, trial)
        for index in range(3):
            positions, hidden, felt = by_hand(controller, trial, index, amplitude)
            np.testing.assert_allclose(runs.position[index], positions, rtol=0, atol=1e-12)
            np.testing.assert_allclose(runs.hidden[index], hidden, rtol=0, atol=1e-12)
            np.testing.assert_allclose(runs.feedback_position[index], felt, rtol=0, atol=1e-12)


@pytest.mark.parametrize("delay", [3])
@pytest.mark.parametrize("plant", [fpa.plants.PointMass(), fpa.plants.TwoLinkArm()], ids=["mass", "arm"])
def test_a_delay_of_d_steps_delays_by_d(delay, plant):
    with jax.enable_x64(True):
        controller = float64(
            fpa.Controller.create(plant, hidden_size=8, feedback_delay=delay, key=jax.random.key(0))
        )
        trial = eqx.tree_at(lambda t: t.start, reach(), jnp.array([[0.0, 0.4], [0.1, 0.3], [-0.1, 0.35]]))
        runs = rollouts(controller, trial)
    path = np.concatenate([np.asarray(trial.start)[:, None], runs.position], axis=1)
    felt = np.asarray(runs.feedback_position)
    for step in range(felt.shape[1]):
        np.testing.assert_allclose(felt[:, step], path[:, max(step - delay, 0)], rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["gru", "lstm", "tanh"])
def test_the_order_of_the_inputs_changes_nothing_and_neither_do_their_names(kind):
    sizes = {"target.velocity": 2, "context": 1, "target.position": 2}
    one = fpa.Controller.create(kind=kind, inputs=sizes, hidden_size=8, key=jax.random.key(3))
    other = fpa.Controller.create(
        kind=kind, inputs=dict(reversed(sizes.items())), hidden_size=8, key=jax.random.key(3)
    )
    renamed = other.renamed({"context": "sisu", "target.position": "goal"})
    trial = jax.tree_util.tree_map(lambda a: jnp.asarray(a, jnp.float32), reach())
    shuffled = Trial(dict(reversed(trial.inputs.items())), trial.targets, trial.start, trial.field)
    expected = rollouts(one, trial)
    for found in (rollouts(other, shuffled), rollouts(renamed, shuffled)):
        for a, b in zip(jax.tree_util.tree_leaves(expected), jax.tree_util.tree_leaves(found), strict=True):
            np.testing.assert_array_equal(a, b)
    assert "sisu" in renamed.closed_loop().inputs and "goal[1]" in renamed.closed_loop().inputs


@pytest.mark.parametrize(("kind", "delay"), [("gru", 0), ("lstm", 2), ("tanh", 2)])
def test_the_closed_loop_as_a_vector_field_runs_like_the_controller(kind, delay):
    controller = fpa.Controller.create(kind=kind, hidden_size=6, feedback_delay=delay, key=jax.random.key(2))
    field = fpa.fields.Curl(0.5)
    with jax.enable_x64(True):
        trial = reach(n_trials=1, field=lambda z: jax.vmap(fpa.fields.Curl)(jnp.full_like(z, 0.5)))
        runs = rollouts(float64(controller), trial)
        assert trial.start is not None
        start = controller.initial(trial.start[0])
        x0 = controller.closed_loop().state_layout.flatten(float64(start))
    loop = controller.closed_loop(field)
    u = np.concatenate([np.asarray(trial.inputs[role][0]) for role in sorted(trial.inputs)], axis=-1)
    ds = fpa.simulate(loop, u, x0=np.asarray(x0))
    np.testing.assert_allclose(ds.y.values[:, :2], runs.position[0], rtol=0, atol=1e-6)
    hidden = ds.x.sel(state=[f"hidden[{i}]" for i in range(6)])
    np.testing.assert_allclose(hidden, runs.hidden[0], rtol=0, atol=1e-6)
    blocks = {name.rsplit("[", 1)[0] for name in loop.state}
    assert {"hidden", "plant.position", "plant.velocity"} <= blocks
    assert ("delay[1].velocity" in blocks) == (delay == 2)
    assert ("cell" in blocks) == (kind == "lstm")


def test_the_network_as_a_vector_field_takes_its_inputs_by_name():
    network = fpa.Network.create({"b": 2, "a": 1}, {"y": 1}, hidden_size=5, dt=0.1, key=jax.random.key(0))
    field = network.vector_field()
    assert field.inputs == ("a", "b[0]", "b[1]") and field.outputs == ("y",) and field.dt == 0.1
    h = jnp.linspace(-1.0, 1.0, 5)
    expected = network.step(h, {"b": jnp.array([2.0, 3.0]), "a": jnp.array([1.0])})
    np.testing.assert_allclose(field(h, jnp.array([1.0, 2.0, 3.0])), expected, rtol=1e-6)


def test_noise_has_the_standard_deviations_that_were_asked_for():
    controller = fpa.Controller.create(
        hidden_size=4, feedback_noise=0.03, motor_noise=0.2, key=jax.random.key(0)
    )
    trial = jax.tree_util.tree_map(lambda a: jnp.asarray(a, jnp.float32), reach(n_trials=100, n_steps=100))
    runs = rollouts(controller, trial, jax.random.split(jax.random.key(5), 100))
    path = np.concatenate([np.asarray(trial.start)[:, None], runs.position], axis=1)[:, :-1]
    assert np.std(runs.feedback_position - path) == pytest.approx(0.03, rel=0.03)
    assert np.std(runs.command - runs.output) == pytest.approx(0.2, rel=0.03)
    silent = rollouts(controller, trial)
    np.testing.assert_array_equal(silent.command, silent.output)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "gur"}, "did you mean 'gru'"),
        ({"hidden_size": 0}, "hidden_size: expected at least 1"),
        ({"feedback_delay": -1}, "feedback_delay: expected a number of steps"),
        ({"feedback_noise": -0.1}, "feedback_noise: expected a standard deviation"),
        ({"motor_noise": float("nan")}, "motor_noise: expected a standard deviation"),
        ({"dt": 0.0}, "dt: expected a positive number"),
        ({"inputs": {"feedback.position": 2}}, "comes from the plant"),
        ({"inputs": {"context": 0}}, "at least one entry of 'context'"),
    ],
)
def test_a_controller_that_cannot_be_says_why(options, message):
    with pytest.raises(ValueError, match=message):
        fpa.Controller.create(**options, key=jax.random.key(0))


def test_renaming_what_is_not_there_says_what_is():
    controller = fpa.Controller.create(hidden_size=4, key=jax.random.key(0))
    with pytest.raises(ValueError, match="no input or output 'contxt'.*did you mean 'context'"):
        controller.renamed({"contxt": "c"})
    with pytest.raises(ValueError, match="every port needs a name of its own"):
        controller.renamed({"context": "target.position"})
