"""What a checked configuration stands for: tasks, models, losses, jobs."""

import dataclasses
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PRNGKeyArray, PyTree

from fpanalysis.control import fields
from fpanalysis.control.controller import Controller
from fpanalysis.control.network import Network
from fpanalysis.control.plants import AbstractPlant, PointMass, TwoLinkArm
from fpanalysis.control.rollout import Model
from fpanalysis.control.tasks import (
    AbstractTask,
    ContextIntegration,
    DelayedReaches,
    FlipFlop,
    SimpleReaches,
)
from fpanalysis.control.tasks.perturbations import METHODS, AbstractMethod, AbstractPerturbation, AnyOf
from fpanalysis.training import losses
from fpanalysis.training.config import Config
from fpanalysis.training.step import Job, split_model
from fpanalysis.training.sweep import Member

TASKS = {
    "simple_reaches": SimpleReaches,
    "delayed_reaches": DelayedReaches,
    "flip_flop": FlipFlop,
    "context_integration": ContextIntegration,
}
PLANTS = {"point_mass": PointMass, "two_link_arm": TwoLinkArm}
FIELDS = {"curl": fields.Curl, "constant": fields.Constant, "none": fields.NoField}
TERMS = {
    "position": losses.position,
    "final_velocity": losses.final_velocity,
    "force": losses.force,
    "output": losses.output,
    "hidden": losses.hidden,
}
# Random numbers of the weights and of the trials must not be the same.
_WEIGHTS, _TRIALS = 0, 1


def plant_of(config: Config) -> AbstractPlant | None:
    """Return the plant of a configuration; None for a network without a body."""
    if config.plant is None:
        return None
    return PLANTS[config.plant.kind](**_without(config.plant, "kind"))


def perturbation_of(config: Config) -> AbstractMethod | None:
    """Return the perturbation of a configuration; None for none."""
    settings: Any = config.perturbation
    if settings is None or settings.method == "none":
        return None
    options = _without(settings, "method", "field")
    return METHODS[settings.method](field=FIELDS[settings.field](), **options)


def task_of(config: Config, perturbation: AbstractPerturbation | None = None) -> AbstractTask:
    """Return the task of a configuration, with a perturbation or without."""
    options = _without(config.task, "kind")
    if config.plant is not None:
        options |= {
            "perturbation": perturbation,
            "workspace": config.plant.workspace,
            "reach_length": config.plant.reach_length,
        }
    return TASKS[config.task.kind](**options)


def model_of(config: Config, key: jax.Array) -> Model:
    """Return a model with random weights."""
    task, plant = task_of(config), plant_of(config)
    options = {**_without(config.network), "dt": task.dt, "key": key}
    if plant is None:
        return Network.create(task.inputs, task.outputs, **options)
    assert config.feedback is not None and config.motor is not None
    return Controller.create(
        plant,
        inputs=task.inputs,
        feedback_delay=config.feedback.delay,
        feedback_noise=config.feedback.noise_std,
        motor_noise=config.motor.noise_std,
        **options,
    )


def loss_of(config: Config) -> losses.Loss:
    """Return the loss of a configuration."""
    settings: dict[str, Any] = _without(config.loss)
    terms = [settings[name] * TERMS[name]() for name in TERMS if name in settings]
    if settings["readout_norm"] is not None:
        terms.append(settings["readout_norm"] * losses.readout_norm(settings["readout_norm_target"]))
    total = terms[0]
    for each in terms[1:]:
        total = total + each
    return total


def jobs_of(members: list[Member], loss: losses.Loss | None) -> tuple[list[Job], list[PyTree]]:
    """Return what networks that share shapes are trained on, and their random weights.

    Args:
        members: of one group.
        loss: takes the place of the configuration's loss in training.
    """
    methods: list[AbstractMethod] = []
    for member in members:
        method = perturbation_of(member.config)
        if method is not None and _kind(method) not in map(_kind, methods):
            methods.append(method)
    keys = [_key(member) for member in members]
    weights = _random_weights(members[0].config, [jax.random.fold_in(key, _WEIGHTS) for key in keys])
    jobs = [_job(member, key, methods, loss) for member, key in zip(members, keys, strict=True)]
    return jobs, weights


def _key(member: Member) -> PRNGKeyArray:
    """Return what all random numbers of a network's training are derived from."""
    return jax.random.fold_in(jax.random.key(member.seed, impl="threefry2x32"), member.replicate)


def _random_weights(config: Config, keys: list[PRNGKeyArray]) -> list[PyTree]:
    """Return the trained arrays of networks that share shapes, one for every key."""
    draw = jax.jit(lambda key: split_model(model_of(config, key))[0])
    drawn = [draw(key) for key in keys]
    draw.clear_cache()  # JAX would keep it, and no other training can use it
    return drawn


def _job(member: Member, key: PRNGKeyArray, methods: list[AbstractMethod], loss: losses.Loss | None) -> Job:
    config = member.config
    frozen = split_model(eqx.filter_eval_shape(model_of, config, key))[1]
    optimizer, training = config.optimizer, config.training
    return Job(
        task=_as_arrays(task_of(config, _one_of(perturbation_of(config), methods))),
        loss=_as_arrays(loss_of(config) if loss is None else loss),
        judge=_as_arrays(losses.output_loss() if config.plant is None else losses.reaching_loss()),
        frozen=_as_arrays(frozen),
        key=jax.random.fold_in(key, _TRIALS),
        learning_rate=jnp.asarray(optimizer.learning_rate, jnp.float32),
        weight_decay=jnp.asarray(optimizer.weight_decay, jnp.float32),
        clip_norm=None if optimizer.clip_norm is None else jnp.asarray(optimizer.clip_norm, jnp.float32),
        iterations=training.iterations,
        constant_iterations=optimizer.constant_iterations,
        final_fraction=optimizer.final_fraction,
        batch_size=training.batch_size,
    )


def _one_of(own: AbstractMethod | None, methods: list[AbstractMethod]) -> AbstractPerturbation | None:
    """Return the method as one of several, all with its strength, so that networks differ in numbers only."""
    if own is None or len(methods) == 1:
        return own
    index = list(map(_kind, methods)).index(_kind(own))
    return AnyOf(index, tuple(dataclasses.replace(method, field_std=own.field_std) for method in methods))


def _kind(method: AbstractMethod) -> Any:
    """Return what tells methods apart besides their numbers."""
    return jax.tree_util.tree_structure(method)


def _as_arrays(tree: PyTree) -> PyTree:
    """Return the tree with its numbers as arrays, which a batch of networks may have different ones of."""

    def convert(leaf: Any) -> Any:
        if isinstance(leaf, float):
            return jnp.asarray(leaf, jnp.float32)
        return jnp.asarray(leaf, jnp.int32) if isinstance(leaf, int) else leaf

    return jax.tree_util.tree_map(convert, tree)


def _without(section: Any, *names: str) -> dict[str, Any]:
    return {name: value for name, value in section.model_dump().items() if name not in names}
