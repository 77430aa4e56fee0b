"""The truth about a system: its points to 20 digits, their stability, and that there are no others.

A point is kept as two numbers an entry, the float64 next to the true value and the rest, so that a float64
can be compared with it far below its own rounding. Both come from Newton's method with 100 digits. The
stability comes from the eigenvalues of the Jacobian of the whole system, computed with 100 digits from
central differences wherever float64 leaves it open.

Every table is made with the truths of `zoo_truth.json`, which `python benchmarks/zoo.py --remake` writes.
They are checked at every run: with 60 digits, a Newton step from the stored point must leave it there.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpmath
import numpy as np

from zoology.arithmetic import DIGITS, IN_DIGITS, digits, in_digits, jacobian_in_digits
from zoology.boxes import by_boxes, second_way
from zoology.system import Known, System

FILE = Path(__file__).parent.parent / "zoo_truth.json"
# An eigenvalue nearer to the boundary may be called neutral as well (flows: relative to the largest one).
NEUTRAL_TOO = {False: 1e-8, True: 1e-12}
DEGENERATE = 1e-6


@dataclass(frozen=True)
class Point:
    """A true fixed point: `x + rest`, the stabilities that are right, and how singular it is.

    Args:
        x: the nearest float64, `(state,)`.
        rest: what is left, `(state,)`.
        labels: stabilities that are right; empty where none is meaningful.
        isolation: what `is_isolated` must say: True, False, or None where both will do.
        play: distance within which rounding cannot tell the point from its surroundings; 0 at regular points.
    """

    x: np.ndarray
    rest: np.ndarray
    labels: tuple[str, ...]
    isolation: bool | None
    play: float


@dataclass(frozen=True)
class Truth:
    """All points of a system, and how they are known: by `boxes`, by `regions`, or `known`."""

    points: tuple[Point, ...]
    proof: str


def prove(system: System) -> Truth | None:
    """Return the truth about a system; None where it cannot be made sure (the system is then no part of the
    zoo)."""
    with mpmath.workdps(DIGITS):
        if system.regions is not None:
            return Truth(tuple(_known(system, point) for point in system.regions()), "regions")
        if system.known or system.box is None:
            return Truth(tuple(_known(system, point) for point in system.known), "known")
        roots = by_boxes(system)
        if roots is None:
            return None
        second_way(system, roots, np.random.default_rng(0))
        return Truth(tuple(_point(system, _lifted(system, _polished(system, row))) for row in roots), "boxes")


def scale_of(system: System, truth: Truth) -> np.ndarray:
    """Return the size of every entry of the state, `(state,)`."""
    if system.scale is not None:
        return np.broadcast_to(np.asarray(system.scale, float), (system.n_state,))
    box = np.zeros(system.n_state)
    if system.box is not None and len(system.box[0]) == system.n_state and system.lift is None:
        box = np.maximum(np.abs(system.box[0]), np.abs(system.box[1]))
    sizes = [np.abs(point.x) for point in truth.points] + [box]
    size = np.max(sizes, axis=0)
    return np.where(size > 0, size, 1.0)


def _polished(system: System, y: np.ndarray) -> np.ndarray:
    """Return unknowns in multiple precision, after Newton steps until nothing moves."""
    parameters = in_digits(system.parameters)
    f = lambda y: system.equations(IN_DIGITS, y, parameters)
    exact, size = digits(y), np.maximum(np.abs(y), 1e-6)
    for _ in range(12):
        step = _solved(jacobian_in_digits(f, exact, size), f(exact))
        exact = exact - step
        if max(abs(s) / w for s, w in zip(step, size, strict=True)) < 1e-45:
            return exact
    raise ArithmeticError(f"{system.name}: Newton's method did not settle at {y}")


def _solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    solution = mpmath.lu_solve(mpmath.matrix(matrix.tolist()), mpmath.matrix(right.tolist()))
    return np.array([solution[k] for k in range(len(right))], object)


def _lifted(system: System, y: np.ndarray) -> np.ndarray:
    return system.state(IN_DIGITS, y, in_digits(system.parameters))


def _known(system: System, known: Known) -> Point:
    x = known.x() if callable(known.x) else known.x
    x = np.atleast_1d(digits(x))
    if not known.is_degenerate and known.labels is not None and "undecided" in known.labels:
        # On a kink no derivative shows that a point is alone.
        return Point(*_split(x), known.labels, None, known.play)
    point = _point(system, x, known.labels)
    isolation = False if known.is_degenerate else point.isolation
    return Point(point.x, point.rest, point.labels, isolation, known.play)


def _split(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    near = np.array([float(entry) for entry in x])
    return near, np.array([float(entry - mpmath.mpf(part)) for entry, part in zip(x, near, strict=True)])


def _point(system: System, x: np.ndarray, labels: tuple[str, ...] | None = None) -> Point:
    """Return a point with the labels given, or with those that its eigenvalues say."""
    near, rest = _split(x)
    sizes = np.ones(system.n_state) if system.scale is None else np.asarray(system.scale, float)
    sizes = np.broadcast_to(sizes, near.shape)
    parameters = in_digits(system.parameters)
    jacobian = jacobian_in_digits(lambda x: system.right_side(IN_DIGITS, x, parameters), x, sizes)
    # In units of the entries' sizes, which changes no eigenvalue.
    jacobian = jacobian * digits(sizes)[None, :] / digits(sizes)[:, None]
    eigenvalues = np.linalg.eigvals(jacobian.astype(float))
    labels = _stability(jacobian, eigenvalues, system.flow) if labels is None else labels
    away = np.abs(eigenvalues - (0 if system.flow else 1)).min()
    away = away / max(np.abs(eigenvalues).max(), 1e-300) if system.flow else away
    return Point(near, rest, labels, True if away > DEGENERATE else None, 0.0)


def _stability(jacobian: np.ndarray, values: np.ndarray, flow: bool) -> tuple[str, ...]:
    """Return the labels that are right; `values` are the eigenvalues in float64."""
    growth = _growth(values, flow)
    if abs(growth) < 1e-5:
        exact = list(jacobian[0])
        if len(jacobian) > 1:
            exact = mpmath.eig(mpmath.matrix(jacobian.tolist()), left=False, right=False)
        moduli = [abs(value) for value in exact]
        most = max(mpmath.re(value) for value in exact) / max(moduli) if flow else max(moduli) - 1
        growth = float(most)
    if abs(growth) < 1e-18:
        return ("neutral",)
    label = "unstable" if growth > 0 else "stable"
    return (label, "neutral") if abs(growth) < NEUTRAL_TOO[flow] else (label,)


def _growth(values: np.ndarray, flow: bool) -> float:
    if flow:
        return float(np.real(values).max() / max(np.abs(values).max(), 1e-300))
    return float(np.abs(values).max() - 1)


def check(system: System, truth: Truth, tolerance: float = 1e-17) -> float:
    """Return how far, relative to the scale, one Newton step with 60 digits moves the stored points at most.

    Degenerate points and those on kinks have no Newton step: their residual is looked at instead.

    Raises:
        ArithmeticError: a point moves by more than the tolerance.
    """
    worst, scale = 0.0, scale_of(system, truth)
    with mpmath.workdps(60):
        parameters = in_digits(system.parameters)

        def f(x: np.ndarray) -> np.ndarray:
            value = system.right_side(IN_DIGITS, x, parameters)
            return value if system.flow else value - x

        for point in truth.points:
            x = digits(point.x) + digits(point.rest)
            value = f(x)
            if "undecided" in point.labels:
                step = value
            else:
                matrix = jacobian_in_digits(f, x, scale)
                rate = max(1.0, float(max(abs(entry) for entry in matrix.ravel()))) if system.flow else 1.0
                step = _solved(matrix, value) if point.isolation is True else value / rate
            # Far from the origin the stored digits are those of the state, not of its scale.
            size = np.maximum(scale, np.abs(point.x))
            moved = max(abs(float(s)) / w for s, w in zip(step, size, strict=True))
            worst = max(worst, moved)
            if not moved <= tolerance:
                raise ArithmeticError(f"{system.name}: the stored point {point.x} is off by {moved:.1e}")
    return worst


def _fingerprint(system: System) -> str:
    parts = [f"{k}={np.asarray(v).tolist()}" for k, v in sorted(system.parameters.items())]
    return hashlib.sha256(";".join(parts).encode()).hexdigest()[:8]


def write(systems: Sequence[System], truths: Sequence[Truth | None], file: Path = FILE) -> None:
    """Write truths; one line for every system, null for those that were dropped."""
    lines = []
    for system, truth in zip(systems, truths, strict=True):
        entry: Any = None
        if truth is not None:
            points = [
                [p.x.tolist(), [float(f"{r:.3e}") for r in p.rest], "|".join(p.labels), p.isolation, p.play]
                for p in truth.points
            ]
            entry = [_fingerprint(system), truth.proof, points]
        lines.append(f"{json.dumps(system.name)}: {json.dumps(entry, separators=(',', ':'))}")
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def read(systems: Sequence[System], file: Path = FILE) -> dict[str, Truth | None]:
    """Return the truths of systems by name.

    Raises:
        KeyError: the file is older than a system.
    """
    stored = json.loads(file.read_text())
    out: dict[str, Truth | None] = {}
    for system in systems:
        entry = stored[system.name]
        if entry is not None and entry[0] != _fingerprint(system):
            raise KeyError(f"{system.name}: it was changed since; run zoo.py --remake")
        out[system.name] = None if entry is None else _truth(entry)
    return out


def _truth(entry: list) -> Truth:
    points = [
        Point(np.array(x), np.array(rest), tuple(labels.split("|")) if labels else (), isolation, play)
        for x, rest, labels, isolation, play in entry[2]
    ]
    return Truth(tuple(points), entry[1])
