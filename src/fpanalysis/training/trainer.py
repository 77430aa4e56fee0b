"""`train`: from a configuration to an ensemble of trained models."""

import importlib.metadata
import os
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np
from tqdm.auto import tqdm

from fpanalysis._messages import listed
from fpanalysis.control.ensemble import Ensemble
from fpanalysis.control.tasks import AbstractTask, DelayedReaches, SimpleReaches
from fpanalysis.control.trials import Trials
from fpanalysis.training.advice import arm_warning, euler_warning, memory_error, second_device_hint
from fpanalysis.training.build import jobs_of, plant_of, task_of
from fpanalysis.training.config import Config
from fpanalysis.training.folder import Folder
from fpanalysis.training.group import Plan as GroupPlan
from fpanalysis.training.group import Result, train_group
from fpanalysis.training.history import history_of
from fpanalysis.training.losses import Loss
from fpanalysis.training.run import ensemble_of, read_run, write_run
from fpanalysis.training.sweep import Plan, expand


def train(
    config: str | os.PathLike[str] | Mapping[str, Any] | Config,
    folder: str | os.PathLike[str] | None = None,
    *,
    loss: Loss | None = None,
    progress: bool = True,
) -> Ensemble:
    """Train controllers or networks, and return them with their hyperparameters as labels.

    Everything that shares shapes is trained in one compiled step: replicates, methods of perturbation,
    strengths of the field and every other swept number. Networks are spread over the devices that JAX has;
    the command line `fpanalysis train` makes one of every processor core. The same configuration gives the
    same weights, bit for bit on one machine.

    Args:
        config: the path of a YAML file, a mapping of the same form, or a `Config`. What may stand in it is
            described under "Training" in the documentation.
        folder: where configuration, history, checkpoints and log are kept. A run that was killed goes on
            from its last saved state, and one that is finished is read. Nothing is written if None.
        loss: takes the place of the configured loss in training. Validation keeps to the task's own loss,
            so that runs with different losses compare.
        progress: whether to show a progress bar and messages.

    Returns:
        The ensemble, with the weights of the best checkpoint of every network, and its `history`.

    Raises:
        ConfigError: the configuration does not hold, or differs from that of the run in `folder`; the
            message names every key and line.
        FileExistsError: `folder` holds something else.
        RuntimeError: another process, or another thread of this one, trains in `folder`.
        ValueError: the arm cannot be as configured, or cannot reach where it should; or a file in `folder`
            is not as it was written.
        MemoryError: the networks would not fit into memory; the message says how much they would take.

    Warns:
        RuntimeWarning: a network stopped because a number was not finite, or is likely to: explicit Euler
            in a curl field, or long steps of an arm.

    Example:
        >>> import fpanalysis as fpa
        >>> ensemble = fpa.train(
        ...     {
        ...         "network": {"hidden_size": 8},
        ...         "training": {"iterations": 2, "batch_size": 4},
        ...         "replicates": 2,
        ...     },
        ...     progress=False,
        ... )
        >>> ensemble.sizes
        {'replicate': 2}
    """
    config = checked(config)
    plan = expand(config)
    if problem := memory_error(plan):
        raise MemoryError(problem)
    _check_reaches(plan)
    if folder is None:
        with jax.enable_x64(False):
            return _run(config, plan, None, loss, progress)
    kept = Folder(folder)
    kept.check(config)
    if kept.finished:
        return _finished(kept, loss, progress)
    with kept.held(), jax.enable_x64(False):
        kept.check(config)  # again: another process may have begun, or finished, since
        if kept.finished:
            return _finished(kept, loss, progress)
        kept.begin(config)
        return _run(config, plan, kept, loss, progress)


