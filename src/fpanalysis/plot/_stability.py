"""How stable points are, and how every figure shows it: one symbol, colour, dash and word for each answer."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from fpanalysis.plot._points import Points, is_slow
from fpanalysis.plot._styles import Style
from fpanalysis.plot._theme import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILION
from fpanalysis.schema import Stability


class Answer(IntEnum):
    """What a figure says of a point, in the order of its legend."""

    STABLE = 0
    NEUTRAL = 1
    UNSTABLE = 2
    UNDECIDED = 3
    NOT_KNOWN = 4
    SLOW = 5


class Look(NamedTuple):
    """The word and the style of an answer."""

    name: str
    style: Style


# Of the symbols that plotly has in two and in three dimensions. The dash is that of a branch.
LOOKS = {
    Answer.STABLE: Look("stable", Style(BLUE, "circle", "solid")),
    Answer.NEUTRAL: Look("neutral", Style(GREEN, "cross", "dashdot")),
    Answer.UNSTABLE: Look("unstable", Style(VERMILION, "diamond", "dash")),
    Answer.UNDECIDED: Look("stability undecided", Style(GREY, "diamond-open", "dot")),
    Answer.NOT_KNOWN: Look("stability not known", Style(GREY, "diamond-open", "dot")),
    Answer.SLOW: Look("slow points", Style(GREY, "circle-open", "longdash")),
}
# Of points with one, two, three and more unstable modes, where figures tell these apart.
UNSTABLE_LOOKS = (("diamond", VERMILION), ("square", ORANGE), ("square-open", PURPLE))

_ANSWERS = {
    Stability.NONE: Answer.NOT_KNOWN,
    Stability.STABLE: Answer.STABLE,
    Stability.UNSTABLE: Answer.UNSTABLE,
    Stability.NEUTRAL: Answer.NEUTRAL,
    Stability.UNDECIDED: Answer.UNDECIDED,
}


def answers(points: Points) -> np.ndarray:
    """Return what is known of the stability of each point, numbers of `Answer`.

    The dataset's own `stability` says it. Files that were written before there was such a variable hold
    `is_stable` and `n_unstable`, which say the same.
    """
    ds = points.ds
    if "stability" in ds:
        found = np.array([_ANSWERS[flag] for flag in Stability])[points.values("stability").astype(int)]
    else:
        n = n_unstable(points)
        # Without spectra a row of `is_stable` is False for want of an answer: the number −1 says so.
        known = n >= 0 if "n_unstable" in ds else np.full(len(points), "is_stable" in ds)
        stable = points.values("is_stable").astype(bool) if "is_stable" in ds else n == 0
        found = np.select(
            [~known, stable, n == 0], [Answer.NOT_KNOWN, Answer.STABLE, Answer.NEUTRAL], Answer.UNSTABLE
        )
    return np.where(is_slow(points), Answer.SLOW, found)


def n_unstable(points: Points) -> np.ndarray:
    """Return how many modes of each point grow; −1 where it is not known."""
    if "n_unstable" not in points.ds:
        return np.full(len(points), -1)
    return points.values("n_unstable").astype(int)
