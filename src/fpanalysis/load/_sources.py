"""Names and arrays from whatever holds a PyTorch model's weights: files, mappings, live modules."""

import os
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fpanalysis._messages import listed, nearest
from fpanalysis.load._content import PICKLE, SAFETENSORS, ZIP, check_content

_FLOATS = ("float64", "float32", "float16", "bfloat16")
_HALF = ("float16", "bfloat16")
# What a dynamically quantised cell calls its packed weights; layers have `_all_weight_values.0.param`.
_PACKED = ("_packed_weight_ih", "_packed_weight_hh")


class Unread(NamedTuple):
    """A weight that cannot be computed of its parts, and why; its place and shape are known."""

    why: str
    shape: tuple[int, ...]
    dtype: Any


def named_tensors(source: Any) -> Mapping[str, Any]:
    """Return the state dict that `source` is, or holds: names of weights, and arrays or tensors."""
    if isinstance(source, type):
        raise TypeError(
            f"source: expected a module or its weights, got the class {source.__name__}; make one"
        )
    if isinstance(source, str | os.PathLike):
        source = _read(Path(source))
    elif callable(getattr(source, "state_dict", None)):
        source = source.state_dict()
    if not isinstance(source, Mapping):
        raise TypeError(
            "source: expected a path, a state dict or a PyTorch module, got "
            f"{type(source).__module__}.{type(source).__qualname__}"
        )
    found = _state_dict_in(source)
    for name in map(str, found):
        if name.rpartition(".")[2] in _PACKED or "._all_weight_values." in f".{name}":
            raise ValueError(quantised(name))
    for name, value in found.items():
        if is_lazy(value):
            raise ValueError(no_shape(str(name)))
    return {str(name): value for name, value in found.items() if _is_tensor(value)}


def as_array(name: str, tensor: Any) -> np.ndarray:
    """Return a tensor as an array of its own memory, float32 or float64 (halves become float32)."""
    if isinstance(tensor, Unread):
        raise ValueError(tensor.why)
    dtype = str(tensor.dtype).removeprefix("torch.")
    if dtype not in _FLOATS:
        raise ValueError(f"source: expected {name!r} to be of a floating dtype {_FLOATS}, got {dtype}")
    if hasattr(tensor, "detach"):
        tensor = _as_numpy(name, tensor.detach().float() if dtype in _HALF else tensor.detach())
    # A copy, because JAX may share the memory of a NumPy array, and a live module goes on training.
    return np.array(tensor, dtype=np.float32 if dtype in _HALF else dtype)


def is_lazy(tensor: Any) -> bool:
    """Whether a tensor of PyTorch has no shape yet, as those of `LazyLinear` before a first run."""
    return type(tensor).__name__ in ("UninitializedParameter", "UninitializedBuffer")


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
        raise ValueError(f"source: {name!r} cannot be read as a plain array: {reason or error!r}") from error


def _read(path: Path) -> Any:
    readers = {".pt": _read_pt, ".pth": _read_pt, ".safetensors": _read_safetensors}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise ValueError(
            f"source: expected a file that ends in {', '.join(readers)}, got {path.name!r}"
            f"{' (fpanalysis.load reads it)' if suffix == '.eqx' else nearest(suffix, readers)}"
        )
    if path.is_dir():
        raise IsADirectoryError(f"source: expected a file, got the directory {str(path)!r}")
    if not path.exists():
        raise FileNotFoundError(f"source: there is no file {str(path)!r}")
    return readers[suffix](path)


def _read_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    check_content(path, SAFETENSORS)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"source: {path.name!r} is damaged or cut short: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        # Its dtypes are looked up in NumPy, which has no float8; older versions know no bfloat16 either.
        raise ValueError(
            f"source: {path.name!r} holds a dtype that this version of safetensors cannot read ({error}); "
            "save the weights as float32, or update safetensors"
        ) from error


def _read_pt(path: Path) -> Any:
    check_content(path, ZIP, PICKLE)
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            f'source: reading {path.name!r} needs PyTorch: pip install "fpanalysis[torch]", or save the '
            "weights as .safetensors, which does not"
        ) from error
    try:
        with warnings.catch_warnings():
            # What PyTorch warns of here (TorchScript, old pickle protocols) ends in an error below.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # PyTorch has no one exception for this: UnpicklingError, RuntimeError, EOFError, OSError, KeyError…
        raise ValueError(_why_unread(path, error)) from error


def _why_unread(path: Path, error: Exception) -> str:
    if isinstance(error, pickle.UnpicklingError) or "TorchScript" in str(error):
        return (
            f"source: {path.name!r} holds more than weights, such as a whole module. Building that would run "
            "code from the file, which this package never does, as a file can hold any code. Where the "
            "model was made, save its weights: torch.save(model.state_dict(), 'weights.pt'), or pass the "
            "live model to load_torch"
        )
    reason = (str(error).splitlines() or [""])[0]
    return f"source: PyTorch cannot read {path.name!r}, it may be damaged or cut short: {reason or error!r}"


def _state_dict_in(mapping: Mapping) -> Mapping:
    """Return the one state dict nested in a checkpoint, or the mapping itself where it is one."""
    if any("weight_hh" in str(name) for name in mapping):
        return mapping
    level = {(name,): value for name, value in mapping.items() if _is_named_mapping(name, value)}
    while level:
        found = {path: value for path, value in level.items() if _has_weights(value)}
        if len(found) > 1:
            raise ValueError(
                f"source: {len(found)} mappings of weights were found, {listed(map('.'.join, found))}; pass "
                f"one of them, such as checkpoint{''.join(f'[{part!r}]' for part in next(iter(found)))}"
            )
        if found:
            return next(iter(found.values()))
        level = {
            (*path, name): nested
            for path, value in level.items()
            for name, nested in value.items()
            if _is_named_mapping(name, nested)
        }
    return mapping


def _is_named_mapping(name: Any, value: Any) -> bool:
    """Whether an entry may hold a model; numbered ones, as in an optimizer's state, do not."""
    return isinstance(name, str) and isinstance(value, Mapping)


def _has_weights(mapping: Mapping) -> bool:
    """Whether a mapping is a state dict; one of scalars only, such as a record of metrics, is not."""
    tensors = [value for name, value in mapping.items() if isinstance(name, str) and _is_tensor(value)]
    return any(is_lazy(tensor) or len(tensor.shape) > 0 for tensor in tensors)


def _is_tensor(value: Any) -> bool:
    # PyTorch's lazy parameters raise when they are asked for their shape.
    return hasattr(value, "dtype") and (is_lazy(value) or hasattr(value, "shape"))
