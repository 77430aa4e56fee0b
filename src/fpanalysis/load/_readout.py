"""Whether a readout reads the hidden units as they are, or what stands between them and it."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from fpanalysis._messages import listed
from fpanalysis.load._live import first_line, in_float64, part_at, quiet, weights_of
from fpanalysis.load._names import recurrent_prefixes
from fpanalysis.load._whole_run import Call, Run, rows, tensors_in

# A name that says that a layer comes last.
_OUTPUT_NAME = re.compile(r"read|out|dec|head", re.IGNORECASE)


class Readout(NamedTuple):
    """What is read as the readout.

    Attributes:
        linear: name of the linear layer; None for no readout.
        norm: name of the layer norm that comes before it; None for none.
        notes: what the caller must know, in sentences.
    """

    linear: str | None
    norm: str | None = None
    notes: tuple[str, ...] = ()


def readout_in_run(module: Any, run: Run, layer: str, linear: str, *, is_asked: bool) -> Readout:
    """Say how a linear layer reads the recurrent layer, by a run of the whole module.

    Args:
        module: the module, as `copied` returns it.
        run: a run of it.
        layer: name of the recurrent layer.
        linear: name of the linear layer that fits.
        is_asked: whether the caller named this linear layer: then it is taken in any case.
    """
    if what := _unlike_linear(module, linear):
        return left_out(linear, what, is_asked)
    n_units = part_at(module, linear).in_features
    hidden = _hidden_rows(run, layer, n_units)
    read = [call for call in run.calls if call.name == linear]
    if not read:
        return left_out(linear, f"the module's forward does not call {linear!r}", is_asked)
    norm = None
    if not _given_rows(read, n_units) <= hidden:
        norm = _norm_between(module, run, hidden, read, n_units)
        if norm is None:
            return left_out(linear, _what_is_between(run, layer, linear), is_asked)
    readout = Readout(linear, norm)
    return readout if is_asked else _with_what_follows(module, run, layer, readout)


def readout_by_name(tensors: Mapping[str, Any], layer: str, linear: str, n_inputs: int) -> Readout:
    """Say how a linear layer may read the recurrent layer, by the names and shapes of a state dict.

    Args:
        tensors: all weights by name, in the order of the state dict.
        layer: name of the recurrent layer.
        linear: name of the linear layer that fits.
        n_inputs: the inputs of the recurrent layer.
    """
    name = f"{linear}.weight" if linear else "weight"
    n_out, n_units = tensors[name].shape
    if why := _reads_what(tensors, layer, linear) or _in_front(tensors, layer, name, n_inputs):
        return left_out(linear, why, False)
    for name, tensor in tensors.items():
        start, _, part = name.rpartition(".")
        shape = tuple(tensor.shape)
        if start and part in ("weight", "running_mean") and shape == (n_units,):
            return left_out(linear, f"{start!r}, a norm of {n_units} units, may stand before it", False)
        next_linear = part == "weight" and len(shape) == 2 and shape[1] == n_out and start != linear
        if next_linear and n_units != n_out and shape[0] != n_inputs:
            return left_out(linear, f"{start!r}, which reads {n_out} units, may come after it", False)
    return Readout(linear)


def _reads_what(tensors: Mapping[str, Any], layer: str, linear: str) -> str | None:
    """Say which other recurrent layer a linear layer that fits may read, if any."""
    n_units = tensors[f"{linear}.weight" if linear else "weight"].shape[1]
    units: dict[str, set[int]] = {other: set() for other in recurrent_prefixes(tensors) if other != layer}
    for name, tensor in tensors.items():
        other, _, part = name.rpartition(".")
        if other in units and part.startswith("weight_hh") and len(tensor.shape):
            units[other].add(int(tensor.shape[-1]))
    for other, sizes in units.items():
        # Of a layer that runs both ways, twice as many.
        if n_units in sizes | {2 * size for size in sizes}:
            return f"{linear!r} may read another recurrent layer, {other!r}"
    return None


def _in_front(tensors: Mapping[str, Any], layer: str, name: str, n_inputs: int) -> str | None:
    """Say that what fits as a linear readout may stand before the recurrent layer, if so."""
    linear, names = name.removesuffix("weight").rstrip("."), list(tensors)
    n_out, n_units = tensors[name].shape
    has_bias = f"{name.removesuffix('weight')}bias" in tensors
    if "emb" in linear.lower() or not has_bias and n_units == n_inputs:
        return f"{linear!r} may be an embedding, which gives the recurrent layer its {n_units} inputs"
    first = next(i for i, each in enumerate(names) if each.startswith(layer) and "weight_" in each)
    # Files may be sorted by name, so that their order alone is no sign; a name that says it is a better one.
    if n_out == n_inputs and names.index(name) < first and not _OUTPUT_NAME.search(linear):
        return f"{linear!r} may stand before the recurrent layer and give it its {n_inputs} inputs"
    return None


def left_out(linear: str, why: str, is_asked: bool) -> Readout:
    """Return the readout where something else may be read: none, or the linear layer that was asked for.

    Args:
        linear: name of the linear layer that fits.
        why: it may not be what is read, a clause.
        is_asked: whether the caller named this layer.
    """
    if is_asked:
        return Readout(
            linear, notes=(f"readout: y is {linear!r} of the hidden units, as asked, though {why}",)
        )
    note = (
        f"readout: y is left out, because {why}; pass readout={linear!r} to read the hidden units by it all "
        "the same, or readout=False for no readout"
    )
    return Readout(None, notes=(note,))


def _unlike_linear(module: Any, name: str) -> str | None:
    """Say how a module that has the weight of a linear layer is none, if so."""
    import torch

    part = part_at(module, name)
    if not _is_plain(torch, part, torch.nn.Linear):
        return f"{name!r} is a {_class_name(torch, part)}, whose equations are unknown"

    def equations(x: np.ndarray, weights: Mapping[str, np.ndarray]) -> np.ndarray:
        return x @ weights["weight"].T + weights.get("bias", 0.0)

    return _differs(torch, part, name, part.in_features, equations)


def _norm_between(module: Any, run: Run, hidden: set[bytes], read: list[Call], n_units: int) -> str | None:
    """Return the name of the layer norm that stands between hidden units and readout, and nothing else."""
    import torch

    for name in dict.fromkeys(call.name for call in run.calls):
        norm, calls = part_at(module, name), [call for call in run.calls if call.name == name]
        if not _is_plain(torch, norm, torch.nn.LayerNorm) or tuple(norm.normalized_shape) != (n_units,):
            continue
        made = rows([t for call in calls for t in tensors_in(call.returned)], n_units)
        if not (_given_rows(calls, n_units) <= hidden and _given_rows(read, n_units) <= made):
            continue

        def equations(x: np.ndarray, weights: Mapping[str, np.ndarray], eps: float = norm.eps) -> np.ndarray:
            centred = x - x.mean(axis=-1, keepdims=True)
            scaled = centred / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + eps)
            return scaled * weights.get("weight", 1.0) + weights.get("bias", 0.0)

        if _differs(torch, norm, name, n_units, equations) is None:
            return name
    return None


def _is_plain(torch: Any, part: Any, known: type) -> bool:
    if isinstance(part, torch.jit.ScriptModule):
        return part.original_name == known.__name__
    own = torch.nn.utils.parametrize.type_before_parametrizations(part)
    return issubclass(own, known) and own.forward is known.forward and "forward" not in vars(part)


def _class_name(torch: Any, part: Any) -> str:
    return torch.nn.utils.parametrize.type_before_parametrizations(part).__name__


def _differs(torch: Any, part: Any, name: str, size: int, equations: Any) -> str | None:
    """Say that a part computes something else than these equations, if so, at random values in float64."""
    x = np.random.default_rng(0).normal(scale=3.0, size=(16, size))
    try:
        exact = in_float64(part)
        with quiet():
            got = exact(torch.from_numpy(x)).numpy()
    except Exception as error:
        # Hooks run along, and may do anything.
        return f"{name!r} cannot be run by itself ({first_line(error)})"
    weights = {key: value.detach().numpy() for key, value in weights_of(exact).items()}
    expected = equations(x, weights)
    same = got.shape == expected.shape and np.allclose(got, expected, rtol=1e-9, atol=1e-9, equal_nan=True)
    return None if same else f"{name!r} does not compute what its weights say (a hook changes it)"


def _hidden_rows(run: Run, layer: str, n_units: int) -> set[bytes]:
    """Return the hidden states of the top layer at every time, as rows."""
    calls = [call for call in run.calls if call.name == layer]
    # The first of what recurrent modules return: outputs over time, of a cell the hidden state.
    return rows([tensors_in(call.returned)[0] for call in calls], n_units)


def _given_rows(calls: list[Call], n_units: int) -> set[bytes]:
    return rows([tensor for call in calls for tensor in tensors_in(call.given[:1])], n_units)


def _what_is_between(run: Run, layer: str, linear: str) -> str:
    names = [call.name for call in run.calls]
    start, end = names.index(layer), len(names) - 1 - names[::-1].index(linear)
    changing = [call.name for call in run.calls[start:end] if not _passes_on(call)]
    between = [name for name in dict.fromkeys(changing) if name not in (layer, linear)]
    what = listed(between) if between else "something that is no module (a function, a sum, another state)"
    return f"{what} stands between the hidden units of {layer!r} and {linear!r}"


def _passes_on(call: Call) -> bool:
    """Whether a part returned what it was given, as dropout does in evaluation mode."""
    given, made = tensors_in(call.given[:1]), tensors_in(call.returned)
    return [t.shape for t in given] == [t.shape for t in made] and all(
        bool((a == b).all()) for a, b in zip(given, made, strict=True)
    )


def _with_what_follows(module: Any, run: Run, layer: str, readout: Readout) -> Readout:
    """Return the readout, with a note where the module returns something else; none where weights follow."""
    linear = readout.linear or ""
    outputs = [t for call in run.calls if call.name == linear for t in tensors_in(call.returned)]
    values = np.concatenate([t.double().numpy().reshape(-1, t.shape[-1]) for t in outputs])
    returned = [t.double().numpy() for t in tensors_in(run.returned) if t.is_floating_point() and t.numel()]
    as_given = [array.ravel() for array in returned if np.isin(array, values).all()]
    # Each output must be there, though not at every time.
    if as_given and np.isin(values, np.concatenate(as_given)).any(axis=0).all():
        return readout
    names = [call.name for call in run.calls]
    after = dict.fromkeys(names[len(names) - names[::-1].index(linear) :])
    weighted = [
        name for name in after if name != layer and any(True for _ in part_at(module, name).parameters())
    ]
    if weighted:
        return left_out(linear, f"{listed(weighted)} comes after {linear!r}, which gives no output", False)
    what = f" (after {listed(after)})" if after else ""
    note = (
        f"readout: y is what {linear!r} gives; the module returns something else{what}, which is not read. "
        f"Pass readout={linear!r} to say that it is meant"
    )
    return readout._replace(notes=(note,))
