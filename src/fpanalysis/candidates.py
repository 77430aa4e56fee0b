"""States to start from: those that a model visits, and noise around them."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from fpanalysis._compiled import compiled
from fpanalysis._numerics import in_float64
from fpanalysis.scales import Units, spread_of, units_of
from fpanalysis.vector_field import VectorField, float64

N_TRAJECTORIES = 128
N_STEPS = 128
N_SAMPLES = 32
NOISE = 1.0
NOISE_BETWEEN = 0.3
# Of a function whose units are not known, half of the states get noise of sizes up to this many times more.
WIDEST = 10.0
# Of a function whose units are not known, this share of the paths begins at sizes of these powers of ten.
FAR_SHARE = 0.25
FAR_POWERS = (-6.0, 9.0)
# States that differ by less than this share of their size lie close together.
CLOSE = 1e-2
# Up to so many entries of the state, the step in time follows the rates along a path.
FOLLOWED = 64
PACES = 6
# A step in time is half of one over the rates, and at most so many times the last: where no rate is to be
# seen, as at a turning point of the field, that says how far to go. One that leads to higher rates is not
# taken, and the next begins so much shorter.
GROWTH, RETREAT = 2.0, 16.0
# A path that has grown this many times in its second half leaves for infinity.
LEAVES = 100.0


class Visited(NamedTuple):
    """States `(condition, n, state)` to start from, and the spread of every entry, `(condition, state)`."""

    x: np.ndarray
    spread: np.ndarray


def visited(field: VectorField, u: np.ndarray, n: int, seed: int) -> Visited:
    """Return states that the model visits from random starts, with noise scaled to their spread.

    The states are taken at times spread evenly on a logarithmic scale, so that both what passes by saddles
    early and what has settled late is there; the noise finds the saddles (Sussillo and Barak 2013, Opening
    the black box, Neural Computation 25). The starts are normally distributed; of a function whose units are
    not known, a quarter of them is spread geometrically over fifteen powers of ten.

    Args:
        field: the vector field.
        u: constant inputs, `(condition, input)`.
        n: how many states for each condition.
        seed: decides all randomness.

    Returns:
        The states and their spread. Of what grows beyond all bounds, only the states that lie no farther out
        than the others are there.
    """
    n_paths = int(np.clip(2 ** math.ceil(math.log2(max(n / 4, 1))), 16, N_TRAJECTORIES))
    units, n_state = units_of(field), len(field.state)
    out = Visited(np.empty((len(u), n, n_state)), np.empty((len(u), n_state)))
    with in_float64():
        field = float64(field)
        for c, condition in enumerate(u):
            # Begun anew, so that a condition's candidates do not depend on which others there are.
            rng = np.random.default_rng(seed)
            starts, n_far = _starts(n_paths, units, rng)
            drive = _drive(n_paths, condition, rng)
            paths = np.asarray(_paths(field, jnp.asarray(starts), jnp.asarray(drive)))
            # What has come from far off must not set the scale.
            near, far = paths[n_far:], paths[:n_far]
            near = near[usable(near, starts[n_far:])]
            near = near if len(near) else starts[n_far:]
            states = np.concatenate([near, far[usable(far, starts[:0])]])
            spread = spread_of(near, units.blocks)
            if n_far:
                spread = _widened(spread, near, starts[:n_far], far)
            out.spread[c] = np.where(field.is_periodic, 1.0, spread)
            noise = NOISE * out.spread[c] * np.ones((n, 1))
            if not units.are_activities:
                noise[1::2] *= WIDEST ** rng.random((n // 2, 1))
            out.x[c] = _draw(states, noise, field.is_periodic, rng)
    return out


def _starts(n_paths: int, units: Units, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Return starts `(path, state)`, and how many of the first lie at sizes of their own."""
    starts = rng.standard_normal((n_paths, len(units.blocks)))
    if units.are_activities:
        return starts, 0
    n_far = int(FAR_SHARE * n_paths)
    starts[:n_far] *= 10.0 ** rng.uniform(*FAR_POWERS, (n_far, 1))
    return starts, n_far


