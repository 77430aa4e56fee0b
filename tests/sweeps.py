"""Sweeps of networks whose fixed points, branches and folds are known in closed form."""

from typing import NamedTuple

import numpy as np
import xarray as xr


class Sweep(NamedTuple):
    """A result along `u_`, and the true name of each of its points, `(u_, fixed_point)`; empty if unused."""

    ds: xr.Dataset
    name: np.ndarray


def unit(weight: float, drive: float) -> list[tuple[str, float]]:
    """Return the fixed points of `x ← tanh(weight x + drive)`, each with the piece of the curve it is on.

    Along the curve `drive = atanh(x) − weight x` there is one point for each x. It turns back, at folds,
    where its slope `1/(1 − x²) − weight` vanishes.
    """
    edge = 1 - 1e-15
    turn = np.sqrt(max(1 - 1 / weight, 0.0))
    pieces = [("low", -edge, -turn), ("middle", -turn, turn), ("high", turn, edge)]
    found = []
    for name, left, right in [("only", -edge, edge)] if turn == 0 else pieces:
        a, b = left, right
        low, high = (np.arctanh(x) - weight * x - drive for x in (a, b))
        if low * high > 0:
            continue
        for _ in range(60):
            x = 0.5 * (a + b)
            if (np.arctanh(x) - weight * x - drive) * low > 0:
                a = x
            else:
                b = x
        found.append((name, 0.5 * (a + b)))
    return found


def sweep(weights: np.ndarray, drives: np.ndarray, basis: np.ndarray, values: np.ndarray) -> Sweep:
    """Return the points of independent units, driven by `drives · u`, in a basis that mixes them."""
    points, names = [], []
    for value in values:
        parts = [unit(w, d * value) for w, d in zip(weights, drives, strict=True)]
        grid = np.stack(np.meshgrid(*[range(len(p)) for p in parts], indexing="ij"), -1).reshape(
            -1, len(parts)
        )
        points.append(np.array([[parts[k][i][1] for k, i in enumerate(row)] for row in grid]))
        names.append([" ".join(parts[k][i][0] for k, i in enumerate(row)) for row in grid])
    n, most = len(weights), max(map(len, points))
    inverse = np.linalg.inv(basis)
    x, kind = np.full((len(values), most, n), np.nan), np.zeros((len(values), most), np.int8)
    jacobian, drive = np.full((*x.shape, n), np.nan), np.full((*x.shape, 1), np.nan)
    name = np.full((len(values), most), "", object)
    rng = np.random.default_rng(0)
    for k, found in enumerate(points):
        order = rng.permutation(len(found))
        slope = 1 - found[order] ** 2
        rows = slice(0, len(found))
        x[k, rows], kind[k, rows] = found[order] @ basis.T, 1
        jacobian[k, rows] = np.einsum("ij,pj,jk->pik", basis, slope * weights, inverse)
        drive[k, rows, :, 0] = (slope * drives) @ basis.T
        name[k, rows] = np.array(names[k], object)[order]
    state = [f"x[{k}]" for k in range(n)]
    point = ("u_", "fixed_point")
    ds = xr.Dataset(
        {
            "x": ((*point, "state"), x),
            "kind": (point, kind),
            "u": (("u_", "input"), values[:, None]),
            "jacobian": ((*point, "state_out", "state"), jacobian),
            "input_jacobian": ((*point, "state_out", "input"), drive),
        },
        {"u_": values, "state": state, "state_out": state, "input": ["u"]},
        {"time_domain": "discrete"},
    )
    return Sweep(ds, name)
