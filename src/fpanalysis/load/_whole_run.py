"""A live module run as a whole on made-up inputs: what its parts were given, and what they returned."""

import inspect
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from fpanalysis.load._live import first_line, part_at, quiet

# Of time and batch alike, so that it does not matter which comes first.
_LONG = 4
_MOST_TRIED = 32
# Of states that nothing bounds: those of a relu, and the cell state of an LSTM. Half precision holds them.
_SIZES = (1000.0, 1.0, 100.0, 10.0)
# A name that says that an argument is a state.
_STATE_NAME = re.compile(r"(h|c|hx|cx|hc|h_?[0cint]+|c_?[0xt]+|carry|.*(hidden|state|prev).*)", re.IGNORECASE)


class Call(NamedTuple):
    """One call of a submodule: its name, what it was given, and what it returned."""

    name: str
    given: tuple[Any, ...]
    returned: Any


class Run(NamedTuple):
    """A run of a whole module.

    Attributes:
        calls: of the parts that have none themselves, and of the recurrent one, in the order of their ends.
        returned: what the whole module returned.
        state: the state that it was given, as tensors; none where it took none.
        again: calls of a second run, on the same inputs from other states.
        n_samples: input vectors (or tokens) that the module was given, of all times and batches.
    """

    calls: list[Call]
    returned: Any
    state: list[Any]
    again: list[Call]
    n_samples: int


def run_whole(module: Any, layer: str, kind: str, weight: Any | None = None) -> Run | str:
    """Run a copied module so that its recurrent part is called; return why not where that fails.

    The states that the recurrent part returns are random ones, to show what the module does with any.

    Args:
        module: the whole module, as `copied` returns it.
        layer: the name of its recurrent part.
        kind: the class of that part, such as `"GRU"`.
        weight: of the linear layer that may be the readout, `(output, hidden)`, if any.
    """
    recurrent = part_at(module, layer)
    if not _has_hooks(recurrent):
        return "what is scripted does not show what its parts do"
    why = "it was not clear what to call it with"
    others = _tries(module, recurrent, kind, seed=1)
    for (u, state), (_, other) in islice(
        zip(_tries(module, recurrent, kind), others, strict=True), _MOST_TRIED
    ):
        try:
            calls, returned = _run(module, layer, u, state, weight, seed=2)
            if not any(call.name == layer for call in calls):
                why = f"{layer!r} was not called"
                continue
            again, _ = _run(module, layer, u, other, weight, seed=3)
        except Exception as error:
            # What a module makes of arguments that are not its own may raise anything.
            why = first_line(error)
            continue
        n_samples = u[..., 0].numel() if u.is_floating_point() else u.numel()
        return Run(calls, returned, tensors_in(state), again, n_samples)
    return why


def _run(
    module: Any, layer: str, u: Any, state: dict[str, Any], weight: Any | None, seed: int
) -> tuple[list[Call], Any]:
    import torch

    calls: list[Call] = []
    handles = [_replace_states(part_at(module, layer), weight, seed)]
    handles += [_listen(part, name, calls) for name, part in _listened(module, layer)]
    try:
        with quiet():
            # What a module draws itself is the same in every run.
            torch.default_generator.manual_seed(0)
            return calls, module(u, **state)
    finally:
        for handle in handles:
            handle.remove()


def tensors_in(value: Any) -> list[Any]:
    """Return the tensors in what a module was given or returned."""
    import torch

    if isinstance(value, torch.nn.utils.rnn.PackedSequence):
        return [value.data]
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    elif hasattr(value, "__dataclass_fields__"):
        value = list(vars(value).values())
    if isinstance(value, list | tuple):
        return [tensor for each in value for tensor in tensors_in(each)]
    return []


def rows(tensors: list[Any], size: int) -> set[bytes]:
    """Return the rows of length `size` of tensors whose last axis is so long; equal rows are one."""
    found: set[bytes] = set()
    for tensor in tensors:
        if tensor.ndim and tensor.shape[-1] == size:
            # Plus zero, because −0 is another pattern of bits than 0.
            array = tensor.detach().double().reshape(-1, size).numpy() + 0.0
            found |= {row.tobytes() for row in array}
    return found


def _has_hooks(part: Any) -> bool:
    """Whether PyTorch calls hooks of a part: it has none for scripted ones."""
    import torch

    return not isinstance(part, torch.jit.ScriptModule)


def _listened(module: Any, layer: str) -> list[tuple[str, Any]]:
    import torch

    found = []
    for name, part in module.named_modules():
        if not _has_hooks(part):
            continue
        whole = not any(True for _ in part.children()) or torch.nn.utils.parametrize.is_parametrized(part)
        if name and "parametrizations" not in name.split(".") and (whole or name == layer):
            found.append((name, part))
    return found


