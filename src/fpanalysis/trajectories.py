"""Trajectories of a vector field under given inputs, as arrays."""

import warnings
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from fpanalysis._compiled import compiled
from fpanalysis._numerics import in_float64, refuse_traced
from fpanalysis.vector_field import VectorField, float64

# Bound on the integrator's steps within one sample interval; a solution that blows up reaches it.
_MAX_STEPS = 4096


class Trajectories(NamedTuple):
    """Trajectories of `n` trials, float64 numpy arrays.

    Attributes:
        x: the state after each input, shape (n, time, state).
        y: the readout of those states, shape (n, time, output).
    """

    x: np.ndarray
    y: np.ndarray


def trajectories(
    field: VectorField,
    x0: np.ndarray,
    u: np.ndarray,
    dt: float | None = None,
    *,
    rtol: float = 1e-8,
    atol: float = 1e-10,
) -> Trajectories:
    """Return the states that every trial runs through, in float64.

    Discrete time: `x[k] = F(x[k−1], u[k])`, beginning at `x0`. Continuous time: each input is held for
    `dt` and the equation integrated over that interval by an adaptive Runge–Kutta method (Tsitouras,
    Computers & Mathematics with Applications, 2011). A trial that blows up, or that would take more than
    4096 steps in one interval, is NaN or infinite from there on; the others go on.

    Args:
        field: the vector field.
        x0: initial states, shape (n, state).
        u: inputs, shape (n, time, input).
        dt: seconds per interval; needed in continuous time, without effect in discrete time.
        rtol: relative tolerance of the integrator.
        atol: absolute tolerance of the integrator.

    Returns:
        `Trajectories` with the states and the readouts.

    Raises:
        ValueError: `dt` is missing in continuous time, or the shapes do not fit.

    Example:
        >>> import numpy as np
        >>> from fpanalysis import vector_field
        >>> halve = vector_field(lambda x, u: 0.5 * x + u, state=1, inputs=1)
        >>> trajectories(halve, np.ones((1, 1)), np.zeros((1, 3, 1))).x.ravel()
        array([0.5  , 0.25 , 0.125])
    """
    refuse_traced((x0, u, dt), "x0, u, dt")
    x0, u = np.asarray(x0, np.float64), np.asarray(u, np.float64)
    n_state, n_input = len(field.state), len(field.inputs)
    if x0.ndim != 2 or x0.shape[1] != n_state:
        raise ValueError(f"x0: expected an array of shape (n, {n_state}), got {x0.shape}")
    if u.ndim != 3 or (u.shape[0], u.shape[2]) != (len(x0), n_input):
        raise ValueError(f"u: expected an array of shape ({len(x0)}, time, {n_input}), got {u.shape}")
    if field.time_domain == "continuous" and dt is None:
        raise ValueError("dt: a continuous-time system needs the number of seconds that each input is held")
    with in_float64():
        # Numbers become arrays, or every new value of theirs would compile anew.
        numbers = [jnp.asarray(number, jnp.float64) for number in (1.0 if dt is None else dt, rtol, atol)]
        x, y = _run(float64(field), jnp.asarray(x0), jnp.asarray(u), *numbers)
        return Trajectories(np.asarray(x), np.asarray(y))


@compiled
def _run(
    field: VectorField, x0: jax.Array, u: jax.Array, dt: jax.Array, rtol: jax.Array, atol: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return states and readouts of all trials."""
    step = field if field.time_domain == "discrete" else partial(_held, field, dt, rtol, atol)

    def trial(x0: jax.Array, u: jax.Array) -> tuple[jax.Array, jax.Array]:
        def advance(x: jax.Array, u: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
            x = step(x, u)
            return x, (x, field.output(x))

        return jax.lax.scan(advance, x0, u)[1]

    return jax.vmap(trial)(x0, u)


def _held(
    field: VectorField,
    dt: jax.Array,
    rtol: jax.Array,
    atol: jax.Array,
    x: jax.Array,
    u: jax.Array,
) -> jax.Array:
    """Return the state of a continuous-time system after the input `u` was held for `dt`."""
    import diffrax  # a tenth of the package's import time, and for continuous time only

    alive = jnp.all(jnp.isfinite(x))

    # Trials advance together: one that has blown up must rest, or it would use up all steps every time.
    def slope(t: Any, x: jax.Array, alive: jax.Array) -> jax.Array:
        return jnp.where(alive, field(x, u), 0.0)

    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(slope),
        diffrax.Tsit5(),
        t0=0.0,
        t1=dt,
        dt0=dt,  # most intervals are short for the dynamics; the controller shortens the others
        y0=jnp.where(alive, x, 0.0),
        args=alive,
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
        adjoint=diffrax.ForwardMode(),
        max_steps=_MAX_STEPS,
        throw=False,
    )
    assert solution.ys is not None
    succeeded = alive & (solution.result == diffrax.RESULTS.successful)
    return jnp.where(succeeded, solution.ys[-1], jnp.where(alive, jnp.nan, x))


def warn_if_not_finite(x: np.ndarray, dt: float | None) -> None:
    """Warn if states (n, time, state) are infinite or NaN: in how many trials, and when first."""
    bad = np.asarray(~np.isfinite(x).all(axis=2))
    if bad.any():
        first = int(np.argmax(bad.any(axis=0))) + 1
        when = f"step {first}" if dt is None else f"t = {first * dt:g} s"
        warnings.warn(
            f"simulate: the states of {int(bad.any(axis=1).sum())} of {len(x)} trials became infinite or "
            f"NaN, first at {when}",
            RuntimeWarning,
            stacklevel=4,
        )
