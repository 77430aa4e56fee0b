"""The networks of the benchmark, written in NumPy a second time, and a check of points against them.

Nothing here uses the package except its bundled weights: what it reports is judged by other code.
"""

from collections.abc import Callable, Mapping
from importlib.resources import as_file, files
from typing import NamedTuple

import numpy as np
from safetensors.numpy import load_file

Weights = Mapping[str, np.ndarray]
Step = Callable[[np.ndarray, np.ndarray], np.ndarray]

CELLS = ("tanh", "gru", "lstm")
SAME = 1e-4  # of the spread of the starts: points nearer than this count as one listed twice


def flipflop_weights(cell: str) -> dict[str, np.ndarray]:
    """Return the weights of a bundled network, under PyTorch's names."""
    with as_file(files("fpanalysis.datasets") / f"flipflop_{cell}64.safetensors") as path:
        return load_file(path)


def step(cell: str, weights: Weights, dtype: type = np.float64) -> Step:
    """Return one step `(states, input or inputs) → next states` of a network in PyTorch's layout."""
    w = {name.removeprefix("rnn.").removesuffix("_l0"): array for name, array in weights.items()}
    w_in, w_rec, b_in, b_rec = (w[k].astype(dtype) for k in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    # The two biases are one parameter to the equations: added up in the dtype of the file, float32.
    bias = (w["bias_ih"] + w["bias_hh"]).astype(dtype)
    n = w_rec.shape[1]

    def tanh(x: np.ndarray, u: np.ndarray) -> np.ndarray:
        return np.tanh(x @ w_rec.T + u @ w_in.T + bias)

    def gru(x: np.ndarray, u: np.ndarray) -> np.ndarray:
        drive, recurrent = u @ w_in.T, x @ w_rec.T
        gates = sigmoid(drive[..., : 2 * n] + recurrent[:, : 2 * n] + bias[: 2 * n])
        reset, update = gates[:, :n], gates[:, n:]
        new = np.tanh(drive[..., 2 * n :] + b_in[2 * n :] + reset * (recurrent[:, 2 * n :] + b_rec[2 * n :]))
        return (1 - update) * new + update * x

    def lstm(x: np.ndarray, u: np.ndarray) -> np.ndarray:
        total = x[:, :n] @ w_rec.T + u @ w_in.T + bias
        enter, forget, new, leave = np.split(total, 4, axis=1)
        c = sigmoid(forget) * x[:, n:] + sigmoid(enter) * np.tanh(new)
        return np.concatenate([sigmoid(leave) * np.tanh(c), c], axis=1)

    return {"tanh": tanh, "gru": gru, "lstm": lstm}[cell]


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return the logistic function."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


class Check(NamedTuple):
    """What an independent look at a list of points says."""

    n: int
    residual: float
    false: int
    double: int
    nearest: float


def check(points: np.ndarray, move: Step, u: np.ndarray, spread: float) -> Check:
    """Return how many points there are, their largest residual, and how many are false or listed twice."""
    if len(points) == 0:
        return Check(0, 0.0, 0, 0, np.inf)
    residual = np.max(np.abs(move(points, u) - points), axis=1)
    false = residual > 1e-12 * np.maximum(1.0, np.max(np.abs(points), axis=1))
    distance = distances(points, points) + np.diag(np.full(len(points), np.inf))
    nearest = distance.min(axis=1)
    double = np.count_nonzero(np.triu(distance <= SAME * spread))
    return Check(len(points), float(residual.max()), int(false.sum()), double, float(nearest.min()) / spread)


def rounding(points: np.ndarray, cell: str, weights: Weights, u: np.ndarray) -> float:
    """Return the residual that rounding alone makes: the error of one step in float64, and of storing `x`.

    The error of the step is its distance from the same step in NumPy's `longdouble`, which has eleven more
    bits on x86 processors (elsewhere it may be float64 itself, and the bound too low).
    """
    exact = step(cell, weights, np.longdouble)(points.astype(np.longdouble), u.astype(np.longdouble))
    error = np.abs(step(cell, weights)(points, u) - exact) + np.spacing(np.abs(points))
    return float(np.max(error, initial=0.0))


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the Euclidean distances between two lists of points."""
    return np.linalg.norm(a[:, None] - b[None], axis=2)


def spread_of(x: np.ndarray) -> float:
    """Return the root-mean-square spread of states."""
    return float(np.sqrt(np.mean(np.var(x, axis=0))))


def random_gru(n: int, seed: int = 1) -> dict[str, np.ndarray]:
    """Return the weights of a random GRU of `n` units that has dozens of fixed points.

    A Gaussian recurrent matrix alone will not do: below the edge of chaos it has one fixed point, above it
    nearly no start of Newton's method converges (at a gain of 2.5, 1 in 10; at 4, none of 128). What makes
    trained networks have many points is a few strong directions on top of a bulk that is not chaotic. So the
    candidate gate's recurrent matrix is a Gaussian bulk of spectral radius 1 plus four random rank-one terms
    of eigenvalue about 3, each on a quarter of the units of its own: four bits, each at one of two stable
    states or on the saddle between them, 3⁴ = 81 combinations, of which the bulk's coupling lets some 60 to
    80 live. The gates see Gaussian recurrent weights of gain 1, so that they differ from point to point, and
    biases of 1: open reset gates, and slow units. Input weights have a standard deviation of 0.3.
    """
    rng = np.random.default_rng(seed)
    bits = 4
    reset, update, bulk = rng.standard_normal((3, n, n)) / np.sqrt(n)
    mine = np.arange(n) % bits == np.arange(bits)[:, None]
    patterns = rng.standard_normal((bits, n)) * mine * np.sqrt(bits)
    recurrent = np.concatenate([reset, update, bulk + 3.0 / n * patterns.T @ patterns])
    bias = np.concatenate([np.ones(2 * n), np.zeros(n)])
    arrays = {
        "rnn.weight_ih_l0": 0.3 * rng.standard_normal((3 * n, 3)),
        "rnn.weight_hh_l0": recurrent,
        "rnn.bias_ih_l0": bias,
        "rnn.bias_hh_l0": np.zeros(3 * n),
    }
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def visited_states(move: Step, n_state: int, n_input: int, n: int, seed: int = 0) -> np.ndarray:
    """Return states that a network visits under random pulses, plus noise as large as their spread."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((128, n_state))
    states = []
    for t in range(64):
        pulse = rng.standard_normal((128, n_input)) * (rng.random((128, 1)) < 0.5) * (t < 32)
        x = move(x, pulse)
        states.append(x)
    chosen = np.concatenate(states)[rng.choice(64 * 128, n, replace=False)]
    return chosen + spread_of(chosen) * rng.standard_normal(chosen.shape)