def _widened(spread: np.ndarray, near: np.ndarray, starts: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Return the spread `(state,)`, from far paths where the others lie close together and far from zero.

    Seen from there, starts around zero are one and the same, and only those from far off differ. Those count
    that have left their starts.

    Args:
        spread: of the near states.
        near: states `(n, state)`.
        starts: where the far paths began, `(path, state)`.
        far: the far paths, `(path, time, state)`.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        left = np.abs(far[:, -1] - starts) > 0.5 * np.maximum(np.abs(far[:, -1]), np.abs(starts))
    ends = far[usable(far, starts[:0])[:, -1] & left.all(axis=1), -1]
    with np.errstate(over="ignore", invalid="ignore"):
        own, size = np.std(near, axis=0), np.median(np.abs(near), axis=0)
    found = np.maximum(own, spread_of(ends)) if len(ends) > 1 else spread
    return np.where((own < CLOSE * size) & (found < CLOSE * size), found, spread)


def _drive(n_paths: int, u: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return inputs `(path, step, input)`: constant, with random pulses in the first half of the time.

    The pulses take a network to states that it does not reach by itself, such as its other memories.
    """
    pulses = rng.standard_normal((n_paths, N_STEPS, len(u)))
    pulses *= rng.random((n_paths, N_STEPS, 1)) < 0.5
    pulses[:, N_STEPS // 2 :] = 0.0
    return u + pulses


def _draw(
    states: np.ndarray, noise: np.ndarray, is_periodic: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return some of the states, as many as there are rows of noise `(n, state)`, with noise added."""
    n = len(noise)
    chosen = states[rng.choice(len(states), n, replace=n > len(states))]
    drawn = chosen + noise * rng.standard_normal(chosen.shape)
    # An unstable angle need not be near any that is visited: half of the states have random angles.
    turned = drawn[::2, is_periodic]
    drawn[::2, is_periodic] = rng.uniform(-np.pi, np.pi, turned.shape)
    return drawn


def usable(paths: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return which states of paths `(path, time, state)` one may draw, `(path, time)`.

    A path that leaves for infinity counts only as far as the others (or the starts `(start, state)`) go: its
    last states before the end are so large that they would set the spread, and the noise, of everything.
    """
    finite = np.all(np.isfinite(paths), axis=-1)
    unit = np.median(np.abs(paths[finite]), axis=0) if finite.any() else np.zeros(paths.shape[-1])
    unit[unit == 0] = 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        size = np.max(np.abs(paths) / unit, axis=-1)
        half = np.abs(paths[:, : _half_time() + 1]).max(axis=1)
        grown = np.any(np.abs(paths[:, -1]) > LEAVES * half, axis=1)
    stays = finite.all(axis=1) & ~grown
    bound = max(np.max(size[stays], initial=0.0), np.max(np.abs(starts) / unit, initial=0.0))
    return finite & (size <= bound)


def between(points: np.ndarray, spread: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Return states `(n, state)` half-way between pairs of known fixed points, with a little noise.

    Two attractors are parted by a basin boundary, and saddles lie on it.
    """
    first = rng.integers(len(points), size=n)
    second = (first + rng.integers(1, len(points), size=n)) % len(points)
    middle = 0.5 * (points[first] + points[second])
    return middle + NOISE_BETWEEN * spread * rng.standard_normal(middle.shape)


def _times() -> np.ndarray:
    """Return the steps after which states are taken."""
    return np.unique(np.round(np.geomspace(1, N_STEPS, N_SAMPLES)).astype(int)) - 1


def _half_time() -> int:
    return int(np.searchsorted(_times(), N_STEPS // 2))


@compiled
def _paths(
    field: VectorField, starts: Float[Array, "path state"], u: Float[Array, "path step input"]
) -> Float[Array, "path time state"]:
    follow = len(field.state) <= FOLLOWED

    def path(x: Array, u: Array) -> Array:
        if field.time_domain == "discrete":
            return jax.lax.scan(lambda x, u: (new := field(x, u), new), x, u)[1]

        first = _step(0.5 / _rate_bound(field, x, u[0]), jnp.inf)

        def move(now: tuple[Array, Array], u: Array) -> tuple[tuple[Array, Array], Array]:
            x, last = now
            if not follow:
                return (new := _runge_kutta(field, x, u, last), last), new
            step = _step(0.5 / _rate_bound(field, x, u), GROWTH * last)
            new = _runge_kutta(field, x, u, step)
            ends = jnp.stack([new, x + step * field(x, u)])
            rates = jax.vmap(lambda end: _rate_bound(field, end, u))(ends)
            follows = jnp.all(step * rates <= 1.0)
            new, step = jnp.where(follows, new, x), jnp.where(follows, step, step / RETREAT)
            return (new, step), new

        return jax.lax.scan(move, (x, first), u)[1]

    def taken(x: Array, u: Array) -> Array:
        return path(x, u)[_times()]

    return jax.vmap(taken)(starts, u)


def _runge_kutta(field: VectorField, x: Array, u: Array, step: Any) -> Array:
    k1 = field(x, u)
    k2 = field(x + 0.5 * step * k1, u)
    k3 = field(x + 0.5 * step * k2, u)
    return x + step / 6 * (k1 + 2 * k2 + 2 * k3 + field(x + step * k3, u))


def _step(step: Array, most: Any) -> Array:
    """Return a step in time, at most `most`; where neither says anything, 1."""
    step = jnp.fmin(step, most)
    return jnp.where(jnp.isfinite(step), step, 1.0)


def _rate_bound(field: VectorField, x: Array, u: Array) -> Array:
    """Return a bound on the rates of the field at a state.

    It is one of the spectral radius of the absolute Jacobian, as Collatz and Wielandt have it, which no unit
    of the entries changes.
    """
    size = jnp.abs(jax.jacfwd(field)(x, u))
    vector = ratio = jnp.ones_like(x)
    for _ in range(PACES):
        image = size @ vector
        ratio = jnp.where(vector > 0, image / jnp.where(vector > 0, vector, 1.0), 0.0)
        vector = image / jnp.maximum(jnp.max(image), jnp.finfo(x.dtype).tiny)
    return jnp.max(ratio)
