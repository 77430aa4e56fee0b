"""Gated cells: GRU and LSTM of Equinox, stacks of PyTorch's weights, and gates written out in JAX.

A GRU rests where n(h) = h, whatever its gate: `h' = n + z (h − n)`, and z < 1. An LSTM rests where `c = i g
(1 + eᵃ)` with a the argument of its forget gate, so that h alone is unknown: `h = o tanh(c(h))`. Both maps
take the cube of half-width 1 into itself. The same holds layer by layer in a stack. Gates divided out like
this leave no saturated factor, so that the boxes decide where the cell itself is still to the last bit of
float64.
"""

from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import numpy as np

import fpanalysis as fpa
from zoology.system import System, cube


def gru_parts(xp: Any, h: Any, W: Any, b: Any, bn: Any, drive: Any = 0.0) -> tuple[Any, Any]:
    """Return the new activity n and the update gate z."""
    n = bn.shape[0]
    a = h @ W.T
    r = xp.sigmoid(a[..., :n] + b[:n] + (0.0 if isinstance(drive, float) else drive[..., :n]))
    z = xp.sigmoid(
        a[..., n : 2 * n] + b[n : 2 * n] + (0.0 if isinstance(drive, float) else drive[..., n : 2 * n])
    )
    inner = r * (a[..., 2 * n :] + bn) + b[2 * n :]
    return xp.tanh(inner if isinstance(drive, float) else inner + drive[..., 2 * n :]), z


def gru(xp: Any, x: Any, W: Any, b: Any, bn: Any) -> Any:
    n, z = gru_parts(xp, x, W, b, bn)
    return n + z * (x - n)


def own_gru(xp: Any, x: Any, W: Any, b: Any, bn: Any) -> Any:
    n, z = gru_parts(xp, x, W, b, bn)
    return (1.0 - z) * n + z * x


def gru_residual(xp: Any, x: Any, W: Any, b: Any, bn: Any) -> Any:
    return gru_parts(xp, x, W, b, bn)[0] - x


def _lstm_gates(xp: Any, h: Any, W: Any, b: Any, drive: Any = None) -> list[Any]:
    n = W.shape[1]
    a = h @ W.T + b
    if drive is not None:
        a = a + drive
    return [a[..., k * n : (k + 1) * n] for k in range(4)]


def _lstm_step(xp: Any, h: Any, c: Any, W: Any, b: Any, drive: Any = None) -> tuple[Any, Any]:
    i, f, g, o = _lstm_gates(xp, h, W, b, drive)
    c = xp.sigmoid(f) * c + xp.sigmoid(i) * xp.tanh(g)
    return xp.sigmoid(o) * xp.tanh(c), c


def _lstm_rest(xp: Any, h: Any, W: Any, b: Any, drive: Any = None) -> tuple[Any, Any]:
    """Return where h is taken when c rests, and this c."""
    i, f, g, o = _lstm_gates(xp, h, W, b, drive)
    c = xp.sigmoid(i) * xp.tanh(g) * (1.0 + xp.exp(f))
    return xp.sigmoid(o) * xp.tanh(c), c


def lstm(xp: Any, x: Any, W: Any, b: Any) -> Any:
    n = W.shape[1]
    return xp.join(_lstm_step(xp, x[..., :n], x[..., n:], W, b))


def lstm_residual(xp: Any, y: Any, W: Any, b: Any) -> Any:
    return _lstm_rest(xp, y, W, b)[0] - y


def lstm_lift(xp: Any, y: Any, W: Any, b: Any) -> Any:
    return xp.join([y, _lstm_rest(xp, y, W, b)[1]])


def draw_gru(n: int, gain: float, gate: float, seed: int) -> dict[str, Any]:
    """Return random weights; `gate` multiplies those of the update gate once more."""
    rng = np.random.default_rng([7, n, int(10 * gain), int(gate), seed])
    W = rng.standard_normal((3 * n, n)) * gain / np.sqrt(n)
    b, bn = 0.5 * gain * rng.standard_normal(3 * n), 0.3 * rng.standard_normal(n)
    W[n : 2 * n] *= gate
    b[n : 2 * n] *= gate
    W[2 * n :] += (seed % 3) * gain * np.eye(n)
    return {"W": W, "b": b, "bn": bn}


