"""The package's own checkpoints: vector fields, networks and controllers in files that hold no code.

What is read is what was written, bit for bit; noise levels come back as Python floats.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax

from fpanalysis.control.controller import Controller
from fpanalysis.control.network import Network
from fpanalysis.load._container import (
    as_read,
    damaged,
    decoded,
    encoded,
    opened_container,
    write_container,
)
from fpanalysis.load._controller_header import controller_of, controller_shells, describe_controller
from fpanalysis.load._field_header import describe_field, field_of, field_shells
from fpanalysis.load._network_header import describe_network, network_of, network_shells
from fpanalysis.load._parts import Parts
from fpanalysis.load._shells import any_dtype
from fpanalysis.vector_field import VectorField

Checkpointed = VectorField | Network | Controller


class _Kind(NamedTuple):
    """How one kind of model becomes a header with arrays, and a model again."""

    name: str
    model: type
    describe: Callable[[Any], tuple[dict[str, Any], Parts]]
    shells: Callable[[dict[str, Any]], Parts]
    assemble: Callable[[Parts, dict[str, Any]], Any]
    holds: str


_FIELD = _Kind(
    "vector_field",
    VectorField,
    describe_field,
    field_shells,
    field_of,
    "cells, a linear readout and names, as vector_field, load and load_torch make it",
)
_NETWORK = _Kind(
    "network",
    Network,
    describe_network,
    network_shells,
    network_of,
    "a cell, a linear readout and names, as Network.create makes it",
)
_CONTROLLER = _Kind(
    "controller",
    Controller,
    describe_controller,
    controller_shells,
    controller_of,
    "a network, a plant and numbers, as Controller.create makes it",
)
_KINDS = (_FIELD, _NETWORK, _CONTROLLER)


def save_checkpoint(model: Checkpointed, path: str | os.PathLike[str]) -> None:
    """Write a vector field, a network or a controller to an `.eqx` file, which `load` reads.

    The file appears whole or not at all: it is written beside its place and then moved there.

    Args:
        model: a vector field of a `GRUCell`, an `LSTMCell` or a plain recurrent cell, or several on top of
            each other, with a linear readout or none; a `Network`; or a `Controller` of a `PointMass` or a
            `TwoLinkArm`.
        path: where to, in a folder that exists. A file that is there is replaced.

    Raises:
        TypeError: the model has a part that the file cannot describe, such as a function, or a plant of a
            class of one's own.

    Example:
        >>> import tempfile, fpanalysis as fpa
        >>> from fpanalysis.load._checkpoint import save_checkpoint
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_checkpoint(fpa.datasets.flipflop("gru"), f"{folder}/gru.eqx")
        ...     fpa.load(f"{folder}/gru.eqx").outputs
        ('bit[0]', 'bit[1]', 'bit[2]')
    """
    write_container(Path(path), *_described(model))


def checkpoint_content(model: Checkpointed) -> tuple[dict[str, Any], bytes]:
    """Return what a checkpoint holds: a header that JSON can hold, and the arrays as bytes.

    Equal models give equal ones, before they are written and after they are read.

    Raises:
        TypeError: the model has a part that a checkpoint cannot describe.
    """
    header, parts = _described(model)
    return header, encoded(parts)


def _described(model: Checkpointed) -> tuple[dict[str, Any], Parts]:
    kind = next(kind for kind in _KINDS if isinstance(model, kind.model))
    described, parts = kind.describe(model)
    described = as_read(described)
    _check_described(model, kind, described, parts)
    return {"model": kind.name, **described}, parts


def read_checkpoint(path: Path) -> Checkpointed:
    """Return what `save_checkpoint` wrote to a file.

    Raises:
        ValueError: the file is of another kind, of a newer version, damaged, or cut short.
    """
    with opened_container(path) as (header, file):
        # Checkpoints without this key are from the time when there were vector fields only.
        name = header.get("model", _FIELD.name)
        kind = next((kind for kind in _KINDS if kind.name == name), None)
        if kind is None:
            raise damaged(path, f"its header describes a model of unknown kind {str(name)[:80]!r}")
        try:
            with any_dtype():
                return kind.assemble(decoded(file, header["bytes"], kind.shells(header)), header)
        except Exception as error:
            # Equinox, JAX and NumPy each have exceptions of their own for what a wrong header leads to.
            raise damaged(path, f"its header does not fit its arrays ({error!s:.200})") from error


def _check_described(model: Any, kind: _Kind, described: dict[str, Any], parts: Parts) -> None:
    """Raise `TypeError` unless the header, on the way back, gives this very model."""
    with any_dtype():
        shells, rebuilt = kind.shells(described), kind.assemble(parts, described)
    pairs = zip(_leaves(shells), _leaves(parts), strict=False)
    for (place, expected), (_, leaf) in pairs:
        if expected != leaf:
            raise TypeError(f"model: expected {place} to be of shape and dtype {expected}, got {leaf}")
    same = jax.tree_util.tree_structure(shells) == jax.tree_util.tree_structure(parts)
    if not same or jax.tree_util.tree_structure(rebuilt) != jax.tree_util.tree_structure(model):
        raise TypeError(
            f"model: this {kind.name.replace('_', ' ')} holds more than {kind.holds}; a checkpoint cannot "
            "describe it"
        )


def _leaves(parts: Parts) -> list[tuple[str, str]]:
    paths = jax.tree_util.tree_leaves_with_path(parts)
    return [(jax.tree_util.keystr(path), f"{leaf.shape} {leaf.dtype}") for path, leaf in paths]
