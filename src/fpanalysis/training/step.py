"""One training step for many networks at once: compiled once, spread over the devices there are."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from jaxtyping import Array, Bool, Float, Key, PyTree

from fpanalysis._compiled import compiled
from fpanalysis.control.controller import Controller
from fpanalysis.control.rollout import Model, rollouts
from fpanalysis.control.tasks import AbstractTask
from fpanalysis.control.trials import Trial
from fpanalysis.training.losses import Loss


class Job(eqx.Module):
    """What one network is trained on, and how. Its leaves may differ between networks of one batch.

    Attributes:
        task: where the trials come from.
        loss: the weighted terms.
        judge: the loss of the task itself, by which models are validated whatever they are trained on.
        frozen: the model without its trained arrays: plant, noise, structure.
        key: from which every random number of the training is derived.
        learning_rate: at the start.
        weight_decay: of AdamW, per unit of learning rate.
        clip_norm: largest global norm of the gradient; None for no clipping.
        iterations: number of steps.
        constant_iterations: steps before the learning rate falls along a cosine.
        final_fraction: part of the learning rate that is left at the end.
        batch_size: trials a step.
    """

    task: AbstractTask
    loss: Loss
    judge: Loss
    frozen: PyTree
    key: Key[Array, "..."]
    learning_rate: Float[Array, "..."]
    weight_decay: Float[Array, "..."]
    clip_norm: Float[Array, "..."] | None
    iterations: int = eqx.field(static=True)
    constant_iterations: int = eqx.field(static=True)
    final_fraction: float = eqx.field(static=True)
    batch_size: int = eqx.field(static=True)

    def model(self, weights: PyTree) -> Model:
        """Return the model with these weights."""
        return eqx.combine(weights, self.frozen)

    def optimizer(self) -> optax.GradientTransformation:
        """Return AdamW with this network's learning rate, decay and clipping."""
        falling = max(self.iterations - self.constant_iterations, 1)
        schedule = optax.join_schedules(
            [
                optax.constant_schedule(self.learning_rate),
                optax.cosine_decay_schedule(self.learning_rate, falling, self.final_fraction),
            ],
            [self.constant_iterations],
        )
        adamw = optax.adamw(schedule, weight_decay=self.weight_decay)
        if self.clip_norm is None:
            return adamw
        return optax.chain(optax.clip_by_global_norm(self.clip_norm), adamw)

    def batch(self, iteration: Array) -> tuple[Trial, Key[Array, " trial"]]:
        """Return the trials of one iteration and the keys of their noise, the same in every call."""
        trial_key, noise_key = jax.random.split(jax.random.fold_in(self.key, iteration))
        trials = jax.vmap(self.task.sample)(jax.random.split(trial_key, self.batch_size))
        return trials, jax.random.split(noise_key, self.batch_size)


class Learner(NamedTuple):
    """What training changes.

    Attributes:
        weights: the trained arrays of the model.
        moments: the optimizer's state.
        running: whether everything has been finite so far.
    """

    weights: PyTree
    moments: PyTree
    running: Bool[Array, "..."]


class Outcome(NamedTuple):
    """What a step tells: the weighted terms of the loss, and whether the step was taken."""

    terms: dict[str, Array]
    running: Array


def split_model(model: Model) -> tuple[PyTree, PyTree]:
    """Return the trained arrays of a model, and the rest of it."""
    trained = jax.tree_util.tree_map(lambda _: False, model)
    network = model.network if isinstance(model, Controller) else model
    spec = jax.tree_util.tree_map(_is_trained, network)
    where = (lambda m: m.network) if isinstance(model, Controller) else (lambda m: m)
    return eqx.partition(model, eqx.tree_at(where, trained, spec))


def _is_trained(leaf: Any) -> bool:
    return hasattr(leaf, "shape") and jnp.issubdtype(leaf.dtype, jnp.inexact)


