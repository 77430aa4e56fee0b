"""Tensors and arrays in files: their shapes are known, their values are read when they are asked for."""

from dataclasses import dataclass
from math import prod
from typing import Any

import jax.numpy as jnp
import numpy as np

from fpanalysis.load._source import Unreadable, piece_of

# The bytes of an entry of what can be read; others (float8, packed integers) have a name only.
_SIZES = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int64": 8,
    "int32": 4,
    "int16": 2,
    "int8": 1,
    "uint8": 1,
    "bool": 1,
    "complex64": 8,
    "complex128": 16,
    "qint8": 1,
    "quint8": 1,
    "qint32": 4,
}
# A tensor may repeat values that are stored once, but not without end.
_MOST_REPEATED = 2**20
_MOST_AXES = 32
_LARGEST = 2**62


def entry_size(dtype: str) -> int:
    """Return the bytes of one entry.

    Raises:
        Unreadable: it is no dtype of whole bytes that is read.
    """
    if dtype not in _SIZES:
        raise Unreadable(f"its dtype is {dtype}")
    return _SIZES[dtype]


ON_META = "it is on the meta device"


@dataclass(frozen=True, eq=False)
class Stored:
    """A tensor that is not read yet.

    Attributes:
        dtype: its name, such as `"float32"`.
        shape: of the tensor; None where it has none yet.
        strides: from one entry to the next along each axis, in entries.
        offset: of the first entry, in entries.
        data: the bytes that its entries are in: a `Stretch`, bytes, or a text that stands for bytes.
        is_big_endian: whether the bytes of an entry begin with the highest.
        why: why it has no values, a clause; None where it has.
    """

    dtype: str
    shape: Any
    strides: tuple[int, ...] = ()
    offset: int = 0
    data: Any = None
    is_big_endian: bool = False
    why: str | None = None

    def read(self) -> np.ndarray:
        """Return the values, in memory of their own.

        Raises:
            Unreadable: they are not there.
        """
        if self.why is not None:
            raise Unreadable(self.why)
        size, count = entry_size(self.dtype), prod(self.shape)
        if count == 0:
            return np.zeros(self.shape, _dtype(self.dtype))
        reach = sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True)) + 1
        if count > max(reach, _MOST_REPEATED):
            raise Unreadable(f"it has {count} entries, but only {reach} are stored")
        raw = np.frombuffer(piece_of(self.data, self.offset * size, reach * size), f"V{size}")
        strides = tuple(stride * size for stride in self.strides)
        entries = np.array(np.lib.stride_tricks.as_strided(raw, self.shape, strides, writeable=False))
        order = ">" if self.is_big_endian else "<"
        return entries.view(f"{order}u{size}").astype(f"u{size}").view(_dtype(self.dtype))


def checked_layout(shape: Any, strides: Any, offset: Any) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Return the layout that a file gives a tensor.

    Raises:
        Unreadable: it is no tuple of sizes, one of strides of the same length, and an offset.
    """
    is_layout = isinstance(shape, tuple) and isinstance(strides, tuple) and len(shape) == len(strides)
    if not is_layout or len(shape) > _MOST_AXES or not all(map(is_size, (*shape, *strides, offset))):
        raise Unreadable("it describes a tensor of impossible shape")
    return shape, strides, offset


def is_size(value: Any) -> bool:
    """Whether a value is a number of entries or bytes, small enough to count with."""
    return type(value) is int and 0 <= value < _LARGEST


def contiguous(shape: Any, is_fortran: bool = False) -> tuple[int, ...]:
    """Return the strides of an array without gaps, in entries."""
    if not isinstance(shape, tuple) or not all(map(is_size, shape)) or len(shape) > _MOST_AXES:
        raise Unreadable("it describes an array of impossible shape")
    n = len(shape)
    return tuple(prod(shape[:i] if is_fortran else shape[i + 1 :]) for i in range(n))


def _dtype(name: str) -> np.dtype:
    return jnp.dtype(name)
