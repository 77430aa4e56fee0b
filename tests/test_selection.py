"""Selection of checkpoints and replicates, and what is said before a training begins: by hand."""

import math

import numpy as np
import pytest
from scipy import integrate, special

from fpanalysis.training.advice import arm_warning, bytes_needed, euler_warning, exploding_share
from fpanalysis.training.config import Config
from fpanalysis.training.selection import select
from fpanalysis.training.sweep import expand


def trials(*means, spread=0.0, n=100):
    """Return losses of `n` trials for each mean, with a relative standard deviation of `spread`."""
    around = np.where(np.arange(n) % 2 == 0, 1 + spread, 1 - spread)
    return np.array(means)[:, None] * around


def test_each_replicate_keeps_its_best_checkpoint_and_the_best_replicate_is_marked():
    losses = np.stack([trials(3.0, 1.2, 1.5), trials(2.0, 1.1, 1.0), trials(9.0, 8.0, 7.0)])
    chosen = select(losses)
    assert chosen.checkpoint.tolist() == [1, 2, 2] and chosen.best == 1
    np.testing.assert_allclose(chosen.loss, [1.2, 1.0, 7.0])
    assert chosen.included.tolist() == [True, True, False] and chosen.threshold == pytest.approx(0.2)


@pytest.mark.parametrize(("spread", "reach"), [(0.0, 0.2), (0.05, 0.2), (0.3, 0.6)])
def test_the_threshold_is_two_relative_standard_deviations_of_the_best(spread, reach):
    just = [math.exp(reach - 1e-6), math.exp(reach + 1e-6)]
    chosen = select(np.stack([trials(1.0, spread=spread), *(trials(each) for each in just)]))
    assert chosen.threshold == pytest.approx(reach)
    assert chosen.included.tolist() == [True, True, False]


def test_losses_that_are_not_finite_are_never_chosen():
    losses = np.stack([trials(np.nan, 2.0), trials(1.0, np.inf), trials(np.nan, np.nan)])
    chosen = select(losses)
    assert chosen.checkpoint.tolist() == [1, 0, -1] and chosen.best == 1
    assert chosen.included.tolist() == [False, True, False] and np.isinf(chosen.loss[2])
    nothing = select(losses[2:])
    assert nothing.best == -1 and nothing.included.tolist() == [False]


def only_member(**perturbation):
    config = {"plant": {"integrator": "euler"}, "perturbation": {"field": "curl", **perturbation}}
    return expand(Config.from_dict({**config, "replicates": 1})).members[0]


@pytest.mark.parametrize("method", ["amplitude", "std"])
def test_the_share_of_exploding_trials_is_that_of_the_distribution(method):
    share = exploding_share(only_member(method=method, field_std=1.6))
    # (1 + (a dt)²)^99 > 10 beyond this amplitude
    limit = math.sqrt(10 ** (1 / 99) - 1) / 0.05 / 1.6
    if method == "amplitude":
        wanted = special.erfc(limit / math.sqrt(2))
    else:  # a product of two normal numbers has the density K₀(|x|)/π
        wanted = 2 * integrate.quad(lambda x: special.k0(x) / math.pi, limit, np.inf)[0]
    assert share == pytest.approx(wanted, abs=4 * math.sqrt(wanted / 25_000))


def test_the_warning_names_the_worst_and_the_share():
    config = {
        "plant": {"integrator": "euler"},
        "replicates": 1,
        "sweep": {"perturbation.field_std": [0.1, 1.6]},
    }
    assert "field_std=1.6" in euler_warning(expand(Config.from_dict(config)))
    config["plant"]["integrator"] = "exact"
    assert euler_warning(expand(Config.from_dict(config))) == ""
    assert exploding_share(only_member(method="std", field_std=1.6, field="constant")) == 0.0


def test_memory_grows_with_networks_and_with_units():
    def needed(replicates, hidden_size):
        config = {"replicates": replicates, "network": {"hidden_size": hidden_size}}
        return bytes_needed(expand(Config.from_dict(config)))

    few, many, wide = needed(10, 50), needed(1010, 50), needed(10, 500)
    weights = 3 * 50 * (50 + 9) + 3 * 50 + 50 + 2 * 50 + 2
    assert (many - few) / 1000 >= 5 * 4 * weights
    assert wide > 10 * few / 2


@pytest.mark.parametrize(
    ("kind", "dt", "warns"),
    [("two_link_arm", 0.05, True), ("two_link_arm", 0.01, False), ("point_mass", 0.05, False)],
)
def test_long_steps_of_an_arm_are_warned_of(kind, dt, warns):
    plan = expand(Config.from_dict({"plant": {"kind": kind}, "task": {"dt": dt}, "replicates": 1}))
    assert ("task.dt" in arm_warning(plan)) == warns
