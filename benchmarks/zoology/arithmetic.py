"""One formula, several arithmetics: the same right-hand side in JAX, in NumPy, with 100 digits, on intervals.

A formula is a function `f(xp, x, **parameters)`. It takes the state along the last axis of `x`, so that
`x @ W.T + b` and `x[..., 0]` mean the same for one state and for many, and takes its functions from `xp`.
What the package is given and what the truth is computed from is then one text, and cannot drift apart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import mpmath
import numpy as np

DIGITS = 100

Formula = Callable[..., Any]


@dataclass(frozen=True)
class Arithmetic:
    """The functions that formulas may use."""

    exp: Callable
    log: Callable
    tanh: Callable
    sigmoid: Callable
    sin: Callable
    cos: Callable
    cosh: Callable
    sqrt: Callable
    relu: Callable
    abs: Callable
    linoid: Callable  # x / (1 − exp(−x)), the rate of many channels
    stack: Callable[[Sequence[Any]], Any]
    join: Callable[[Sequence[Any]], Any]


def _half_tanh(x: Any) -> Any:
    # No overflow, and defined for complex numbers as well.
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def _relu(x: Any) -> Any:
    # By the real part, so that complex steps give the derivative beside the kink.
    return np.where(np.real(x) > 0, x, 0.0)


def _linoid(exp: Callable) -> Callable:
    # As people write it, 0/0 at 0 included.
    return lambda x: x / (1.0 - exp(-x))


IN_JAX = Arithmetic(
    jnp.exp,
    jnp.log,
    jnp.tanh,
    jax.nn.sigmoid,
    jnp.sin,
    jnp.cos,
    jnp.cosh,
    jnp.sqrt,
    jax.nn.relu,
    jnp.abs,
    _linoid(jnp.exp),
    partial(jnp.stack, axis=-1),
    partial(jnp.concatenate, axis=-1),
)

IN_NUMPY = Arithmetic(
    np.exp,
    np.log,
    np.tanh,
    _half_tanh,
    np.sin,
    np.cos,
    np.cosh,
    np.sqrt,
    _relu,
    lambda x: np.where(np.real(x) > 0, x, -x),
    _linoid(np.exp),
    partial(np.stack, axis=-1),
    partial(np.concatenate, axis=-1),
)


def _each(function: Callable) -> Callable:
    return np.frompyfunc(function, 1, 1)


IN_DIGITS = Arithmetic(
    _each(mpmath.exp),
    _each(mpmath.log),
    _each(mpmath.tanh),
    _each(lambda x: 1 / (1 + mpmath.exp(-x))),
    _each(mpmath.sin),
    _each(mpmath.cos),
    _each(mpmath.cosh),
    _each(mpmath.sqrt),
    _each(lambda x: x if x > 0 else mpmath.mpf(0)),
    _each(abs),
    _each(lambda x: x / (1 - mpmath.exp(-x)) if x else mpmath.mpf(1)),
    lambda entries: np.array([mpmath.mpf(np.asarray(entry, object).item()) for entry in entries], object),
    lambda parts: np.concatenate([np.atleast_1d(part) for part in parts]),
)


def digits(values: Any) -> Any:
    """Return numbers as an array of multiple-precision numbers of the same shape; scalars as one number."""
    out = _each(mpmath.mpf)(np.asarray(values, object))
    return out if isinstance(out, np.ndarray) else mpmath.mpf(out)


def in_digits(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return parameters as multiple-precision numbers; whole numbers stay what they are."""
    return {name: value if isinstance(value, int) else digits(value) for name, value in parameters.items()}


def jacobian_in_digits(f: Callable, x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return the Jacobian `(out, in)` of `f` by central differences, right to some 50 of the 100 digits."""
    columns = []
    for k, size in enumerate(scale):
        step = np.array([mpmath.mpf(0)] * len(x), object)
        step[k] = mpmath.mpf(float(size)) * mpmath.mpf(10) ** -25
        columns.append((f(x + step) - f(x - step)) / (2 * step[k]))
    return np.stack(columns, axis=1)


def jacobians(f: Callable, x: np.ndarray) -> np.ndarray:
    """Return the Jacobians `(n, out, in)` at states `(n, in)` by complex steps, right to rounding."""
    columns = []
    for k in range(x.shape[1]):
        shifted = x.astype(complex)
        shifted[:, k] += 1e-40j
        columns.append(np.imag(f(shifted)) / 1e-40)
    return np.stack(columns, axis=-1)
