"""A finished run: its ensemble, and the files that it leaves behind."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from fpanalysis.control.ensemble import Ensemble
from fpanalysis.control.rollout import Model
from fpanalysis.io import open_dataset, save
from fpanalysis.training.config import Config
from fpanalysis.training.folder import CONFIG, HISTORY, MODELS, Arrays, Folder, read_arrays, write_arrays
from fpanalysis.training.history import Trained
from fpanalysis.training.models import chosen_weights, models_of
from fpanalysis.training.sweep import Plan, expand

# Under this name the models say of which configuration they are, as the sha256 of its file.
_CONFIG = "config_sha256"
# What the table of an ensemble takes over from the history.
_PER_MODEL = (
    "validation_loss",
    "selected_checkpoint",
    "included",
    "is_best",
    "threshold",
    "stopped_at",
    "stop_reason",
)


def ensemble_of(config: Config, plan: Plan, trained: Trained, history: xr.Dataset) -> Ensemble:
    """Return the ensemble of a run, every network with the weights of its best checkpoint."""
    weights = selected_weights(trained, history)
    return _ensemble(config, plan, weights, history)


def selected_weights(trained: Trained, history: xr.Dataset) -> list[Arrays]:
    """Return for every group the weights of the selected checkpoints, or the last where none was selected."""
    selected = history["selected_checkpoint"].values.ravel()
    weights = []
    for members, plan, result in trained:
        last = len(plan.checkpoints) - 1
        choice = [
            plan.checkpoints.index(selected[index]) if selected[index] >= 0 else last for index in members
        ]
        weights.append(chosen_weights(result.checkpoints, choice))
    return weights


def _ensemble(config: Config, plan: Plan, weights: Sequence[Arrays], history: xr.Dataset) -> Ensemble:
    models: list[Model | None] = [None] * len(plan.members)
    for members, arrays in zip(plan.groups(), weights, strict=True):
        own = models_of([plan.members[index] for index in members], arrays)
        for index, model in zip(members, own, strict=True):
            models[index] = model
    shape = tuple(len(values) for values in plan.dims.values())
    member = (tuple(plan.dims), np.arange(len(models)).reshape(shape))
    table = history[[*_PER_MODEL]].drop_attrs().assign(member=member)
    return Ensemble(models, table, history, config.to_yaml())  # pyright: ignore[reportArgumentType]


def write_run(folder: Folder, trained: Trained, history: xr.Dataset) -> None:
    """Write what a finished run leaves behind; the models come last, and tell that it is finished."""
    save(history, folder.path / HISTORY)
    arrays = {
        f"group{number}.{name}": rows
        for number, weights in enumerate(selected_weights(trained, history))
        for name, rows in weights.items()
    }
    notes = {"what": "selected checkpoints", _CONFIG: folder.config_sha256()}
    write_arrays(folder.path / MODELS, arrays, notes)


def read_run(path: Path) -> Ensemble:
    """Return the ensemble that a finished run left in a folder.

    Raises:
        FileNotFoundError: there is no run, or it is not finished.
        ValueError: a file is damaged, or does not fit the configuration.
    """
    if not (path / CONFIG).exists():
        raise FileNotFoundError(f"path: the folder {str(path)!r} holds no training run: there is no {CONFIG}")
    if not Folder(path).finished:
        raise FileNotFoundError(
            f"path: the training run in {str(path)!r} is not finished; go on with it by "
            f"fpanalysis.train({str(path / CONFIG)!r}, {str(path)!r})"
        )
    arrays, notes = read_arrays(path / MODELS)
    if notes.get(_CONFIG, sha256 := Folder(path).config_sha256()) != sha256:
        raise ValueError(
            f"path: {str(path / CONFIG)!r} has changed since these networks were trained, and no longer says "
            "what they are; copy it from a backup"
        )
    config = Config.from_yaml(path / CONFIG)
    plan = expand(config)
    weights = []
    for number in range(len(plan.groups())):
        prefix = f"group{number}."
        weights.append({k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)})
    return _ensemble(config, plan, weights, open_dataset(path / HISTORY))
