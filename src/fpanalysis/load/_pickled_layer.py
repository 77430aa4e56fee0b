"""What a module that was pickled whole says of its recurrent layer and readout; none of its code is run."""

from collections.abc import Mapping, Sequence
from typing import Any

from fpanalysis._messages import listed
from fpanalysis.load._inert import Name, Object
from fpanalysis.load._live import KINDS, unknown_equations
from fpanalysis.load._names import LayerNames
from fpanalysis.load._pickled import Module, name_of
from fpanalysis.load._sources import quantised

_GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
_LINEAR = ("torch.nn.modules.linear.Linear", "torch.nn.modules.linear.NonDynamicallyQuantizableLinear")
# Of PyTorch's own: they compute the weights, of parts that are kept beside them.
_WEIGHT_HOOKS = ("torch.nn.utils.prune.", "torch.nn.utils.weight_norm.", "torch.nn.utils.spectral_norm.")


def check_pickled(
    modules: Mapping[str, Module], prefix: str, layers: Sequence[LayerNames], tensors: Mapping[str, Any]
) -> Module:
    """Return the recurrent layer, if its equations are torch.nn's and it says the same as its weights.

    Args:
        modules: by prefix.
        prefix: name of the recurrent layer.
        layers: names of its weights, lowest first.
        tensors: all weights by name.

    Raises:
        ValueError: it is of an unknown class, has hooks, or its attributes do not fit its weights.
    """
    if prefix not in modules:
        raise ValueError(unknown_equations("weights in no module of their own", prefix))
    part = modules[prefix]
    module, _, kind = part.of.rpartition(".")
    if ".quantized." in module:
        raise ValueError(quantised(prefix))
    if module != "torch.nn.modules.rnn" or kind not in KINDS:
        raise ValueError(unknown_equations(part.of[:80], prefix))
    if hooks := _hooks(part):
        raise ValueError(
            f"source: the recurrent layer at {prefix!r} was saved with hooks, {listed(hooks)}, whose code is "
            "not run; pass its state_dict() if they change no values"
        )
    n_rows, *_ = tensors[layers[0].weight_hh].shape or (0,)
    n_units, n_layers = getattr(part, "hidden_size", None), getattr(part, "num_layers", len(layers))
    gates = _GATES[kind.removesuffix("Cell")]
    if not isinstance(n_units, int) or n_rows != gates * n_units or n_layers != len(layers):
        raise ValueError(
            f"source: the {kind} at {prefix!r} says that it has {_number(n_units)} units in "
            f"{_number(n_layers)} layers, which its weights have not; the file is damaged"
        )
    said = getattr(part, "nonlinearity" if kind == "RNNCell" else "mode", None)
    if not isinstance(said, str | None) or said is None and kind.startswith("RNN"):
        raise ValueError(
            f"source: the {kind} at {prefix!r} does not say its nonlinearity; the file is damaged"
        )
    return part


def unlike_linear(part: Module | None, name: str) -> str | None:
    """Say how a part that has the weight of a linear layer is none, if so."""
    if part is None or part.of not in _LINEAR:
        of = "module of unknown class" if part is None else part.of[:80]
        return f"{name!r} is a {of}, whose equations are unknown"
    return f"{name!r} has hooks, whose code is not run" if _hooks(part) else None


def _hooks(part: Module) -> list[str]:
    """Return the names of what runs before and after a part, PyTorch's own ways to make weights aside."""
    found = []
    for kind in ("_forward_hooks", "_forward_pre_hooks"):
        held = getattr(part, kind, None)
        entries = (held.items or {}) if isinstance(held, Object) else held if isinstance(held, dict) else {}
        found += [str(each) if isinstance(each, Name) else name_of(each) for each in entries.values()]
    return [name[:80] for name in found if not name.startswith(_WEIGHT_HOOKS)]


def _number(value: Any) -> str:
    return str(value) if isinstance(value, int) and abs(value) < 2**62 else "no number of"
