"""Which of a model's weights are the recurrent layer's and the readout's, told by their names."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fpanalysis._messages import listed, nearest

_RECURRENT = re.compile(
    r"(?:(?P<prefix>.*)\.)?(?P<part>weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)"
    r"(?P<depth>_l\d{1,6})?(?P<reverse>_reverse)?"
)
_LONE_BIAS = re.compile(r"bias(_l\d{1,6})?")
# Each layer is compiled on its own.
_MOST_LAYERS = 100


class LayerNames(NamedTuple):
    """Full names of the weights of one layer of a recurrent module (biases absent: None)."""

    weight_ih: str
    weight_hh: str
    bias_ih: str | None
    bias_hh: str | None


def recurrent_prefix(names: Iterable[str], layer: str | None) -> str:
    """Return the prefix of the one recurrent module, or of the one that `layer` names.

    Args:
        names: the names of all weights.
        layer: the caller's choice, or None.

    Returns:
        What stands before `.weight_hh_l0`; an empty string where nothing does.

    Raises:
        TypeError: `layer` is no name.
        ValueError: there is none, there are several and `layer` is None, or none is called `layer`.
    """
    if not isinstance(layer, str | None):
        raise TypeError(f"layer: expected the prefix of a recurrent layer or None, got {layer!r}")
    names = list(names)
    prefixes = recurrent_prefixes(names)
    if not prefixes:
        raise ValueError(
            "source: expected the weights of a recurrent layer, such as 'rnn.weight_ih_l0' and "
            f"'rnn.weight_hh_l0', found {listed(names) or 'no arrays'}"
        )
    if layer is not None:
        layer = layer.rstrip(".")
        if layer not in prefixes:
            raise ValueError(
                f"layer: expected one of {listed(prefixes)}, got {layer!r}{nearest(layer, prefixes)}"
            )
        return layer
    if len(prefixes) > 1:
        raise ValueError(
            f"layer: {len(prefixes)} recurrent layers were found, {listed(prefixes)}; name one, such as "
            f"layer={prefixes[0]!r}"
        )
    return prefixes[0]


def recurrent_prefixes(names: Iterable[str]) -> list[str]:
    """Return the prefixes of all recurrent modules, in the order of their names."""
    matches = map(_RECURRENT.fullmatch, names)
    return list(dict.fromkeys(match["prefix"] or "" for match in matches if match))


def layer_names(names: Iterable[str], prefix: str) -> list[LayerNames]:
    """Return the names of the weights of each layer of the recurrent module at `prefix`, lowest first.

    Raises:
        ValueError: it is bidirectional, has projections, or names are missing.
    """
    matches = [
        match for match in map(_RECURRENT.fullmatch, names) if match and (match["prefix"] or "") == prefix
    ]
    where = repr(prefix) if prefix else "the top level"
    if reverse := [match[0] for match in matches if match["reverse"]]:
        raise ValueError(
            f"source: the layer at {where} is bidirectional ({listed(reverse, 2)}); it reads its input "
            "backwards in time too, so it has no next state and no fixed points"
        )
    if projections := [match[0] for match in matches if match["part"] == "weight_hr"]:
        raise ValueError(
            f"source: the layer at {where} has projections (proj_size, {listed(projections, 2)}), "
            "which is not supported"
        )
    layers: dict[str, dict[str, str]] = {}
    for match in matches:
        layers.setdefault(match["depth"] or "", {})[match["part"]] = match[0]
    depths = sorted(layers, key=_depth)
    if [_depth(depth) for depth in depths] != list(range(len(depths))) or len(set(map(bool, depths))) > 1:
        raise ValueError(f"source: layers are missing at {where}, found {listed(m[0] for m in matches)}")
    if len(depths) > _MOST_LAYERS:
        raise ValueError(f"source: expected at most {_MOST_LAYERS} layers at {where}, found {len(depths)}")
    return [_one_layer(layers[depth]) for depth in depths]


def foreign_weights(tensors: Mapping[str, Any], prefix: str, linear: str | None) -> str | None:
    """Say which weights stand beside the recurrent ones at `prefix` that no layer of torch.nn has, if any.

    They hint at a class with equations of its own: all numbers with a fraction directly beside, such as a
    leak, a mask or time constants, and vectors as long as the units or gates below, such as those of a norm.

    Args:
        tensors: all weights by name.
        prefix: of the recurrent layer.
        linear: prefix of the readout, whose weights are known.

    Raises:
        ValueError: the layer has one bias, which torch.nn's have not: it is unknown where it enters.
    """
    start = f"{prefix}." if prefix else ""
    own = [name for name in tensors if _is_part(name, prefix)]
    sizes = {size for name in own for size in tensors[name].shape} - {1}
    known = set() if linear is None else _of_linear(linear)
    # At the top level, entries of other parts are not below.
    known |= _of_linear(prefix) if _is_linear_at(tensors, prefix) else set()
    foreign = [
        name
        for name, tensor in tensors.items()
        if name.startswith(start) and name not in known and not _RECURRENT.fullmatch(name)
        if "float" in str(tensor.dtype)
        and _stands_beside(name.removeprefix(start), tensor, sizes if prefix else set())
    ]
    rows = {tensors[name].shape[0] for name in own if len(tensors[name].shape) == 2}
    for name in foreign:
        if _LONE_BIAS.fullmatch(name.removeprefix(start)) and tuple(tensors[name].shape) in {
            (n,) for n in rows
        }:
            raise ValueError(_lone_bias(name))
    if not foreign:
        return None
    return (
        f"source: {listed(foreign)} beside the weights at {prefix!r} is in no layer of torch.nn, whose "
        "equations are assumed, and is not used; where they are others, write them as a function for "
        "fpanalysis.vector_field"
    )


def _stands_beside(rest: str, tensor: Any, sizes: set[int]) -> bool:
    """Whether a weight, by its name from the layer's prefix on, may be part of the layer's equations."""
    is_vector = len(tensor.shape) == 1 and tensor.shape[0] in sizes
    return "." not in rest or is_vector and not rest.endswith("bias")


def _of_linear(prefix: str) -> set[str]:
    start = f"{prefix}." if prefix else ""
    return {f"{start}weight", f"{start}bias"}


def _is_linear_at(tensors: Mapping[str, Any], prefix: str) -> bool:
    weight, bias = (tensors.get(f"{prefix}.{part}" if prefix else part) for part in ("weight", "bias"))
    if weight is None or len(weight.shape) != 2:
        return False
    return bias is None or tuple(bias.shape) == tuple(weight.shape[:1])


def _lone_bias(name: str) -> str:
    return (
        f"source: {name!r} is one bias, where a layer of torch.nn has two, 'bias_ih' and 'bias_hh', and it "
        "is unknown where it enters; where it is added to what the inputs give, rename it to 'bias_ih' and "
        "add a 'bias_hh' of zeros, or else write the equations as a function for fpanalysis.vector_field"
    )


def _is_part(name: str, prefix: str) -> bool:
    match = _RECURRENT.fullmatch(name)
    return match is not None and (match["prefix"] or "") == prefix


def _depth(suffix: str) -> int:
    return int(suffix.removeprefix("_l") or 0)


def _one_layer(found: dict[str, str]) -> LayerNames:
    missing = [part for part in ("weight_ih", "weight_hh") if part not in found]
    if ("bias_ih" in found) != ("bias_hh" in found):
        missing += [part for part in ("bias_ih", "bias_hh") if part not in found]
    if missing:
        raise ValueError(f"source: {listed(missing)} is missing beside {listed(found.values())}")
    return LayerNames(found["weight_ih"], found["weight_hh"], found.get("bias_ih"), found.get("bias_hh"))


def readout_prefix(tensors: Mapping[str, Any], hidden_size: int, readout: str | bool | None) -> str | None:
    """Return the prefix of the linear readout's weight, or None where there is none.

    Args:
        tensors: all weights, by name.
        hidden_size: hidden units of the top layer.
        readout: the caller's choice of a prefix, False for none, or None to look for one.

    Raises:
        TypeError: `readout` is something else.
        ValueError: none is called so, several fit, or what fits is the first of several layers.
    """
    if readout is False:
        return None
    if readout is not None and not isinstance(readout, str):
        raise TypeError(f"readout: expected the name of a linear layer, False or None, got {readout!r}")
    weights = {_linear_prefix(name): tensor for name, tensor in tensors.items() if _is_linear(name, tensor)}
    fitting = [prefix for prefix, tensor in weights.items() if tensor.shape[1] == hidden_size]
    if isinstance(readout, str):
        return _named_readout(readout.removesuffix(".weight").rstrip("."), weights, hidden_size)
    if len(fitting) > 1:
        raise ValueError(
            f"readout: {len(fitting)} linear layers read {hidden_size} hidden units, {listed(fitting)}; name "
            f"one, such as readout={fitting[-1]!r}, or pass readout=False for none"
        )
    for prefix in fitting:
        if above := _next_in_sequence(prefix, weights):
            raise ValueError(
                f"readout: {prefix!r} is followed by {above!r}, so the readout is not one linear layer; pass "
                f"readout={prefix!r} for the first of its layers alone, or readout=False for none"
            )
    return fitting[0] if fitting else None


def _named_readout(readout: str, weights: Mapping[str, Any], hidden_size: int) -> str:
    if readout not in weights:
        known = (
            f"one of {listed(weights)}" if weights else "no linear layer, as none was found (readout=False)"
        )
        raise ValueError(f"readout: expected {known}, got {readout!r}{nearest(readout, weights)}")
    if weights[readout].shape[1] != hidden_size:
        raise ValueError(
            f"readout: expected {readout!r} to read the {hidden_size} hidden units of the top layer, but its "
            f"weight has shape {tuple(weights[readout].shape)}"
        )
    return readout


def _is_linear(name: str, tensor: Any) -> bool:
    return (name == "weight" or name.endswith(".weight")) and len(tensor.shape) == 2


def _linear_prefix(name: str) -> str:
    return name.removesuffix("weight").removesuffix(".")


def _next_in_sequence(prefix: str, weights: Mapping[str, Any]) -> str | None:
    """Return the next linear layer of the `torch.nn.Sequential` that a layer is part of, if any."""
    parent, _, place = prefix.rpartition(".")
    if not place.isdecimal():
        return None
    for other in weights:
        above, _, number = other.rpartition(".")
        if above == parent and number.isdecimal() and int(number) > int(place):
            return other
    return None
