"""Where points are born and meet: ghosts, folds, transcriticals, pitchforks at their critical value and
near it.

The degenerate points are known by inspection, in closed form. That there are no others is a sentence beside
each, or clear from the form: `c (x − a)^m` vanishes at a alone. `play` is the distance at which the
formula's value is of the order of rounding, ε^(1/m) for a root of multiplicity m.
"""

from collections.abc import Iterator
from typing import Any

import mpmath
import numpy as np

from zoology.networks import tanh_flow, tanh_map
from zoology.published import brusselator, logistic, lorenz
from zoology.system import NEUTRAL, UNSTABLE, Known, System, bounds, cube

EPS = 1e-16


def power_map(xp: Any, x: Any, a: Any, c: Any, d: Any, m: int) -> Any:
    """Return `x + c (x − a)^m + d`."""
    del xp
    return x + c * (x - a) ** m + d


def power_flow(xp: Any, x: Any, a: Any, c: Any, d: Any, m: int) -> Any:
    del xp
    return c * (x - a) ** m + d


def power_beside(xp: Any, x: Any, a: Any, c: Any, d: Any, m: int, rate: Any) -> Any:
    """Return the map with a second entry that decays and is coupled in, written in turned coordinates."""
    u, v = 0.5 * (x[..., 0] + x[..., 1]), 0.5 * (x[..., 0] - x[..., 1])
    u, v = u + c * (u - a) ** m + d, rate * v
    return xp.stack([u + v, u - v])


def power_beside_flow(xp: Any, x: Any, a: Any, c: Any, d: Any, m: int, rate: Any) -> Any:
    u, v = 0.5 * (x[..., 0] + x[..., 1]), 0.5 * (x[..., 0] - x[..., 1])
    u, v = c * (u - a) ** m + d, -rate * v
    return xp.stack([u + v, u - v])


def shifted_tanh(xp: Any, x: Any, g: Any, a: Any) -> Any:
    return g * xp.tanh(x - a) + a


def bent(xp: Any, x: Any, mu: Any, a: Any) -> Any:
    """Return the pitchfork `x + μ (x − a) − (x − a)³`."""
    del xp
    y = x - a
    return x + mu * y - y**3


def bent_flow(xp: Any, x: Any, mu: Any, a: Any) -> Any:
    del xp
    y = x - a
    return mu * y - y**3


def exchange(xp: Any, x: Any, mu: Any, a: Any) -> Any:
    """Return the transcritical `x + μ (x − a) − (x − a)²`."""
    del xp
    y = x - a
    return x + mu * y - y**2


def bogdanov_takens(xp: Any, x: Any, a: Any) -> Any:
    u, v = x[..., 0] - a, x[..., 1]
    return xp.stack([v, u * v - u**2])


def turning(xp: Any, x: Any, r: Any) -> Any:
    """Return a quarter turn a step, times 1 + r − |x|²: a Neimark–Sacker bifurcation at r = 0."""
    u, v = x[..., 0], x[..., 1]
    size = 1.0 + r - u**2 - v**2
    return xp.stack([-(v * size), u * size])


def hopf(xp: Any, x: Any, r: Any) -> Any:
    u, v = x[..., 0], x[..., 1]
    size = r - u**2 - v**2
    return xp.stack([size * u - v, size * v + u])


def _scale(a: float) -> float:
    return max(abs(a), 1.0)


def ghosts() -> Iterator[System]:
    """Yield systems without a point, slowest at 1e-2 … 1e-8 of the scale."""
    for d in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8):
        for a in (0.0, 2.5):
            values = {"a": a, "c": 1.0, "d": d, "m": 2}
            yield System(
                "ghosts",
                f"ghost map at {a:g}, speed {d:g}",
                power_map,
                values,
                1,
                scale=np.array([_scale(a)]),
            )
        values = {"a": 0.0, "c": 1.0, "d": d, "m": 2}
        yield System("ghosts", f"ghost flow, speed {d:g}", power_flow, values, 1, flow=True, scale=np.ones(1))
    for d in (1e-3, 1e-6, 1e-8):
        values = {"a": 1.0, "c": 0.1, "d": d, "m": 4, "rate": 0.5}
        yield System(
            "ghosts", f"flat ghost in the plane, speed {d:g}", power_beside, values, 2, scale=np.ones(2)
        )
        yield System(
            "ghosts",
            f"flat ghost flow in the plane, speed {d:g}",
            power_beside_flow,
            values,
            2,
            flow=True,
            scale=np.ones(2),
        )
    # A tanh unit beyond its fold, where x² = 1 − 1/g, has its other point and the ghost of the pair that met.
    for g, beyond in ((2.0, 1e-3), (2.0, 1e-6), (4.0, 1e-8)):
        x = np.sqrt(1 - 1 / g)
        b = -(np.arctanh(-x) + g * x) * (1 + beyond)
        b = abs(b)
        values = {"W": np.array([[g]]), "b": np.array([b])}
        yield System(
            "ghosts",
            f"tanh unit beyond its fold by {beyond:g}, gain {g:g}",
            tanh_map,
            values,
            1,
            box=cube(1),
            scale=np.ones(1),
        )


