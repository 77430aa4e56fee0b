"""Every root within a box, by subdivision and the test of Krawczyk; or by many starts and the sum of indices.

`by_boxes` is a proof. A box is thrown away only when an interval that holds all values of an equation over it leaves
out 0 (natural and mean-value form), or when Krawczyk's operator K maps it beside itself. A box is accepted when K maps
a slightly larger box Y into its own interior, which shows that Y holds exactly one root (Krawczyk 1969; Neumaier 1990,
Interval Methods for Systems of Equations, chapter 5). All others are cut in two. When no box is left, the roots are all
there are. Degenerate roots are never accepted: there the search gives up, and says so.

`by_starts` is for those that `by_boxes` gives up because they have too many unknowns. It runs a damped Newton method
from at least 20,000 starts until every root was reached three times, and asks that the signs of det(I − J) sum to 1,
as they must for a map of a box into itself (Brouwer, Lefschetz) and for flows that enter it. A system that fails is
dropped from the zoo.
"""

from collections.abc import Callable

import numpy as np

from zoology.arithmetic import IN_NUMPY, jacobians
from zoology.intervals import ON_BOXES, Dual, Interval
from zoology.system import System

BATCH = 2048
WIDER = 1.25


def by_boxes(system: System, most: int = 400_000) -> np.ndarray | None:
    """Return approximate roots `(root, unknown)`, one for every root in the system's box; None if it gives up."""
    assert system.box is not None
    # Not in the middle: roots at 0 would lie on the faces of boxes again and again.
    lo, hi = (end[None].astype(float) for end in system.box)
    pad = 1e-6 * (hi - lo)
    lo, hi = lo - pad, hi + 1.37 * pad
    roots: list[np.ndarray] = []
    seen = 0
    while len(lo):
        seen += min(len(lo), BATCH)
        if seen > most:
            return None
        now, lo, hi = (lo[-BATCH:], hi[-BATCH:]), lo[:-BATCH], hi[:-BATCH]
        found, rest = _examine(system, *now)
        roots += list(found)
        if (
            len(rest[0])
            and np.min(np.max(rest[1] - rest[0], axis=1) / np.max(system.box[1] - system.box[0])) < 1e-11
        ):
            return None
        lo, hi = np.concatenate([lo, rest[0]]), np.concatenate([hi, rest[1]])
    return _distinct(np.array(roots).reshape(-1, lo.shape[1]), system)


