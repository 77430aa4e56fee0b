"""Any Optimistix solver, run from many starts."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optimistix as optx
from jaxtyping import Array, Bool, Float

from fpanalysis._compiled import compiled
from fpanalysis._numerics import in_float64
from fpanalysis.vector_field import VectorField, float64

CHUNK = 64
MAX_STEPS = 512

AnySolver = optx.AbstractRootFinder | optx.AbstractLeastSquaresSolver


@compiled
def _root_finds(
    field: VectorField, solver: AnySolver, x: Float[Array, "batch state"], u: Float[Array, "batch input"]
) -> tuple[Float[Array, "batch state"], Bool[Array, " batch"]]:
    def one(x: Array, u: Array) -> tuple[Array, Array]:
        solution = optx.root_find(
            lambda x, u: field.residual(x, u), solver, x, args=u, max_steps=MAX_STEPS, throw=False
        )
        return solution.value, solution.result == optx.RESULTS.successful

    return jax.vmap(one)(x, u)


def run_solver(
    field: VectorField, solver: AnySolver, x: np.ndarray, u: np.ndarray, progress: Callable[[int], None]
) -> np.ndarray:
    """Return where a solver takes every start, NaN where it does not succeed.

    Args:
        field: the vector field.
        solver: any Optimistix root finder or least-squares solver; its own tolerances decide success.
        x: starts, `(start, state)`.
        u: the input of each, `(start, input)`.
        progress: called with the number of starts done.
    """
    out = np.full(x.shape, np.nan)
    with in_float64():
        field = float64(field)
        for first in range(0, len(x), CHUNK):
            # The last chunk is filled up with repetitions: one shape, one compilation.
            rows = np.arange(first, first + CHUNK).clip(max=len(x) - 1)
            value, success = map(
                np.asarray, _root_finds(field, solver, jnp.asarray(x[rows]), jnp.asarray(u[rows]))
            )
            out[rows[success]] = value[success]
            progress(min(CHUNK, len(x) - first))
    return out
