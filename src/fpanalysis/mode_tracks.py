"""Modes that are the same from one value of a condition to the next get the same label."""

import numpy as np
import xarray as xr

from fpanalysis.branches import links_along
from fpanalysis.dataset import condition_dims, variable
from fpanalysis.matching import Modes, match_modes
from fpanalysis.schema import Kind, ModeEvent

# Confidence below which a link is labelled uncertain.
UNCERTAIN = 0.5
_NEEDED = ("eigenvalue", "right_eigenvector", "left_eigenvector", "is_defective")


def has_vectors(ds: xr.Dataset) -> bool:
    """Return whether a result holds what is needed to follow its modes."""
    return all(name in ds for name in _NEEDED)


def track_modes(ds: xr.Dataset, dim: str) -> xr.Dataset:
    """Add `mode_track`, `mode_confidence`, `mode_event` and `followed_eigenvalue`; see `follow`.

    Args:
        ds: a result with full spectra and branches along `dim`.
        dim: the condition along which modes are followed.
    """
    dims = condition_dims(ds)
    parts = {name: ds[name].transpose(*dims, "fixed_point", ...).values for name in _NEEDED}
    used = ds["kind"].transpose(*dims, "fixed_point").values != Kind.NONE
    n_modes = ds.sizes["mode"]
    track = np.where(used[..., None], np.arange(n_modes), -1)
    confidence = np.where(used[..., None], 1.0, np.nan) * np.ones(n_modes)
    event = np.zeros(track.shape, np.int8)
    for one, other in links_along(ds, dim):
        a, b = (
            Modes(*(parts[name][row] for name in _NEEDED))  # pyright: ignore[reportArgumentType]
            for row in (one, other)
        )
        match = match_modes(a, b)
        track[other][match.mode] = track[one]
        confidence[other][match.mode] = match.confidence
        event[other][match.mode] = np.select(
            [match.collides, match.confidence < UNCERTAIN, match.crosses],
            [ModeEvent.COLLISION, ModeEvent.UNCERTAIN, ModeEvent.CROSSING],
            ModeEvent.NONE,
        )
    made = {
        "mode_track": track,
        "mode_confidence": confidence,
        "mode_event": event,
        "followed_eigenvalue": _by_track(parts["eigenvalue"], track),
    }
    new = {name: variable(name, dims, array) for name, array in made.items()}
    if units := ds["eigenvalue"].attrs.get("units"):
        new["followed_eigenvalue"].attrs["units"] = units
    return ds.assign(new).assign_coords(track=np.arange(n_modes))


def _by_track(value: np.ndarray, track: np.ndarray) -> np.ndarray:
    out = np.full(value.shape, np.nan, complex)
    rows = np.nonzero(track >= 0)
    out[(*rows[:-1], track[rows])] = value[rows]
    return out
