"""The file of a checkpoint: a line of JSON that says everything, then the arrays.

It is whole or absent, holds no code, and a checksum covers all of it.
"""

import hashlib
import io
import json
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import PyTree

from fpanalysis._files import write_whole
from fpanalysis._messages import listed
from fpanalysis.load._content import CHECKPOINT, CHECKPOINT_FORMAT, check_content

_VERSION = 1
_LONGEST_HEADER = 2**26

Header = dict[str, Any]


def write_container(path: Path, described: Header, arrays: PyTree) -> None:
    """Write arrays and what describes them; the file appears whole or not at all.

    Args:
        path: where to; a file that is there is replaced.
        described: what `as_read` returns.
        arrays: in the order in which they are read.
    """
    content = encoded(arrays)
    header = {"format": CHECKPOINT_FORMAT, "version": _VERSION, "package": version("fpanalysis"), **described}
    header["bytes"] = len(content)
    header["sha256"] = checksum(header, content)
    write_whole(path, _text(header) + b"\n" + content)


def read_container(path: Path) -> tuple[Header, bytes]:
    """Return the header of a file and its arrays, not yet decoded.

    Raises:
        ValueError: the file is of another kind, of a newer version, damaged, or cut short.
    """
    check_content(path, CHECKPOINT)
    with open(path, "rb") as file:
        header = _read_header(path, file.readline(_LONGEST_HEADER))
        there = os.fstat(file.fileno()).st_size - file.tell()
        if there != header["bytes"]:
            raise damaged(path, f"its header promises {header['bytes']} bytes of arrays, {there} are there")
        content = file.read()
    if checksum(header, content) != header["sha256"]:
        raise damaged(path, "its content does not match its checksum")
    return header, content


def as_read(described: Header) -> Header:
    """Return a description as it is read from a file: NumPy's numbers as Python's, tuples as lists."""
    return json.loads(json.dumps(described, default=np.generic.item))


def encoded(arrays: PyTree) -> bytes:
    """Return arrays as a file holds them."""
    buffer = io.BytesIO()
    eqx.tree_serialise_leaves(buffer, arrays)
    return buffer.getvalue()


def decoded(content: bytes, shells: PyTree) -> PyTree:
    """Return the arrays of a file.

    Args:
        content: as `read_container` returns it.
        shells: the tree of arrays, with `jax.ShapeDtypeStruct`s in their place.

    Raises:
        ValueError: the file holds more arrays. Wrong and missing arrays give errors of Equinox and NumPy.
    """
    arrays = eqx.tree_deserialise_leaves(buffer := io.BytesIO(content), shells)
    if buffer.read(1):
        raise ValueError("there are more arrays than it names")
    return arrays


def damaged(path: Path, why: str) -> ValueError:
    """Return the error for a file that is not as it was written."""
    return ValueError(f"path: the checkpoint {path.name!r} is damaged or cut short: {why}")


def checksum(header: Header, content: bytes) -> str:
    """Return a sha256 over the arrays and everything that the header says besides."""
    said = {name: value for name, value in header.items() if name != "sha256"}
    whole = hashlib.sha256(_text(said))
    whole.update(content)  # not joined: arrays may fill much of the memory
    return whole.hexdigest()


def _text(header: Header) -> bytes:
    return json.dumps(header).encode()


def _read_header(path: Path, line: bytes) -> Header:
    if not line.endswith(b"\n"):
        raise damaged(path, "its header has no end")
    try:
        header = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"its header is not JSON ({error})") from error
    if not isinstance(header.get("version"), int) or header["version"] > _VERSION:
        raise ValueError(
            f"path: {path.name!r} is a checkpoint of version {header.get('version')!r}, written by "
            f"fpanalysis {header.get('package')}; this is fpanalysis {version('fpanalysis')}, which reads up "
            f"to version {_VERSION}: update it"
        )
    if missing := {"bytes", "sha256"} - set(header):
        raise damaged(path, f"its header lacks {listed(sorted(missing))}")
    return header