@compiled
def begin(job: Job, weights: PyTree) -> Learner:
    """Return the learner at the start."""
    return Learner(weights, job.optimizer().init(weights), jnp.asarray(True))


def step(learner: Learner, job: Job, iteration: Array) -> tuple[Learner, Outcome]:
    """Return the learner after one step; the same learner, stopped, where a number is not finite."""
    trials, keys = job.batch(iteration)

    def total(weights: PyTree) -> tuple[Array, dict[str, Array]]:
        model = job.model(weights)
        terms = job.loss(model, trials, rollouts(model, trials, keys))
        return jnp.sum(jnp.stack(list(terms.values()))), terms

    (value, terms), slope = jax.value_and_grad(total, has_aux=True)(learner.weights)
    with jax.numpy_dtype_promotion("standard"):  # Optax mixes counts and rates, whatever the user's rules
        change, moments = job.optimizer().update(slope, learner.moments, learner.weights)
        weights = optax.apply_updates(learner.weights, change)
    running = learner.running & jnp.isfinite(value) & _all_finite((slope, weights, moments))
    new = Learner(weights, moments, running)
    old = learner._replace(running=running)
    kept = jax.tree_util.tree_map(lambda a, b: jnp.where(running, a, b), new, old)
    return kept, Outcome(terms, running)


def validate(learner: Learner, job: Job, trials: Trial) -> dict[str, Array]:
    """Return the weighted terms of the task's loss on given trials, trial by trial, without noise."""
    model = job.model(learner.weights)
    return job.judge.per_trial(model, trials, rollouts(model, trials))


def _all_finite(tree: PyTree) -> Array:
    leaves = [leaf for leaf in jax.tree_util.tree_leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in leaves]))


def mesh() -> Mesh:
    """Return all devices in one row, over which networks are spread."""
    return Mesh(np.array(jax.devices()), ("member",))


def stacked(trees: list[Any]) -> Any:
    """Return trees of equal structure as one, its leaves with a leading axis, spread over the devices.

    The axis is filled up with copies of the last tree to a multiple of the number of devices.
    """
    over = mesh()
    trees = [*trees, *[trees[-1]] * (-len(trees) % over.size)]
    arrays, static = eqx.partition(trees[0], eqx.is_array)
    others = [eqx.filter(tree, eqx.is_array) for tree in trees]
    joined = jax.tree_util.tree_map(_joined, *others)
    return eqx.combine(jax.device_put(joined, NamedSharding(over, P("member"))), static)


def _joined(*leaves: Array) -> Array | np.ndarray:
    if jnp.issubdtype(leaves[0].dtype, jax.dtypes.prng_key):
        return jnp.stack(leaves)
    return np.stack([np.asarray(leaf) for leaf in leaves])  # which compiles nothing


@compiled
def advance(learners: Learner, jobs: Job, iteration: Array) -> tuple[Learner, Outcome]:
    """Return all learners after one step, and what it told."""
    return _spread(lambda learner, job: step(learner, job, iteration), learners, jobs)


@compiled
def validate_all(learners: Learner, jobs: Job, trials: Trial) -> dict[str, Array]:
    """Return the terms of every learner's loss on the same trials."""
    return _spread(lambda learner, job: validate(learner, job, trials), learners, jobs)


def _spread(function: Any, learners: Learner, jobs: Job) -> Any:
    """Apply a function to every network: side by side on the devices, in turn on each of them.

    In turn rather than as one wider batch, because a network's arrays then stay in the processor's cache,
    and because its numbers then do not depend on how many networks there are.
    """
    arrays, static = eqx.partition((learners, jobs), eqx.is_array)

    def on_one_device(arrays: PyTree) -> Any:
        return jax.lax.map(lambda each: function(*eqx.combine(each, static)), arrays)

    return jax.shard_map(
        on_one_device, mesh=mesh(), in_specs=P("member"), out_specs=P("member"), check_vma=False
    )(arrays)
