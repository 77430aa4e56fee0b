"""Modes that are the same from one value of a condition to the next get the same label."""

import numpy as np
import xarray as xr

from fpanalysis.branches import links_along
from fpanalysis.dataset import variable
from fpanalysis.matching import Modes, match_modes
from fpanalysis.rows import rows_of
from fpanalysis.schema import ModeEvent

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
    rows = rows_of(ds)
    parts = {name: rows.array(name) for name in _NEEDED}
    used, n_modes = rows.used, rows.ds.sizes["mode"]
    if n_modes != rows.ds.sizes["state"]:
        raise ValueError(
            f"ds: expected all {rows.ds.sizes['state']} modes of the state, got {n_modes}: which is which is "
            "told from all of them; select states or modes afterwards"
        )
    track = np.where(used[..., None], np.arange(n_modes), -1)
    confidence = np.where(used[..., None], 1.0, np.nan) * np.ones(n_modes)
    event = np.zeros(track.shape, np.int8)
    for one, other in links_along(rows, dim):
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
    new = {name: variable(name, rows.dims, array) for name, array in made.items()}
    if units := rows.ds["eigenvalue"].attrs.get("units"):
        new["followed_eigenvalue"].attrs["units"] = units
    return rows.added(new, track=np.arange(n_modes))


def _by_track(value: np.ndarray, track: np.ndarray) -> np.ndarray:
    out = np.full(value.shape, np.nan, complex)
    rows = np.nonzero(track >= 0)
    out[(*rows[:-1], track[rows])] = value[rows]
    return out
