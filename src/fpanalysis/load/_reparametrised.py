"""Weights that a state dict holds in parts: pruned, normalised, or made by a parametrisation."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from fpanalysis._messages import listed
from fpanalysis.load._sources import Unread, as_array, values_of

_PARAMETRIZED = re.compile(r"(?P<start>(?:.*\.)?)parametrizations\.(?P<name>[^.]+)\.(?P<part>.+)")
# What PyTorch's older functions put beside a weight: pruning and spectral norm, weight norm.
_HOOKED = re.compile(r"(?P<name>.+)_(?P<part>orig|mask|g|v|u)")

Parts = dict[str, Any]


def with_whole_weights(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state dict with what weights in parts come to, in the place of these parts.

    Pruned weights (`torch.nn.utils.prune`) and those of both kinds of `weight_norm` are computed. Others
    become `Unread`: what comes of their parts depends on more than a state dict says.
    """
    whole: dict[str, Any] = {}
    for name, parts in _grouped(tensors).items():
        whole[name] = _whole(name, parts) if isinstance(parts, dict) else parts
    return whole


def _grouped(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tensors by name, and for weights in parts a dict of these, in the place of the first."""
    groups: dict[str, Any] = {}
    for full, tensor in tensors.items():
        name, part = _split(full, tensors)
        if part is None:
            groups[name] = tensor
        else:
            groups.setdefault(name, {})[part] = tensor
    return groups


def _split(full: str, tensors: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the name of the weight that a tensor is a part of, and of which part; None for no part."""
    if match := _PARAMETRIZED.fullmatch(full):
        return match["start"] + match["name"], match["part"]
    match = _HOOKED.fullmatch(full)
    if match and (f"{match['name']}_orig" in tensors or all(f"{match['name']}_{p}" in tensors for p in "gv")):
        return match["name"], f"_{match['part']}"
    return full, None


def _whole(name: str, parts: Parts) -> Any:
    first = next((parts[key] for key in ("_orig", "original", "original0") if key in parts), None)
    shape, dtype = (), None
    if first is not None:
        shape, dtype = tuple(first.shape), first.dtype
    try:
        computed = _computed(name, parts)
    except ValueError as error:
        return Unread(str(error), shape, dtype)
    return Unread(_why(name, parts), shape, dtype) if computed is None else computed


def _computed(name: str, parts: Parts) -> np.ndarray | None:
    """Return what the parts come to, or None where they do not say it."""
    if set(parts) == {"_orig", "_mask"}:
        original = as_array(name, parts["_orig"])
        return np.where(values_of(name, parts["_mask"]) != 0, original, np.zeros_like(original))
    for size, direction in (("_g", "_v"), ("original0", "original1")):
        if set(parts) == {size, direction}:
            return _normalised(as_array(name, parts[size]), as_array(name, parts[direction]))
    return None


def _normalised(size: np.ndarray, direction: np.ndarray) -> np.ndarray | None:
    """Return `g v / ‖v‖`, with one norm for every entry of `g` (Salimans & Kingma, 2016); None if torn."""
    kept = size.ndim == direction.ndim
    if not (
        size.ndim == 0 or kept and all(g in (1, v) for g, v in zip(size.shape, direction.shape, strict=True))
    ):
        return None
    over = tuple(axis for axis in range(direction.ndim) if not kept or size.shape[axis] == 1)
    norm = np.sqrt(np.square(direction).sum(axis=over, keepdims=kept)) if over else np.abs(direction)
    return direction * (size / norm)


def _why(name: str, parts: Parts) -> str:
    if {"_u"} <= set(parts) or {"0._u"} <= set(parts):
        kind = "spectral_norm"
    elif "0.base" in parts:
        kind = "orthogonal"
    else:
        kind = f"with the parts {listed(sorted(part.lstrip('_') for part in parts))}"
    return (
        f"source: {name!r} is parametrised ({kind}), and a state dict does not say all that its value "
        "depends on; pass the live module, or make the weights plain before saving: "
        "torch.nn.utils.parametrize.remove_parametrizations, or remove_spectral_norm"
    )
