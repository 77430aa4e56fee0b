"""States where the Jacobian tells little: degenerate points, continua, and zeros made by rounding."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from fpanalysis.enclosure import (
    CONTRACTION,
    NEVER_ZERO,
    RADIUS,
    Evaluates,
    Values,
    around,
    relative_change,
    rounding_of,
    state_rounding,
)
from fpanalysis.play import AT_FLOOR, centred, neutral_directions, play_of
from fpanalysis.unique import NewPoint

# A row of the Jacobian that is so much smaller than the terms of the function has cancelled: it is evaluated
# without rounding.
CANCELLED = 1e-5
# Relative accuracy of what is evaluated without rounding.
EXACT = 1e-12
MOST_STEPS = 120
# So many steps in a row none of which is the shortest so far lead nowhere.
MOST_IDLE = 4
# How far a state may be moved in all, in units of the scale.
REACH = 2e-2
# A step so small, in units of the scale, leads nowhere.
SETTLED = 1e-13
# A series of steps converges geometrically where each is this much shorter than the last.
SHRINKING = 0.95
# In so many directions at most it is looked at whether the next numbers are alike.
SIGNS = 4
LINEAR = 0.3


@runtime_checkable
class Place(Evaluates, Protocol):
    """The function under one input, evaluated with and without rounding; see `verdict.Place`."""

    def exactly(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Return value, Jacobian and the level of each row, without rounding."""
        ...


class _Rows(NamedTuple):
    """Values at a state with every row divided by the size of its Jacobian, `2^level`.

    Attributes:
        f: what vanishes, `(state,)`.
        jacobian: its derivative, `(state, state)`.
        floor: how far `f` can be off by rounding inside the function, `(state,)`.
        grain: how much `f` changes with the rounding of the state itself, `(state,)`.
        uncertain: how far the Jacobian can be off, `(state, state)`.
        level: logarithm to base 2 of what each row was divided by, `(state,)`.
    """

    f: np.ndarray
    jacobian: np.ndarray
    floor: np.ndarray
    grain: np.ndarray
    uncertain: np.ndarray
    level: np.ndarray


def examine(place: Place, x: np.ndarray, slope: np.ndarray, distinct: float) -> NewPoint | None:
    """Return the fixed point to which a state leads whose error could not be bounded, or None.

    The state is polished by Newton's method with every row of the system on its own scale; a row that has
    cancelled is evaluated without rounding, so that a zero made by a factor that rounded is seen for what it
    is. It leads to a fixed point

    - where the error can be bounded after all;
    - where the Jacobian is singular in some directions, and what vanishes is at the floor of rounding along
      them: the point is degenerate (a fold, a pitchfork), or one of a continuum;
    - where the steps shrink geometrically to nothing, as they do at a multiple zero.

    Args:
        place: evaluates the function.
        x: the state, `(state,)`.
        slope: what the rows of the Jacobian usually sum up to, `(state,)`.
        distinct: the largest error of an isolated point, in units of the scale.
    """
    begin, last, ratio, smallest, idle = x, np.inf, 0.0, np.inf, 0
    for _ in range(MOST_STEPS):
        rows = _rows(place, x)
        if rows is None:
            return None
        error = _error_bound(place, rows, x, distinct)
        if error is not None:
            return NewPoint(x, place.at(x[None]).f[0], error, True, None)
        step = _step(rows, distinct)
        if step is None:
            return None
        coarse = np.abs(step.move) < 0.5 * np.spacing(np.abs(x)) / place.scale
        size = float(np.max(np.abs(step.move[~coarse] if not coarse.all() else step.move)))
        shrinks = np.isfinite(last) and size <= SHRINKING * last
        if size == 0 or (size <= step.settled and (step.is_neutral or shrinks)):
            is_guess = step.is_grain or (size > step.certain and not shrinks)
            is_guess |= not coarse.all() and bool(np.any(step.move[coarse] != 0))
            within = np.zeros_like(x) if shrinks else 2.0 * np.abs(step.move) * place.scale
            if is_guess and not _is_resolved(place, rows, x, within):
                return None
            return _degenerate(place, x, slope, size)
        moved = _moved(x, step.move * place.scale)
        idle = 0 if size < SHRINKING * smallest else idle + 1
        if np.max(np.abs(moved - begin) / place.scale) > REACH or idle > MOST_IDLE:
            return None
        smallest = min(size, smallest)
        before, ratio, last = ratio, size / last, size
        if LINEAR < before < SHRINKING and abs(ratio - before) < 0.1 * before:
            # The steps of a multiple zero are a geometric series: their sum leads to its end (Aitken 1926).
            moved, last, ratio = _moved(x, step.move * place.scale / (1.0 - ratio)), np.inf, 0.0
        x = moved
    return None