def _replace_states(recurrent: Any, weight: Any | None, seed: int) -> Any:
    """Put random states in the place of those that a recurrent module returns.

    A network's own may be all alike, or all positive, and would not show what a mean or a relu does to them;
    nor large enough for a clip. Where states are bounded, some are those that drive an output furthest.
    """
    import torch

    rng = torch.Generator().manual_seed(seed)
    is_free, n_extreme, n_drawn = _is_relu(recurrent), 0, 0

    def drawn(like: Any, is_free: bool = is_free) -> Any:
        nonlocal n_extreme, n_drawn
        made = _random_states(like.shape, rng, is_free, _is_relu(recurrent), n_drawn).to(like.dtype)
        n_drawn += 1
        flat = made.view(-1, made.shape[-1])
        if weight is not None and not is_free and weight.shape[1] == made.shape[-1]:
            for i in range(0, len(flat), 2):
                sign = 1 if n_extreme // len(weight) % 2 else -1
                flat[i] = sign * torch.sign(weight.detach()[n_extreme % len(weight)])
                n_extreme += 1
        return made

    def is_pair(state: Any) -> bool:
        return isinstance(state, tuple)

    def replaced(recurrent: Any, args: tuple, returned: Any) -> Any:
        if not hasattr(recurrent, "num_layers"):
            return (drawn(returned[0]), drawn(returned[1], True)) if is_pair(returned) else drawn(returned)
        output, state = returned
        if not isinstance(output, torch.Tensor):
            return returned
        output = drawn(output)
        last = output[:, -1] if recurrent.batch_first and output.ndim == 3 else output[-1]
        hidden, *cell = (drawn(state[0]), drawn(state[1], True)) if is_pair(state) else (drawn(state),)
        hidden[-1] = last
        return output, (hidden, *cell) if cell else hidden

    return recurrent.register_forward_hook(replaced)


def _random_states(shape: Any, rng: Any, is_free: bool, is_positive: bool, first: int = 0) -> Any:
    """Return random states of −1 to 1 (0 to 1); where they are free, of several sizes, up to a thousand.

    The state number `first` in the row of sizes is the first one.
    """
    import torch

    made = torch.rand(shape, generator=rng)
    made = made if is_positive else 2 * made - 1
    if not is_free:
        return made
    order = torch.arange(first, first + made[..., 0].numel()) % len(_SIZES)
    return made * torch.tensor(_SIZES)[order].reshape(*made.shape[:-1], 1)


def _is_relu(recurrent: Any) -> bool:
    return "relu" in f"{getattr(recurrent, 'mode', '')}{getattr(recurrent, 'nonlinearity', '')}".lower()


def _listen(part: Any, name: str, calls: list[Call]) -> Any:
    def heard(part: Any, args: tuple, kwargs: dict, returned: Any) -> None:
        # Copies, because what a part was given may be changed in place afterwards.
        given = tuple(_kept(each) for each in (*args, *kwargs.values()))
        calls.append(Call(name, given, _kept(returned)))

    return part.register_forward_hook(heard, with_kwargs=True)


def _kept(value: Any) -> Any:
    tensors = [tensor.detach().clone() for tensor in tensors_in(value)]
    return tensors[0] if len(tensors) == 1 and not isinstance(value, list | tuple | dict) else tuple(tensors)


def _tries(module: Any, recurrent: Any, kind: str, seed: int = 0) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield inputs to call a module with, and the states that it takes beside them, by name."""
    _, *others = _arguments(module)
    needed = [p.name for p in others if p.default is p.empty]
    named = [p.name for p in others if p.name in needed or _STATE_NAME.fullmatch(p.name)]
    for u in _inputs(module, recurrent):
        for names in dict.fromkeys((tuple(named), tuple(needed))):
            for state in _states(recurrent, kind, len(names), seed):
                yield u, dict(zip(names, state, strict=True))


def _arguments(module: Any) -> list[inspect.Parameter]:
    try:
        known = list(inspect.signature(module.forward).parameters.values())
    except (AttributeError, TypeError, ValueError):
        # A scripted or built-in method does not say.
        known = []
    first = inspect.Parameter("u", inspect.Parameter.POSITIONAL_ONLY)
    others = [p for p in known[1:] if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return [known[0] if known else first, *others]


def _inputs(module: Any, recurrent: Any) -> Iterator[Any]:
    import torch

    rng, dtype = torch.Generator().manual_seed(0), next(recurrent.parameters()).dtype
    parts = list(module.modules())
    for table in (part for part in parts if isinstance(part, torch.nn.Embedding)):
        for shape in ((_LONG, _LONG), (_LONG,)):
            yield torch.randint(table.num_embeddings, shape, generator=rng)
    recurrent_ones = [part for part in parts if isinstance(part, torch.nn.RNNBase | torch.nn.RNNCellBase)]
    sizes = [part.input_size for part in recurrent_ones]
    sizes += [part.in_features for part in parts if isinstance(part, torch.nn.Linear)]
    for size in dict.fromkeys((recurrent.input_size, *sizes)):
        for shape in ((_LONG, _LONG, size), (_LONG, size)):
            yield torch.randn(shape, generator=rng).to(dtype)


def _states(recurrent: Any, kind: str, n: int, seed: int) -> Iterator[tuple[Any, ...]]:
    """Yield `n` states in the forms that a module may expect them in; nothing where that is unclear."""
    import torch

    rng, dtype = torch.Generator().manual_seed(100 + seed), next(recurrent.parameters()).dtype
    is_lstm, is_relu = kind.startswith("LSTM"), _is_relu(recurrent)
    flat = (_LONG, recurrent.hidden_size)
    for shape in (flat,) if kind.endswith("Cell") else ((recurrent.num_layers, *flat), flat):
        free = (is_relu, True)
        parts = tuple(_random_states(shape, rng, each, is_relu).to(dtype) for each in free)
        if n == 0:
            yield ()
            return
        if n == 1:
            yield (parts,) if is_lstm else parts[:1]
        elif n == 2 and is_lstm:
            yield parts
