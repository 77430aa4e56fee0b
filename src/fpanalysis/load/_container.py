"""The file of a checkpoint: a line of JSON that says everything, then the arrays.

It is whole or absent, holds no code, and a checksum covers all of it.
"""

import hashlib
import io
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO

import equinox as eqx
import jax
import numpy as np
from jaxtyping import PyTree

from fpanalysis._files import write_whole
from fpanalysis._messages import listed
from fpanalysis.load._content import CHECKPOINT, CHECKPOINT_FORMAT, check_content
from fpanalysis.load._source import open_regular

_VERSION = 1
_LONGEST_HEADER = 2**24
_PIECE = 2**20

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
    text = _text(header) + b"\n"
    if len(text) > _LONGEST_HEADER:
        raise ValueError(
            f"model: its names take {len(text)} bytes, more than the {_LONGEST_HEADER} of a file"
        )
    write_whole(path, text + content)


@contextmanager
def opened_container(path: Path) -> Iterator[tuple[Header, BinaryIO]]:
    """Yield the header of a file, and the file at the first of its arrays, which match their checksum.

    Raises:
        ValueError: the file is of another kind, of a newer version, damaged, or cut short.
    """
    check_content(path, CHECKPOINT)
    with open_regular(path) as file:
        header = _read_header(path, file.readline(_LONGEST_HEADER))
        start, end = file.tell(), file.seek(0, os.SEEK_END)
        # Compared before anything is read: a file may be larger than the memory.
        if end - start != header["bytes"]:
            raise damaged(
                path, f"its header promises {header['bytes']} bytes of arrays, {end - start} are there"
            )
        file.seek(start)
        digest = hashlib.sha256(_said(header))
        while piece := file.read(_PIECE):
            digest.update(piece)
        if digest.hexdigest() != header["sha256"]:
            raise damaged(path, "its content does not match its checksum")
        file.seek(start)
        yield header, file


def as_read(described: Header) -> Header:
    """Return a description as it is read from a file: NumPy's numbers as Python's, tuples as lists."""
    return json.loads(json.dumps(described, default=np.generic.item))


def encoded(arrays: PyTree) -> bytes:
    """Return arrays as a file holds them."""
    buffer = io.BytesIO()
    eqx.tree_serialise_leaves(buffer, arrays)
    return buffer.getvalue()


def decoded(file: BinaryIO, n_bytes: int, shells: PyTree) -> PyTree:
    """Return the arrays of a file.

    Args:
        file: as `opened_container` yields it.
        n_bytes: what all arrays take there, as the header says.
        shells: the tree of arrays, with `jax.ShapeDtypeStruct`s in their place.

    Raises:
        ValueError: the arrays are larger than the file, or the file holds more of them. Wrong and missing
            arrays give errors of Equinox and NumPy.
    """
    leaves = jax.tree_util.tree_leaves(shells)
    sizes = [max((math.prod(leaf.shape) * leaf.dtype.itemsize, *leaf.shape)) for leaf in leaves]
    if sum(sizes) > n_bytes:
        raise ValueError("it names larger arrays than there are")
    arrays = eqx.tree_deserialise_leaves(file, shells)
    if file.read(1):
        raise ValueError("there are more arrays than it names")
    return arrays


def damaged(path: Path, why: str) -> ValueError:
    """Return the error for a file that is not as it was written."""
    return ValueError(f"path: the checkpoint {path.name!r} is damaged or cut short: {why}")


def checksum(header: Header, content: bytes) -> str:
    """Return a sha256 over the arrays and everything that the header says besides."""
    return hashlib.sha256(_said(header) + content).hexdigest()


def _said(header: Header) -> bytes:
    return _text({name: value for name, value in header.items() if name != "sha256"})


def _text(header: Header) -> bytes:
    return json.dumps(header).encode()


def _read_header(path: Path, line: bytes) -> Header:
    if not line.endswith(b"\n"):
        raise damaged(path, "its header has no end")
    try:
        header = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"its header is not JSON ({error})") from error
    if type(header.get("version")) is not int or header["version"] > _VERSION:
        raise ValueError(
            f"path: {path.name!r} is a checkpoint of version {str(header.get('version')):.40}, written by "
            f"fpanalysis {str(header.get('package')):.40}; this is fpanalysis {version('fpanalysis')}, which "
            f"reads up to version {_VERSION}: update it"
        )
    if missing := {"bytes", "sha256"} - set(header):
        raise damaged(path, f"its header lacks {listed(sorted(missing))}")
    if type(header["bytes"]) is not int:
        raise damaged(path, "its header does not say how long its arrays are")
    return header
