"""Damped Newton: one algorithm, as an Optimistix solver for one system and in pieces for thousands."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx
from jaxtyping import Array, Bool, Float, PyTree

FRACTIONS = (1.0, 0.5, 0.125, 1 / 64)
AMPLIFICATION = 1e13
DAMPING = 1e-10
STALL_WINDOW = 3
STALL_FACTOR = 5.0
SHORTFALL_LIMIT = 3
SHORTEST_LIMIT = 2


class Evaluation(NamedTuple):
    """States with the function's values and Jacobians there, and which fraction of the step led to each.

    Args:
        x: states, `(batch, state)`; like the rest a JAX array on the device, a NumPy array on the host.
        f: values, `(batch, state)`.
        jacobian: `(batch, state_out, state)`.
        q: half the squared norms of the values, `(batch,)`.
        fraction: how much of the Newton direction was gone, `(batch,)`.
    """

    x: Any
    f: Any
    jacobian: Any
    q: Any
    fraction: Any


class Stall(NamedTuple):
    """How a solve progresses.

    Args:
        mark: `q` at the last mark.
        age: steps since then.
        shortfalls: how often `q` was not cut enough from mark to mark.
        shortest: how many steps in a row found nothing better than the shortest fraction.
    """

    mark: Any
    age: Any
    shortfalls: Any
    shortest: Any


def value_and_jacobian(fn: Callable, x: Float[Array, " state"]) -> tuple[Array, Array]:
    """Return `fn(x)` and its Jacobian, by forward mode."""
    basis = jnp.eye(x.shape[0], dtype=x.dtype)
    return jax.vmap(lambda v: jax.jvp(fn, (x,), (v,)), out_axes=(None, -1))(basis)


def half_square(f: Float[Array, "... state"]) -> Float[Array, "..."]:
    """Return `½‖f‖²`, infinite where it is not a number."""
    q = 0.5 * jnp.sum(f * f, axis=-1)
    return jnp.where(jnp.isfinite(q), q, jnp.inf)


def line_search(
    fn: Callable, x: Float[Array, " state"], direction: Float[Array, " state"]
) -> tuple[Float[Array, " state"], Float[Array, ""]]:
    """Return where along `direction` `½‖fn‖²` is smallest, and the fraction of it gone."""
    fractions = jnp.asarray(FRACTIONS, x.dtype)
    trials = x[None] + fractions[:, None] * direction[None]
    best = jnp.argmin(half_square(jax.vmap(fn)(trials)))
    return trials[best], fractions[best]


def start_stall(q: Any, xp: Any = jnp) -> Stall:
    """Return the record of a solve that begins at `q`."""
    zero = xp.zeros_like(q, dtype=int)
    return Stall(q, zero, zero, zero)


def update_stall(stall: Stall, q: Any, fraction: Any, xp: Any = jnp) -> Stall:
    """Count a shortfall where `q` was not cut `STALL_FACTOR`-fold in `STALL_WINDOW` steps."""
    age = stall.age + 1
    due = age >= STALL_WINDOW
    short = due & (q * STALL_FACTOR > stall.mark)
    shortfalls = xp.where(short, stall.shortfalls + 1, stall.shortfalls)
    shortest = xp.where(fraction <= FRACTIONS[-1], stall.shortest + 1, 0)
    return Stall(xp.where(due, q, stall.mark), xp.where(due, 0, age), shortfalls, shortest)


def has_stalled(stall: Stall) -> Any:
    """Return whether a solve is given up: it fell short too often, or its steps lead nowhere."""
    return (stall.shortfalls >= SHORTFALL_LIMIT) | (stall.shortest >= SHORTEST_LIMIT)


def jacobian_norm(jacobian: Any) -> Any:
    """Return the ∞-norm, the largest absolute row sum, of matrices `(..., state_out, state)`."""
    return abs(jacobian).sum(axis=-1).max(axis=-1)


def newton_direction(
    f: Float[Array, " state"], jacobian: Float[Array, "state_out state"], cap: Any
) -> Float[Array, " state"]:
    """Return the Newton direction `−J⁻¹ f`, shortened to length `cap`.

    Where the Jacobian is singular to rounding (`J⁻¹` amplifies `f` more than `AMPLIFICATION` times, in
    units of the Jacobian's own norm), the damped least-squares direction stands in for it, so that a
    continuum of fixed points attracts like a single one.
    """
    norm = jnp.linalg.norm
    plain = -jnp.linalg.solve(jacobian, f)
    amplified = ~(norm(plain) * jacobian_norm(jacobian) <= AMPLIFICATION * norm(f))
    damped = jax.lax.cond(amplified, damped_direction, lambda f, jacobian: plain, f, jacobian)
    return damped * jnp.minimum(1.0, cap / jnp.maximum(norm(damped), jnp.finfo(f.dtype).tiny))


def damped_direction(
    f: Float[Array, " state"], jacobian: Float[Array, "state_out state"]
) -> Float[Array, " state"]:
    """Return `−(JᵀJ + μ)⁻¹ Jᵀ f` with `μ` at `DAMPING` times the mean squared singular value."""
    normal = jacobian.T @ jacobian
    n = f.shape[0]
    mu = DAMPING * jnp.trace(normal) / n + jnp.finfo(f.dtype).tiny
    return -jnp.linalg.solve(normal + mu * jnp.eye(n, dtype=f.dtype), jacobian.T @ f)


class _State(eqx.Module):
    f: Float[Array, " state"]
    jacobian: Float[Array, "state_out state"]
    stall: Stall


class DampedNewton(optx.AbstractRootFinder):
    """Newton's method with a line search, made to be run from thousands of starts at once.

    Each step solves `J δ = −f` by LU, shortens `δ` to at most `cap`, and goes that fraction of it (1, ½, ⅛
    or 1/64) that makes `½‖f‖²` smallest. It gives up early: when `½‖f‖²` was not cut five-fold in three
    steps, three times, or when the shortest fraction was the best twice in a row. Near-singular Jacobians
    fall back to a damped least-squares step.

    `find_fixed_points` runs it over many starts with LAPACK, work going only into starts that have not
    ended; as an Optimistix solver it can also be passed to `optimistix.root_find`, for one flat vector.

    Source of the method: Dennis and Schnabel, *Numerical Methods for Unconstrained Optimization and
    Nonlinear Equations* (1983), chapter 6.

    Args:
        rtol: relative tolerance; the solve ends when `norm(f) ≤ atol + rtol · norm(y)`.
        atol: absolute tolerance.
        norm: the norm of both.
        cap: longest step, in the 2-norm.

    Example:
        >>> import optimistix as optx, jax.numpy as jnp, fpanalysis as fpa
        >>> solver = fpa.solvers.DampedNewton(atol=1e-6)
        >>> solution = optx.root_find(lambda y, args: y**3 - 8.0, solver, jnp.array([5.0]))
        >>> round(float(solution.value[0]), 4)
        2.0
    """

    rtol: float = 0.0
    atol: float = 1e-12
    norm: Callable[[PyTree], Array] = optx.max_norm
    cap: float = float("inf")

    def init(
        self, fn: Any, y: Any, args: Any, options: Any, f_struct: Any, aux_struct: Any, tags: Any
    ) -> _State:
        """Evaluate the function and its Jacobian at the start."""
        del options, f_struct, aux_struct, tags
        if not (eqx.is_array(y) and y.ndim == 1):
            raise ValueError("y0: DampedNewton solves for one flat vector; ravel the state first")
        f, jacobian = value_and_jacobian(lambda y: fn(y, args)[0], y)
        return _State(f, jacobian, start_stall(half_square(f)))

    def step(
        self, fn: Any, y: Any, args: Any, options: Any, state: _State, tags: Any
    ) -> tuple[Array, _State, Any]:
        """Take one damped step; the returned state belongs to the returned point."""
        del options, tags
        direction = newton_direction(state.f, state.jacobian, self.cap)
        y, fraction = line_search(lambda y: fn(y, args)[0], y, direction)
        f, jacobian = value_and_jacobian(lambda y: fn(y, args)[0], y)
        _, aux = fn(y, args)
        return y, _State(f, jacobian, update_stall(state.stall, half_square(f), fraction)), aux

    def terminate(
        self, fn: Any, y: Any, args: Any, options: Any, state: _State, tags: Any
    ) -> tuple[Bool[Array, ""], optx.RESULTS]:
        """End at the tolerance, where the solve no longer improves, or at non-finite values."""
        del fn, args, options, tags
        done = self.norm(state.f) <= self.atol + self.rtol * self.norm(y)
        finite = jnp.all(jnp.isfinite(state.f))
        stalled = has_stalled(state.stall)
        result = optx.RESULTS.where(
            stalled & ~done, optx.RESULTS.nonlinear_divergence, optx.RESULTS.successful
        )
        result = optx.RESULTS.where(finite, result, optx.RESULTS.nonfinite)
        return done | stalled | ~finite, result

    def postprocess(
        self, fn: Any, y: Any, aux: Any, args: Any, options: Any, state: _State, tags: Any, result: Any
    ) -> tuple[Any, Any, dict]:
        """Return the point as it is."""
        del fn, args, options, tags, state, result
        return y, aux, {}
