"""Slow points: local minima of `q` above the tolerance, found by a search of their own."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from fpanalysis.unique import wrap
from fpanalysis.vector_field import VectorField, float64
from fpanalysis.verify import TOLERANCE, allowed

BUDGET = 64
MAX_STEPS = 200
GRADIENT = 1e-6
CURVATURE = 1e-8
MOVE = 1e-2
DISTINCT = 1e-4


@eqx.filter_jit
def _q(field: VectorField, x: Float[Array, " state"], u: Float[Array, " input"]) -> tuple[Array, Array]:
    def q(x: Array) -> Array:
        f = field.residual(x, u)
        return 0.5 * jnp.sum(f * f)

    return jax.value_and_grad(q)(x)


@eqx.filter_jit
def _q_hessian(field: VectorField, x: Float[Array, " state"], u: Float[Array, " input"]) -> Array:
    return jax.hessian(lambda x: 0.5 * jnp.sum(field.residual(x, u) ** 2))(x)


@eqx.filter_jit
def _qs(field: VectorField, x: Float[Array, "n state"], u: Float[Array, " input"]) -> Array:
    return jax.vmap(lambda x: 0.5 * jnp.sum(field.residual(x, u) ** 2))(x)


def find_slow_points(
    field: VectorField,
    starts: np.ndarray,
    u: np.ndarray,
    spread: float,
    fixed: np.ndarray,
    progress: Callable[[int], None],
) -> tuple[np.ndarray, np.ndarray]:
    """Return the slow points of one condition that a trust-region search finds.

    From the `BUDGET` starts with the smallest `q`, `q` is minimised with its exact Hessian (Moré and
    Sorensen 1983, Computing a trust region step). An end is a slow point when the gradient vanishes, the
    Hessian is positive semidefinite, the state moves by at most `MOVE` of the spread per step (per second
    in continuous time), and it is not one of the fixed points.

    Args:
        field: the vector field.
        starts: states `(n, state)`.
        u: the input `(input,)`.
        spread: root-mean-square spread of the states.
        fixed: the condition's fixed points, `(k, state)`.
        progress: called with 1 for each search done.

    Returns:
        The distinct slow points `(m, state)`, and how many searches ended at each `(m,)`.
    """
    starts = starts[np.all(np.isfinite(starts), axis=1)]
    points, hits = np.empty((0, len(field.state))), []
    if len(starts) == 0:
        return points, np.zeros(0, int)
    with jax.enable_x64(True):
        field = float64(field)
        q = np.asarray(_qs(field, jnp.asarray(starts), jnp.asarray(u)))
        order = np.argsort(q, kind="stable")[: min(BUDGET, np.isfinite(q).sum())]
        for start in starts[order]:
            x = _minimise(field, start, u)
            x = np.where(field.is_periodic, wrap(x), x)
            progress(1)
            if not _is_slow(field, x, u, spread) or _near(field, x, fixed, spread) >= 0:
                continue
            if (k := _near(field, x, points, spread)) >= 0:
                hits[k] += 1
            else:
                points, hits = np.vstack([points, x]), [*hits, 1]
    return points, np.array(hits, int)


def _minimise(field: VectorField, start: np.ndarray, u: np.ndarray) -> np.ndarray:
    from scipy.optimize import minimize  # a sixth of the package's import time, and seldom needed

    def value(x: np.ndarray) -> tuple[float, np.ndarray]:
        q, gradient = map(np.asarray, _q(field, jnp.asarray(x), jnp.asarray(u)))
        # Where the model gives no numbers the search turns back.
        return (float(q), gradient) if np.all(np.isfinite(gradient)) else (np.inf, np.zeros_like(x))

    def hessian(x: np.ndarray) -> np.ndarray:
        curvature = np.asarray(_q_hessian(field, jnp.asarray(x), jnp.asarray(u)))
        return curvature if np.all(np.isfinite(curvature)) else np.zeros_like(curvature)

    options = {"gtol": 1e-15, "maxiter": MAX_STEPS}
    return minimize(value, start, jac=True, hess=hessian, method="trust-exact", options=options).x


def _is_slow(field: VectorField, x: np.ndarray, u: np.ndarray, spread: float) -> bool:
    q, gradient = map(np.asarray, _q(field, jnp.asarray(x), jnp.asarray(u)))
    if not np.isfinite(q) or np.sqrt(2 * q / len(x)) > MOVE * spread:
        return False
    hessian = np.asarray(_q_hessian(field, jnp.asarray(x), jnp.asarray(u)))
    if not np.all(np.isfinite(hessian)):
        return False
    curvature = np.linalg.eigvalsh(hessian)
    steepness = np.sqrt(max(curvature[-1], 0.0))  # near a fixed point, the norm of the Jacobian
    if np.sqrt(2 * q) <= allowed(x[None], steepness, field.time_domain, TOLERANCE)[0]:
        return False  # a fixed point that the solver has missed
    flat = np.linalg.norm(gradient) <= GRADIENT * np.sqrt(2 * q * max(curvature[-1], 0.0))
    return bool(flat and curvature[0] >= -CURVATURE * curvature[-1])


def _near(field: VectorField, x: np.ndarray, points: np.ndarray, spread: float) -> int:
    if len(points) == 0:
        return -1
    difference = np.where(field.is_periodic, wrap(points - x), points - x)
    distance = np.linalg.norm(difference, axis=1)
    k = int(np.argmin(distance))
    return k if distance[k] <= DISTINCT * spread else -1
