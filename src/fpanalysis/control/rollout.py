"""Trials run through a controller, or through a network without a body."""

from collections.abc import Mapping

import jax
from jaxtyping import Array, Key, PyTree

from fpanalysis.control.controller import Controller
from fpanalysis.control.network import Network
from fpanalysis.control.trials import Rollout, Trial

Model = Controller | Network


def rollouts(model: Model, trials: Trial, keys: Key[Array, " trial"] | None = None) -> Rollout:
    """Return what a model does in every trial of a batch.

    Args:
        model: the controller or network.
        trials: every leaf with a leading axis for the trials.
        keys: one for each trial, for the noise of a controller; no noise if None. Networks have none.

    Returns:
        The rollouts, every leaf with a leading axis for the trials.
    """
    if isinstance(model, Network):
        return jax.vmap(bare_rollout, in_axes=(None, 0))(model, trials)
    return jax.vmap(lambda trial, key: model.rollout(trial, key), in_axes=(0, None if keys is None else 0))(
        trials, keys
    )


def bare_rollout(network: Network, trial: Trial) -> Rollout:
    """Return what a network without a body does in one trial."""

    def advance(state: PyTree, inputs: Mapping[str, Array]) -> tuple[PyTree, Rollout]:
        state = network.step(state, inputs)
        return state, Rollout(hidden=network.hidden(state), output=network.output(state))

    return jax.lax.scan(advance, network.initial(), dict(trial.inputs))[1]
