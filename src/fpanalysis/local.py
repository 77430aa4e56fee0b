"""The neighbourhood of a point: whether it lies on a kink, and what its error does to its modes."""

from typing import NamedTuple

import numpy as np

from fpanalysis.linearization import jacobians
from fpanalysis.solvers._linear import inverse
from fpanalysis.vector_field import VectorField
from fpanalysis.verdict import Verdict
from fpanalysis.verify import residuals

# Sides on which a derivative is looked at, in units of the scale.
SIDE = 1e-9
N_SIDES = 2
# A jump of the derivative, relative to the rows of the Jacobian, that no curvature makes.
JUMP = 1e-5
# Half the distance over which differences stand for derivatives, and how far, relatively, they may be off.
SECANT, OTHER = 1e-6, 1e-3
# An error so small, in units of the scale, changes no eigenvalue that matters.
CERTAIN = 1e-10
N_SAMPLES = 4


class Kinks(NamedTuple):
    """Which points lie on kinks, or where the Jacobian is not that of the function.

    Attributes:
        is_smooth: whether the derivative is the same on all sides, and that of the function, `(n,)`.
        error: how far the true point can be by the derivatives of every side, in units of the scale,
            `(n, state)`; NaN where the point is smooth.
    """

    is_smooth: np.ndarray
    error: np.ndarray


def kinks(verdict: Verdict, x: np.ndarray, u: np.ndarray, scale: np.ndarray, error: np.ndarray) -> Kinks:
    """Return which points lie on a kink of the function, where it has no derivative (relu, abs, clip).

    The Jacobian is compared on opposite sides, at two distances: what a smooth function changes shrinks with
    the distance. A model that has nothing that could make a kink is not evaluated.

    Args:
        verdict: knows the function.
        x: points, `(n, state)`.
        u: their inputs, `(n, input)`.
        scale: the unit of every entry, `(n, state)`.
        error: their errors in that unit, `(n, state)`.
    """
    found = Kinks(np.ones(len(x), bool), np.full(x.shape, np.nan))
    if len(x) and verdict.has_own_derivatives:
        _note_other_derivatives(found, verdict, x, u, scale)
    if len(x) == 0 or not verdict.may_have_kinks:
        return found
    rng = np.random.default_rng(0)
    away = np.where(np.isfinite(error), 8.0 * error, 0.0) + 64 * np.finfo(float).eps * np.abs(x) / scale
    for _ in range(N_SIDES):
        direction = rng.choice([-1.0, 1.0], x.shape) * rng.uniform(0.5, 1.0, x.shape)
        jumps = [_jump(verdict, x, u, scale, direction * np.maximum(away, d)) for d in (10 * SIDE, SIDE)]
        found.is_smooth[(jumps[0] > JUMP) & (jumps[1] > 0.3 * jumps[0])] = False
    for k in np.flatnonzero(~found.is_smooth & np.isnan(found.error).all(axis=1)):
        found.error[k] = _one_sided_error(verdict, x[k], u[k], scale[k], np.maximum(away[k], SIDE))
    return found


def _note_other_derivatives(
    found: Kinks, verdict: Verdict, x: np.ndarray, u: np.ndarray, scale: np.ndarray
) -> None:
    """Note where what JAX gives is not the derivative: by `stop_gradient`, or a surrogate of a spike's.

    Differences of values say so, and how far the true point can be.
    """
    n, slopes = x.shape[1], _scaled(verdict.field, x, u, scale)
    for k in range(len(x)):
        states = x[k] + np.concatenate([np.eye(n), -np.eye(n)]) * SECANT * scale[k]
        f, _ = residuals(verdict.field, states, np.broadcast_to(u[k], (2 * n, u.shape[1])))
        secant = ((f[:n] - f[n:]) / (2.0 * SECANT) / scale[k]).T
        slope = slopes[k] - np.eye(n) * (verdict.field.time_domain == "discrete")
        size = np.abs(slope).sum(axis=1) + np.abs(secant).sum(axis=1)
        if np.any(np.abs(slope - secant).sum(axis=1) > OTHER * size):
            left, inverted = (
                verdict.evaluate_true(x[k : k + 1], u[k : k + 1], scale[k : k + 1]),
                inverse(secant),
            )
            found.is_smooth[k] = False
            found.error[k] = np.inf if inverted is None else np.abs(inverted) @ left[0]


