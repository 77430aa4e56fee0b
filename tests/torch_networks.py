"""Networks in PyTorch, and their own forward as the second way to their next state."""

import copy
from functools import partial
from typing import Any

import equinox as eqx
import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

# One shape throughout, so that what one test compiles, the others find.
N_IN, N = 2, 4
RNN_RELU = partial(nn.RNN, nonlinearity="relu")
LAYERS = {"tanh": nn.RNN, "relu": RNN_RELU, "gru": nn.GRU, "lstm": nn.LSTM}
CELLS = {"tanh": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}


@eqx.filter_jit
def evaluated(field, x, u):
    return jax.vmap(field)(x, u), jax.vmap(field.output)(x)


def next_states(module, x, u):
    """The module's next state and outputs over one step, from states `(sample, state)` in our order."""
    is_lstm, is_cell = "LSTM" in type(module).__name__, "Cell" in type(module).__name__
    parts = torch.tensor(x).reshape(len(x), -1, 1 + is_lstm, N).movedim(0, 2)
    given = tuple(parts[:, p].contiguous() for p in range(1 + is_lstm))
    given = tuple(part[0] for part in given) if is_cell else given
    time = 1 if getattr(module, "batch_first", False) else 0
    with torch.no_grad():
        found = module(
            torch.tensor(u) if is_cell else torch.tensor(u).unsqueeze(time), given if is_lstm else given[0]
        )
    new = found if is_cell else found[1]
    new = [part.reshape(parts[:, 0].shape) for part in (new if isinstance(new, tuple) else (new,))]
    return torch.stack(new, 1).movedim(2, 0).reshape(len(x), -1).numpy()


def assert_same_step(field, module, dtype: type = np.float32):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(16, len(field.state))).astype(dtype)
    u = rng.normal(size=(16, N_IN)).astype(dtype)
    module = copy.deepcopy(module).eval()
    with jax.enable_x64(dtype is np.float64):
        got = np.asarray(evaluated(field, x, u)[0])
    np.testing.assert_allclose(got, next_states(module, x, u), rtol=1e-6, atol=1e-6)


def strong(module, seed=0):
    """Make a module's weights large enough for its equations to be far from linear."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape))
    return module


class Net(nn.Module):
    """A recurrent layer, a linear readout, and what a test puts between, before or after."""

    rnn: Any
    out: Any
    norm: Any
    drop: Any

    def __init__(self, forward, rnn=None, **parts):
        super().__init__()
        self.rnn, self.out, self.body = strong(rnn or nn.GRU(N_IN, N)), nn.Linear(N, 3), forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, u, h=None):
        return self.body(self, u, h)


def simple(self, u, h):
    return self.out(self.rnn(u, h)[0])


def normed(self, u, h):
    return self.out(self.norm(self.rnn(u, h)[0]))
