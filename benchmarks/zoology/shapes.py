"""Tails that die away, systems in other units, and angles."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jax.numpy as jnp
import mpmath
import numpy as np

import fpanalysis as fpa
from zoology.arithmetic import IN_JAX, Formula
from zoology.gated import draw_gru, gru_residual, own_gru
from zoology.networks import draw, tanh_flow, tanh_map
from zoology.published import fitzhugh_nagumo, toggle
from zoology.system import Known, System, bounds, cube


def bell(xp: Any, x: Any, a: Any, b: Any) -> Any:
    """Return `a x + b x exp(−x²)`."""
    return a * x + b * x * xp.exp(-(x**2))


def rational(xp: Any, x: Any, c: Any, m: int) -> Any:
    """Return the flow `(x − c) / (1 + x²)^m`."""
    del xp
    return (x - c) / (1.0 + x**2) ** m


def rational_map(xp: Any, x: Any, c: Any, m: int) -> Any:
    return x - rational(xp, x, c, m)


def hump(xp: Any, x: Any, c: Any) -> Any:
    """Return `exp(−x²) / (1 + x²)` or, turned, nothing that vanishes anywhere."""
    return c * xp.exp(-(x**2)) / (1.0 + x**2)


def hump_map(xp: Any, x: Any, c: Any) -> Any:
    return x + hump(xp, x, c)


def closing(xp: Any, x: Any, k: Any, g: Any) -> Any:
    """Return a step towards `tanh(g x + 0.1)` through a gate that closes where x is large."""
    return x + xp.sigmoid(-k * x) * (xp.tanh(g * x + 0.1) - x)


def _closing_residual(xp: Any, x: Any, k: Any, g: Any) -> Any:
    del k
    return xp.tanh(g * x + 0.1) - x


def softly(xp: Any, x: Any, c: Any) -> Any:
    """Return `log(1 + exp(−x)) c`, positive everywhere, as a flow."""
    return c * xp.log(1.0 + xp.exp(-x))


def two_bells(xp: Any, x: Any, c: Any) -> Any:
    u, v = x[..., 0], x[..., 1]
    bell = xp.exp(-(u**2) - v**2)
    return xp.stack([(u - c * v) * bell, (v + c * u) * bell])


def tails() -> Iterator[System]:
    for b in (1.0, -1.0, 20.0):
        yield System(
            "tails",
            f"flow: {b:g} x exp(−x²)",
            bell,
            {"a": 0.0, "b": b},
            1,
            flow=True,
            known=(Known([0.0]),),
            scale=np.ones(1),
        )
    with mpmath.workdps(100):
        for a in (0.5, 0.9, 1.0):
            # (1 − a)/b = exp(−x²); at a = 1 only 0 is left.
            root = mpmath.sqrt(-mpmath.log((1 - mpmath.mpf(a)) / 1)) if a < 1 else None
            others = [np.array([s * root], object) for s in (1, -1)] if root else []
            points = tuple(Known(x) for x in ([0.0], *others))
            yield System(
                "tails",
                f"map: {a:g} x + x exp(−x²)",
                bell,
                {"a": a, "b": 1.0},
                1,
                known=points,
                scale=np.ones(1),
            )
    point = Known([0.0], ("neutral",), is_degenerate=True, play=1e-5)
    yield System("tails", "map: x exp(−x²)", bell, {"a": 0.0, "b": 1.0}, 1, known=(point,), scale=np.ones(1))
    for c, m in ((0.0, 1), (0.5, 2), (2.0, 3), (-1.0, 6)):
        for formula, flow in ((rational, True), (rational_map, False)):
            name = f"{'flow' if flow else 'map'}: (x − {c:g})/(1 + x²)^{m}"
            yield System(
                "tails", name, formula, {"c": c, "m": m}, 1, flow=flow, known=(Known([c]),), scale=np.ones(1)
            )
    for c in (1.0, 1e-3):
        yield System(
            "tails",
            f"flow without a point: {c:g} exp(−x²)/(1 + x²)",
            hump,
            {"c": c},
            1,
            flow=True,
            scale=np.ones(1),
        )
        yield System(
            "tails",
            f"map without a point: x + {c:g} exp(−x²)/(1 + x²)",
            hump_map,
            {"c": c},
            1,
            scale=np.ones(1),
        )
    yield System(
        "tails", "flow without a point: log(1 + exp(−x))", softly, {"c": 1.0}, 1, flow=True, scale=np.ones(1)
    )
    for k, g in ((5.0, 0.5), (40.0, 2.0), (200.0, 3.0)):
        yield System(
            "tails",
            f"closing gate, k={k:g}, g={g:g}",
            closing,
            {"k": k, "g": g},
            1,
            residual=_closing_residual,
            box=cube(1),
            scale=np.ones(1),
        )
    for c in (0.0, 2.0):
        yield System(
            "tails",
            f"two bells, c={c:g}",
            two_bells,
            {"c": c},
            2,
            flow=True,
            known=(Known([0.0, 0.0]),),
            scale=np.ones(2),
        )


@lru_cache
def in_units(formula: Formula) -> Formula:
    """Return `D F((x − o)/D) + o` (flows: `D F((x − o)/D)/T`), one function for each formula."""

    def scaled(xp: Any, x: Any, D: Any, o: Any, T: Any, flow: int, **values: Any) -> Any:
        moved = D * formula(xp, (x - o) / D, **values)
        return moved / T if flow else moved + o

    return scaled


@lru_cache
def _base_residual(formula: Formula, flow: int) -> Formula:
    def residual(xp: Any, y: Any, D: Any, o: Any, T: Any, flow: int, **values: Any) -> Any:
        del D, o, T
        f = formula(xp, y, **values)
        return f if flow else f - y

    return residual


def _dropping_units(residual: Formula) -> Formula:
    def dropping(xp: Any, y: Any, D: Any, o: Any, T: Any, flow: int, **values: Any) -> Any:
        del D, o, T, flow
        return residual(xp, y, **values)

    return dropping


def _lift(xp: Any, y: Any, D: Any, o: Any, T: Any, flow: int, **values: Any) -> Any:
    del xp, T, flow, values
    return D * y + o


def in_other_units(
    base: System, D: Any, o: Any = 0.0, T: float = 1.0, candidates: bool = False, what: str = ""
) -> System:
    """Return a system in other units: entries times D, moved by o, time times T.

    What is unknown is the state in its old units, so that the truth is found there and then written in the
    new ones with 100 digits. With `candidates`, the search is given 256 states on the right scale.
    """
    n = base.n_state
    D, o = (np.broadcast_to(np.asarray(v, float), (n,)).copy() for v in (D, o))
    values = base.parameters | {"D": D, "o": o, "T": T, "flow": int(base.flow)}
    residual = (
        _dropping_units(base.residual) if base.residual else _base_residual(base.formula, int(base.flow))
    )
    options: dict[str, Any] = {}
    if candidates:
        assert base.box is not None
        options["candidates"] = o + D * np.random.default_rng(5).uniform(*base.box, (256, n))
    return System(
        "scaled",
        f"{base.name}; {what}",
        in_units(base.formula),
        values,
        n,
        flow=base.flow,
        residual=residual,
        lift=_lift,
        box=base.box,
        scale=D,
        options=options,
    )


def scaled() -> Iterator[System]:
    nine = 2 * np.eye(2) + 0.3 * np.array([[0.0, 1.0], [-1.0, 0.0]])
    network = System("", "nine points", tanh_map, {"W": nine, "b": np.zeros(2)}, 2, box=cube(2))
    flow = System(
        "", "nine points, flow", tanh_flow, {"W": nine, "b": np.zeros(2)}, 2, flow=True, box=cube(2, 3.0)
    )
    three = System("", "three units", tanh_map, draw(3, 3.0, 1), 3, box=cube(3))
    gated = System("", "own GRU", own_gru, draw_gru(2, 2.0, 1.0, 1), 2, residual=gru_residual, box=cube(2))
    nerve = System(
        "",
        "FitzHugh–Nagumo",
        fitzhugh_nagumo,
        {"current": 0.0, "a": 0.1, "b": 2.0, "eps": 0.01},
        2,
        flow=True,
        box=cube(2, 6.0),
    )
    switch = System("", "toggle switch", toggle, {"a": 3.0}, 2, flow=True, box=bounds((0, 3), (0, 3)))
    for unit in (1e-12, 1e-9, 1e-6, 1e-3, 1e3, 1e6, 1e9):
        yield in_other_units(network, unit, what=f"in {unit:g}")
    for unit in (1e-9, 1e5):
        yield in_other_units(gated, unit, what=f"in {unit:g}")
        yield in_other_units(flow, unit, what=f"in {unit:g}")
        yield in_other_units(switch, unit, what=f"in {unit:g}")
    for k, D in enumerate(((100.0, 0.01), (1e4, 1e-4), (1e-12, 1e9), (1.0, 1e6))):
        yield in_other_units(network, D, candidates=k == 2, what=f"entries in {D[0]:g} and {D[1]:g}")
        yield in_other_units(nerve, D, candidates=k == 2, what=f"entries in {D[0]:g} and {D[1]:g}")
        yield in_other_units(flow, D, candidates=True, what=f"entries in {D[0]:g} and {D[1]:g}, given starts")
    yield in_other_units(
        three, (1e-12, 1.0, 1e9), candidates=True, what="entries from 1e-12 to 1e9, given starts"
    )
    yield in_other_units(three, (1e-3, 1.0, 1e3), what="entries from 1e-3 to 1e3")
    for T in (1e-9, 1e-3, 1e3, 1e9):
        yield in_other_units(flow, 1.0, T=T, what=f"time in {T:g}")
        yield in_other_units(nerve, 1.0, T=T, what=f"time in {T:g}")
    for o in (1e3, 9e5, 1e7):
        yield in_other_units(network, 1.0, o=o, what=f"moved by {o:g}")
        yield in_other_units(network, o / 100, o=o, what=f"in {o / 100:g}, moved by {o:g}")
        yield in_other_units(switch, 1.0, o=(o, -o), candidates=True, what=f"moved by ±{o:g}, given starts")


def pendulum(xp: Any, x: Any, friction: Any, torque: Any) -> Any:
    return xp.stack([x[..., 1], torque - xp.sin(x[..., 0]) - friction * x[..., 1]])


def circle(xp: Any, x: Any, drive: Any, k: Any) -> Any:
    return drive - k * xp.sin(x)


def circle_map(xp: Any, x: Any, drive: Any, k: Any) -> Any:
    return x + drive - k * xp.sin(x)


def two_phases(xp: Any, x: Any, k: Any) -> Any:
    """Return two phase differences of three coupled oscillators that are alike."""
    a, b = x[..., 0], x[..., 1]
    return xp.stack(
        [
            -k * (2.0 * xp.sin(a) + xp.sin(b) + xp.sin(a - b)),
            -k * (2.0 * xp.sin(b) + xp.sin(a) - xp.sin(a - b)),
        ]
    )


def _wrapped(values: dict[str, float]) -> Any:
    """Return the circle map that wraps its own angle into (−π, π]."""

    def step(x: Any, u: Any) -> Any:
        del u
        y = circle_map(IN_JAX, x, **values)
        return jnp.arctan2(jnp.sin(y), jnp.cos(y))

    return fpa.vector_field(step, state=["x0"], periodic=["x0"])


def _angles(drive: float, k: float) -> tuple[Known, ...]:
    with mpmath.workdps(100):
        a = mpmath.asin(mpmath.mpf(drive) / mpmath.mpf(k))
        return tuple(Known(np.array([x], object)) for x in (a, (mpmath.pi if a >= 0 else -mpmath.pi) - a))


def angles() -> Iterator[System]:
    """Yield systems on circles; angles are compared modulo whole turns."""
    size = np.ones(1)
    for drive, k in ((0.0, 1.0), (0.5, 1.0), (-0.9, 1.2), (0.0, -1.0), (0.999, 1.0)):
        values = {"drive": drive, "k": k}
        points = _angles(drive, k)
        yield System(
            "angles",
            f"phase flow, drive={drive:g}, k={k:g}",
            circle,
            values,
            1,
            flow=True,
            known=points,
            periodic=(0,),
            scale=size,
        )
        # |k| + |drive| < 2π: no point that comes back a turn later.
        yield System(
            "angles",
            f"circle map, drive={drive:g}, k={k:g}",
            circle_map,
            values,
            1,
            known=points,
            periodic=(0,),
            scale=size,
        )
        yield System(
            "angles",
            f"circle map that wraps itself, drive={drive:g}, k={k:g}",
            circle_map,
            values,
            1,
            known=points,
            periodic=(0,),
            scale=size,
            cell=lambda v=values: _wrapped(v),
        )
    yield System(
        "angles",
        "phase flow without a point",
        circle,
        {"drive": 1.0001, "k": 1.0},
        1,
        flow=True,
        periodic=(0,),
        scale=size,
    )
    for friction, torque in ((0.3, 0.0), (1.0, 0.7), (0.1, -0.2)):
        points = tuple(Known(np.append(p.x, mpmath.mpf(0))) for p in _angles(torque, 1.0))
        values = {"friction": friction, "torque": torque}
        yield System(
            "angles",
            f"pendulum, friction={friction:g}, torque={torque:g}",
            pendulum,
            values,
            2,
            flow=True,
            known=points,
            periodic=(0,),
            scale=np.ones(2),
        )
    for k in (1.0, -1.0):
        # One turn each; no root lies on its rim.
        box = bounds((-2.9, 2 * np.pi - 2.9), (-2.9, 2 * np.pi - 2.9))
        yield System(
            "angles",
            f"three oscillators, k={k:g}",
            two_phases,
            {"k": k},
            2,
            flow=True,
            box=box,
            periodic=(0, 1),
            scale=np.ones(2),
        )
