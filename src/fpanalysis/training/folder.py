"""The folder of a training run: configuration, checkpoints, state to resume from, history and log."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from fpanalysis._files import write_whole
from fpanalysis.training.config import Config, ConfigError, changed

CONFIG = "config.yaml"
HISTORY = "history.nc"
MODELS = "models.safetensors"
LOG = "log.txt"

Arrays = dict[str, np.ndarray]


class Folder:
    """Where a run is kept. Every file in it is whole or absent, except the log, which grows."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end."""
        return (self.path / MODELS).exists()

    def begin(self, config: Config) -> None:
        """Make the folder, or check that what is in it was made by this configuration.

        Raises:
            ConfigError: the folder holds a run with another configuration.
            FileExistsError: the folder holds something else.
        """
        if (self.path / CONFIG).exists():
            if lines := changed(Config.from_yaml(self.path / CONFIG), config):
                raise ConfigError(
                    f"folder: {str(self.path)!r} holds a run with another configuration; use another folder, "
                    "or delete this one to start anew. Changed (there → here):\n  " + "\n  ".join(lines)
                )
            for left in self.path.rglob(".*.partial"):  # of a process that was killed while it wrote
                left.unlink()
            return
        if self.path.exists() and any(self.path.iterdir()):
            raise FileExistsError(f"folder: {str(self.path)!r} is not empty and holds no training run")
        (self.path / "checkpoints").mkdir(parents=True, exist_ok=True)
        write_whole(self.path / CONFIG, config.to_yaml().encode())

    def log(self, message: str) -> None:
        """Add a line to the log."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with open(self.path / LOG, "a", encoding="utf-8") as file:
            file.write(f"{now} {message}\n")

    def checkpoint_path(self, group: int, iteration: int) -> Path:
        """Return where the weights of a group of networks after `iteration` steps are kept."""
        return self.path / "checkpoints" / f"group{group}_{iteration:07d}.safetensors"

    def state_path(self, group: int) -> Path:
        """Return where the state is kept from which a group of networks goes on."""
        return self.path / f"state{group}.safetensors"


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], notes: Mapping[str, Any]) -> None:
    """Write named arrays and notes (anything JSON holds) to a safetensors file, whole or not at all."""
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    metadata = {"notes": json.dumps(notes)}
    write_whole(path, safetensors.numpy.save(whole, metadata=metadata))


def read_arrays(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """Return what `write_arrays` wrote.

    Raises:
        ValueError: the file is damaged, cut short, or of another origin.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            notes = json.loads((file.metadata() or {})["notes"])
            return {name: file.get_tensor(name) for name in file.keys()}, notes  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(
            f"folder: {str(path)!r} is damaged or not written by fpanalysis ({error})"
        ) from error
