"""`follow`: which point, and which mode, at one value of a condition is which at the next."""

import xarray as xr

from fpanalysis._rounding import usual_errors
from fpanalysis.branches import add_branches
from fpanalysis.mode_tracks import has_vectors, track_modes


def follow(ds: xr.Dataset, dim: str) -> xr.Dataset:
    """Label the points of a result that are the same along a condition, and their modes.

    From one value of `dim` to the next, each point is predicted by its sensitivity to the input (where the
    result has Jacobians) and assigned by distance, in which each entry of the state counts by how far apart
    the points are in it; the sign of `det(I − J)`, which a branch keeps, tells apart points that are close to
    each other at a fold. Sorting by coordinates or eigenvalues plays no part. The order along `dim` is that
    of the dataset.

    Args:
        ds: a result of `find_fixed_points` with at least two values of `dim`. With Jacobians (any
            `spectra="full"`) points are predicted, and modes are followed too.
        dim: the condition, such as `"context"`. All others are kept apart.

    Returns:
        The dataset with, after the conditions,

        - `branch` `(fixed_point)`: the same number for the same point all along `dim`; −1 in unused rows and
          for slow points;
        - `branch_confidence` `(fixed_point)`: of the link to the value before, from 0 to 1: 1 minus the miss
          of the prediction relative to that of the best rival; 1 without a rival or without a value before.
          Where a branch begins, how sure it is that the point was not there before;
        - `branch_begins` `(fixed_point)`, flags: `none`, `start` (of `dim`), `birth`, `fold`; and
          `branch_ends`: `none`, `end` (of `dim`), `death`, `fold`. Where some points are lost and others are
          new in one step, as many as can be are taken to be the same. Two points come or go at a fold if the
          signs of their `det(I − J)` differ and their sensitivities let them meet within the step; without
          Jacobians no fold is seen. A value of `dim` without points ends all branches; one that a mask has
          left out (`ds.where`) is passed over. Branches that cross in one degenerate point go on: one of
          them has its row, the others have none there. Where `dim` ends or starts at such a point, no fold
          is claimed;
        - with eigenvectors, `mode_track` `(fixed_point, mode)`: the same number for the same mode all along a
          branch, from the order of the modes where the branch begins; `mode_confidence`; `mode_event`,
          flags: `none`, `crossing` (it exchanged its order with another), `collision` (two real eigenvalues
          became a complex pair, or the reverse: which is which is then not defined), `uncertain` (a
          confidence below 0.5: the steps are too long); and `followed_eigenvalue` `(fixed_point, track)`,
          the eigenvalues in the order of their tracks.

    Raises:
        ValueError: the dataset is no result, or `dim` is no condition of it, or has one value only.

    Sources:
        Allgower and Georg 1990, Numerical Continuation Methods (prediction by the implicit function
        theorem); Kuznetsov 2004, Elements of Applied Bifurcation Theory (folds); Kuhn 1955, Naval Research
        Logistics Quarterly 2 (assignment).

    Example:
        >>> import numpy as np, xarray as xr, fpanalysis as fpa
        >>> pitchfork = fpa.vector_field(
        ...     lambda x, u: u * x - x**3, state=["x"], inputs=["r"], time_domain="continuous"
        ... )
        >>> r = xr.DataArray(np.linspace(-0.55, 1.0, 32), dims="r")
        >>> r = r.assign_coords(r=r.values)
        >>> ds = fpa.follow(fpa.find_fixed_points(pitchfork, {"r": r}, n_candidates=64, progress=False), "r")
        >>> int(ds.branch.max()) + 1  # the middle one, and two that are born
        3
        >>> float(abs(ds.x.isel(state=0).where(ds.branch == 0)).max().round(9))
        0.0
    """
    with usual_errors():
        ds = add_branches(ds, dim)
        return track_modes(ds, dim) if has_vectors(ds) else ds
