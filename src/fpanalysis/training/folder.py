"""The folder of a training run: configuration, checkpoints, state to resume from, history and log."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from fpanalysis._files import check_regular, made_folder, write_whole
from fpanalysis._lock import locked
from fpanalysis.training.config import Config, ConfigError, changed

CONFIG = "config.yaml"
HISTORY = "history.nc"
MODELS = "models.safetensors"
LOG = "log.txt"
_LOCK = ".lock"
_NOTES, _SHA256, _ZEROS = "notes", "sha256", "0" * 64
_ADVICE = "; copy it from a backup, or delete the folder and train anew"

Arrays = dict[str, np.ndarray]


class Folder:
    """Where a run is kept. Every file in it is whole or absent, except the log, which grows."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end."""
        return (self.path / MODELS).exists()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the folder for this call of `train`: two that write into one folder spoil both.

        Raises:
            NotADirectoryError: it is a file.
            RuntimeError: another call trains in the folder, in this process or another one.
        """
        with locked(made_folder(self.path, "folder") / _LOCK) as holder:
            if holder:
                raise RuntimeError(
                    f"folder: {holder} is training in {str(self.path)!r}; wait until it has finished, or use "
                    "another folder"
                )
            yield

    def check(self, config: Config) -> None:
        """Check that what is in the folder, if anything, was made by this configuration.

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
        elif self.path.is_dir() and any(not _is_ours(path) for path in self.path.iterdir()):
            raise FileExistsError(f"folder: {str(self.path)!r} is not empty and holds no training run")

    def begin(self, config: Config) -> None:
        """Write the configuration, if it is not there, and clear away what killed processes left.

        The folder must be held, and checked: all partial files are then of processes that are gone.
        """
        for left in self.path.rglob(".*.partial"):
            left.unlink(missing_ok=True)
        if not (self.path / CONFIG).exists():
            write_whole(self.path / CONFIG, config.to_yaml().encode())
        (self.path / "checkpoints").mkdir(exist_ok=True)

    def config_sha256(self) -> str:
        """Return the sha256 of the configuration as it stands in the folder, however its lines end."""
        return hashlib.sha256((self.path / CONFIG).read_bytes().replace(b"\r\n", b"\n")).hexdigest()

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
    """Write named arrays and notes (anything JSON holds) to a safetensors file, whole or not at all.

    A checksum stands among its metadata: a sha256 over the file as it is with zeros in its place.
    """
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    content = safetensors.numpy.save(whole, {_NOTES: json.dumps(notes), _SHA256: _ZEROS})
    digest = hashlib.sha256(content).hexdigest()
    write_whole(path, content.replace(_entry(_ZEROS), _entry(digest), 1))


def read_arrays(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """Return what `write_arrays` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, cut short, or of another origin.
    """
    if not path.exists():
        raise FileNotFoundError(f"folder: {str(path)!r} is missing{_ADVICE}")
    check_regular(path, "folder")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            _verify(path, metadata)
            notes = json.loads(metadata[_NOTES])
            return {name: file.get_tensor(name) for name in file.keys()}, notes  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise ValueError(
            f"folder: {str(path)!r} is damaged or not written by fpanalysis ({error}){_ADVICE}"
        ) from error


def _verify(path: Path, metadata: Mapping[str, str]) -> None:
    """Raise `ValueError` if a file is not as it was written, as far as it tells: older ones do not."""
    if set(metadata) == {_NOTES}:
        return
    if set(metadata) != {_NOTES, _SHA256}:
        raise ValueError(f"expected {_NOTES!r} and {_SHA256!r} as metadata, found {sorted(metadata)}")
    with open(path, "rb") as file:
        length = file.read(8)
        header = file.read(int.from_bytes(length, "little"))
        digest = hashlib.sha256(length + header.replace(_entry(metadata[_SHA256]), _entry(_ZEROS), 1))
        while part := file.read(2**20):
            digest.update(part)
    if digest.hexdigest() != metadata[_SHA256]:
        raise ValueError("its content does not match its checksum")


def _entry(digest: str) -> bytes:
    """Return how a checksum stands in the header of a safetensors file."""
    return f'"{_SHA256}":"{digest}"'.encode()


def _is_ours(path: Path) -> bool:
    """Return whether a file may lie in a folder where nothing has begun."""
    return path.name == _LOCK or path.name.startswith(f".{CONFIG}.")
