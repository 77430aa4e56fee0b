"""Directions in state space along which states are looked at, principal components among them."""

from dataclasses import dataclass

import numpy as np

from fpanalysis._blas import one_blas_thread

_BLOCK = 4_096


@dataclass(frozen=True)
class Projection:
    """Coordinates in which states are looked at.

    `mean` is the state that has the coordinates zero; `axes` holds one unit vector per row,
    `(axis, state)`; `share` the fraction of the variance along each (NaN where there is no variance).
    """

    mean: np.ndarray
    axes: np.ndarray
    share: np.ndarray

    def __call__(self, states: np.ndarray) -> np.ndarray:
        """Return the coordinates `(..., axis)` of states `(..., state)`."""
        return (states - self.mean) @ self.axes.T

    def direction(self, vectors: np.ndarray) -> np.ndarray:
        """Return the coordinates of directions, which unlike states are not measured from the mean."""
        return vectors @ self.axes.T

    def distance(self, states: np.ndarray) -> np.ndarray:
        """Return how far states `(..., state)` lie from the line, plane or space of the axes, `(...)`."""
        off = states - self.mean
        return np.linalg.norm(off - (off @ self.axes.T) @ self.axes, axis=-1)


def principal_components(states: np.ndarray, n_axes: int) -> Projection:
    """Return the first principal components of `states`, `(sample, state)`.

    Works for any number of samples above zero: with fewer than there are axes, the axes left over are
    orthonormal to the others, and arbitrary.
    """
    mean = states.mean(axis=0)
    triangle = _triangle(states, mean)
    _, singular, axes = np.linalg.svd(triangle, full_matrices=len(triangle) < n_axes)
    axes = axes[:n_axes]
    # A singular vector is known up to its sign: fixed here, so that figures of the same data agree.
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    axes = axes * np.where(largest < 0, -1.0, 1.0)
    variance = np.zeros(n_axes)
    variance[: len(singular)] = singular[:n_axes] ** 2
    total = float((singular**2).sum())
    # Samples that differ by rounding only have no components worth a percentage.
    rounding = (np.finfo(float).eps * max(1.0, np.abs(states).max())) ** 2 * states.size
    return Projection(mean, axes, variance / total if total > rounding else np.full(n_axes, np.nan))


def _triangle(states: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return R of a QR factorisation of `states - mean`.

    R has the singular values and right singular vectors of the samples, and is no larger than (state, state)
    however many samples there are. It is made of the R of blocks of them, which stay in the processor's
    cache (Demmel, Grigori, Hoemmen and Langou 2012, SIAM Journal on Scientific Computing 34).
    """
    size = max(_BLOCK, 8 * states.shape[1])
    if len(states) <= size:
        return np.asarray(np.linalg.qr(states - mean, mode="r"))
    # Threads cost more than they give for blocks so small: ten times the wall time on two busy cores.
    with one_blas_thread():
        blocks = [
            np.linalg.qr(states[start : start + size] - mean, mode="r")
            for start in range(0, len(states), size)
        ]
        return np.asarray(np.linalg.qr(np.concatenate(blocks), mode="r"))


def own_axes(n_state: int, chosen: tuple[int, ...] | None = None) -> Projection:
    """Return the projection that leaves states as they are, or keeps the `chosen` entries of them."""
    axes = np.eye(n_state)
    axes = axes if chosen is None else axes[list(chosen)]
    return Projection(np.zeros(n_state), axes, np.full(len(axes), np.nan))
