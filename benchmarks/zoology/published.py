"""Published systems, their parameters as in the papers, and why their points lie in the given boxes."""

from collections.abc import Iterator
from typing import Any

import mpmath
import numpy as np

from zoology.system import Known, System, bounds, cube


def real_roots(*coefficients: Any) -> list[Any]:
    """Return the real roots of a polynomial with simple roots, highest power first, with all digits."""
    with mpmath.workdps(100):
        given = [mpmath.mpf(c) for c in coefficients]
        roots = mpmath.polyroots(given, maxsteps=500, extraprec=1000)
        return sorted(mpmath.re(root) for root in roots if abs(mpmath.im(root)) < mpmath.mpf(10) ** -60)


def hodgkin_huxley(xp: Any, x: Any, current: Any) -> Any:
    """Return Hodgkin and Huxley 1952 with rest at −65 mV: mV, ms, µA/cm²."""
    V, m, h, n = (x[..., k] for k in range(4))
    (am, bm), (ah, bh), (an, bn) = _rates(xp, V)
    sodium, potassium = 120.0 * m**3 * h * (V - 50.0), 36.0 * n**4 * (V + 77.0)
    return xp.stack(
        [
            current - sodium - potassium - 0.3 * (V + 54.4),
            am * (1.0 - m) - bm * m,
            ah * (1.0 - h) - bh * h,
            an * (1.0 - n) - bn * n,
        ]
    )


def _rates(xp: Any, V: Any) -> tuple:
    return (
        (xp.linoid((V + 40.0) / 10.0), 4.0 * xp.exp(-(V + 65.0) / 18.0)),
        (0.07 * xp.exp(-(V + 65.0) / 20.0), xp.sigmoid((V + 35.0) / 10.0)),
        (0.1 * xp.linoid((V + 55.0) / 10.0), 0.125 * xp.exp(-(V + 65.0) / 80.0)),
    )


def _hh_lift(xp: Any, y: Any, current: Any) -> Any:
    del current
    V = y[..., 0]
    return xp.stack([V, *(a / (a + b) for a, b in _rates(xp, V))])


def _hh_residual(xp: Any, y: Any, current: Any) -> Any:
    V = y[..., 0]
    m, h, n = (a / (a + b) for a, b in _rates(xp, V))
    sodium, potassium = 120.0 * m**3 * h * (V - 50.0), 36.0 * n**4 * (V + 77.0)
    return xp.stack([current - sodium - potassium - 0.3 * (V + 54.4)])


def morris_lecar(xp: Any, x: Any, current: Any, V3: Any, V4: Any, phi: Any, gca: Any) -> Any:
    """Return Morris and Lecar 1981, parameters of Rinzel and Ermentrout 1998."""
    V, w = x[..., 0], x[..., 1]
    m = 0.5 * (1.0 + xp.tanh((V + 1.2) / 18.0))
    rest = 0.5 * (1.0 + xp.tanh((V - V3) / V4))
    ionic = gca * m * (V - 120.0) + 8.0 * w * (V + 84.0) + 2.0 * (V + 60.0)
    return xp.stack([(current - ionic) / 20.0, phi * (rest - w) * xp.cosh((V - V3) / (2.0 * V4))])


def _ml_lift(xp: Any, y: Any, current: Any, V3: Any, V4: Any, phi: Any, gca: Any) -> Any:
    del current, phi, gca
    V = y[..., 0]
    return xp.stack([V, 0.5 * (1.0 + xp.tanh((V - V3) / V4))])


def _ml_residual(xp: Any, y: Any, **values: Any) -> Any:
    return morris_lecar(xp, _ml_lift(xp, y, **values), **values)[..., :1]


def fitzhugh_nagumo(xp: Any, x: Any, current: Any, a: Any, b: Any, eps: Any) -> Any:
    v, w = x[..., 0], x[..., 1]
    return xp.stack([v - v**3 / 3.0 - w + current, eps * (v + a - b * w)])


def lorenz(xp: Any, x: Any, rho: Any) -> Any:
    a, b, c = (x[..., k] for k in range(3))
    return xp.stack([10.0 * (b - a), a * (rho - c) - b, a * b - (8.0 / 3.0) * c])


