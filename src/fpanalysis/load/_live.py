"""Live PyTorch modules: a copy to try things on, and the weights that they compute with."""

import copy
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from fpanalysis.load._search import is_lazy
from fpanalysis.load._sources import no_shape, no_values, quantised

# The classes of torch.nn whose equations are known.
KINDS = ("RNN", "GRU", "LSTM", "RNNCell", "GRUCell", "LSTMCell")


def as_module(source: Any) -> Any | None:
    """Return the module that `source` is, out of `torch.compile` and `DataParallel`; None if it is none."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(source, torch.nn.Module):
        return None
    wrappers = torch.nn.parallel.DataParallel, torch.nn.parallel.DistributedDataParallel
    while (inside := getattr(source, "_orig_mod", None)) is not None or isinstance(source, wrappers):
        source = source.module if inside is None else inside
    return source


def copied(module: Any) -> Any:
    """Return a copy of a module, on the CPU and in evaluation mode: what is tried on it leaves no trace.

    Raises:
        ValueError: its weights have no values yet, are quantised, or it cannot be copied.
    """
    import torch

    _check_values(torch, module)
    # PyTorch refuses to copy tensors that it can differentiate through, such as a state that is kept.
    memo = {id(tensor): tensor.detach().clone() for tensor in _computed(torch, module)}
    try:
        with quiet():
            twin = copy.deepcopy(module, memo).cpu().eval()
            # A spectral norm in training goes on with its power iteration whenever its weight is looked at,
            # as a recurrent layer does when it is copied.
            for theirs, ours in zip(module.buffers(), twin.buffers(), strict=True):
                ours.copy_(theirs)
            _refresh(twin)
    except Exception as error:
        # A module may hold anything, and anything may raise when it is copied.
        raise ValueError(
            f"source: this {type(module).__name__} cannot be copied to the CPU, which reading it needs "
            f"({first_line(error)}); pass its state_dict()"
        ) from error
    return twin


def in_float64(module: Any) -> Any:
    """Return a copy of a copied module in float64, with the weights that hooks compute computed in it."""
    twin = copied(module).double()
    with quiet():
        _refresh(twin)
    return twin


def weights_of(module: Any) -> dict[str, Any]:
    """Return the weights that a copied module computes with, by the names of its attributes.

    Parametrised and pruned weights are those that come out, not the parts that they are made of. Embeddings
    are left out: their tables read no hidden units, whatever their shape.
    """
    import torch

    found: dict[str, Any] = {}
    with quiet():
        for prefix, part in module.named_modules():
            is_table = isinstance(part, torch.nn.Embedding | torch.nn.EmbeddingBag)
            if is_table or "parametrizations" in prefix.split("."):
                continue
            for name in _weight_names(torch, part):
                found[f"{prefix}.{name}" if prefix else name] = getattr(part, name)
    return found


def part_at(module: Any, prefix: str) -> Any:
    """Return the submodule of this name (`get_submodule` does not know scripted ones)."""
    return dict(module.named_modules())[prefix]


def has_forward(module: Any) -> bool:
    """Whether a module can be run at all; containers and those that only hold others cannot."""
    import torch

    is_scripted = isinstance(module, torch.jit.ScriptModule)
    return is_scripted or type(module).forward is not torch.nn.Module.forward


def kind_of_module(module: Any, where: str) -> str:
    """Return which of torch.nn's recurrent classes a module is.

    Its own methods may differ from theirs, but for `forward`; the numbers are another check.

    Raises:
        ValueError: it is none of them, or has a `forward` of its own.
    """
    import torch

    if isinstance(module, torch.jit.ScriptModule):
        if (name := module.original_name) in KINDS:
            return name
        raise ValueError(unknown_equations(name, where))
    own = torch.nn.utils.parametrize.type_before_parametrizations(module)
    for name in KINDS:
        known = getattr(torch.nn, name)
        if issubclass(own, known):
            if own.forward is known.forward and "forward" not in vars(module):
                return name
            raise ValueError(unknown_equations(f"{own.__name__}, a {name} with a forward of its own", where))
    raise ValueError(unknown_equations(own.__name__, where))


def unknown_equations(what: str, where: str) -> str:
    """Return the message for a recurrent layer whose equations are not torch.nn's."""
    return (
        f"source: expected the recurrent layer at {where!r} to be one of torch.nn's, got {what}, whose "
        "equations are unknown; write them as a function for fpanalysis.vector_field, or pass its "
        "state_dict() if they are those of torch.nn"
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Run a module's code without gradients, warnings, compilation or a change of random numbers."""
    import torch

    # Nothing is compiled where this slow import was not made; PyTorch has no stances before 2.6.
    compiles = "torch._dynamo" in sys.modules and hasattr(torch.compiler, "set_stance")
    eager = torch.compiler.set_stance("force_eager") if compiles else nullcontext()
    # What a module warns of concerns the run, not the reader.
    with warnings.catch_warnings(), torch.no_grad(), torch.random.fork_rng(devices=[]), eager:
        warnings.simplefilter("ignore")
        yield


def first_line(error: Exception) -> str:
    """Return the first line of what an error says."""
    return (str(error).splitlines() or [""])[0] or type(error).__name__


def _check_values(torch: Any, module: Any) -> None:
    for prefix, part in module.named_modules():
        if type(part).__name__ in KINDS and ".quantized." in type(part).__module__:
            raise ValueError(quantised(prefix))
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        if is_lazy(tensor):
            raise ValueError(no_shape(name))
        if tensor.is_meta:
            raise ValueError(no_values(name))


def _computed(torch: Any, module: Any) -> Iterator[Any]:
    """Yield the tensors that a module keeps though they were computed."""
    for part in module.modules():
        for value in vars(part).values():
            for each in _leaves(value):
                if isinstance(each, torch.Tensor) and not each.is_leaf:
                    yield each


def _leaves(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    return [leaf for each in value for leaf in _leaves(each)] if isinstance(value, tuple | list) else [value]


def _refresh(module: Any) -> None:
    """Compute the weights that PyTorch's own hooks compute before each run; they may be out of date."""
    from torch.nn.utils.prune import BasePruningMethod
    from torch.nn.utils.spectral_norm import SpectralNorm
    from torch.nn.utils.weight_norm import WeightNorm

    for part in module.modules():
        for hook in part._forward_pre_hooks.values():
            if isinstance(hook, BasePruningMethod | SpectralNorm | WeightNorm):
                hook(part, ())


def _weight_names(torch: Any, part: Any) -> list[str]:
    # Tied weights have two names, and are needed under both.
    both = {"recurse": False, "remove_duplicate": False}
    stored = [name for name, _ in (*part.named_parameters(**both), *part.named_buffers(**both))]
    if torch.nn.utils.parametrize.is_parametrized(part):
        stored += part.parametrizations
    hooked = [name.removesuffix(end) for name in stored for end in ("_orig", "_g") if name.endswith(end)]
    return stored + [name for name in hooked if isinstance(getattr(part, name, None), torch.Tensor)]