def _power(a: float, c: float, m: int, flow: bool) -> System:
    play = (EPS * _scale(a) / abs(c)) ** (1 / m)
    values = {"a": a, "c": c, "d": 0.0, "m": m}
    name = f"{'flow' if flow else 'map'}: {c:g} (x − {a:g})^{m}"
    point = Known([a], NEUTRAL, is_degenerate=True, play=play)
    formula = power_flow if flow else power_map
    return System(
        "critical", name, formula, values, 1, flow=flow, known=(point,), scale=np.array([_scale(a)])
    )


def _power_beside(a: float, c: float, m: int, rate: float, flow: bool) -> System:
    play = (EPS * _scale(a) / abs(c)) ** (1 / m)
    grows = rate < 0 if flow else abs(rate) > 1
    values = {"a": a, "c": c, "d": 0.0, "m": m, "rate": rate}
    name = f"{'flow' if flow else 'map'} in the plane: {c:g} (u − {a:g})^{m}, rate {rate:g}"
    point = Known([a, a], UNSTABLE if grows else NEUTRAL, is_degenerate=True, play=2 * play)
    formula = power_beside_flow if flow else power_beside
    return System(
        "critical", name, formula, values, 2, flow=flow, known=(point,), scale=np.full(2, _scale(a))
    )


def critical() -> Iterator[System]:
    """Yield bifurcations at their critical value."""
    for a, c, m in (
        (0.0, -1.0, 2),
        (5.0, 1.0, 2),
        (0.1, -1.0, 3),
        (0.0, 1.0, 3),
        (1.0, -0.3, 3),
        (0.0, -1.0, 5),
        (-2.0, 1.0, 4),
    ):
        yield _power(a, c, m, flow=False)
        yield _power(a, c, m, flow=True)
    for a, c, m, rate in ((0.0, -1.0, 2, 0.5), (1.0, 1.0, 2, 0.9), (0.7, -1.0, 3, -0.5), (0.0, -1.0, 3, 1.5)):
        yield _power_beside(a, c, m, rate, flow=False)
    for a, c, m, rate in (
        (0.0, -1.0, 2, 1.0),
        (1.0, 1.0, 2, 100.0),
        (0.7, -1.0, 3, 1.0),
        (0.0, -1.0, 3, -1.0),
    ):
        yield _power_beside(a, c, m, rate, flow=True)
    # |tanh y| < |y|: a is the only point.
    for a in (0.0, 1.0, 30.0):
        point = Known([a], NEUTRAL, is_degenerate=True, play=(3 * EPS * _scale(a)) ** (1 / 3))
        values = {"g": 1.0, "a": a}
        yield System(
            "critical",
            f"tanh(x − {a:g}) + {a:g}",
            shifted_tanh,
            values,
            1,
            known=(point,),
            scale=np.array([_scale(a)]),
        )
    yield from _networks()
    at = lambda x, labels=NEUTRAL, play=0.0: Known(x, labels, is_degenerate=True, play=play)
    yield System("critical", "logistic, r=1", logistic, {"r": 1.0}, 1, known=(at([0.0], play=1e-8),))
    with mpmath.workdps(100):
        third = np.array([mpmath.mpf(2) / 3], object)
    # A flip: neutral, and isolated in a regular way. At 0 the map grows.
    yield System(
        "critical", "logistic, r=3", logistic, {"r": 3.0}, 1, known=(Known([0.0]), Known(third, NEUTRAL))
    )
    yield System(
        "critical",
        "Lorenz, rho=1",
        lorenz,
        {"rho": 1.0},
        3,
        flow=True,
        known=(at([0.0] * 3, play=1e-5),),
        scale=np.full(3, 10.0),
    )
    for a in (0.0, 2.0):
        point = at([a, 0.0], play=1e-7)
        yield System(
            "critical",
            f"Bogdanov–Takens at {a:g}",
            bogdanov_takens,
            {"a": a},
            2,
            flow=True,
            known=(point,),
            scale=np.full(2, _scale(a)),
        )
    for r in (0.0,):
        yield System(
            "critical",
            "Hopf",
            hopf,
            {"r": r},
            2,
            flow=True,
            known=(Known([0.0, 0.0], NEUTRAL),),
            scale=np.ones(2),
        )
        yield System(
            "critical",
            "quarter turn",
            turning,
            {"r": r},
            2,
            known=(Known([0.0, 0.0], NEUTRAL),),
            scale=np.ones(2),
        )
    point = Known([1.0, 2.0], NEUTRAL)
    yield System(
        "critical", "Brusselator at its Hopf", brusselator, {"a": 1.0, "b": 2.0}, 2, flow=True, known=(point,)
    )