def gru_cell(values: dict[str, Any]) -> eqx.nn.GRUCell:
    n = len(values["bn"])
    cell = eqx.nn.GRUCell(1, n, key=jax.random.key(0))
    where: Callable = lambda c: (c.weight_ih, c.weight_hh, c.bias, c.bias_n)
    return eqx.tree_at(where, cell, (np.zeros((3 * n, 1)), values["W"], values["b"], values["bn"]))


def lstm_cell(values: dict[str, Any]) -> eqx.nn.LSTMCell:
    n = values["W"].shape[1]
    cell = eqx.nn.LSTMCell(1, n, key=jax.random.key(0))
    where: Callable = lambda c: (c.weight_ih, c.weight_hh, c.bias)
    return eqx.tree_at(where, cell, (np.zeros((4 * n, 1)), values["W"], values["b"]))


def grus() -> Iterator[System]:
    settings = ((1.0, 1.0), (2.0, 1.0), (4.0, 1.0), (4.0, 4.0), (2.0, 10.0), (1.0, 60.0))
    for n in (1, 2, 3, 4):
        for k, (gain, gate) in enumerate(settings):
            for seed in (k, k + 7) if n < 3 else (k,):
                yield _gru(n, gain, gate, seed)
    # Gates that close inside the cube, where the cell does not move by a single bit.
    for weight, bias in ((60.0, 0.0), (200.0, -20.0), (800.0, 0.0)):
        W, b = np.array([[0.0], [weight], [0.5]]), np.array([0.0, bias, -1.2])
        values = {"W": W, "b": b, "bn": np.zeros(1)}
        yield _gru_system(f"GRU: one unit, gate {weight:g} h {bias:+g}", values)


def _gru(n: int, gain: float, gate: float, seed: int) -> System:
    name = f"GRU: n={n}, weights ×{gain:g}, gate ×{gate:g}, seed={seed}"
    return _gru_system(name, draw_gru(n, gain, gate, seed))


def _gru_system(name: str, values: dict[str, Any]) -> System:
    n = len(values["bn"])
    return System(
        "GRU",
        name,
        gru,
        values,
        n,
        residual=gru_residual,
        box=cube(n),
        is_bounded=True,
        scale=np.ones(n),
        cell=lambda: gru_cell(values),
    )


