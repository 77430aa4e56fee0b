"""Compare what the package lists with the truth."""

import warnings
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
import xarray as xr

import fpanalysis as fpa
from zoology.system import System
from zoology.truth import Truth, scale_of

NEAR = 1e-6  # of the scale: no listed point may be farther from the true one, whatever its error says
WIDE = 1e-2  # of the scale: an error that large says nothing
DIGITS = 1e-3  # true points are stored to so many digits beyond float64
ON_CONTINUUM = ("neutral", "undecided")


@dataclass
class Verdict:
    """What is right and wrong about one result.

    Args:
        points: number of true points.
        found: how many of them were listed.
        false: rows that are no point.
        twice: rows of a point that another row has as well.
        stability: rows with a wrong stability.
        isolation: rows whose `is_isolated` is wrong, empty where the version has none.
        short: rows whose error is smaller than their true distance.
        loose: regular points whose error is larger than `NEAR` of the scale, others than `WIDE` of it.
        ratios: true distance over error, row by row.
        seconds: how long the call took.
        remarks: what was wrong, in words.
    """

    points: int = 0
    found: int = 0
    false: int = 0
    twice: int = 0
    stability: int = 0
    isolation: int = 0
    short: int = 0
    loose: int = 0
    ratios: list[float] = field(default_factory=list)
    seconds: float = 0.0
    remarks: list[str] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """Whether no must is missed and every point was found."""
        wrong = self.false + self.twice + self.stability + self.isolation + self.short + self.loose
        return not wrong and self.found == self.points


@dataclass(frozen=True)
class Rows:
    """The fixed points that a result lists; what the version does not say is None."""

    x: np.ndarray
    error: np.ndarray | None
    stability: list[str]
    is_isolated: np.ndarray | None


def run(system: System, seed: int = 0, **options: Any) -> tuple[xr.Dataset, float]:
    """Return the result of the default call, or one with some options, and how long it took."""
    model, options = system.model(), {"spectra": "values", "progress": False, "seed": seed} | options
    start = perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = fpa.find_fixed_points(model, **(options | system.options))
    return ds, perf_counter() - start


def rows_of(ds: xr.Dataset) -> Rows:
    """Return the rows of kind `fixed`, with fallbacks for versions without `stability`."""
    fixed = ds["is_fixed"].values
    if "stability" in ds:
        names = dict(
            zip(
                ds["stability"].attrs["flag_values"],
                ds["stability"].attrs["flag_meanings"].split(),
                strict=True,
            )
        )
        stability = [names[value] for value in ds["stability"].values[fixed]]
    else:
        pairs = zip(ds["is_stable"].values[fixed], ds["n_unstable"].values[fixed], strict=True)
        stability = ["stable" if stable else "unstable" if n else "neutral" for stable, n in pairs]
    error = ds["error"].values[fixed] if "error" in ds else None
    isolated = ds["is_isolated"].values[fixed] if "is_isolated" in ds else None
    return Rows(ds["x"].values[fixed], error, stability, isolated)


def judge(system: System, truth: Truth, ds: xr.Dataset) -> Verdict:
    """Return the verdict on a result."""
    rows, scale = rows_of(ds), scale_of(system, truth)
    out = Verdict(points=len(truth.points))
    out.points += system.continuum is not None
    taken: dict[int, int] = {}
    on_line = np.zeros(len(rows.x), bool)
    if system.continuum is not None and len(rows.x):
        on_line = system.continuum(rows.x) <= NEAR
    for k, x in enumerate(rows.x):
        away = distances(system, truth, x)
        relative = np.max(away / scale, axis=-1) if len(away) else np.empty(0)
        j = int(np.argmin(relative)) if len(away) else -1
        if on_line[k] and not (j >= 0 and relative[j] <= NEAR):
            _judge_on_continuum(out, rows, k)
            taken[-1] = k
            continue
        if j < 0 or not _belongs(truth, rows, k, j, away[j], relative[j], scale):
            gap = "no true point" if j < 0 else f"{relative[j]:.1e} of the scale from {truth.points[j].x}"
            out.false += 1
            out.remarks.append(f"false: {x}, {gap}")
            continue
        if j in taken:
            out.twice += 1
            out.remarks.append(f"twice: {x} and {rows.x[taken[j]]}")
        taken[j] = k
        _judge_row(out, truth, rows, k, j, away[j], scale)
    out.found = len(taken)
    missed = [str(p.x) for i, p in enumerate(truth.points) if i not in taken]
    if missed:
        out.remarks.append(f"missed {len(missed)} of {out.points}: {'; '.join(missed[:4])}")
    if system.continuum is not None and -1 not in taken:
        out.remarks.append("missed the continuum")
    return out


