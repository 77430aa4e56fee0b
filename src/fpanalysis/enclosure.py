"""How far a true zero can lie from a state: the Newton correction, with all that makes it uncertain."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

# From this condition or this error on, how the Jacobian changes within the error is looked at.
STEEP = 1e5
CURVED = 1e-9
# Within this radius at least the Jacobian must be as good as constant.
RADIUS = 1e-10
# How much of the Newton correction its uncertainty may be; Newton and Kantorovich need a half.
CONTRACTION = 0.25
# Times its floor from which on a value is not rounding.
ABOVE_FLOOR = 4.0
# Nothing is known better than this, in units of the scale, not even a state that is exact.
NEVER_ZERO = 1e-290
# Rounding errors of an entry of the Jacobian, in units of the precision.
JACOBIAN_ROUNDINGS = 8.0


class Values(NamedTuple):
    """What vanishes, its derivative and its rounding, in units of the scale.

    Attributes:
        f: `(..., state)`.
        jacobian: `(..., state, state)`.
        floor: how far `f` can be off by rounding, `(..., state)`.
    """

    f: np.ndarray
    jacobian: np.ndarray
    floor: np.ndarray


@runtime_checkable
class Evaluates(Protocol):
    """Something that evaluates a function at states; see `verdict.Place`."""

    scale: np.ndarray
    precision: float
    is_discrete: bool

    def at(self, x: np.ndarray) -> Values:
        """Return values at states `(n, state)`."""
        ...

    def values(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what vanishes at states `(n, state)` and its rounding, without derivatives."""
        ...


def is_plain(here: Values, inverted: np.ndarray | None, slope: np.ndarray) -> bool:
    """Return whether a state is so surely a zero that nothing need be looked at but the values there.

    What vanishes is rounding, its error is small, and the Jacobian is far from singular. The arguments are
    those of `error_bound`.
    """
    if inverted is None or np.any(np.abs(here.f) > ABOVE_FLOOR * here.floor):
        return False
    error, steepness = _first_order(here, inverted, slope)
    return bool(steepness <= STEEP and np.max(error) <= CURVED)


def _first_order(here: Values, inverted: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, float]:
    """Return Newton's correction with the rounding, `(state,)`, and how near to singular the Jacobian is."""
    size = np.abs(inverted)
    with np.errstate(invalid="ignore", over="ignore"):
        return size @ (np.abs(here.f) + here.floor) + NEVER_ZERO, float(np.max(size @ slope))


def error_bound(
    here: Values, inverted: np.ndarray, slope: np.ndarray, place: Evaluates, x: np.ndarray, most: float
) -> np.ndarray | None:
    """Return how far the true zero can be from a state, or None where that is not within `most`.

    With `C` the inverse of the Jacobian and `e = |C| (|f| + rounding)`, there is exactly one zero within
    about `e` when the Jacobian does not change by much over `e` (Kantorovich 1948; Deuflhard 2011, Newton
    Methods for Nonlinear Problems, chapter 2). The change is looked at in a few places, where it could
    matter: it is no proof.

    Args:
        here: values at the state.
        inverted: the inverse of the Jacobian there, `(state, state)`.
        slope: what the rows of the Jacobian usually sum up to, `(state,)`.
        place: evaluates the function elsewhere.
        x: the state.
        most: the largest error, in units of the scale.

    Returns:
        The bound of every entry, `(state,)`, in units of the scale.
    """
    error, steepness = _first_order(here, inverted, slope)
    with np.errstate(invalid="ignore", over="ignore"):
        shaken = np.abs(inverted) @ (rounding_of(here.jacobian, place) @ error)
    if not (np.all(error <= most) and np.all(shaken <= CONTRACTION * error)):
        return None
    if steepness > STEEP or np.max(error) > CURVED:
        radius = np.maximum(error, RADIUS)
        share = _change(here, inverted, place, x, radius)
        if not share <= CONTRACTION:
            return None
        error = error / (1.0 - share)
    return error * (1.0 + 1e-6)


def state_rounding(steepness: np.ndarray, x: np.ndarray, place: Evaluates) -> np.ndarray:
    """Return what the rounding of states `(..., state)` changes what vanishes by, in units of the scale.

    Args:
        steepness: moduli of the Jacobian, `(state, state)`.
        x: the states.
        place: says the precision and the scale.
    """
    return 0.5 * place.precision * np.abs(x / place.scale) @ steepness.T


def leads_on(here: Values, inverted: np.ndarray, place: Evaluates, x: np.ndarray) -> bool:
    """Return whether the Newton step from a state whose value is not rounding makes the value smaller.

    Across a kink it need not. The arguments are those of `error_bound`.
    """
    grain = state_rounding(np.abs(here.jacobian), x, place)
    left = np.abs(here.f) > ABOVE_FLOOR * (here.floor + grain)
    if not left.any():
        return True
    f, floor = place.values((x - inverted @ here.f * place.scale)[None])
    enough = np.maximum(0.5 * np.abs(here.f), ABOVE_FLOOR * (floor[0] + grain))
    return bool(np.all(np.abs(f[0])[left] <= enough[left]))


def rounding_of(jacobian: np.ndarray, place: Evaluates) -> np.ndarray:
    """Return how far the entries of a Jacobian, in units of the scale, can be off by rounding."""
    terms = np.abs(jacobian)
    if place.is_discrete:
        terms = terms + np.eye(len(terms))
    return JACOBIAN_ROUNDINGS * place.precision * terms


def _change(here: Values, inverted: np.ndarray, place: Evaluates, x: np.ndarray, radius: np.ndarray) -> float:
    """Return how much the Newton correction changes, relatively, with the Jacobian within a radius.

    It is looked at where it is most likely to: along the correction and along the steepest direction of the
    inverse, both ways, and in two random corners.
    """
    there = place.at(around(x, here.f, inverted, radius, place)).jacobian
    return relative_change(list(there - here.jacobian), np.abs(inverted), radius)


def around(
    x: np.ndarray, f: np.ndarray, inverted: np.ndarray, radius: np.ndarray, place: Evaluates
) -> np.ndarray:
    """Return states within a radius at which the Jacobian may differ most, `(n, state)`."""
    steepest = inverted[:, np.argmax(np.abs(inverted / radius[:, None]).max(axis=0))]
    signs = np.sign(np.random.default_rng(0).standard_normal((2, len(x)))) * radius
    directions = np.concatenate([signs, [_filling(inverted @ f, radius), _filling(steepest, radius)]])
    return x + np.concatenate([directions, -directions]) * place.scale


def _filling(direction: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Return a direction as long as fits into a radius."""
    share = np.max(np.abs(direction) / radius)
    return direction / share if share > 0 and np.isfinite(share) else np.zeros_like(direction)


def relative_change(changes: list[np.ndarray], inverted: np.ndarray, radius: np.ndarray) -> float:
    """Return by how much, at most, changes of a Jacobian change Newton corrections within a radius."""
    return max(float(np.max(inverted @ (np.abs(change) @ radius) / radius)) for change in changes)
