"""What is said before a training begins: memory, devices, and trials that would explode."""

import os
from collections.abc import Sequence

import jax
import numpy as np

from fpanalysis._memory import total_memory
from fpanalysis.control.fields import Curl
from fpanalysis.control.plants import PointMass, TwoLinkArm
from fpanalysis.training.build import model_of, perturbation_of, plant_of
from fpanalysis.training.sweep import Member, Plan

# AdamW keeps weights, gradients, two moments and the change.
_COPIES = 5
# Of the machine's memory, this much may be used.
_SHARE = 0.8
# A trial whose energy explicit Euler multiplies by more is counted as exploding.
_GROWTH = 10.0
_DRAWS = 25_000
# Longest step of an arm (s) that held in training.
_ARM_STEP = 0.01


def memory_error(plan: Plan) -> str:
    """Return what to say if the networks need more memory than there is; an empty string if they do not."""
    needed, there = bytes_needed(plan), _SHARE * total_memory()
    if needed <= there:
        return ""
    return (
        f"sweep: {len(plan.members)} networks would take about {needed / 2**30:.1f} GiB, and this process "
        f"has {there / 2**30:.1f} GiB to give; sweep over fewer values, or divide the sweep into several runs"
    )


def bytes_needed(plan: Plan) -> float:
    """Return about how many bytes the largest group of networks takes in training, with its history."""
    return max(_group_bytes([plan.members[i] for i in members]) for members in plan.groups())


def _group_bytes(members: Sequence[Member]) -> float:
    config = members[0].config
    model = jax.eval_shape(lambda key: _arrays(model_of(config, key)), jax.random.key(0))
    weights = sum(np.prod(leaf.shape) for leaf in jax.tree_util.tree_leaves(model))
    training = config.training
    # Loss terms of every iteration, twice while they are written; every checkpoint's weights.
    kept = 2 * training.iterations * len(config.loss.model_dump()) + len(training.checkpoints) * weights
    # What the backward pass remembers of a step: gates and states of every unit, some twenty numbers besides.
    remembered = config.task.n_steps * training.batch_size * (16 * config.network.hidden_size + 20)
    return 4.0 * (len(members) * (_COPIES * weights + kept) + jax.device_count() * remembered)


def _arrays(model: object) -> list:
    return [leaf for leaf in jax.tree_util.tree_leaves(model) if hasattr(leaf, "shape")]


def second_device_hint(networks: int) -> str:
    """Return how to use more processor cores, if there are some that would stay idle."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if jax.default_backend() != "cpu" or jax.device_count() > 1 or min(cores, networks) < 2:
        return ""
    return (
        f"JAX has one device, and this machine {cores} cores. To train networks side by side, call "
        f"jax.config.update('jax_num_cpu_devices', {min(cores, networks)}) before anything else uses JAX, "
        "or use the command line: fpanalysis train config.yaml"
    )


def arm_warning(plan: Plan) -> str:
    """Return what to say if an arm steps too slowly for untrained networks; an empty string if not.

    A random network may turn the joints many times a second, and a step of the integrator then spans radians.
    """
    for member in plan.members:
        dt = member.config.task.dt
        if isinstance(plant_of(member.config), TwoLinkArm) and dt > _ARM_STEP:
            return (
                f"task.dt: an untrained network may whirl the arm about so fast that steps of {dt:g} s go "
                f"wrong, and numbers cease to be finite; at most {_ARM_STEP:g} s is advised, as in "
                "task: {dt: 0.01, n_steps: 100}"
            )
    return ""


def euler_warning(plan: Plan) -> str:
    """Return what to say if explicit Euler would make trials explode; an empty string if not.

    Without damping, a curl field of amplitude `a` turns the velocity of a mass `m` and leaves its energy as
    it is. Explicit Euler multiplies the energy by `1 + (a dt/m)²` in every step instead.
    """
    worst, label = 0.0, ""
    for member in plan.members:
        share = exploding_share(member)
        if share > worst:
            worst, label = share, ", ".join(f"{k}={v}" for k, v in member.labels.items() if k != "replicate")
    if not worst:
        return ""
    return (
        f"plant.integrator: explicit Euler multiplies the energy of an undamped mass in a curl field by "
        f"1 + (a dt/m)² a step: by more than {_GROWTH:g} within a trial in {worst:.1%} of the trials"
        f"{f' ({label})' if label else ''}. Expect huge losses or none that are finite; use integrator: exact"
    )


def exploding_share(member: Member) -> float:
    """Return the share of trials whose energy explicit Euler multiplies by more than ten."""
    plant, task = plant_of(member.config), member.config.task
    perturbation = perturbation_of(member.config)
    if not isinstance(plant, PointMass) or plant.integrator != "euler" or perturbation is None:
        return 0.0
    if not isinstance(perturbation.field, Curl):
        return 0.0
    keys = jax.random.split(jax.random.key(0), _DRAWS)
    amplitudes = np.asarray(jax.vmap(perturbation.draw)(keys)[1], np.float64)
    growth = _growth(amplitudes, plant, task.dt)
    return float(np.mean(task.n_steps * np.log(growth) > np.log(_GROWTH)))


def _growth(amplitude: np.ndarray, plant: PointMass, dt: float) -> np.ndarray:
    """Return by how much explicit Euler multiplies the kinetic energy in one step."""
    return (1 - plant.damping * dt / plant.mass) ** 2 + (amplitude * dt / plant.mass) ** 2