def distances(system: System, truth: Truth, x: np.ndarray) -> np.ndarray:
    """Return distances, entry by entry, of a state from all true points, `(point, state)`, to 20 digits."""
    if not truth.points:
        return np.empty((0, len(x)))
    gap = x - np.array([point.x for point in truth.points])
    for k in system.periodic:
        turns = np.round(gap[:, k] / (2 * np.pi))
        gap[:, k] -= 2 * np.pi * turns
    return np.abs(gap - np.array([point.rest for point in truth.points]))


def _allowed(rows: Rows, k: int, scale: np.ndarray) -> np.ndarray | None:
    """Return the row's own error, entry by entry, None where the version has none."""
    if rows.error is None:
        return None
    return np.broadcast_to(rows.error[k], scale.shape)


def _belongs(
    truth: Truth, rows: Rows, k: int, j: int, away: np.ndarray, relative: float, scale: np.ndarray
) -> bool:
    """Return whether a row is meant to be true point j: within its error, or near by any standard."""
    if relative <= NEAR:
        return True
    allowed = _allowed(rows, k, scale)
    if allowed is None:
        return relative <= 30 * np.max(truth.points[j].play / scale)
    return bool(np.all(away <= allowed) and np.all(allowed <= WIDE * scale))


def _judge_row(
    out: Verdict, truth: Truth, rows: Rows, k: int, j: int, away: np.ndarray, scale: np.ndarray
) -> None:
    point, x = truth.points[j], rows.x[k]
    if point.labels and rows.stability[k] not in point.labels:
        out.stability += 1
        out.remarks.append(f"{rows.stability[k]}, not {' or '.join(point.labels)}: {x}")
    if rows.is_isolated is not None and point.isolation is not None:
        if bool(rows.is_isolated[k]) != point.isolation:
            out.isolation += 1
            out.remarks.append(f"is_isolated {bool(rows.is_isolated[k])}: {x}")
    allowed = _allowed(rows, k, scale)
    if allowed is None:
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = float(np.max(np.where(away == 0, 0.0, away / allowed)))
    # An error of 0 or NaN is no error, however right the point.
    ratio = np.inf if not np.all(allowed > 0) else ratio
    out.ratios.append(ratio)
    if not ratio <= 1.0 + DIGITS:
        out.short += 1
        out.remarks.append(f"error {np.max(allowed):.1e} at {x}, true distance {np.max(away):.1e}")
        return
    most = NEAR * np.maximum(scale, np.abs(x)) if point.isolation is True else WIDE * scale
    if np.max(allowed) > np.max(most):  # one number for all entries, in the state's own units
        out.loose += 1
        out.remarks.append(f"error {np.max(allowed):.1e} at {x}, true distance {np.max(away):.1e}: too large")


def _judge_on_continuum(out: Verdict, rows: Rows, k: int) -> None:
    if rows.stability[k] not in ON_CONTINUUM:
        out.stability += 1
        out.remarks.append(f"{rows.stability[k]} on a continuum: {rows.x[k]}")
    if rows.is_isolated is not None and rows.is_isolated[k]:
        out.isolation += 1
        out.remarks.append(f"is_isolated True on a continuum: {rows.x[k]}")