def wilson_cowan(xp: Any, x: Any, W: Any, drive: Any, tau: Any) -> Any:
    return (xp.sigmoid(x @ W.T + drive) - x) / tau


def henon(xp: Any, x: Any, a: Any, b: Any) -> Any:
    return xp.stack([1.0 - a * x[..., 0] ** 2 + x[..., 1], b * x[..., 0]])


def logistic(xp: Any, x: Any, r: Any) -> Any:
    del xp
    return r * x * (1.0 - x)


def cubic(xp: Any, x: Any, a: Any, u: Any) -> Any:
    del xp
    return a * x - x**3 + u


def brusselator(xp: Any, x: Any, a: Any, b: Any) -> Any:
    u, v = x[..., 0], x[..., 1]
    return xp.stack([a + u**2 * v - (b + 1.0) * u, b * u - u**2 * v])


def toggle(xp: Any, x: Any, a: Any) -> Any:
    """Return Gardner, Cantor and Collins 2000."""
    u, v = x[..., 0], x[..., 1]
    return xp.stack([a / (1.0 + v**2) - u, a / (1.0 + u**2) - v])


def repressilator(xp: Any, x: Any, a: Any) -> Any:
    return xp.stack([a / (1.0 + x[..., k - 1] ** 2) - x[..., k] for k in range(3)])


def thomas(xp: Any, x: Any, b: Any) -> Any:
    """Return Thomas 1999, cyclically symmetric."""
    return xp.stack([xp.sin(x[..., (k + 1) % 3]) - b * x[..., k] for k in range(3)])


def ikeda(xp: Any, x: Any, u: Any) -> Any:
    a, b = x[..., 0], x[..., 1]
    t = 0.4 - 6.0 / (1.0 + a**2 + b**2)
    return xp.stack([1.0 + u * (a * xp.cos(t) - b * xp.sin(t)), u * (a * xp.sin(t) + b * xp.cos(t))])


def duffing(xp: Any, x: Any, delta: Any) -> Any:
    a, b = x[..., 0], x[..., 1]
    return xp.stack([b, a - a**3 - delta * b])


def van_der_pol(xp: Any, x: Any, mu: Any) -> Any:
    a, b = x[..., 0], x[..., 1]
    return xp.stack([b, mu * (1.0 - a**2) * b - a])


def predator_prey(xp: Any, x: Any, K: Any) -> Any:
    """Return Rosenzweig and MacArthur 1963."""
    a, b = x[..., 0], x[..., 1]
    eaten = a * b / (1.0 + a)
    return xp.stack([a * (1.0 - a / K) - eaten, eaten - 0.4 * b])


def lotka_volterra(xp: Any, x: Any, a: Any) -> Any:
    u, v = x[..., 0], x[..., 1]
    return xp.stack([u * (a - v), v * (u - 1.0)])


def roessler(xp: Any, x: Any, a: Any, b: Any, c: Any) -> Any:
    u, v, w = (x[..., k] for k in range(3))
    return xp.stack([-v - w, u + a * v, b + w * (u - c)])


def izhikevich(xp: Any, x: Any, current: Any) -> Any:
    """Return Izhikevich 2003 below its threshold: mV."""
    v, u = x[..., 0], x[..., 1]
    return xp.stack([0.04 * v**2 + 5.0 * v + 140.0 - u + current, 0.02 * (0.2 * v - u)])


def hindmarsh_rose(xp: Any, x: Any, current: Any) -> Any:
    a, b, c = (x[..., k] for k in range(3))
    return xp.stack(
        [b - a**3 + 3.0 * a**2 - c + current, 1.0 - 5.0 * a**2 - b, 0.006 * (4.0 * (a + 1.6) - c)]
    )


def ricker(xp: Any, x: Any, r: Any) -> Any:
    return x * xp.exp(r * (1.0 - x))


