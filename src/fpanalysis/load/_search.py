"""The weights in whatever a checkpoint is: a state dict, or what holds one beside other things."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fpanalysis._messages import listed
from fpanalysis.load._pickled import Module, weights_of_module
from fpanalysis.load._stored import Stored

_DEEPEST = 20
_MOST_SEEN = 1_000_000

Path = tuple[str | int, ...]


def weights_in(top: Any, meaning: Callable[[Any], Any]) -> Mapping | Module | None:
    """Return the one state dict or module in a checkpoint; the top itself where it is a mapping without one.

    Mappings are entered, lists, and what objects hold, one level after the other.

    Args:
        top: the checkpoint.
        meaning: says of each value what it stands for.

    Returns:
        None where the top holds nothing that could be weights.

    Raises:
        ValueError: there are several.
    """
    first = meaning(top)
    if isinstance(first, Module) or isinstance(first, Mapping) and _is_of_recurrent(first):
        return first
    seen = {id(top)}
    level: dict[Path, Any] = dict(_entries((), first, meaning, seen))
    for _ in range(_DEEPEST):
        found = {path: value for path, value in level.items() if _has_weights(value, meaning)}
        if found:
            return _the_one(found)
        if not level or len(seen) > _MOST_SEEN:
            break
        level = {
            below: each
            for path, value in level.items()
            for below, each in _entries(path, value, meaning, seen)
        }
    return first if isinstance(first, Mapping) else None


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor or an array, with or without a shape."""
    # PyTorch's lazy parameters raise when they are asked for their shape.
    return hasattr(value, "dtype") and (is_lazy(value) or hasattr(value, "shape"))


def is_lazy(tensor: Any) -> bool:
    """Whether a tensor of PyTorch has no shape yet, as those of `LazyLinear` before a first run."""
    if isinstance(tensor, Stored):
        return tensor.shape is None
    return type(tensor).__name__ in ("UninitializedParameter", "UninitializedBuffer")


def _is_of_recurrent(mapping: Mapping) -> bool:
    return any(isinstance(name, str) and "weight_hh" in name for name in mapping)


def _entries(
    path: Path, value: Any, meaning: Callable[[Any], Any], seen: set[int]
) -> Iterator[tuple[Path, Any]]:
    """Yield what a mapping or a list holds that may hold a model.

    Numbered entries of a mapping, as in an optimizer's state, do not.
    """
    pairs = enumerate(value) if isinstance(value, list | tuple) else ()
    if isinstance(value, Mapping):
        pairs = ((name, each) for name, each in value.items() if isinstance(name, str))
    for name, raw in pairs:
        if raw is None or isinstance(raw, str | int | float | bytes) or id(raw) in seen:
            continue
        each = meaning(raw)
        if isinstance(each, Mapping | Module | list | tuple):
            seen.add(id(raw))
            yield (*path, name), each


def _has_weights(value: Any, meaning: Callable[[Any], Any]) -> bool:
    """Whether a value is a state dict; one of scalars only, such as a record of metrics, is not."""
    if isinstance(value, Module):
        return bool(weights_of_module(value, meaning)[0])
    if not isinstance(value, Mapping):
        return False
    tensors = (meaning(each) for name, each in value.items() if isinstance(name, str))
    return any(is_lazy(each) or len(each.shape) > 0 for each in tensors if is_tensor(each))


def _the_one(found: dict[Path, Any]) -> Any:
    # Beside a model there may be tensors of another kind, such as means and variances of its inputs.
    named = {path: value for path, value in found.items() if _is_model(value)}
    found = named or found
    if len(found) == 1:
        return next(iter(found.values()))
    places = [".".join(map(str, path)) for path in found]
    first = next(iter(found))
    raise ValueError(
        f"source: {len(found)} mappings of weights were found, {listed(places)}; pass one of them, such as "
        f"checkpoint{''.join(f'[{part!r}]' for part in first)}"
    )


def _is_model(value: Any) -> bool:
    if isinstance(value, Module):
        return True
    names = [name for name in value if isinstance(name, str)]
    return any("weight" in name or "bias" in name for name in names)