def _networks() -> Iterator[System]:
    """Yield tanh(W x) with an eigenvalue of exactly 1, in numbers that float64 holds.

    Where ‖W‖₂ ≤ 1, `|tanh(W x)| < |W x| ≤ |x|`, and 0 is the only point; one growing unit aside adds its
    own two.
    """
    half = np.full((4, 1), 0.5)
    matrices = {
        "rank one, 4 units": half @ half.T,
        "rank one, 16 units": np.full((16, 16), 1 / 16),
        "diag(1, −1/2)": np.diag([1.0, -0.5]),
        "reflection, 4 units": np.eye(4) - 2 * half @ half.T,
        "permutation, 3 units": np.roll(np.eye(3), 1, axis=0),
    }
    for what, W in matrices.items():
        n = len(W)
        point = Known(np.zeros(n), NEUTRAL, is_degenerate=True, play=1e-5)
        values = {"W": W, "b": np.zeros(n)}
        yield System("critical", f"tanh(W x), {what}", tanh_map, values, n, known=(point,), scale=np.ones(n))
        yield System(
            "critical",
            f"−x + W tanh(x), {what}",
            tanh_flow,
            values,
            n,
            flow=True,
            known=(point,),
            scale=np.ones(n),
        )
    with mpmath.workdps(100):
        root = mpmath.findroot(lambda x: mpmath.tanh(1.5 * x) - x, 0.86)
        points = [
            Known(
                np.array([mpmath.mpf(0), s * root], object),
                NEUTRAL if s else UNSTABLE,
                is_degenerate=True,
                play=1e-5,
            )
            for s in (-1, 0, 1)
        ]
    values = {"W": np.diag([1.0, 1.5]), "b": np.zeros(2)}
    yield System(
        "critical", "tanh(W x), diag(1, 3/2)", tanh_map, values, 2, known=tuple(points), scale=np.ones(2)
    )


def near_critical() -> Iterator[System]:
    """Yield the same at a small distance from the critical value, where the points are near each other."""
    for mu in (1e-2, 1e-4, 1e-6, 1e-8, -1e-4, -1e-8):
        for a in (0.0, 1.0):
            # Where rounding covers all points at once, calling them neutral is right as well.
            blurred = a != 0 and abs(mu) <= 1e-8
            with mpmath.workdps(100):
                root = mpmath.sqrt(mpmath.mpf(abs(mu)))
                shifts = [0, root, -root] if mu > 0 else [0]
                any_label: tuple[str, ...] | None = () if blurred else None
                points = tuple(Known(np.array([mpmath.mpf(a) + s], object), any_label) for s in shifts)
            values = {"mu": mu, "a": a}
            yield System(
                "near critical",
                f"pitchfork map at {a:g}, mu={mu:g}",
                bent,
                values,
                1,
                known=points,
                scale=np.array([_scale(a)]),
            )
            yield System(
                "near critical",
                f"pitchfork flow at {a:g}, mu={mu:g}",
                bent_flow,
                values,
                1,
                flow=True,
                known=points,
                scale=np.array([_scale(a)]),
            )
    for mu in (1e-2, 1e-4, 1e-6, -1e-5):
        with mpmath.workdps(100):
            points = (Known([0.5]), Known(np.array([mpmath.mpf(0.5) + mpmath.mpf(mu)], object)))
        yield System(
            "near critical",
            f"transcritical at 0.5, mu={mu:g}",
            exchange,
            {"mu": mu, "a": 0.5},
            1,
            known=points,
            scale=np.ones(1),
        )
    for d in (1e-2, 1e-4, 1e-6, 1e-8, 1e-10):
        with mpmath.workdps(100):
            root = mpmath.sqrt(mpmath.mpf(d))
            points = tuple(Known(np.array([mpmath.mpf(1) + s * root] * 2, object)) for s in (1, -1))
        values = {"a": 1.0, "c": 1.0, "d": -d, "m": 2, "rate": 0.5}
        yield System(
            "near critical",
            f"fold map in the plane, {d:g} before",
            power_beside,
            values,
            2,
            known=points,
            scale=np.ones(2),
        )
    for g in (1.01, 1.0001, 1 + 1e-6, 0.9999):
        values = {"W": np.array([[g, 0.0], [0.0, -0.5]]), "b": np.zeros(2)}
        yield System(
            "near critical",
            f"tanh(W x), eigenvalue {g:.7g}",
            tanh_map,
            values,
            2,
            box=bounds((-1, 1), (-1, 1)),
            scale=np.ones(2),
        )