def _examine(
    system: System, lo: np.ndarray, hi: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return roots that some boxes were shown to hold, and the boxes that are left, cut in two."""
    over = system.equations(ON_BOXES, Dual.over(lo, hi))
    middle = 0.5 * (lo + hi)
    at = _at(system, middle)
    radius = hi - middle
    reach = _absolute(over.gradient) @ radius[:, :, None]
    out = np.any((over.value.lo > 0) | (over.value.hi < 0), axis=1)
    out |= np.any((at.lo > reach[..., 0]) | (at.hi < -reach[..., 0]), axis=1)
    lo, hi, keep = lo[~out], hi[~out], ~out
    if not len(lo):
        return np.empty((0, lo.shape[1])), (lo, hi)
    roots, done, lo, hi = _krawczyk(system, lo, hi)
    lo, hi = lo[~done], hi[~done]
    slopes = _absolute(over.gradient)[keep][~done]
    return roots, _cut(lo, hi, slopes)


def _at(system: System, x: np.ndarray) -> Interval:
    return system.equations(ON_BOXES, Dual.over(x, x)).value


def _absolute(x: Interval) -> np.ndarray:
    # Infinite slopes (a division by an interval around 0) say nothing and must not become NaN.
    return np.minimum(np.maximum(np.abs(x.lo), np.abs(x.hi)), 1e200)


def _krawczyk(
    system: System, lo: np.ndarray, hi: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return roots, which boxes are done, and the boxes, narrowed."""
    middle, radius = 0.5 * (lo + hi), 0.5 * (hi - lo) * WIDER
    over = system.equations(ON_BOXES, Dual.over(middle - radius, middle + radius))
    gradient = over.gradient
    with np.errstate(invalid="ignore", over="ignore"):
        centre = 0.5 * (gradient.lo + gradient.hi)
    usable = np.all(np.isfinite(centre), axis=(1, 2))
    centre[~usable] = np.eye(lo.shape[1])
    usable &= np.linalg.cond(centre) < 1e12
    centre[~usable] = np.eye(lo.shape[1])
    inverse = np.linalg.inv(centre)
    at = _at(system, middle)
    half = 0.5 * (at.hi - at.lo)
    step = (inverse @ (0.5 * (at.lo + at.hi))[..., None])[..., 0]
    # |I − C G| entry by entry, with room for the rounding of the products.
    spread = np.minimum(0.5 * (gradient.hi - gradient.lo), 1e200)
    rounding = 1e-14 * (np.abs(inverse) @ (np.abs(centre) + spread))
    rest = np.abs(np.eye(lo.shape[1]) - inverse @ centre) + np.abs(inverse) @ spread + rounding
    reach = (rest @ radius[..., None])[..., 0] + (np.abs(inverse) @ half[..., None])[..., 0]
    reach = reach * (1 + 1e-13) + 1e-15 * np.abs(middle) + 1e-300
    k_lo, k_hi = middle - step - reach, middle - step + reach
    inside = usable & np.all((k_lo > middle - radius) & (k_hi < middle + radius), axis=1)
    beside = usable & np.any((k_lo > hi) | (k_hi < lo), axis=1)
    narrowed = usable & ~inside & ~beside
    lo = np.where(narrowed[:, None], np.maximum(lo, k_lo), lo)
    hi = np.where(narrowed[:, None], np.minimum(hi, k_hi), hi)
    return (middle - step)[inside], inside | beside, lo, hi


def _cut(lo: np.ndarray, hi: np.ndarray, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut boxes where the equations change most; slightly off the middle, where symmetric roots lie."""
    if not len(lo):
        return lo, hi
    width = hi - lo
    axis = np.argmax(width * np.sum(np.minimum(slopes, 1e100), axis=1), axis=1)
    axis = np.where(
        np.max(width, axis=1) > 1e3 * width[np.arange(len(lo)), axis], np.argmax(width, axis=1), axis
    )
    rows = np.arange(len(lo))
    place = lo[rows, axis] + 0.4871 * width[rows, axis]
    left, right = hi.copy(), lo.copy()
    left[rows, axis], right[rows, axis] = place, place
    return np.concatenate([lo, right]), np.concatenate([left, hi])


def _distinct(roots: np.ndarray, system: System) -> np.ndarray:
    """Return roots polished and once each: neighbouring boxes, made wider, can show the same one."""
    assert system.box is not None
    size = system.box[1] - system.box[0]
    roots, _ = newton(lambda y: system.equations(IN_NUMPY, y), roots, 6)
    out: list[np.ndarray] = []
    for root in roots:
        if all(np.max(np.abs(root - other) / size) > 1e-10 for other in out):
            out.append(root)
    return np.array(out).reshape(-1, roots.shape[1])


def newton(f: Callable, y: np.ndarray, steps: int, damped: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return where Newton's method takes states `(n, unknown)`, and the residuals' norms there."""
    if not len(y):
        return y, np.empty(0)
    value = f(y)
    norm = np.linalg.norm(value, axis=1)
    for _ in range(steps):
        matrix = jacobians(f, y)
        # The least of damping, so that a singular Jacobian is not an error.
        tiny = 1e-14 * (np.abs(matrix).max(axis=(1, 2)) + 1e-300)
        direction = np.linalg.solve(matrix + tiny[:, None, None] * np.eye(y.shape[1]), value[..., None])[
            ..., 0
        ]
        length = np.ones(len(y))
        for _ in range(8 if damped else 1):
            trial = y - length[:, None] * direction
            new = f(trial)
            worse = ~(np.linalg.norm(new, axis=1) <= norm)
            if not damped or not worse.any():
                break
            length = np.where(worse, 0.5 * length, length)
        keep = worse & damped
        y, value = np.where(keep[:, None], y, trial), np.where(keep[:, None], value, new)
        norm = np.linalg.norm(value, axis=1)
    return y, norm


def by_starts(system: System, rng: np.random.Generator, most: int = 160_000) -> np.ndarray | None:
    """Return the roots in the system's box, or None where their indices do not sum to 1."""
    assert system.box is not None
    lo, hi = system.box
    f = lambda y: system.equations(IN_NUMPY, y)
    roots, hits, n = np.empty((0, len(lo))), np.empty(0, int), 0
    while n < most:
        starts = rng.uniform(lo, hi, (10_000, len(lo)))
        # Half of them nearer to the middle: most saddles lie there.
        starts[::2] = 0.5 * (lo + hi) + (starts[::2] - 0.5 * (lo + hi)) * rng.random((5000, 1))
        with np.errstate(all="ignore"):
            ends, norm = newton(f, starts, 40, damped=True)
        ends = ends[norm < 1e-12]
        ends = ends[np.all((ends >= lo - 1e-9) & (ends <= hi + 1e-9), axis=1)]
        roots, hits = _count(ends, roots, hits, hi - lo)
        n += len(starts)
        if n >= 20_000 and len(hits) and hits.min() >= 3:
            break
    if not len(roots) or hits.min() < 3:
        return None
    return roots if np.sign(np.linalg.det(-jacobians(f, roots))).sum() == 1 else None


def _count(
    ends: np.ndarray, roots: np.ndarray, hits: np.ndarray, size: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    for k, root in enumerate(roots):
        same = np.max(np.abs(ends - root) / size, axis=1) < 1e-8
        hits[k] += same.sum()
        ends = ends[~same]
    while len(ends):
        same = np.max(np.abs(ends - ends[0]) / size, axis=1) < 1e-8
        roots, hits = np.concatenate([roots, ends[:1]]), np.append(hits, same.sum())
        ends = ends[~same]
    return roots, hits
