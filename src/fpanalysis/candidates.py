"""States to start from: those that a model visits, and noise around them."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from fpanalysis.vector_field import VectorField, float64

N_TRAJECTORIES = 128
N_STEPS = 128
N_SAMPLES = 32
NOISE = 1.0
NOISE_BETWEEN = 0.3
BOUND = 1e6
STEP = 0.3
HUGE = 1e150  # the square of a larger number can overflow


def spread_of(x: np.ndarray) -> float:
    """Return the root-mean-square spread of states `(n, state)`; their size, or 1, where they coincide."""
    x = x[np.all(np.abs(x) < HUGE, axis=1)]
    if len(x) == 0:
        return 1.0
    spread = float(np.sqrt(np.mean(np.var(x, axis=0))))
    size = float(np.sqrt(np.mean(x**2)))
    return spread if spread > 1e-9 * size else (size or 1.0)


def longest_step(x: np.ndarray) -> float:
    """Return the longest Newton step from states `(n, state)`: `STEP` of their spread, in the 2-norm.

    Farther out a network can saturate until everything looks like a fixed point, and long steps jump over
    the small basins. States that all lie close together say little about the scale, so half their size and
    a fixed number stand in for a spread below them.
    """
    usable = x[np.all(np.abs(x) < HUGE, axis=1)]
    size = float(np.sqrt(np.mean(usable**2))) if len(usable) else 0.0
    return STEP * max(math.sqrt(x.shape[1]) * max(spread_of(x), 0.5 * size), 1.0)


def visited(field: VectorField, u: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Return states that the model visits from random starts, with noise scaled to their spread.

    The states are taken at times spread evenly on a logarithmic scale, so that both what passes by saddles
    early and what has settled late is there; the noise finds the saddles (Sussillo and Barak 2013, Opening
    the black box, Neural Computation 25).

    Args:
        field: the vector field.
        u: constant inputs, `(condition, input)`.
        n: how many states for each condition.
        seed: decides all randomness.

    Returns:
        States `(condition, n, state)`. Of what grows beyond all bounds, only the states that lie no farther
        out than the others are there.
    """
    n_paths = int(np.clip(2 ** math.ceil(math.log2(max(n / 4, 1))), 16, N_TRAJECTORIES))
    out = np.empty((len(u), n, len(field.state)))
    with jax.enable_x64(True):
        field = float64(field)
        for c, condition in enumerate(u):
            # Begun anew, so that a condition's candidates do not depend on which others there are.
            rng = np.random.default_rng(seed)
            starts = rng.standard_normal((n_paths, len(field.state)))
            drive = _drive(len(starts), condition, rng)
            step = jnp.asarray(_step_size(field, starts, condition))
            paths = np.asarray(_paths(field, jnp.asarray(starts), jnp.asarray(drive), step))
            out[c] = _draw(paths, starts, n, rng)
    return out


def _drive(n_paths: int, u: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return inputs `(path, step, input)`: constant, with random pulses in the first half of the time.

    The pulses take a network to states that it does not reach by itself, such as its other memories.
    """
    pulses = rng.standard_normal((n_paths, N_STEPS, len(u)))
    pulses *= rng.random((n_paths, N_STEPS, 1)) < 0.5
    pulses[:, N_STEPS // 2 :] = 0.0
    return u + pulses


def _draw(paths: np.ndarray, starts: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    usable = usable_states(paths, starts)
    chosen = usable[rng.choice(len(usable), n, replace=n > len(usable))]
    return chosen + NOISE * spread_of(usable) * rng.standard_normal(chosen.shape)


def usable_states(paths: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the states `(n, state)` of paths `(path, time, state)` from which to draw.

    A path that leaves for infinity counts only as far as the others go: its last states before the end are
    so large that they would set the spread, and the noise, of everything.
    """
    size = np.max(np.abs(paths), axis=-1)
    stays = np.all(size < BOUND, axis=1)
    bound = max(np.max(size[stays], initial=0.0), np.max(np.abs(starts)))
    usable = paths[size <= bound]
    return usable if len(usable) else starts


def between(points: np.ndarray, spread: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return states `(n, state)` half-way between pairs of known fixed points, with a little noise.

    Two attractors are parted by a basin boundary, and saddles lie on it.
    """
    first = rng.integers(len(points), size=n)
    second = (first + rng.integers(1, len(points), size=n)) % len(points)
    middle = 0.5 * (points[first] + points[second])
    return middle + NOISE_BETWEEN * spread * rng.standard_normal(middle.shape)


def _step_size(field: VectorField, starts: np.ndarray, u: np.ndarray) -> float:
    """Return a step in time at which a Runge–Kutta method follows the field (1 in discrete time)."""
    if field.time_domain == "discrete":
        return 1.0
    speed = float(_largest_jacobian(field, jnp.asarray(starts[:16]), jnp.asarray(u)))
    return 0.5 / speed if np.isfinite(speed) and speed > 0 else 1.0


@eqx.filter_jit
def _largest_jacobian(field: VectorField, x: Float[Array, "n state"], u: Float[Array, " input"]) -> Array:
    jacobians = jax.vmap(jax.jacfwd(field), in_axes=(0, None))(x, u)
    return jnp.max(jnp.sum(jnp.abs(jacobians), axis=-1))


@eqx.filter_jit
def _paths(
    field: VectorField, starts: Float[Array, "path state"], u: Float[Array, "path step input"], step: Array
) -> Float[Array, "path time state"]:
    times = np.unique(np.round(np.geomspace(1, N_STEPS, N_SAMPLES)).astype(int)) - 1

    def move(x: Array, u: Array) -> tuple[Array, Array]:
        if field.time_domain == "discrete":
            new = field(x, u)
        else:
            k1 = field(x, u)
            k2 = field(x + 0.5 * step * k1, u)
            k3 = field(x + 0.5 * step * k2, u)
            new = x + step / 6 * (k1 + 2 * k2 + 2 * k3 + field(x + step * k3, u))
        return new, new

    def path(x: Array, u: Array) -> Array:
        return jax.lax.scan(move, x, u)[1][times]

    return jax.vmap(path)(starts, u)