def _run(
    config: Config,
    plan: Plan,
    folder: Folder | None,
    loss: Loss | None,
    progress: bool,
) -> Ensemble:
    say = _speaker(folder, progress)
    groups = plan.groups()
    count = len(plan.members)
    say(
        f"fpanalysis {importlib.metadata.version('fpanalysis')}, JAX {importlib.metadata.version('jax')}: "
        f"{_counted(count, 'network')}, {_counted(len(groups), 'compiled step')}, "
        f"{_counted(jax.device_count(), 'device')}"
    )
    if hint := second_device_hint(count):
        say(hint)
    for warning in filter(None, (euler_warning(plan), arm_warning(plan))):
        _warn(folder, warning)
    began = time.monotonic()
    total = sum(plan.members[members[0]].config.training.iterations for members in groups)
    results: list[tuple[list[int], GroupPlan, Result]] = []
    with tqdm(total=total, desc="training", delay=1.0, disable=not progress, unit="it") as bar:

        def report(steps: int, word: str) -> None:
            bar.set_postfix_str(word, refresh=False)
            bar.update(steps)

        for number, members in enumerate(groups):
            group = _group_plan(number, plan, members, loss)
            results.append((members, group, train_group(group, folder, report, say, partial(_warn, folder))))
    history = history_of(plan.dims, results)
    ensemble = ensemble_of(config, plan, results, history)
    if folder is not None:
        write_run(folder, results, history)
        say(f"finished, after {time.monotonic() - began:.0f} s")
    return ensemble


def _finished(folder: Folder, loss: Loss | None, progress: bool) -> Ensemble:
    """Return the ensemble of a finished run, if it can have been trained with this loss."""
    ensemble = read_run(folder.path)
    known = ensemble.history["term"].values.tolist()
    if other := [name for name in (loss.names if loss is not None else ()) if name not in known]:
        raise ValueError(
            f"loss: the run in {str(folder.path)!r} is finished, and was not trained with {listed(other)}; "
            "use another folder"
        )
    if progress:
        tqdm.write(f"the run in {str(folder.path)!r} is finished: read, not trained again", file=sys.stderr)
    return ensemble


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def checked(config: str | os.PathLike[str] | Mapping[str, Any] | Config) -> Config:
    """Return a configuration from whatever `train` takes."""
    if isinstance(config, Config):
        return config
    if isinstance(config, Mapping):
        return Config.from_dict(config)
    if isinstance(config, str | os.PathLike):
        return Config.from_yaml(config)
    raise TypeError(f"config: expected a path, a mapping or a Config, got {type(config).__name__}")


def _speaker(folder: Folder | None, progress: bool) -> Callable[[str], None]:
    """Return what tells the user, and the log."""

    def say(message: str) -> None:
        if progress:
            tqdm.write(message, file=sys.stderr)
        if folder is not None:
            folder.log(message)

    return say


def _check_reaches(plan: Plan) -> None:
    """Raise `ValueError` if a trial would start or end where the plant cannot be."""
    for members in plan.groups():
        config = plan.members[members[0]].config
        plant = plant_of(config)
        if plant is not None:
            for trials in validation_of(task_of(config)):
                plant.check_reachable(np.asarray(trials.trial.start), "validation start")
                goals = np.asarray(trials.trial.targets["position"])[:, -1]
                plant.check_reachable(goals, "validation goal")


def _warn(folder: Folder | None, message: str) -> None:
    if folder is not None:
        folder.log(message)
    warnings.warn(message, RuntimeWarning, stacklevel=2)


def _group_plan(number: int, plan: Plan, members: list[int], loss: Loss | None) -> GroupPlan:
    own = [plan.members[index] for index in members]
    jobs, weights = jobs_of(own, loss)
    config = own[0].config
    monitor, validation = validation_of(task_of(config))
    names = [
        ", ".join(f"{key}={value}" for key, value in member.labels.items()) or "network" for member in own
    ]
    every, checkpoints = config.training.validate_every, list(config.training.checkpoints)
    return GroupPlan(number, names, jobs, weights, monitor, validation, every, checkpoints)


def validation_of(task: AbstractTask) -> tuple[Trials, Trials]:
    """Return the trials that are looked at during training, and those that checkpoints are judged by."""
    if isinstance(task, SimpleReaches | DelayedReaches):
        return task.validation(), task.validation(n_grid=2, n_directions=24)
    return task.validation(), task.validation()
