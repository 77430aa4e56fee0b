"""How what is given as `f` is called: a cell as `(input, state)`, everything else as `(state, input)`."""

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any

import equinox as eqx

from fpanalysis._cells import CellStep

_INPUT_NAMES = ("u", "input", "inputs")


def cell_in(f: Callable) -> Any | None:
    """Return the cell that `f` is or wraps; None where `f` is a function `f(x, u)`.

    Cells are instances of module classes: Equinox's, the package's and the user's. Equinox's transformations
    and bound methods are modules too, but none of a class that the user sees: what they wrap decides.
    """
    while (inside := _inside(f)) is not None:
        f = inside
    return f if isinstance(f, eqx.Module) and not _is_wrapper(f) else None


def state_first(f: Callable) -> Callable:
    """Return a cell, or what wraps one, as a function of state and input."""
    # Equinox warns of modules that keep what is no module.
    return CellStep(f) if isinstance(f, eqx.Module) else lambda state, u: f(u, state)


def is_torch(f: Any) -> bool:
    """Whether something is a PyTorch module."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(f, torch.nn.Module)


def check_call(f: Callable, cell: Any | None) -> None:
    """Raise unless `f` can be called with two arguments, in the order in which it will be.

    Raises:
        TypeError: it takes another number of arguments.
        ValueError: the names of a cell's arguments say that the state comes first.
    """
    called = f if cell is None else cell
    try:
        signature = inspect.signature(called)
    except (TypeError, ValueError):
        return  # built-in ones do not say
    try:
        signature.bind(None, None)
    except TypeError as error:
        expected = "a function f(x, u) of state and input" if cell is None else "cell(input, state)"
        names = ", ".join(signature.parameters)
        hint = "; an input that is not used is taken all the same" if "missing" not in str(error) else ""
        raise TypeError(f"f: expected {expected}, got one with the arguments ({names}){hint}") from error
    names = list(signature.parameters)
    if cell is not None and names[1:2] and names[1] in _INPUT_NAMES:
        raise ValueError(
            f"f: a module is called as cell(input, state), but {type(cell).__name__} names its arguments "
            f"({', '.join(names)}); pass a function of state and input, such as lambda x, u: module(x, u)"
        )


def _inside(f: Any) -> Any | None:
    owner = getattr(f, "__self__", None)
    if isinstance(owner, eqx.Module):
        return owner if f.__func__ is type(owner).__call__ else None
    if isinstance(f, functools.partial | eqx.Partial):
        return None if f.args else f.func
    if isinstance(f, eqx.Module) and not _is_wrapper(f):
        return None
    inside = getattr(f, "__wrapped__", None)
    return getattr(f, "fn", None) if inside is None and isinstance(f, eqx.Module) else inside


def _is_wrapper(module: eqx.Module) -> bool:
    """Whether a module is one of Equinox's own around a function, such as what `filter_jit` returns."""
    home = f"{type(module).__module__}."
    return home.startswith("equinox.") and not home.startswith("equinox.nn.")
