"""Losses: terms against plain loops, and the algebra by which they are put together."""

from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fpanalysis.control.network import Network
from fpanalysis.control.trials import Rollout, Trial
from fpanalysis.training import losses

N, T, HIDDEN = 5, 7, 4


def random_batch(dtype="float32"):
    """Return random trials and rollouts, as NumPy arrays in Trial and Rollout."""
    rng = np.random.default_rng(0)
    draw = lambda *shape: jnp.asarray(rng.normal(size=(N, T, *shape)), dtype)
    targets = {"position": draw(2), "velocity": draw(2), "output": draw(2)}
    trials = Trial({"context": draw(1)}, targets, start=draw(2)[:, 0])
    return trials, Rollout(hidden=draw(HIDDEN), output=draw(2), position=draw(2), velocity=draw(2))


def network(hidden_size=HIDDEN):
    return Network.create({"pulse": 1}, {"bit": 2}, hidden_size=hidden_size, key=jax.random.key(1))


def by_hand(name, trials, rollouts):
    """Return a term for every trial, by loops over time and components in float64."""
    targets = {of: np.asarray(array, float) for of, array in trials.targets.items()}
    hidden, output, position, velocity = (
        np.asarray(getattr(rollouts, of), float) for of in ("hidden", "output", "position", "velocity")
    )
    values = np.zeros(N)
    for n in range(N):
        for t in range(T):
            for i in range(HIDDEN if name == "hidden" else 2):
                if name == "position":
                    difference = position[n, t, i] - targets["position"][n, t, i]
                    values[n] += ((t + 1) / T) ** 6 * difference**2
                elif name == "final_velocity" and t == T - 1:
                    values[n] += (velocity[n, t, i] - targets["velocity"][n, t, i]) ** 2
                elif name == "force":
                    values[n] += output[n, t, i] ** 2
                elif name == "hidden":
                    values[n] += hidden[n, t, i] ** 2
                elif name == "output":
                    values[n] += (output[n, t, i] - targets["output"][n, t, i]) ** 2
    return values


# --- the terms --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["position", "final_velocity", "force", "hidden", "output"])
def test_terms_agree_with_plain_loops(name):
    trials, rollouts = random_batch()
    loss = 3.0 * getattr(losses, name)()
    assert loss.names == (name,)
    expected = 3.0 * by_hand(name, trials, rollouts)
    np.testing.assert_allclose(loss.per_trial(None, trials, rollouts)[name], expected, rtol=1e-5)
    np.testing.assert_allclose(loss(None, trials, rollouts)[name], expected.mean(), rtol=1e-5)


def test_the_position_weights_rise_with_the_sixth_power():
    # One step at a time is 1 m off in x: what remains is the weight of that step.
    for t, weight in [(1, 1 / 64), (2, 1.0)]:
        trial = Trial({}, {"position": jnp.zeros((2, 2))})
        position = jnp.zeros((2, 2)).at[t - 1, 0].set(1.0)
        rollout = Rollout(hidden=jnp.zeros((2, 1)), output=jnp.zeros((2, 2)), position=position)
        assert float(losses.position()(None, trial, rollout)) == weight


def test_the_readout_norm_is_that_of_the_matrix():
    model = network()
    expected = (np.sqrt((np.asarray(model.readout.weight, float) ** 2).sum()) - 2.0) ** 2
    assert float(losses.readout_norm(2.0)(model)) == pytest.approx(expected, rel=1e-5)
    controller = SimpleNamespace(network=model)
    assert losses.readout_norm(2.0)(controller) == losses.readout_norm(2.0)(model)
    assert losses.readout_norm(0.0)(model) == pytest.approx(np.sum(np.asarray(model.readout.weight) ** 2))


