"""Trained models from files: the package's own checkpoints and training runs, PyTorch, safetensors."""

import os
import warnings
from pathlib import Path
from typing import Any

from fpanalysis._messages import listed, nearest
from fpanalysis.load._checkpoint import read_checkpoint
from fpanalysis.load._content import CHECKPOINT, kind_of_content
from fpanalysis.load._sources import existing
from fpanalysis.load._torch import Options, load_torch, read_torch

__all__ = ["load", "load_torch"]


def load(path: str | os.PathLike[str], **options: Any) -> Any:
    """Read a trained model from a file, or a training run from its folder.

    A file is known by its content, whatever its name: `.eqx`, `.pt`, `.ckpt`, `.bin`, `.pth.tar`, `.pkl`,
    `.safetensors`, or none. PyTorch is not needed, and no code of a file is ever run.

    Args:
        path: a checkpoint that `fpanalysis.save` wrote, or what a training script saved of a PyTorch model,
            its weights, alone or beside other things, or the whole module; or the folder of a finished
            training run.
        **options: passed on to `load_torch` (`layer`, `readout`, `nonlinearity`, `inputs`, `outputs`,
            `dt`); an `.eqx` file says all of this itself and takes none.

    Returns:
        Of an `.eqx` file, the `VectorField`, `Controller` or `Network` that was saved in it; of PyTorch's
        weights, the network's `VectorField`; of a folder, the `Ensemble` of its models with their
        hyperparameters as labels. Weights are of the dtype that they were saved in.

    Raises:
        FileNotFoundError: there is no such file, or the folder holds no finished training run.
        TypeError: `path` is not a path, or an option is unknown or does not apply.
        ValueError: the file is damaged or cut short, holds no model that can be read, or is no regular file.

    Example:
        >>> import fpanalysis as fpa
        >>> from importlib.resources import as_file, files
        >>> with as_file(files("fpanalysis.datasets") / "flipflop_gru64.safetensors") as path:
        ...     field = fpa.load(path, outputs=["a", "b", "c"])
        >>> len(field.state), field.inputs, field.outputs
        (64, ('input[0]', 'input[1]', 'input[2]'), ('a', 'b', 'c'))
    """
    path = _existing(path)
    if path.is_dir():
        from fpanalysis.training.run import read_run  # brings pydantic, which files do without

        if options:
            raise TypeError(f"options: a training run says all of this itself, got {listed(options)}")
        return read_run(path)
    is_checkpoint = kind_of_content(path) == CHECKPOINT
    _check_options(options, is_checkpoint)
    if is_checkpoint:
        return read_checkpoint(path)
    field, notes = read_torch(path, Options(**options))
    for note in notes:
        warnings.warn(note, stacklevel=2)
    return field


def _existing(path: Any) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise TypeError(
            f"path: expected the path of a file or folder, got {type(path).__name__}; state dicts and "
            "PyTorch modules go to load_torch, cells and functions to vector_field"
        )
    return existing(path, "path")


def _check_options(options: dict[str, Any], is_checkpoint: bool) -> None:
    if options and is_checkpoint:
        raise TypeError(
            f"options: an .eqx file says all of this itself and takes none, got {listed(options)}"
        )
    known = Options._fields
    for name in options:
        if name not in known:
            raise TypeError(f"options: expected some of {listed(known)}, got {name!r}{nearest(name, known)}")