def neurons() -> Iterator[System]:
    """Yield neuron models. A voltage beyond all reversal potentials by I/g_leak cannot rest: all currents
    push back."""
    for current in (0.0, 7.0, 20.0, 160.0, -5.0):
        yield System(
            "published",
            f"Hodgkin–Huxley, I={current:g}",
            hodgkin_huxley,
            {"current": current},
            4,
            flow=True,
            residual=_hh_residual,
            lift=_hh_lift,
            box=bounds((-78 - abs(current) / 0.3, 51 + abs(current) / 0.3)),
            scale=np.array([65.0, 1.0, 1.0, 1.0]),
        )
    # Type II, type I and the homoclinic regime.
    for current, V3, V4, phi, gca in (
        (50.0, 2.0, 30.0, 0.04, 4.4), (100.0, 2.0, 30.0, 0.04, 4.4), (30.0, 12.0, 17.4, 0.066, 4.0),
        (45.0, 12.0, 17.4, 0.066, 4.0), (36.0, 12.0, 17.4, 0.23, 4.0),
    ):  # fmt: skip
        yield System(
            "published",
            f"Morris–Lecar, I={current:g}, V3={V3:g}, phi={phi:g}",
            morris_lecar,
            {"current": current, "V3": V3, "V4": V4, "phi": phi, "gca": gca},
            2,
            flow=True,
            residual=_ml_residual,
            lift=_ml_lift,
            box=bounds((-85 - current / 2, 121 + current / 2)),
            scale=np.array([60.0, 1.0]),
        )
    for current, a, b, eps in (
        (0.0, 0.7, 0.8, 0.08),
        (0.5, 0.7, 0.8, 0.08),
        (0.0, 0.1, 2.0, 0.01),
        (0.3, 0.0, 3.0, 1e-3),
    ):
        # Beyond |v| = 3 the cube is larger than all else together, and w = (v + a)/b.
        values = {"current": current, "a": a, "b": b, "eps": eps}
        yield System(
            "published",
            f"FitzHugh–Nagumo, I={current:g}, a={a:g}, b={b:g}, eps={eps:g}",
            fitzhugh_nagumo,
            values,
            2,
            flow=True,
            box=cube(2, 6.0),
            scale=np.ones(2),
        )
    for current in (0.0, 3.0, 5.0):
        yield System(
            "published",
            f"Izhikevich, I={current:g}",
            izhikevich,
            {"current": current},
            2,
            flow=True,
            box=bounds((-200.0, 200.0), (-50.0, 50.0)),
            scale=np.array([65.0, 13.0]),
        )
    for current in (0.0, 3.25):
        yield System(
            "published",
            f"Hindmarsh–Rose, I={current:g}",
            hindmarsh_rose,
            {"current": current},
            3,
            flow=True,
            box=bounds((-5.0, 5.0), (-130.0, 10.0), (-20.0, 30.0)),
            scale=np.array([1.0, 5.0, 3.0]),
        )
    for k, (W, drive) in enumerate(
        (
            ([[12, -4], [13, -11]], [-2.8, -4.0]),
            ([[10, -8], [6, -3]], [-1.5, -4.0]),
            ([[16, -12], [15, -3]], [-4.0, -3.7]),
            ([[6, -1], [6, -1]], [-2.5, -5.0]),
        )
    ):
        yield System(
            "published",
            f"Wilson–Cowan {k}",
            wilson_cowan,
            {"W": np.array(W, float), "drive": np.array(drive), "tau": np.array([8.0, 12.0])},
            2,
            flow=True,
            box=bounds((0.0, 1.0), (0.0, 1.0)),
            scale=np.ones(2),
        )


def _lorenz_points(rho: float) -> tuple[Known, ...]:
    def wing(sign: int) -> Any:
        with mpmath.workdps(100):
            a = sign * mpmath.sqrt(mpmath.mpf(8.0 / 3.0) * (mpmath.mpf(rho) - 1))
            return np.array([a, a, mpmath.mpf(rho) - 1], object)

    return (Known([0.0] * 3), *((Known(wing(1)), Known(wing(-1))) if rho > 1 else ()))