def test_the_readout_norm_has_a_finite_gradient_everywhere():
    model = network()
    gradient = jax.grad(
        lambda weight: losses.readout_norm()(SimpleNamespace(readout=SimpleNamespace(weight=weight)))
    )
    # d(‖W‖ − 2)² / dW = 2 (‖W‖ − 2) W / ‖W‖
    weight = np.asarray(model.readout.weight, float)
    norm = np.linalg.norm(weight)
    np.testing.assert_allclose(gradient(model.readout.weight), 2 * (norm - 2) * weight / norm, rtol=1e-4)
    assert np.all(np.isfinite(gradient(jnp.zeros((2, 3)))))


@pytest.mark.parametrize("name", ["position", "final_velocity", "force", "hidden", "output"])
def test_terms_keep_the_precision_of_the_data(name):
    term = getattr(losses, name)()
    trials, rollouts = random_batch()
    assert (1.5 * term)(None, trials, rollouts)[name].dtype == jnp.float32
    with jax.enable_x64(True):
        trials, rollouts = random_batch("float64")
        value = (jnp.float32(1.5) * term)(None, trials, rollouts)[name]
        assert value.dtype == jnp.float64
        np.testing.assert_allclose(value, 1.5 * by_hand(name, trials, rollouts).mean(), rtol=1e-12)


# --- weights and sums -------------------------------------------------------------------------------------


def values(loss):
    return {name: float(v) for name, v in loss(network(), *random_batch()).items()}


def test_the_default_losses_weight_as_they_say():
    trials, rollouts = random_batch()
    expected = {name: by_hand(name, trials, rollouts).mean() for name in ("position", "final_velocity")}
    small = {name: 1e-5 * by_hand(name, trials, rollouts).mean() for name in ("force", "hidden")}
    assert values(losses.reaching_loss()) == pytest.approx({**expected, **small}, rel=1e-5)
    output = by_hand("output", trials, rollouts).mean()
    assert values(losses.output_loss()) == pytest.approx(
        {"output": output, "hidden": small["hidden"]}, rel=1e-5
    )


def test_sums_and_multiples_are_those_of_algebra():
    a, b, c = losses.position(), losses.hidden(), losses.readout_norm()
    va, vb, vc = (
        values(1.0 * term)[name] for term, name in [(a, "position"), (b, "hidden"), (c, "readout_norm")]
    )
    expected = {"position": 2 * va, "hidden": 6 * vb, "readout_norm": vc}
    for loss in [
        (a + 3 * b) * 2 + c,
        2 * (a + 3 * b) + c,
        2 * a + (6 * b + c),
        a * 2.0 + b * 6.0 + c,
        np.float64(2.0) * a + np.float64(6.0) * b + c,
        jnp.float32(2.0) * a + b * jnp.float32(6.0) + c,
    ]:
        assert loss.names == ("position", "hidden", "readout_norm")
        assert values(loss) == pytest.approx(expected, rel=1e-5)
    assert (c + a + b).names == ("readout_norm", "position", "hidden")


def test_the_mean_is_that_of_the_trials():
    loss = losses.reaching_loss() + 0.5 * losses.readout_norm()
    batch = random_batch()
    of_each = loss.per_trial(network(), *batch)
    assert {name: v.shape for name, v in of_each.items()} == {name: (N,) for name in loss.names}
    means = {name: float(np.mean(v)) for name, v in of_each.items()}
    assert values(loss) == pytest.approx(means, rel=1e-5)
    assert np.ptp(of_each["position"]) > 0 and np.ptp(of_each["readout_norm"]) == 0


def test_one_trial_that_blows_up_is_seen_in_its_own_row():
    trials, rollouts = random_batch()
    blown_up = jnp.zeros((N, T, 2)).at[2].set(jnp.inf)
    rollouts = eqx.tree_at(lambda r: r.position, rollouts, blown_up)
    finite = np.isfinite(losses.reaching_loss().per_trial(None, trials, rollouts)["position"])
    assert finite.tolist() == [True, True, False, True, True]


