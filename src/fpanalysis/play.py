"""The play that rounding leaves a degenerate point: how far one can go until more than rounding is left."""

from typing import NamedTuple

import numpy as np

from fpanalysis.enclosure import Evaluates, state_rounding

# Singular values so much smaller than the largest, rows as steep as usual, belong to neutral directions.
NEUTRAL = 1e-6
# Times its bound that a residual at the rounding floor may be.
AT_FLOOR = 4.0
# Distances at which the residual is looked at, in units of the scale.
TRIALS = 10.0 ** np.arange(-13, 0.1, 0.5)
CORRECTIONS = 6
# A residual that stays at the floor so far belongs to a continuum.
CONTINUUM = 1e-2
# A degenerate point is looked for within this distance, by as many zooms with as many steps.
NEARBY, ZOOMS, ZOOM_STEPS = 1e-3, 4, 33


class Neutral(NamedTuple):
    """The neutral directions of a system at a state, and how to solve for the others.

    Attributes:
        basis: neutral directions, `(k, state)`.
        left: what is left along each is `left @ f`, `(k, state)`.
        solve: pseudo-inverse of the Jacobian in the other directions, `(state, state)`.
        steepness: moduli of the Jacobian, `(state, state)`.
    """

    basis: np.ndarray
    left: np.ndarray
    solve: np.ndarray
    steepness: np.ndarray


def neutral_directions(jacobian: np.ndarray, slope: np.ndarray) -> Neutral:
    """Return the neutral directions of a Jacobian, one at least.

    Args:
        jacobian: in units of the scale, `(state, state)`.
        slope: what its rows usually sum up to, `(state,)`.
    """
    left, value, right = np.linalg.svd(jacobian / slope[:, None])
    is_neutral = value <= NEUTRAL * max(1.0, value[0])
    is_neutral[-1] = True
    solve = (right[~is_neutral].T / value[~is_neutral]) @ left[:, ~is_neutral].T / slope
    return Neutral(right[is_neutral], left[:, is_neutral].T / slope, solve, np.abs(jacobian))


def centred(place: Evaluates, x: np.ndarray, neutral: Neutral) -> np.ndarray:
    """Return where what is left along the one neutral direction near a state vanishes, or is smallest.

    Newton's method ends anywhere within the play of a multiple zero; this is the middle of it. A state on a
    continuum stays where it is.
    """
    trials = TRIALS[TRIALS <= NEARBY]
    along = np.concatenate([-trials[::-1], [0.0], trials])
    for _ in range(ZOOMS):
        states, f, floor = _followed(place, x, along[:, None] * neutral.basis[0], neutral)
        rest = f @ neutral.left[0]
        at_floor = np.abs(rest) <= floor @ np.abs(neutral.left[0]) + np.finfo(float).tiny
        if at_floor[0] and at_floor[-1]:
            return x
        if at_floor.any():
            return states[int(np.mean(np.flatnonzero(at_floor)))]
        low, high = _bracket(along, rest)
        along = np.linspace(low, high, ZOOM_STEPS)
    return states[int(np.argmin(np.abs(rest)))]


def _bracket(along: np.ndarray, rest: np.ndarray) -> tuple[float, float]:
    """Return the nearest interval in which what is left changes its sign, else the one around its minimum."""
    changes = np.flatnonzero(np.sign(rest[:-1]) * np.sign(rest[1:]) < 0)
    if len(changes):
        nearest = changes[np.argmin(np.abs(along[changes] + along[changes + 1]))]
        return float(along[nearest]), float(along[nearest + 1])
    lowest = int(np.argmin(np.abs(rest)))
    return float(along[max(lowest - 1, 0)]), float(along[min(lowest + 1, len(along) - 1)])


def play_of(place: Evaluates, x: np.ndarray, neutral: Neutral) -> np.ndarray:
    """Return how far every entry can go until more than rounding is left, in units of the scale, `(state,)`.

    Infinite in all entries where a point belongs to a continuum.
    """
    directions = neutral.basis
    if len(directions) > 1:
        mixed = np.random.default_rng(0).standard_normal((2 * len(directions), len(directions))) @ directions
        directions = np.concatenate([directions, mixed / np.linalg.norm(mixed, axis=1, keepdims=True)])
    both = np.concatenate([directions, -directions])
    along = (TRIALS[None, :, None] * both[:, None]).reshape(-1, len(x))
    _, f, floor = _followed(place, x, along, neutral)
    stays = np.all(np.abs(f) <= AT_FLOOR * floor + np.finfo(float).tiny, axis=1).reshape(len(both), -1)
    play = np.max(np.where(stays.all(axis=1), np.inf, TRIALS[np.argmin(stays, axis=1)]))
    return play * np.max(np.abs(directions), axis=0) if play <= CONTINUUM else np.full(len(x), np.inf)


def _followed(
    place: Evaluates, x: np.ndarray, along: np.ndarray, neutral: Neutral
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return states at distances `(n, state)` from a state, what vanishes there, and its rounding.

    The other directions are solved for, so that a curved continuum is followed. The rounding is that of the
    function and of the states themselves: nothing vanishes better than the nearest numbers let it.
    """
    aside, most = np.zeros_like(along), np.linalg.norm(along, axis=1, keepdims=True)
    for _ in range(CORRECTIONS):
        f, _ = place.values(x + (along + aside) * place.scale)
        with np.errstate(invalid="ignore", over="ignore"):
            aside = np.clip(np.nan_to_num(aside - f @ neutral.solve.T), -most, most)
    states = x + (along + aside) * place.scale
    f, floor = place.values(states)
    return states, f, floor + state_rounding(neutral.steepness, states, place)