def _moved(x: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return a state after a step, the next number at least: where steps stay alike there is no zero."""
    share = np.max(np.abs(step) / np.maximum(np.spacing(np.abs(x)), np.finfo(float).tiny))
    return x + step / min(share, 1.0)


def _is_resolved(place: Place, rows: _Rows, x: np.ndarray, within: np.ndarray) -> bool:
    """Return whether the function is as good as linear within a distance, and up to the next numbers.

    Far out in a tail it is not, and a step shorter than to the next number leads to no zero. It is looked at
    where the rows grow most.
    """
    reach = np.maximum(np.spacing(np.abs(x)), within)
    signs = np.unique(np.sign(rows.jacobian), axis=0)[:SIGNS]
    for sign in np.concatenate([signs, -signs]):
        other = _rows(place, x + sign * reach)
        if other is None or not np.max(_changed(rows, other)) <= CONTRACTION:
            return False
    return True


def _changed(rows: _Rows, other: _Rows) -> np.ndarray:
    """Return by how much the Jacobian of another state differs, `(state, state)`, in units of `rows`."""
    with np.errstate(over="ignore"):
        level = np.exp2(other.level - rows.level)[:, None]
    return np.abs(other.jacobian * level - rows.jacobian)


def _rows(place: Place, x: np.ndarray) -> _Rows | None:
    """Return values at a state, each row on its own scale; None where they are not to be had."""
    here = Values(*(part[0] for part in place.at(x[None])))
    if not all(np.all(np.isfinite(part)) for part in here):
        return None
    size = np.max(np.abs(here.jacobian), axis=1)
    if np.all(size > CANCELLED * here.floor / place.precision):
        uncertain = rounding_of(here.jacobian, place) / size[:, None]
        f, jacobian, level = here.f / size, here.jacobian / size[:, None], np.log2(size)
        grain = state_rounding(np.abs(jacobian), x, place)
        return _Rows(f, jacobian, here.floor / size, grain, uncertain, level)
    found = place.exactly(x)
    if found is None:
        return None
    f, jacobian, level = found
    size = np.max(np.abs(jacobian), axis=1)
    if np.any((size == 0) & (f != 0)):
        return None
    size[size == 0] = 1.0
    f, jacobian = f / size, jacobian / size[:, None]
    grain = state_rounding(np.abs(jacobian), x, place)
    return _Rows(f, jacobian, np.zeros_like(f), grain, EXACT * np.abs(jacobian), level + np.log2(size))


def _error_bound(place: Place, rows: _Rows, x: np.ndarray, most: float) -> np.ndarray | None:
    """Return how far the true zero can be, `(state,)`, where that is within `most`; see `enclosure`."""
    try:
        inverted = np.linalg.inv(rows.jacobian)
    except np.linalg.LinAlgError:
        return None
    size = np.abs(inverted)
    error = size @ (np.abs(rows.f) + rows.floor + rows.grain) + NEVER_ZERO
    shaken = size @ (rows.uncertain @ error)
    if not (np.all(error <= most) and np.all(shaken <= CONTRACTION * error)):
        return None
    radius, changes = np.maximum(error, RADIUS), []
    for state in around(x, rows.f, inverted, radius, place):
        other = _rows(place, state)
        if other is None:
            return None
        changes.append(_changed(rows, other))
    share = relative_change(changes, size, radius)
    return error / (1.0 - share) if share <= CONTRACTION else None


class _Step(NamedTuple):
    """A step of Newton's method that leaves alone what is at the floor of rounding.

    Attributes:
        move: the step in units of the scale, `(state,)`.
        is_neutral: whether there are directions in which the system is singular and at its floor.
        is_grain: whether it is at its floor there because the state itself is rounded.
        certain: a step so small is rounding inside the function.
        settled: a step so small is that, or the rounding of the state, or leads nowhere else.
    """

    move: np.ndarray
    is_neutral: bool
    is_grain: bool
    certain: float
    settled: float


def _step(rows: _Rows, distinct: float) -> _Step | None:
    """Return the next step, or None where the system is singular and what vanishes is not small."""
    left, value, right = np.linalg.svd(rows.jacobian)
    along, floor, grain = left.T @ rows.f, np.abs(left).T @ rows.floor, np.abs(left).T @ rows.grain
    singular = value <= 4.0 * np.linalg.norm(rows.uncertain)
    with np.errstate(divide="ignore", invalid="ignore"):
        play = np.where(value > 0, floor / value, np.inf)
        move = np.where(value > 0, -along / value, -np.sign(along) * np.inf)
    at_floor = np.abs(along) <= AT_FLOOR * (floor + grain) + np.finfo(float).tiny
    neutral = (singular | (play > distinct)) & at_floor
    is_grain = neutral & (np.abs(along) > AT_FLOOR * floor + np.finfo(float).tiny)
    move[neutral] = 0.0
    if np.any(np.isnan(move)) or np.any(np.abs(move) > REACH):
        return None
    certain, settled = (
        4.0 * float(np.max(part[~neutral] / value[~neutral], initial=0.0)) for part in (floor, floor + grain)
    )
    settled = max(SETTLED, settled)
    return _Step(right.T @ move, bool(neutral.any()), bool(is_grain.any()), certain, settled)


def _degenerate(place: Place, x: np.ndarray, slope: np.ndarray, size: float) -> NewPoint:
    """Return a degenerate point, or one of a continuum, with the play that rounding leaves it."""
    neutral = neutral_directions(place.at(x[None]).jacobian[0], slope)
    play = play_of(place, x, neutral)
    if len(neutral.basis) == 1 and np.all(np.isfinite(play)):
        x = centred(place, x, neutral)
        play = play_of(place, x, neutral)
    f, floor = (part[0] for part in place.values(x[None]))
    settled = 10.0 * size * np.max(np.abs(neutral.basis), axis=0)
    regular = np.abs(neutral.solve) @ (np.abs(f) + floor)
    return NewPoint(x, f, play + settled + regular + NEVER_ZERO, False, None)
