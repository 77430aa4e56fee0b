"""How far a true zero can lie from a state: the Newton correction, with all that makes it uncertain."""

from typing import NamedTuple, Protocol

import numpy as np

from fpanalysis.solvers._linear import inverse

# From this condition or this error on, how the Jacobian changes within the error is looked at.
STEEP = 1e5
CURVED = 1e-9
# Within this radius at least the Jacobian must be as good as constant.
RADIUS = 1e-10
# How much of the Newton correction its uncertainty may be; Newton and Kantorovich need a half.
CONTRACTION = 0.25
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


class Evaluates(Protocol):
    """Something that evaluates a function at states; see `verdict.Place`."""

    scale: np.ndarray
    precision: float
    is_discrete: bool

    def at(self, x: np.ndarray) -> Values:
        """Return values at states `(n, state)`."""
        ...


def error_bound(
    here: Values, slope: np.ndarray, place: Evaluates, x: np.ndarray, most: float
) -> np.ndarray | None:
    """Return how far the true zero can be from a state, or None where that is not within `most`.

    With `C` the inverse of the Jacobian and `e = |C| (|f| + rounding)`, there is exactly one zero within
    about `e` when the Jacobian does not change by much over `e` (Kantorovich 1948; Deuflhard 2011, Newton
    Methods for Nonlinear Problems, chapter 2). The change is looked at in a few places, where it could
    matter: it is no proof.

    Args:
        here: values at the state.
        slope: what the rows of the Jacobian usually sum up to, `(state,)`.
        place: evaluates the function elsewhere.
        x: the state.
        most: the largest error, in units of the scale.

    Returns:
        The bound of every entry, `(state,)`, in units of the scale.
    """
    inverted = inverse(here.jacobian)
    if inverted is None:
        return None
    size = np.abs(inverted)
    with np.errstate(invalid="ignore", over="ignore"):
        error = size @ (np.abs(here.f) + here.floor)
        shaken = size @ (rounding_of(here.jacobian, place) @ error)
        steep = float(np.max(size @ slope))
    if not (np.all(error <= most) and np.all(shaken <= CONTRACTION * error)):
        return None
    if steep > STEEP or np.max(error) > CURVED:
        radius = np.maximum(error, RADIUS)
        share = _change(here.jacobian, size, place, x, radius)
        if not share <= CONTRACTION:
            return None
        error = error / (1.0 - share)
    return error * (1.0 + 1e-6)


def rounding_of(jacobian: np.ndarray, place: Evaluates) -> np.ndarray:
    """Return how far the entries of a Jacobian, in units of the scale, can be off by rounding."""
    terms = np.abs(jacobian)
    if place.is_discrete:
        terms = terms + np.eye(len(terms))
    return JACOBIAN_ROUNDINGS * place.precision * terms


def _change(
    jacobian: np.ndarray, inverted: np.ndarray, place: Evaluates, x: np.ndarray, radius: np.ndarray
) -> float:
    """Return how much the Newton correction changes, relatively, with the Jacobian within a radius."""
    signs = np.sign(np.random.default_rng(0).standard_normal((2, len(x))))
    around = x + np.concatenate([signs, -signs]) * radius * place.scale
    changes = np.abs(place.at(around).jacobian - jacobian)
    moved = np.max(inverted @ (changes @ radius)[..., None], axis=0)[:, 0]
    return float(np.max(moved / radius))
