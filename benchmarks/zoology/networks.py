"""Random networks of tanh units: maps, flows, leaky maps, odd ones.

Boxes: `tanh(…)` lies in the cube of half-width 1, and a fixed point of a leaky map is one of the map; a
fixed point of `−x + W tanh(x) + b` is at most `Σ|W| + |b|`, entry by entry.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from zoology.system import System, cube

GAINS = (0.5, 1.0, 1.5, 2.0, 3.0, 5.0)


def tanh_map(xp: Any, x: Any, W: Any, b: Any) -> Any:
    return xp.tanh(x @ W.T + b)


def tanh_flow(xp: Any, x: Any, W: Any, b: Any) -> Any:
    return xp.tanh(x) @ W.T + b - x


def leaky_map(xp: Any, x: Any, W: Any, b: Any, leak: Any) -> Any:
    return x * (1.0 - leak) + xp.tanh(x @ W.T + b) * leak


def _leaky_residual(xp: Any, x: Any, W: Any, b: Any, leak: Any) -> Any:
    del leak
    return xp.tanh(x @ W.T + b) - x


def draw(n: int, gain: float, seed: int, bias: float = 0.3) -> dict[str, Any]:
    """Return the weights of a random network, every weight with standard deviation gain/√n."""
    rng = np.random.default_rng([n, int(100 * gain), seed])
    W = rng.standard_normal((n, n)) * gain / np.sqrt(n)
    # Half of them with strong units of their own: random ones alone rarely have many points.
    if seed % 2:
        W += gain * np.diag(rng.random(n))
    return {"W": W, "b": bias * rng.standard_normal(n)}


def tanh_maps() -> Iterator[System]:
    for n in range(1, 7):
        for k, gain in enumerate(GAINS):
            name = f"tanh map: n={n}, gain={gain}, seed={k}"
            yield System(
                "tanh maps",
                name,
                tanh_map,
                draw(n, gain, k),
                n,
                box=cube(n),
                is_bounded=True,
                scale=np.ones(n),
            )
    # Strong weights: units that are all but switches.
    for n, gain, seed in (
        (1, 50.0, 1),
        (2, 20.0, 3),
        (2, 100.0, 1),
        (3, 20.0, 5),
        (3, 50.0, 1),
        (4, 20.0, 1),
    ):
        name = f"tanh map: n={n}, gain={gain}, seed={seed}"
        yield System(
            "tanh maps",
            name,
            tanh_map,
            draw(n, gain, seed),
            n,
            box=cube(n),
            is_bounded=True,
            scale=np.ones(n),
        )


def tanh_flows() -> Iterator[System]:
    for n in range(1, 6):
        for k, gain in enumerate((0.7, 1.5, 2.5, 4.0, 8.0)):
            values = draw(n, gain, 10 + k)
            half = np.abs(values["W"]).sum(axis=1) + np.abs(values["b"])
            name = f"tanh flow: n={n}, gain={gain}, seed={10 + k}"
            yield System(
                "tanh flows", name, tanh_flow, values, n, flow=True, box=cube(n, half), is_bounded=True
            )


def leaky_maps() -> Iterator[System]:
    for n in range(1, 5):
        for k, (gain, leak) in enumerate(
            ((0.9, 0.2), (2.0, 0.1), (3.0, 0.5), (4.0, 0.01), (3.0, 1e-3), (5.0, 1.7))
        ):
            values = draw(n, gain, 20 + k) | {"leak": leak}
            name = f"leaky map: n={n}, gain={gain}, leak={leak}, seed={20 + k}"
            yield System(
                "leaky maps",
                name,
                leaky_map,
                values,
                n,
                residual=_leaky_residual,
                box=cube(n),
                is_bounded=True,
                scale=np.ones(n),
            )


def rolled(n: int) -> np.ndarray:
    """Return the matrix whose rows are −linspace(−1, 1, n), rolled; its networks are known from the
    literature."""
    return np.array([-np.roll(np.linspace(-1, 1, n), -i) for i in range(n)])


def odd_systems() -> Iterator[System]:
    """Yield systems with f(−x) = −f(x): 0 is a point, and every point has a mirror image."""
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    matrices: dict[str, np.ndarray] = {f"2I + {c} skew": 2 * np.eye(2) + c * turn for c in (0.0, 0.3, 0.6)}
    matrices |= {f"rolled {n}": rolled(n) for n in (2, 3, 4)}
    matrices["[[1, −1], [−1, 1]]"] = np.array([[1.0, -1.0], [-1.0, 1.0]])
    for n, gain in ((3, 3.0), (4, 2.5), (4, 4.0), (5, 2.0), (6, 1.5)):
        matrices[f"random {n}, gain {gain}"] = draw(n, gain, 1)["W"]
    for what, W in matrices.items():
        n = len(W)
        values = {"W": W, "b": np.zeros(n)}
        yield System(
            "odd", f"odd map: {what}", tanh_map, values, n, box=cube(n), is_bounded=True, scale=np.ones(n)
        )
        if n < 5:
            half = np.abs(W).sum(axis=1)
            yield System(
                "odd",
                f"odd flow: {what}",
                tanh_flow,
                values,
                n,
                flow=True,
                box=cube(n, half),
                is_bounded=True,
            )