def test_weights_are_leaves_that_may_be_batched_and_traced():
    loss = losses.reaching_loss()
    assert jax.tree_util.tree_leaves(loss) == [1.0, 1.0, 1e-5, 1e-5]
    batch, model = random_batch(), network()

    @jax.jit
    def total(weight):
        weighted = losses.position() + weight * losses.hidden() + losses.readout_norm() * weight
        return weighted(model, *batch)

    weights = jnp.array([0.0, 0.5, 2.0])
    together = jax.vmap(total)(weights)
    for i, weight in enumerate([0.0, 0.5, 2.0]):
        alone = values(losses.position() + weight * losses.hidden() + weight * losses.readout_norm())
        assert {name: float(v[i]) for name, v in together.items()} == pytest.approx(alone, rel=1e-5)


def test_gradients_flow_through_the_sum_of_the_terms():
    trials, rollouts = random_batch()

    def total(output):
        moved = eqx.tree_at(lambda r: r.output, rollouts, output)
        return sum((losses.output() + 0.1 * losses.force())(None, trials, moved).values())

    expected = (2 * (rollouts.output - trials.targets["output"]) + 0.2 * rollouts.output) / N
    np.testing.assert_allclose(jax.grad(total)(rollouts.output), expected, rtol=1e-5, atol=1e-6)


# --- terms of one's own -----------------------------------------------------------------------------------


class Shrink(losses.AbstractModelTerm):
    power: int = eqx.field(static=True)
    name: str = eqx.field(static=True, default="shrink")

    def __call__(self, model):
        return jnp.sum(model.readout.weight**self.power)


def test_functions_and_subclasses_are_terms():
    first = losses.term(
        "first", lambda model, trial, rollout: rollout.hidden[0, 0] + trial.inputs["context"][0, 0]
    )
    trials, rollouts = random_batch()
    of_each = (2 * first + Shrink(power=4)).per_trial(network(), trials, rollouts)
    np.testing.assert_allclose(
        of_each["first"], 2 * (rollouts.hidden[:, 0, 0] + trials.inputs["context"][:, 0, 0]), rtol=1e-6
    )
    np.testing.assert_allclose(
        of_each["shrink"], np.full(N, np.sum(np.asarray(network().readout.weight) ** 4)), rtol=1e-5
    )


# --- what is refused --------------------------------------------------------------------------------------


def test_every_term_needs_a_name_of_its_own():
    with pytest.raises(ValueError, match="loss: every term needs a name of its own, but 'hidden' is there"):
        _ = losses.reaching_loss() + 2 * losses.hidden()


def test_a_loss_needs_terms_and_finite_weights():
    with pytest.raises(ValueError, match="loss: expected at least one term, got none"):
        losses.Loss(())
    with pytest.raises(ValueError, match="weight of 'hidden': expected a finite number, got nan"):
        _ = float("nan") * losses.hidden()
    with pytest.raises(ValueError, match="norm: expected a finite number of at least 0, got -1.0"):
        losses.readout_norm(-1.0)


def test_only_terms_are_added_and_only_numbers_multiply(unchecked):
    with pytest.raises(TypeError):
        _ = losses.hidden() + 1.0  # pyright: ignore[reportOperatorIssue]
    with pytest.raises(TypeError):
        _ = losses.hidden() * losses.force()  # pyright: ignore[reportOperatorIssue]


def test_a_term_that_does_not_fit_the_task_says_so():
    trials, rollouts = random_batch()
    bare = Rollout(hidden=rollouts.hidden, output=rollouts.output)
    with pytest.raises(
        ValueError, match="the term 'position' needs an effector, but the model moves no plant"
    ):
        (1.0 * losses.position())(None, trials, bare)
    reaches = Trial(trials.inputs, {"position": trials.targets["position"]}, trials.start)
    with pytest.raises(ValueError, match="loss: the task has no target 'output'; it has 'position'"):
        (1.0 * losses.output())(None, reaches, rollouts)
    with pytest.raises(ValueError, match="readout_norm: expected a model with a linear readout .* got dict"):
        losses.readout_norm()({})