def draw_lstm(n: int, gain: float, forget: float, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng([11, n, int(10 * gain), seed])
    W = rng.standard_normal((4 * n, n)) * gain / np.sqrt(n)
    W[2 * n : 3 * n] += (seed % 2) * gain * np.eye(n)
    b = 0.4 * rng.standard_normal(4 * n)
    b[n : 2 * n] += forget
    return {"W": W, "b": b}


def lstms() -> Iterator[System]:
    for n in (1, 2, 3):
        for k, (gain, forget) in enumerate(
            ((0.7, 0.0), (1.5, 0.0), (2.0, 1.0), (3.0, 0.0), (2.0, 3.0), (4.0, 1.0), (1.0, 6.0))
        ):
            values = draw_lstm(n, gain, forget, k)
            yield System(
                "LSTM",
                f"LSTM: n={n}, weights ×{gain:g}, forget bias {forget:g}, seed={k}",
                lstm,
                values,
                2 * n,
                residual=lstm_residual,
                lift=lstm_lift,
                box=cube(n),
                is_bounded=True,
                scale=np.r_[np.ones(n), np.full(n, 1 + np.exp(forget))],
                cell=lambda values=values: lstm_cell(values),
            )


def minimal(xp: Any, x: Any, U: Any, V: Any, b: Any, c: Any) -> Any:
    """Return the minimal gated unit: `h' = (1 − f) h + f tanh(V (f h) + c)`."""
    f = xp.sigmoid(x @ U.T + b)
    return (1.0 - f) * x + f * xp.tanh((f * x) @ V.T + c)


def minimal_residual(xp: Any, x: Any, U: Any, V: Any, b: Any, c: Any) -> Any:
    f = xp.sigmoid(x @ U.T + b)
    return xp.tanh((f * x) @ V.T + c) - x


def update_gate(xp: Any, x: Any, U: Any, V: Any, b: Any, c: Any) -> Any:
    """Return the UGRNN: `h' = g h + (1 − g) tanh(V h + c)`."""
    g = xp.sigmoid(x @ U.T + b)
    return g * x + (1.0 - g) * xp.tanh(x @ V.T + c)


def gated_flow(xp: Any, x: Any, U: Any, V: Any, b: Any, c: Any) -> Any:
    """Return a flow whose speed is gated: `x' = σ(U x + b) (tanh(V x + c) − x)`."""
    return xp.sigmoid(x @ U.T + b) * (xp.tanh(x @ V.T + c) - x)


def ungated(xp: Any, x: Any, U: Any, V: Any, b: Any, c: Any) -> Any:
    del U, b
    return xp.tanh(x @ V.T + c) - x


def own_gates() -> Iterator[System]:
    """Yield gates in JAX that the package cannot know by name, closed ones among them."""
    kinds = (
        ("minimal gated unit", minimal, minimal_residual, False),
        ("update gate", update_gate, ungated, False),
        ("gated flow", gated_flow, ungated, True),
    )
    for what, formula, residual, flow in kinds:
        for n, gain, gate in ((1, 2.0, 1.0), (2, 2.0, 4.0), (1, 1.5, 60.0), (2, 2.5, 30.0), (3, 1.5, 8.0)):
            rng = np.random.default_rng([13, n, int(gate)])
            U = gate * rng.standard_normal((n, n))
            V = rng.standard_normal((n, n)) * gain / np.sqrt(n) + gain * np.eye(n)
            values = {"U": U, "V": V, "b": np.zeros(n), "c": 0.2 * rng.standard_normal(n)}
            yield System(
                "own gates",
                f"{what}: n={n}, gain={gain}, gate ×{gate:g}",
                formula,
                values,
                n,
                flow=flow,
                residual=residual,
                box=cube(n),
                is_bounded=True,
                scale=np.ones(n),
            )
    for n, gain, gate in ((1, 2.0, 1.0), (2, 3.0, 4.0), (1, 4.0, 60.0), (3, 2.0, 1.0)):
        values = draw_gru(n, gain, gate, 1)
        name = f"own GRU: n={n}, weights ×{gain:g}, gate ×{gate:g}"
        yield System(
            "own gates",
            name,
            own_gru,
            values,
            n,
            residual=gru_residual,
            box=cube(n),
            is_bounded=True,
            scale=np.ones(n),
        )
    for n, gain in ((1, 3.0), (2, 2.0)):
        values = draw_lstm(n, gain, 1.0, 1)
        scale = np.r_[np.ones(n), np.full(n, 4.0)]
        name = f"own LSTM: n={n}, weights ×{gain:g}"
        yield System(
            "own gates",
            name,
            lstm,
            values,
            2 * n,
            residual=lstm_residual,
            lift=lstm_lift,
            box=cube(n),
            is_bounded=True,
            scale=scale,
        )


def gru_stack(xp: Any, x: Any, W: Any, b: Any, bn: Any, V: Any, W2: Any, b2: Any, bn2: Any) -> Any:
    n = bn.shape[0]
    low, high = x[..., :n], x[..., n:]
    new, z = gru_parts(xp, low, W, b, bn)
    low = new + z * (low - new)
    new, z = gru_parts(xp, high, W2, b2, bn2, low @ V.T)
    return xp.join([low, new + z * (high - new)])


def gru_stack_residual(xp: Any, x: Any, W: Any, b: Any, bn: Any, V: Any, W2: Any, b2: Any, bn2: Any) -> Any:
    n = bn.shape[0]
    low, high = x[..., :n], x[..., n:]
    new = gru_parts(xp, low, W, b, bn)[0]
    return xp.join([new - low, gru_parts(xp, high, W2, b2, bn2, low @ V.T)[0] - high])


def lstm_stack(xp: Any, x: Any, W: Any, b: Any, V: Any, W2: Any, b2: Any) -> Any:
    n = W.shape[1]
    h, c = _lstm_step(xp, x[..., :n], x[..., n : 2 * n], W, b)
    h2, c2 = _lstm_step(xp, x[..., 2 * n : 3 * n], x[..., 3 * n :], W2, b2, h @ V.T)
    return xp.join([h, c, h2, c2])


def lstm_stack_residual(xp: Any, y: Any, W: Any, b: Any, V: Any, W2: Any, b2: Any) -> Any:
    n = W.shape[1]
    low, high = y[..., :n], y[..., n:]
    h2 = _lstm_rest(xp, high, W2, b2, low @ V.T)[0]
    return xp.join([_lstm_rest(xp, low, W, b)[0] - low, h2 - high])


def lstm_stack_lift(xp: Any, y: Any, W: Any, b: Any, V: Any, W2: Any, b2: Any) -> Any:
    n = W.shape[1]
    low, high = y[..., :n], y[..., n:]
    return xp.join([low, _lstm_rest(xp, low, W, b)[1], high, _lstm_rest(xp, high, W2, b2, low @ V.T)[1]])


def rnn_stack(xp: Any, x: Any, W: Any, b: Any, V: Any, W2: Any, b2: Any) -> Any:
    n = b.shape[0]
    low = xp.tanh(x[..., :n] @ W.T + b)
    return xp.join([low, xp.tanh(low @ V.T + x[..., n:] @ W2.T + b2)])


def rnn_stack_residual(xp: Any, x: Any, W: Any, b: Any, V: Any, W2: Any, b2: Any) -> Any:
    n = b.shape[0]
    low, high = x[..., :n], x[..., n:]
    return xp.join([xp.tanh(low @ W.T + b) - low, xp.tanh(low @ V.T + high @ W2.T + b2) - high])


def _stack_weights(values: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return PyTorch's names: layer 0 sees no input, layer 1 the hidden units of layer 0."""
    rows = len(values["b"])
    out = {
        "weight_ih_l0": np.zeros((rows, 1)),
        "weight_hh_l0": values["W"],
        "bias_ih_l0": values["b"],
        "bias_hh_l0": np.zeros(rows),
        "weight_ih_l1": values["V"],
        "weight_hh_l1": values["W2"],
        "bias_ih_l1": values["b2"],
        "bias_hh_l1": np.zeros(rows),
    }
    for layer, name in enumerate(("bn", "bn2")):
        if name in values:
            out[f"bias_hh_l{layer}"] = np.r_[np.zeros(rows - len(values[name])), values[name]]
    return out


def stacks() -> Iterator[System]:
    for n, gain, seed in ((1, 1.0, 0), (1, 3.0, 1), (2, 2.0, 2), (2, 1.0, 4), (1, 4.0, 5)):
        rng = np.random.default_rng([17, n, seed])
        low, high = draw_gru(n, gain, 1.0, seed), draw_gru(n, gain, 1.0, seed + 1)
        values = low | {"V": rng.standard_normal((3 * n, n))} | {f"{k}2": v for k, v in high.items()}
        yield _stack("GRU", n, gain, seed, values, gru_stack, gru_stack_residual, None)
        low, high = draw_lstm(n, gain, 0.0, seed), draw_lstm(n, gain, 1.0, seed + 1)
        values = low | {"V": rng.standard_normal((4 * n, n))} | {f"{k}2": v for k, v in high.items()}
        yield _stack("LSTM", n, gain, seed, values, lstm_stack, lstm_stack_residual, lstm_stack_lift)
        draw = lambda rng=rng, n=n, gain=gain: (
            gain * (rng.standard_normal((n, n)) / np.sqrt(n) + 0.5 * np.eye(n))
        )
        values = {"W": draw(), "b": 0.2 * rng.standard_normal(n), "V": rng.standard_normal((n, n))}
        values |= {"W2": draw(), "b2": 0.2 * rng.standard_normal(n)}
        yield _stack("tanh", n, gain, seed, values, rnn_stack, rnn_stack_residual, None)


def _stack(
    what: str, n: int, gain: float, seed: int, values: dict, formula: Any, residual: Any, lift: Any
) -> System:
    size = 4 * n if lift else 2 * n
    return System(
        "stacks",
        f"stack of two {what} layers: n={n}, weights ×{gain:g}, seed={seed}",
        formula,
        values,
        size,
        residual=residual,
        lift=lift,
        box=cube(2 * n),
        is_bounded=True,
        scale=np.full(size, 1.0 if lift is None else 2.0),
        cell=lambda: fpa.load_torch(_stack_weights(values), nonlinearity="tanh"),
    )