def _jump(verdict: Verdict, x: np.ndarray, u: np.ndarray, scale: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return how much Jacobians before, at and behind states differ, relatively, `(n,)`.

    Between equal sides the one at the state itself can be another: where relus of opposite sign meet, that
    which automatic differentiation gives is no derivative.
    """
    here, one, other = (_scaled(verdict.field, x + sign * step * scale, u, scale) for sign in (0, 1, -1))
    rows = np.max([np.abs(each).sum(axis=2) for each in (here, one, other)], axis=0)
    change = np.max([np.abs(each - one).sum(axis=2) for each in (here, other)], axis=0)
    return np.max(np.divide(change, rows, out=np.zeros_like(rows), where=rows > 0), axis=1)


def _scaled(field: VectorField, x: np.ndarray, u: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return jacobians(field, x, u).state * (scale[:, None, :] / scale[:, :, None])


def _one_sided_error(
    verdict: Verdict, x: np.ndarray, u: np.ndarray, scale: np.ndarray, step: np.ndarray
) -> np.ndarray:
    """Return the largest error that the derivatives around a point on a kink give, `(state,)`."""
    n = len(x)
    signs = np.random.default_rng(1).choice([-1.0, 1.0], (4 * N_SIDES, n))
    around = x + signs * step * scale
    wide = np.broadcast_to(scale, around.shape)
    slopes = _scaled(verdict.field, around, np.broadcast_to(u, (len(around), len(u))), wide)
    if verdict.field.time_domain == "discrete":
        slopes = slopes - np.eye(n)
    left = verdict.evaluate_true(x[None], u[None], scale[None])
    error = np.zeros(n)
    for slope in slopes:
        inverted = inverse(slope)
        if inverted is None or np.max(np.abs(inverted)) > 1e12 / max(np.max(np.abs(slope)), 1e-300):
            return np.full(n, np.inf)
        error = np.maximum(error, np.abs(inverted) @ left[0])
    return error


def margins(
    field: VectorField,
    x: np.ndarray,
    u: np.ndarray,
    scale: np.ndarray,
    error: np.ndarray,
    is_isolated: np.ndarray,
    is_smooth: np.ndarray,
) -> np.ndarray:
    """Return how near the boundary of stability a mode must count as neutral, because of the point's error.

    The eigenvalues are compared with those at states within the error. A point that is not known to be
    isolated has a neutral mode, one at least: the one whose eigenvalue says so best.

    Args:
        field: the vector field.
        x: points, `(n, state)`.
        u: their inputs, `(n, input)`.
        scale: the unit of every entry, `(n, state)`.
        error: their errors in that unit, `(n, state)`; infinite on a continuum.
        is_isolated: which points are, `(n,)`.
        is_smooth: which are, `(n,)`.

    Returns:
        Margins `(n,)`, in the unit of eigenvalues; 0 where the usual margin does.
    """
    out = np.zeros(len(x))
    doubtful = ~(is_isolated & is_smooth) | (
        np.max(np.where(np.isfinite(error), error, 0.0), axis=1, initial=0.0) > CERTAIN
    )
    rng = np.random.default_rng(0)
    for k in np.flatnonzero(doubtful):
        reach = np.where(np.isfinite(error[k]), error[k], CERTAIN)
        signs = rng.choice([-1.0, 1.0], (N_SAMPLES, x.shape[1]))
        around = np.concatenate([x[k : k + 1], x[k] + np.concatenate([signs, -signs]) * reach * scale[k]])
        slopes = jacobians(field, around, np.broadcast_to(u[k], (len(around), u.shape[1]))).state
        # Balanced by the scale: eigenvalues are the same, and rounded less.
        slopes = slopes * (scale[k] / scale[k][:, None])
        here, *others = np.linalg.eigvals(slopes)
        near = 0.1 * float(np.max(np.linalg.norm(slopes, axis=(1, 2))))
        out[k] = 2.0 * max(_moved(here, other, near, field.time_domain) for other in others)
        if not is_isolated[k]:
            at_rest = np.argmin(np.abs(here - (field.time_domain == "discrete")))
            out[k] = max(out[k], (1.0 + 1e-6) * abs(_growth(here, field.time_domain)[at_rest]))
    return out


def _growth(eigenvalues: np.ndarray, time_domain: str) -> np.ndarray:
    """Return how far eigenvalues are beyond the boundary of stability."""
    return np.abs(eigenvalues) - 1.0 if time_domain == "discrete" else np.real(eigenvalues)


def _moved(one: np.ndarray, other: np.ndarray, near: float, time_domain: str) -> float:
    """Return how far eigenvalues near the boundary of stability have moved."""
    from scipy.optimize import linear_sum_assignment  # a sixth of the package's import time

    distance = np.abs(one[:, None] - other)
    rows, columns = linear_sum_assignment(distance)
    is_near = np.abs(_growth(one, time_domain)[rows]) <= near
    return float(np.max(distance[rows, columns][is_near], initial=0.0))
