"""What is left at a state: has a solve arrived, and what vanishes there, evaluated anew."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from fpanalysis._compiled import compiled
from fpanalysis._numerics import in_float64
from fpanalysis.vector_field import TimeDomain, VectorField, float64

TOLERANCE = 1e-12
# Rounding errors of a sum of products that arrive together, in units of the precision.
ROUNDINGS = 4.0


def arrived(
    batch: Any, rows: np.ndarray, scale: np.ndarray, time_domain: TimeDomain, tol: float, eps: float
) -> np.ndarray:
    """Return which states are so near to a zero, or to rounding, that they are to be polished and judged.

    Each entry is looked at by itself: its residual is at most `tol` times what the entries' own spreads
    change it by, or as small as the rounding of its terms leaves it. Being near is not yet being fixed.

    Args:
        batch: evaluations with `x` `(n, state)`, and `f` `(n, state)` and `jacobian`
            `(n, state_out, state)` in units of the scale.
        rows: which of them to look at.
        scale: the unit of every entry, `(n, state)`.
        time_domain: `"discrete"` or `"continuous"`.
        tol: the tolerance.
        eps: relative precision of the field's arithmetic.

    Returns:
        Flags `(n,)`; False where something is not finite, and of the states not looked at.
    """
    out = np.zeros(len(batch.x), bool)
    f, size = np.abs(batch.f), np.abs(batch.x) / scale
    # One entry alone tells of most that they have not arrived, the diagonal of most others that they have.
    worst = np.argmax(f[rows], axis=1)
    slope = np.abs(batch.jacobian[rows, worst])
    terms = np.sum(slope * size[rows], axis=1) + 2.0 * size[rows, worst]
    with np.errstate(invalid="ignore"):
        rows = rows[f[rows, worst] <= np.maximum(tol * slope.sum(axis=1), ROUNDINGS * eps * terms)]
        out[rows] = np.all(f[rows] <= tol * np.abs(np.einsum("nii->ni", batch.jacobian)[rows]), axis=1)
        rows = rows[~out[rows]]
        slope = np.abs(batch.jacobian[rows])
        terms = np.einsum("nij,nj->ni", slope, size[rows])
        if time_domain == "discrete":
            terms = terms + 2.0 * size[rows]
        near = f[rows] <= np.maximum(tol * slope.sum(axis=-1), ROUNDINGS * eps * terms)
    out[rows] = near.all(axis=-1) & np.isfinite(terms).all(axis=-1)
    return out


@compiled
def _residuals(
    field: VectorField, x: Float[Array, "n state"], u: Float[Array, "n input"]
) -> tuple[Float[Array, "n state"], Float[Array, "n output"]]:
    return jax.vmap(field.residual)(x, u), jax.vmap(field.output)(x)


def residuals(field: VectorField, x: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what vanishes at a fixed point, recomputed, and the readout, at each of `n` states.

    Args:
        field: the vector field.
        x: states, `(n, state)`.
        u: inputs, `(n, input)`.

    Returns:
        `F(x, u) − x` (continuous: `F(x, u)`), `(n, state)`, and the readout, `(n, output)`; float64.
    """
    with in_float64():
        f, y = _residuals(float64(field), jnp.asarray(x, float), jnp.asarray(u, float))
        return np.asarray(f), np.asarray(y)
