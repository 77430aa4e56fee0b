"""Names and arrays from whatever holds a PyTorch model's weights: files, mappings, live modules."""

import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fpanalysis._messages import nearest
from fpanalysis.load._inert import Name, Object
from fpanalysis.load._pickled import Module, name_of, weights_of_module
from fpanalysis.load._search import is_lazy, is_tensor, weights_in
from fpanalysis.load._source import Foreign, Stretch, Unreadable
from fpanalysis.load._stored import ON_META, Stored
from fpanalysis.load._weight_files import naming, read_weights

_FLOATS = ("float64", "float32", "float16", "bfloat16")
_MOST_BESIDE = 1000
_MOST_NAMES, _LONGEST_NAME = 100_000, 4096
_HALF = ("float16", "bfloat16")
# What a dynamically quantised cell calls its packed weights; layers have `_all_weight_values.0.param`.
_PACKED = ("_packed_weight_ih", "_packed_weight_hh")


class Unread(NamedTuple):
    """A weight that cannot be computed of its parts, and why; its place and shape are known."""

    why: str
    shape: tuple[int, ...]
    dtype: Any


class Weights(NamedTuple):
    """The weights of a model.

    Attributes:
        tensors: by name; tensors, arrays, or `Stored` ones.
        modules: of a module that was pickled whole, what it and those below it are, by prefix; else empty.
    """

    tensors: Mapping[str, Any]
    modules: Mapping[str, Module]


def named_weights(source: Any) -> Weights:
    """Return the weights that `source` is, or holds: a path, a state dict, or what holds one.

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: `source` is none of these.
        ValueError: the file cannot be read, or holds no weights by name.
    """
    if isinstance(source, type):
        raise TypeError(
            f"source: expected a module or its weights, got the class {source.__name__}; make one"
        )
    if isinstance(source, str | os.PathLike):
        return _in_file(existing(source, "source"))
    if callable(getattr(source, "state_dict", None)):
        source = source.state_dict()
    found = weights_in(source, lambda value: value)
    if not isinstance(found, Mapping):
        raise TypeError(
            "source: expected a path, a state dict or a PyTorch module, got "
            f"{type(source).__module__}.{type(source).__qualname__}"
        )
    return Weights(_checked(found), {})


def existing(path: Any, argument: str) -> Path:
    """Return a path of what is there.

    Raises:
        FileNotFoundError: nothing is.
        ValueError: it is no path of this system.
    """
    path = Path(path)
    try:
        is_there = path.exists()
        beside = [each.name for each in islice(path.parent.iterdir(), _MOST_BESIDE)] if not is_there else []
    except FileNotFoundError:
        is_there, beside = False, []
    except (OSError, ValueError) as error:
        raise ValueError(f"{argument}: {str(path)[:200]!r} cannot be looked up ({error})") from error
    if not is_there:
        raise FileNotFoundError(f"{argument}: there is no file {str(path)!r}{nearest(path.name, beside)}")
    return path


def _in_file(path: Path) -> Weights:
    if path.is_dir():
        raise IsADirectoryError(f"source: expected a file, got the directory {str(path)!r}")
    with naming(path):
        top, meaning = read_weights(path)
        found = weights_in(top, meaning)
        modules: Mapping[str, Module] = {}
        if isinstance(found, Module):
            tensors, modules = weights_of_module(found, meaning)
        else:
            tensors = {name: meaning(value) for name, value in (found or {}).items()}
        weights = Weights(_checked(tensors), modules)
        if not weights.tensors and not isinstance(top, Mapping):
            raise Foreign(f"it holds {_said(top)}, and no weights by name")
    return weights


def _said(top: Any) -> str:
    if isinstance(top, Object):
        return f"an object of {name_of(top)[:80] or 'an unknown class'}"
    if isinstance(top, Name):
        return f"the name {str(top)[:80]!r}"
    return "a text" if isinstance(top, Stretch) else f"a {type(top).__name__}"


def _checked(found: Mapping) -> dict[str, Any]:
    """Return the tensors by name."""
    if len(found) > _MOST_NAMES:
        raise ValueError(f"source: expected at most {_MOST_NAMES:,} weights, found {len(found):,}")
    for name in map(str, found):
        if len(name) > _LONGEST_NAME:
            raise ValueError(f"source: a weight has a name of {len(name):,} characters, {name[:40]!r}…")
        if name.rpartition(".")[2] in _PACKED or "._all_weight_values." in f".{name}":
            raise ValueError(quantised(name))
    for name, value in found.items():
        if is_lazy(value):
            raise ValueError(no_shape(str(name)))
    return {str(name): value for name, value in found.items() if is_tensor(value)}


def as_array(name: str, tensor: Any) -> np.ndarray:
    """Return a tensor as an array of its own memory, float32 or float64 (halves become float32)."""
    check_values(name, tensor)
    dtype = str(tensor.dtype).removeprefix("torch.")
    if dtype not in _FLOATS:
        raise ValueError(f"source: expected {name!r} to be of a floating dtype {_FLOATS}, got {dtype}")
    if isinstance(tensor, Stored):
        tensor = _read(name, tensor)
    if hasattr(tensor, "detach"):
        tensor = _as_numpy(name, tensor.detach().float() if dtype in _HALF else tensor.detach())
    # A copy, because JAX may share the memory of a NumPy array, and a live module goes on training.
    return np.array(tensor, dtype=np.float32 if dtype in _HALF else dtype)


def check_values(name: str, tensor: Any) -> None:
    """Raise `ValueError` if it is known that a tensor has no values."""
    if isinstance(tensor, Unread):
        raise ValueError(tensor.why)
    if isinstance(tensor, Stored) and tensor.why is not None:
        raise ValueError(_no_plain_array(name, tensor.why))


def no_shape(name: str) -> str:
    """Return the message for a weight that has no shape yet."""
    return f"source: {name!r} has no shape yet; run the module once on an input of yours"


def no_values(name: str) -> str:
    """Return the message for a weight that has a shape only."""
    return (
        f"source: {name!r} is on the meta device, which holds no values; make it real first: "
        "module.to_empty(device='cpu'), then module.load_state_dict(...)"
    )


def quantised(name: str) -> str:
    """Return the message for a quantised recurrent layer."""
    return (
        f"source: {name!r} is quantised: it computes with integers, not with the equations of torch.nn; pass "
        "the model from before quantisation"
    )


def _as_numpy(name: str, tensor: Any) -> np.ndarray:
    if getattr(tensor, "is_meta", False):
        raise ValueError(no_values(name))
    try:
        return tensor.cpu().numpy()
    except Exception as error:
        # PyTorch has no one exception for tensors without a plain array: sparse, distributed, traced ones.
        reason = (str(error).splitlines() or [""])[0]
        raise ValueError(_no_plain_array(name, reason or repr(error))) from error


def _no_plain_array(name: str, why: str) -> str:
    return no_values(name) if why == ON_META else f"source: {name!r} cannot be read as a plain array: {why}"


def values_of(name: str, tensor: Any) -> np.ndarray:
    """Return the entries of a tensor of any dtype, such as a mask."""
    return _read(name, tensor) if isinstance(tensor, Stored) else np.asarray(tensor)


def _read(name: str, tensor: Stored) -> np.ndarray:
    try:
        return tensor.read()
    except (Unreadable, MemoryError) as error:
        raise ValueError(_no_plain_array(name, str(error) or "it is too large")) from error
