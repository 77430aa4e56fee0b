"""Trajectories of states, read from what `simulate` returns, as lines with gaps between them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fpanalysis.states import states_of


class Paths(NamedTuple):
    """Trajectories `(trajectory, time, state)`, and how many of how many they are."""

    states: np.ndarray
    n_all: int

    @property
    def name(self) -> str:
        """What the legend says."""
        n = len(self.states)
        return f"trajectories ({n:,})" if n == self.n_all else f"trajectories ({n:,} of {self.n_all:,})"


def paths_of(trajectories: Any, names: Sequence[str], whose: str, most_samples: int) -> Paths:
    """Return the trajectories of a simulation, few enough to be drawn.

    Args:
        trajectories: what `simulate` returned, or a DataArray with the dims `time` and `state`.
        names: the entries that their state must have.
        whose: whose state `names` are, for a message.
        most_samples: where there are more samples than this, evenly spaced trajectories are taken.
    """
    array = states_of(trajectories, names, "trajectories", whose)
    if "time" not in array.dims:
        raise ValueError(
            f"trajectories: expected the dims 'time' and 'state', got {tuple(map(str, array.dims))}"
        )
    states = array.transpose(..., "time", "state").values
    lead, inner = states.shape[:-2], states.shape[-2:]
    n = int(np.prod(lead))
    most = max(1, most_samples // max(1, inner[0]))
    kept = np.arange(n) if n <= most else np.linspace(0, n - 1, most).round().astype(int)
    # Chosen before they are copied: all of them together can fill most of the memory.
    chosen = states[np.unravel_index(kept, lead)] if lead else states[None]
    # What is infinite has no place in a figure, and is a gap like NaN.
    return Paths(np.where(np.isfinite(chosen), chosen, np.nan).astype(float), n)


def with_gaps(lines: np.ndarray) -> np.ndarray:
    """Return lines `(line, sample, axis)` end to end, `(sample, axis)`, with a row of NaN after each."""
    gap = np.full((len(lines), 1, lines.shape[2]), np.nan)
    return np.concatenate([lines, gap], axis=1).reshape(-1, lines.shape[2])
