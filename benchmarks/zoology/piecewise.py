"""Piecewise linear systems: relu maps, PLRNNs, kinks, and continua of fixed points.

A system `A z + W relu(z) + h` is linear in each of the 2^N regions in which the signs of z do not change.
In each the one candidate is the solution of a linear system, solved with 100 digits; it counts when its
signs are those of the region. `relu(W x + b)` is the same with the signs of `W x + b`. Both are complete as
long as no region's system is singular, which is checked; where it is, the system is given as a continuum or
dropped. A point with an entry that is exactly 0 lies on a kink: it is found from every region beside it,
counted once, and its stability is undecided.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import mpmath
import numpy as np

from zoology.arithmetic import digits
from zoology.system import UNDECIDED, Known, System

ON_KINK = mpmath.mpf(10) ** -60


def plrnn(xp: Any, x: Any, A: Any, W: Any, h: Any) -> Any:
    return A * x + xp.relu(x) @ W.T + h


def relu_map(xp: Any, x: Any, W: Any, b: Any) -> Any:
    return xp.relu(x @ W.T + b)


def leaky_relu_map(xp: Any, x: Any, W: Any, b: Any, slope: Any) -> Any:
    a = x @ W.T + b
    return xp.relu(a) * (1.0 - slope) + a * slope


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray | None:
    """Return the solution with 100 digits, None where the matrix is singular."""
    m = mpmath.matrix(matrix.tolist())
    if abs(mpmath.det(m)) < mpmath.mpf(10) ** -40:
        return None
    solution = mpmath.lu_solve(m, mpmath.matrix(right.tolist()))
    return np.array([solution[k] for k in range(len(right))], object)


def _signs_fit(a: np.ndarray, on: np.ndarray) -> bool:
    return all(entry >= -ON_KINK if is_on else entry <= ON_KINK for entry, is_on in zip(a, on, strict=True))


def _collect(found: list[tuple[np.ndarray, np.ndarray]]) -> list[Known]:
    """Return points once each; with the argument of relu at each, to see the kinks."""
    out: list[tuple[np.ndarray, bool]] = []
    for x, a in found:
        kink = any(abs(entry) < ON_KINK for entry in a)
        if not any(max(abs(x - other)) < ON_KINK for other, _ in out):
            out.append((x, kink))
    return [Known(x, UNDECIDED if kink else None) for x, kink in out]


def plrnn_points(A: np.ndarray, W: np.ndarray, h: np.ndarray) -> list[Known]:
    with mpmath.workdps(100):
        A_, W_, h_, n = digits(A), digits(W), digits(h), len(h)
        found = []
        for on in product((0, 1), repeat=n):
            matrix = digits(np.eye(n)) - np.diag(A_) - W_ * np.array(on)[None, :]
            z = _solve(matrix, h_)
            if z is None:
                raise ArithmeticError("a region has no isolated point")
            if _signs_fit(z, np.array(on)):
                found.append((z, z))
        return _collect(found)


def relu_points(W: np.ndarray, b: np.ndarray, slope: float = 0.0) -> list[Known]:
    with mpmath.workdps(100):
        W_, b_, n = digits(W), digits(b), len(b)
        found = []
        for on in product((0, 1), repeat=n):
            gain = np.array([mpmath.mpf(1) if is_on else mpmath.mpf(slope) for is_on in on], object)
            x = _solve(digits(np.eye(n)) - gain[:, None] * W_, gain * b_)
            if x is None:
                raise ArithmeticError("a region has no isolated point")
            a = W_ @ x + b_
            if _signs_fit(a, np.array(on)):
                found.append((x, a))
        return _collect(found)


def relu_maps() -> Iterator[System]:
    for n in range(1, 7):
        for k, (gain, slope) in enumerate(((0.8, 0.0), (1.5, 0.0), (3.0, 0.0), (2.0, 0.1))):
            rng = np.random.default_rng([19, n, k])
            W = rng.standard_normal((n, n)) * gain / np.sqrt(n)
            b = rng.standard_normal(n)
            kind = "leaky relu" if slope else "relu"
            name = f"{kind} map: n={n}, gain={gain}, seed={k}"
            values: dict[str, Any] = {"W": W, "b": b}
            formula: Any = relu_map
            if slope:
                values, formula = values | {"slope": slope}, leaky_relu_map
            yield System(
                "relu maps",
                name,
                formula,
                values,
                n,
                regions=lambda W=W, b=b, slope=slope: relu_points(W, b, slope),
            )


def plrnns() -> Iterator[System]:
    for n in range(1, 7):
        for k, gain in enumerate((0.5, 1.0, 2.0, 4.0)):
            rng = np.random.default_rng([23, n, k])
            A = rng.uniform(-0.9, 0.9, n)
            W = rng.standard_normal((n, n)) * gain / np.sqrt(n)
            np.fill_diagonal(W, 0.0 if n > 1 else gain)
            h = rng.standard_normal(n)
            values = {"A": A, "W": W, "h": h}
            name = f"PLRNN: n={n}, gain={gain}, seed={k}"
            yield System(
                "PLRNN", name, plrnn, values, n, regions=lambda v=values: plrnn_points(v["A"], v["W"], v["h"])
            )


def tent(xp: Any, x: Any, a: Any) -> Any:
    return a * (0.5 - xp.abs(x - 0.5))


def lozi(xp: Any, x: Any, a: Any, b: Any) -> Any:
    return xp.stack([1.0 - a * xp.abs(x[..., 0]) + x[..., 1], b * x[..., 0]])


def hinge(xp: Any, x: Any, c: Any, left: Any, right: Any) -> Any:
    """Return a kink at its own fixed point c, with two slopes."""
    return c + right * xp.relu(x - c) - left * xp.relu(c - x)


def hinge_beside(xp: Any, x: Any, slope: Any) -> Any:
    """Return a hinge in the first of two entries, and a decaying second that hears it."""
    a, b = x[..., 0], x[..., 1]
    return xp.stack([slope * xp.relu(a), 0.5 * b + a])


def clipped(xp: Any, x: Any, gain: Any) -> Any:
    """Return clip(gain x, −1, 1), of relus."""
    return xp.relu(gain * x + 1.0) - xp.relu(gain * x - 1.0) - 1.0


def kinks() -> Iterator[System]:
    """Yield points on kinks, where the stability is undecided, and systems with kinks elsewhere."""
    zero = {n: np.zeros(n) for n in range(1, 6)}
    for n, gain, seed in ((1, 2.0, 0), (2, 0.8, 1), (3, 1.5, 2), (4, 1.0, 3), (5, 2.0, 4)):
        W = np.random.default_rng([29, seed]).standard_normal((n, n)) * gain / np.sqrt(n)
        values = {"A": np.full(n, 0.8), "W": 0.2 * W, "h": zero[n]}
        yield System(
            "kinks",
            f"leaky relu network without bias: n={n}, gain={gain}",
            plrnn,
            values,
            n,
            scale=np.ones(n),
            regions=lambda v=values: plrnn_points(v["A"], v["W"], v["h"]),
        )
        values = {"W": W, "b": zero[n]}
        yield System(
            "kinks",
            f"relu map without bias: n={n}, gain={gain}",
            relu_map,
            values,
            n,
            scale=np.ones(n),
            regions=lambda v=values: relu_points(v["W"], v["b"]),
        )
    for c, left, right in (
        (1.0, 0.0, 2.0),
        (0.0, 0.5, 0.5),
        (-3.0, 0.5, 0.2),
        (0.0, -0.5, 0.5),
        (100.0, 3.0, 0.0),
    ):
        # With equal slopes the hinge is a line, and nothing is undecided.
        labels = ("stable", "undecided") if left == right else UNDECIDED
        values = {"c": c, "left": left, "right": right}
        point = Known([c], labels)
        name = f"hinge at {c:g}, slopes {left:g} and {right:g}"
        yield System("kinks", name, hinge, values, 1, known=(point,), scale=np.array([max(abs(c), 1.0)]))
    yield System(
        "kinks",
        "hinge beside a decay",
        hinge_beside,
        {"slope": 2.0},
        2,
        known=(Known([0.0, 0.0], UNDECIDED),),
        scale=np.ones(2),
    )
    with mpmath.workdps(100):
        mp = mpmath.mpf
        yield System(
            "kinks",
            "tent, a=2",
            tent,
            {"a": 2.0},
            1,
            known=(Known([0.0]), Known(np.array([mp(2) / 3], object))),
        )
        for a, b in ((1.7, 0.5), (1.4, 0.3)):
            right, left = 1 / (1 + mp(a) - mp(b)), 1 / (1 - mp(a) - mp(b))
            points = tuple(Known(np.array([x, mp(b) * x], object)) for x in (right, left))
            yield System("kinks", f"Lozi, a={a:g}, b={b:g}", lozi, {"a": a, "b": b}, 2, known=points)
    for gain in (2.0, 1.2):
        yield System(
            "kinks",
            f"clip, gain {gain:g}",
            clipped,
            {"gain": gain},
            1,
            known=(Known([0.0]), Known([1.0]), Known([-1.0])),
        )


def linear_map(xp: Any, x: Any, W: Any) -> Any:
    del xp
    return x @ W.T


def linear_flow(xp: Any, x: Any, W: Any) -> Any:
    del xp
    return x @ W.T


def ring(xp: Any, x: Any, gain: Any) -> Any:
    a, b = x[..., 0], x[..., 1]
    pull = gain * (1.0 - a**2 - b**2)
    return xp.stack([pull * a, pull * b])


def parabola(xp: Any, x: Any, rate: Any) -> Any:
    a, b = x[..., 0], x[..., 1]
    return xp.stack([0.0 * a, rate * (a**2 - b)])


def _from_segment(x: np.ndarray) -> np.ndarray:
    """Return distances from the segment between (1, 0) and (0, 1)."""
    t = np.clip(0.5 * (1.0 + x[:, 0] - x[:, 1]), 0.0, 1.0)
    return np.max(np.abs(x - np.stack([t, 1.0 - t], axis=1)), axis=1)


def _from_plane(basis: np.ndarray) -> Any:
    q = np.linalg.qr(basis)[0]
    return lambda x: np.max(np.abs(x - x @ q @ q.T), axis=1)


def continua() -> Iterator[System]:
    """Yield lines, rings and segments of fixed points; `points` counts what is isolated beside them."""
    one = lambda name, formula, values, n, distance, **more: System(
        "continua", name, formula, values, n, continuum=distance, scale=np.ones(n), **more
    )
    W = np.array([[0.0, -1.0], [-1.0, 0.0]])
    yield one("relu segment", relu_map, {"W": W, "b": np.ones(2)}, 2, _from_segment)
    yield one(
        "line attractor, 2 units", linear_map, {"W": np.diag([1.0, 0.5])}, 2, _from_plane(np.eye(2)[:, :1])
    )
    v = np.array([[1.0, 1.0, 1.0, 1.0]]).T / 2
    W = v @ v.T + 0.5 * (np.eye(4) - v @ v.T)
    yield one("line attractor, 4 units", linear_map, {"W": W}, 4, _from_plane(v))
    yield one(
        "plane attractor, 4 units",
        linear_map,
        {"W": np.diag([1.0, 1.0, 0.5, -0.5])},
        4,
        _from_plane(np.eye(4)[:, :2]),
    )
    W = np.array([[-1.0, 1.0], [1.0, -1.0]])
    yield one("integrator flow", linear_flow, {"W": W}, 2, _from_plane(np.ones((2, 1))), flow=True)
    away = lambda x: np.abs(np.linalg.norm(x, axis=1) - 1.0)
    for gain in (1.0, 30.0):
        points = (Known([0.0, 0.0]),)
        yield one(f"ring, gain {gain:g}", ring, {"gain": gain}, 2, away, flow=True, known=points)
    off = lambda x: np.abs(x[:, 0] ** 2 - x[:, 1]) / np.sqrt(1 + 4 * x[:, 0] ** 2)
    for rate in (1.0, 0.1):
        yield one(f"parabola, rate {rate:g}", parabola, {"rate": rate}, 2, off, flow=True)
    yield one("clip of the line", clipped, {"gain": 1.0}, 1, lambda x: np.maximum(np.abs(x[:, 0]) - 1.0, 0.0))
