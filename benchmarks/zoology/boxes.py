"""Every root within a box, by subdivision and the test of Krawczyk.

`by_boxes` is a proof. A box is thrown away only when an interval that holds all values of an equation over
it leaves out 0 (natural and mean-value form), or when Krawczyk's operator K maps it beside itself. A box is
accepted when K maps a slightly larger box Y into its own interior, which shows that Y holds exactly one root
(Krawczyk 1969; Neumaier 1990, Interval Methods for Systems of Equations, chapter 5). All others are cut in
two. When no box is left, the roots are all there are. Degenerate roots are never accepted: there the search
gives up, and says so.
"""

from collections.abc import Callable

import numpy as np

from zoology.arithmetic import IN_NUMPY, jacobians
from zoology.intervals import ON_BOXES, Dual, Interval
from zoology.system import System

BATCH = 2048
WIDER = 1.25


def by_boxes(system: System, most: int = 400_000) -> np.ndarray | None:
    """Return approximate roots `(root, unknown)`, one for every root in the system's box; None if it gives
    up."""
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
        width = np.max((rest[1] - rest[0]) / (system.box[1] - system.box[0]), axis=1)
        if np.min(width, initial=1.0) < 1e-11:
            return None
        lo, hi = np.concatenate([lo, rest[0]]), np.concatenate([hi, rest[1]])
    return _distinct(np.array(roots).reshape(-1, 2, lo.shape[1]), system)


def _examine(
    system: System, lo: np.ndarray, hi: np.ndarray
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return boxes `(root, 2, unknown)` shown to hold one root each, and those that are left, cut in two."""
    over = system.equations(ON_BOXES, Dual.over(lo, hi))
    middle = 0.5 * (lo + hi)
    at = _at(system, middle)
    radius = np.maximum(hi - middle, middle - lo)
    reach = (_absolute(over.gradient) @ radius[:, :, None]) * (1 + 1e-13) + 1e-300
    out = np.any((over.value.lo > 0) | (over.value.hi < 0), axis=1)
    out |= np.any((at.lo > reach[..., 0]) | (at.hi < -reach[..., 0]), axis=1)
    lo, hi, keep = lo[~out], hi[~out], ~out
    if not len(lo):
        return np.empty((0, 2, lo.shape[1])), (lo, hi)
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
    """Return boxes that hold one root each, which of the given ones are done, and those, narrowed."""
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
    shown = np.stack([middle - radius, middle + radius], axis=1)[inside]
    return shown, inside | beside, lo, hi


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


def _distinct(shown: np.ndarray, system: System) -> np.ndarray:
    """Return the roots of boxes `(root, 2, unknown)`, once each: boxes were made wider, and may overlap."""
    assert system.box is not None
    size = system.box[1] - system.box[0]
    roots, _ = newton(lambda y: system.equations(IN_NUMPY, y), shown.mean(axis=1), 60)
    slack = 1e-12 * size
    if not np.all((roots >= shown[:, 0] - slack) & (roots <= shown[:, 1] + slack)):
        raise ArithmeticError(f"{system.name}: Newton's method left the box of a root")
    out: list[np.ndarray] = []
    for root in roots:
        if all(np.max(np.abs(root - other) / size) > 1e-10 for other in out):
            out.append(root)
    return np.array(out).reshape(-1, len(size))


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
        matrix = matrix + tiny[:, None, None] * np.eye(y.shape[1])
        direction = np.linalg.solve(matrix, value[..., None])[..., 0]
        trial = y - direction
        new = f(trial)
        worse = np.zeros(len(y), bool)
        for k in range(1, 8 if damped else 0):
            worse = np.logical_not(np.linalg.norm(new, axis=1) <= norm)
            if not worse.any():
                break
            trial[worse] = (y - 0.5**k * direction)[worse]
            new = f(trial)
        y, value = np.where(worse[:, None], y, trial), np.where(worse[:, None], value, new)
        norm = np.linalg.norm(value, axis=1)
    return y, norm


def second_way(system: System, roots: np.ndarray, rng: np.random.Generator) -> None:
    """Check the roots of `by_boxes` by what knows nothing of intervals.

    A damped Newton method from 2,000 starts may find no root that is not among them; and where the box is
    mapped into itself, or the flow enters it, the signs of det(I − J) must sum to 1 (Brouwer, Lefschetz).

    Raises:
        ArithmeticError: a root is missing, or the indices do not sum to 1.
    """
    assert system.box is not None
    lo, hi = system.box
    f = lambda y: system.equations(IN_NUMPY, y)
    with np.errstate(all="ignore"):
        ends, norm = newton(f, rng.uniform(lo, hi, (2000, len(lo))), 40, damped=True)
    inside = (norm < 1e-12) & np.all((ends >= lo) & (ends <= hi), axis=1)
    for end in ends[inside]:
        gap = np.max(np.abs(roots - end) / (hi - lo), axis=1).min(initial=np.inf)
        if gap > 1e-6:
            raise ArithmeticError(f"{system.name}: the root {end} is missing among those by boxes")
    if system.is_bounded and np.sign(np.linalg.det(-jacobians(f, roots))).sum() != 1:
        raise ArithmeticError(f"{system.name}: the indices of {len(roots)} points do not sum to 1")
