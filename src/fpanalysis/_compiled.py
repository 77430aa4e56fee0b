"""Compiled functions that keep the programs of the last few models only."""

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import equinox as eqx
import jax

P, T = ParamSpec("P"), TypeVar("T")
# So many programs of one function are kept. Each takes about two megabytes, and a second to make again.
KEPT = 8


def compiled(function: Callable[P, T]) -> Callable[P, T]:
    """Compile a function of trees: their arrays are traced, other leaves, such as functions, are not.

    `equinox.filter_jit` does that too, but keeps what it compiled for ever. Where every call brings a new
    function, as a lambda written in a loop, memory would grow without bound. Here the program that was
    used longest ago is let go when there are more than `KEPT`.

    Args:
        function: returns a tree of arrays.
    """
    programs: OrderedDict[Any, Any] = OrderedDict()
    lock = threading.Lock()

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        leaves, treedef = jax.tree_util.tree_flatten((args, kwargs))
        is_traced = [eqx.is_array(leaf) for leaf in leaves]
        arrays = [leaf for leaf, traced in zip(leaves, is_traced, strict=True) if traced]
        # With their types, because 1 and True are equal.
        static = tuple(
            None if traced else (type(leaf), leaf) for leaf, traced in zip(leaves, is_traced, strict=True)
        )
        key, old = (treedef, static), None
        with lock:
            program = programs.get(key)
            if program is None:
                program = programs[key] = _program(function, treedef, static)
                old = programs.popitem(last=False)[1] if len(programs) > KEPT else None
            programs.move_to_end(key)
        if old is not None:
            old.clear_cache()  # or JAX would hold on to it
        return program(arrays)

    return call


def _program(function: Callable, treedef: Any, static: tuple) -> Any:
    """Return a compiled function of the arrays alone."""

    @functools.wraps(function)
    def run(arrays: list) -> Any:
        rest = iter(arrays)
        leaves = [next(rest) if fixed is None else fixed[1] for fixed in static]
        args, kwargs = jax.tree_util.tree_unflatten(treedef, leaves)
        return function(*args, **kwargs)

    del run.__wrapped__  # JAX would look for the arguments' names there
    return jax.jit(run)
