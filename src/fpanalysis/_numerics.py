"""The settings under which the package computes, whatever the caller's own are."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer

from fpanalysis._fork import refuse_fork
from fpanalysis._rounding import usual_errors

_OUTSIDE = "call this outside of jax.jit, jax.grad, jax.vmap and loops of jax.lax"
# What JAX says of a value that it only traces where a number is needed.
TRACED = (
    jax.errors.TracerArrayConversionError,
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.UnexpectedTracerError,
)


@contextmanager
def in_float64() -> Iterator[None]:
    """Compute in float64, under JAX's and NumPy's usual rules for NaN, infinities and compilation.

    Starts that diverge, and padding, make NaN and infinite values on purpose: `jax_debug_nans` and
    `jax_debug_infs` are off inside, and so is `jax_disable_jit`, with which a search would take hours. All of
    it holds inside the context and in this thread only. Inside of somebody's `jax.jit`, numbers are computed
    at once, as they would be outside.

    Raises:
        TypeError: a value that JAX only traces was met where a number is needed.
        RuntimeError: the process was forked from one in which JAX was running.
    """
    refuse_fork()
    with ExitStack() as settings:
        settings.enter_context(jax.enable_x64(True))
        for off in (jax.debug_nans, jax.debug_infs, jax.disable_jit):
            settings.enter_context(off(False))
        settings.enter_context(usual_errors())
        if isinstance(jnp.zeros(()), Tracer):
            settings.enter_context(jax.ensure_compile_time_eval())
        try:
            yield
        except TRACED as error:
            raise TypeError(f"model: it holds values that JAX is tracing; {_OUTSIDE}") from error


def model_rules() -> Any:
    """Return a context for calls of a model's own code, whose weights and constants may be in float32.

    It is given a float64 state, which strict promotion would not let meet them.
    """
    return jax.numpy_dtype_promotion("standard")


def refuse_traced(value: Any, argument: str) -> None:
    """Raise `TypeError` if JAX is tracing `value`, or anything in a tree of values: it has no numbers yet."""
    if any(isinstance(leaf, Tracer) for leaf in jax.tree_util.tree_leaves(value)):
        raise TypeError(f"{argument}: expected numbers, got values that JAX is tracing; {_OUTSIDE}")
