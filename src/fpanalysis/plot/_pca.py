"""Principal components of a cloud of states."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Projection:
    """Coordinates in which states are drawn.

    `axes` holds one unit vector per row, `(axis, state)`; `share` the fraction of the variance along each
    (NaN where there is no variance).
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


def principal_components(states: np.ndarray, n_axes: int) -> Projection:
    """Return the first principal components of `states`, `(sample, state)`.

    Works for any number of samples above zero: with fewer than there are axes, the axes left over are
    orthonormal to the others, and arbitrary.
    """
    mean = states.mean(axis=0)
    # R of a QR factorisation has the singular values and right singular vectors of the samples, and is
    # no larger than (state, state) however many samples there are.
    triangle = np.linalg.qr(states - mean, mode="r")
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


def own_axes(n_state: int) -> Projection:
    """Return the projection that leaves states as they are."""
    return Projection(np.zeros(n_state), np.eye(n_state), np.full(n_state, np.nan))
