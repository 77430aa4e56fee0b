"""Operations on constants: NumPy's results are JAX's, to the bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import Literal

from fpanalysis.arithmetic._constants import by_numpy

NASTY = np.array([[0.0, -0.0, 1.5], [np.nan, np.inf, -np.inf], [1e-30, -7.25, 1e30]])
OTHER = np.array([[2.0, 0.0, -1.5], [1.0, np.inf, 3.0], [1e30, 0.1, 1e30]])
SUBNORMAL = np.array([[1e-310], [-2.0], [3e-308]])
WHOLE = np.array([[0, -3, 7], [2**31 - 1, 5, -1], [1, 2, 3]], np.int32)
TRUE = WHOLE > 1

FUNCTIONS = {
    "elementwise": lambda: [f(NASTY, OTHER) for f in (jnp.add, jnp.subtract, jnp.multiply, jnp.divide)],
    "extremes": lambda: [jnp.maximum(NASTY, OTHER), jnp.minimum(NASTY, OTHER), jnp.abs(NASTY), -NASTY],
    "clipped": lambda: [jnp.clip(OTHER, 0.5, 2.0), jnp.clip(NASTY, -1.0, 1.0), jnp.clip(WHOLE, 0, 6)],
    "reduced": lambda: [f(a, axis=k) for f in (jnp.max, jnp.min) for a in (OTHER, WHOLE) for k in (0, None)],
    "reduced zeros": lambda: [jnp.max(jnp.asarray(NASTY)), jnp.min(NASTY[:1, :2]), jnp.max(-NASTY[:1, :2])],
    "larger": lambda: [jnp.maximum(OTHER, 1.0), jnp.minimum(WHOLE, 3), jnp.maximum(SUBNORMAL, 0.0)],
    "compared": lambda: [f(NASTY, OTHER) for f in (jnp.less, jnp.greater_equal, jnp.equal, jnp.not_equal)],
    "subnormal": lambda: [f(SUBNORMAL, OTHER) for f in (jnp.add, jnp.multiply, jnp.divide, jnp.greater)],
    "float32": lambda: [f(NASTY.astype(np.float32), OTHER.astype(np.float32)) for f in (jnp.add, jnp.divide)],
    "bfloat16": lambda: [jnp.asarray(OTHER, jnp.bfloat16) * jnp.asarray(NASTY, jnp.bfloat16)],
    "whole": lambda: [jnp.add(WHOLE, WHOLE), jnp.multiply(WHOLE, WHOLE), jnp.floor_divide(WHOLE, 2), -WHOLE],
    "converted": lambda: [
        jnp.asarray(OTHER).astype(jnp.float32),
        jnp.asarray(WHOLE).astype(float),
        jnp.asarray(TRUE).astype(float),
        jnp.asarray([1.7, -1.7, 3e9]).astype(jnp.int32),
    ],
    "moved": lambda: [
        jnp.asarray(NASTY).T,
        jnp.reshape(jnp.asarray(NASTY), (9, 1)),
        jnp.squeeze(jnp.asarray(NASTY)[:1], 0),
        jnp.asarray(NASTY)[::2, 1:],
        jnp.asarray(NASTY)[::-1],
        jnp.concatenate([jnp.asarray(NASTY), OTHER], axis=1),
        jnp.broadcast_to(jnp.asarray(NASTY)[:, :1], (2, 3, 4)),
        jax.lax.transpose(jnp.zeros((2, 3, 4)), (2, 0, 1)),
    ],
    "made": lambda: [jnp.arange(5), jnp.arange(4.0), jax.lax.broadcasted_iota(jnp.int32, (3, 4), 1)],
    "chosen": lambda: [jnp.where(TRUE, NASTY, OTHER), jnp.where(TRUE, WHOLE, 0)],
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_numpy_gives_what_jax_gives(name):
    with jax.enable_x64(True):
        closed = jax.make_jaxpr(FUNCTIONS[name])()
        n_done = _compare(closed.jaxpr, dict(zip(closed.jaxpr.constvars, closed.consts, strict=True)))
    assert n_done > 0 or name in ("subnormal", "reduced zeros")


def _compare(jaxpr, known):
    """Carry a Jaxpr out, compare every result, and return how many NumPy made."""
    n_done = 0
    for equation in jaxpr.eqns:
        values = [v.val if isinstance(v, Literal) else known[v] for v in equation.invars]
        if "jaxpr" in equation.params:
            inner = equation.params["jaxpr"]
            n_done += _compare(inner.jaxpr, dict(zip(inner.jaxpr.invars, values, strict=True)))
        right = equation.primitive.bind(*map(jnp.asarray, values), **equation.params)
        right = right if equation.primitive.multiple_results else [right]
        aval = equation.outvars[0].aval
        made = by_numpy(equation.primitive.name, equation.params, [np.asarray(v) for v in values], aval)
        if made is not None:
            n_done += 1
            assert made.dtype == right[0].dtype and made.shape == right[0].shape
            _check_same(made.astype(float), np.asarray(right[0]).astype(float))
        known.update(zip(equation.outvars, right, strict=True))
    return n_done


def _check_same(one, other):
    np.testing.assert_array_equal(one, other)
    number = ~np.isnan(one)
    np.testing.assert_array_equal(np.signbit(one[number]), np.signbit(other[number]))