def chaos_and_chemistry() -> Iterator[System]:
    """Yield textbook systems, most of them with points in closed form."""
    mp = mpmath.mpf
    for rho in (0.5, 10.0, 28.0, 200.0):
        yield System(
            "published",
            f"Lorenz, rho={rho:g}",
            lorenz,
            {"rho": rho},
            3,
            flow=True,
            known=_lorenz_points(rho),
            scale=np.array([10.0, 10.0, 28.0]),
        )
    for a, b in ((1.4, 0.3), (0.2, 0.3), (-0.1, 0.3)):
        with mpmath.workdps(100):
            roots = real_roots(-mp(a), mp(b) - 1, 1)
            points = tuple(Known(np.array([x, mp(b) * x], object)) for x in roots)
        yield System("published", f"Hénon, a={a:g}, b={b:g}", henon, {"a": a, "b": b}, 2, known=points)
    for r in (0.5, 2.5, 3.2, 4.0):
        with mpmath.workdps(100):
            points = (Known([0.0]), Known(np.array([1 - 1 / mp(r)], object)))
        yield System("published", f"logistic, r={r:g}", logistic, {"r": r}, 1, known=points)
    for a, u in ((1.5, 0.0), (1.5, 0.1), (0.5, 0.3), (2.9, -1.0)):
        yield System("published", f"cubic, a={a:g}, u={u:g}", cubic, {"a": a, "u": u}, 1, box=cube(1, 4.0))
    for a, b in ((1.0, 1.5), (1.0, 3.0), (2.0, 8.0)):
        with mpmath.workdps(100):
            points = (Known(np.array([mp(a), mp(b) / mp(a)], object)),)
        yield System(
            "published",
            f"Brusselator, A={a:g}, B={b:g}",
            brusselator,
            {"a": a, "b": b},
            2,
            flow=True,
            known=points,
        )
    for a in (1.5, 3.0, 10.0):
        yield System(
            "published", f"toggle switch, a={a:g}", toggle, {"a": a}, 2, flow=True, box=bounds((0, a), (0, a))
        )
    for a in (1.0, 8.0):
        box = bounds(*[(0, a)] * 3)
        yield System("published", f"repressilator, a={a:g}", repressilator, {"a": a}, 3, flow=True, box=box)
    for b in (0.5, 0.3, 0.21):
        # |x| ≤ 1/b, since |sin| ≤ 1.
        yield System("published", f"Thomas, b={b:g}", thomas, {"b": b}, 3, flow=True, box=cube(3, 1 / b))
    for u in (0.4, 0.7, 0.9):
        # |z| ≤ 1/(1 − u).
        yield System("published", f"Ikeda, u={u:g}", ikeda, {"u": u}, 2, box=cube(2, 1 / (1 - u)))
    for delta in (0.1, 1.0):
        points = (Known([0.0, 0.0]), Known([1.0, 0.0]), Known([-1.0, 0.0]))
        yield System(
            "published", f"Duffing, delta={delta:g}", duffing, {"delta": delta}, 2, flow=True, known=points
        )
    for mu in (-0.5, 0.5, 5.0):
        points = (Known([0.0, 0.0]),)
        yield System(
            "published", f"van der Pol, mu={mu:g}", van_der_pol, {"mu": mu}, 2, flow=True, known=points
        )
    for K in (1.0, 3.0):
        # Prey alone at K; together where a/(1 + a) = 0.4.
        with mpmath.workdps(100):
            a = mp(0.4) / (1 - mp(0.4))
            both = Known(np.array([a, (1 - a / mp(K)) * (1 + a)], object))
        points = (Known([0.0, 0.0]), Known([K, 0.0]), both)
        yield System(
            "published", f"Rosenzweig–MacArthur, K={K:g}", predator_prey, {"K": K}, 2, flow=True, known=points
        )
    for a in (0.5, 2.0):
        points = (Known([0.0, 0.0]), Known([1.0, a]))
        yield System(
            "published", f"Lotka–Volterra, a={a:g}", lotka_volterra, {"a": a}, 2, flow=True, known=points
        )
    for c in (4.0, 5.75):
        with mpmath.workdps(100):
            v = [
                (-mp(c) + s * mpmath.sqrt(mp(c) ** 2 - 4 * mp(0.25) * mp(0.5))) / (2 * mp(0.25))
                for s in (1, -1)
            ]
            points = tuple(Known(np.array([-mp(0.25) * w, w, -w], object)) for w in v)
        values = {"a": 0.25, "b": 0.5, "c": c}
        yield System("published", f"Rössler, c={c:g}", roessler, values, 3, flow=True, known=points)
    for r in (0.5, 2.5):
        yield System("published", f"Ricker, r={r:g}", ricker, {"r": r}, 1, known=(Known([0.0]), Known([1.0])))
