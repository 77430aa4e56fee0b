"""The verdict on a point: is it fixed, to the tolerance?"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from fpanalysis.vector_field import TimeDomain, VectorField, float64

TOLERANCE = 1e-12


def allowed(
    x: np.ndarray, jacobian_norm: np.ndarray | float, time_domain: TimeDomain, tol: float
) -> np.ndarray:
    """Return the largest residual at which a state counts as fixed.

    Args:
        x: states, `(..., state)`.
        jacobian_norm: ∞-norm of the Jacobian of `F` at each, used in continuous time only.
        time_domain: `"discrete"` or `"continuous"`.
        tol: the relative tolerance.

    Returns:
        `tol · max(1, ‖x‖∞)`; in continuous time `tol · max(1, ‖J‖∞ ‖x‖∞)`; 0 for states that are not finite.
    """
    size = np.max(np.abs(x), axis=-1, initial=0.0)
    if time_domain == "continuous":
        with np.errstate(invalid="ignore"):  # zero times infinity
            size = size * jacobian_norm
    # An infinite residual would be within an infinite tolerance.
    return np.where(np.isfinite(size), tol * np.maximum(1.0, size), 0.0)


@eqx.filter_jit
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
    with jax.enable_x64(True):
        f, y = _residuals(float64(field), jnp.asarray(x, float), jnp.asarray(u, float))
        return np.asarray(f), np.asarray(y)
