"""Cells step as PyTorch's do, alone and on top of each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fpanalysis._cells import RNNCell, StackedCell, cell_layout, hidden_state
from fpanalysis.load import load_torch

KINDS = ("rnn_tanh", "rnn_relu", "gru", "lstm")


@pytest.fixture(scope="module")
def torch():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


def make(torch, kind, inputs, hidden, layers, bias, cell, seed):
    torch.manual_seed(seed)
    name, _, phi = kind.partition("_")
    options = (
        {"bias": bias} | ({"nonlinearity": phi} if phi else {}) | ({} if cell else {"num_layers": layers})
    )
    return getattr(torch.nn, name.upper() + ("Cell" if cell else ""))(inputs, hidden, **options)


def torch_step(torch, module, state, u, cell):
    """The next state of every layer, as `(layer, part, hidden)` with parts h and, for an LSTM, c."""
    parts = [torch.tensor(np.asarray(state[:, part])) for part in range(state.shape[1])]
    parts = [part[0] if cell else part for part in parts]
    given = tuple(parts) if len(parts) == 2 else parts[0]
    with torch.no_grad():
        new = module(torch.tensor(u), given) if cell else module(torch.tensor(u)[None], given)[1]
    new = new if isinstance(new, tuple) else (new,)
    return np.stack([part.numpy()[None] if cell else part.numpy() for part in new], axis=1)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12)
@given(
    inputs=st.integers(1, 4),
    hidden=st.integers(1, 6),
    layers=st.integers(1, 3),
    bias=st.booleans(),
    cell=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_one_step_equals_pytorch(torch, kind, inputs, hidden, layers, bias, cell, seed):
    module = make(torch, kind, inputs, hidden, layers, bias, cell, seed)
    layers = 1 if cell else layers
    rng = np.random.default_rng(seed)
    state = rng.normal(size=(layers, 1 + (kind == "lstm"), hidden)).astype(np.float32)
    u = rng.normal(size=inputs).astype(np.float32)
    field = load_torch(module)
    assert len(field.state) == state.size and len(field.inputs) == inputs and field.outputs == ()
    got = field(jnp.asarray(state.ravel()), jnp.asarray(u))
    assert got.dtype == jnp.float32
    expected = torch_step(torch, module, state, u, cell)
    np.testing.assert_allclose(np.asarray(got).reshape(state.shape), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_live_module_and_its_state_dict_are_one_model(torch, kind):
    from fpanalysis.vector_field import model_hash

    module = make(torch, kind, 2, 3, 2, True, False, 0)
    phi = kind.partition("_")[2] or "tanh"
    fields = load_torch(module), load_torch(module.state_dict(), nonlinearity=phi)
    assert model_hash(fields[0]) == model_hash(fields[1])
    assert jax.tree_util.tree_structure(fields[0]) == jax.tree_util.tree_structure(fields[1])


def test_training_on_does_not_change_what_was_loaded(torch):
    module = torch.nn.RNN(64, 64)
    field = load_torch(module)
    before = np.array(field(jnp.zeros(64), jnp.ones(64)))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(7.0)
    np.testing.assert_array_equal(field(jnp.zeros(64), jnp.ones(64)), before)


def test_states_of_a_stack_are_named_by_layer(torch):
    field = load_torch(torch.nn.LSTM(2, 2, num_layers=2))
    blocks = ["layer0.hidden", "layer0.cell", "layer1.hidden", "layer1.cell"]
    assert list(field.state) == [f"{block}[{i}]" for block in blocks for i in range(2)]


@pytest.mark.parametrize("kind", ["rnn_tanh", "gru", "lstm"])
def test_a_readout_sees_the_top_hidden_units(torch, kind):
    torch.manual_seed(0)

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = make(torch, kind, 2, 3, 2, True, False, 0)
            self.decoder = torch.nn.Linear(3, 2)

    model = Model()
    field = load_torch(model)
    x = np.random.default_rng(0).normal(size=len(field.state)).astype(np.float32)
    top = x.reshape(2, -1, 3)[-1, 0]
    expected = model.decoder(torch.tensor(top)).detach().numpy()
    np.testing.assert_allclose(field.output(jnp.asarray(x)), expected, atol=1e-6)


@pytest.mark.parametrize("phi", ["tanh", "relu"])
def test_rnn_cell_is_elmans(phi):
    rng = np.random.default_rng(0)
    ih, hh, b = (rng.normal(size=shape).astype(np.float32) for shape in ((3, 2), (3, 3), 3))
    h, u = rng.normal(size=3).astype(np.float32), rng.normal(size=2).astype(np.float32)
    cell = RNNCell(jnp.asarray(ih), jnp.asarray(hh), jnp.asarray(b), phi)
    assert (cell.input_size, cell.hidden_size) == (2, 3)
    expected = {"tanh": np.tanh, "relu": lambda a: np.maximum(a, 0)}[phi](ih @ u + hh @ h + b)
    np.testing.assert_allclose(cell(jnp.asarray(u), jnp.asarray(h)), expected, atol=1e-6)


def test_a_stack_passes_the_new_hidden_state_up():
    eye, zero = jnp.eye(2), jnp.zeros(2)
    lower, upper = (RNNCell(eye, scale * eye, zero, "relu") for scale in (1.0, 10.0))
    stack = StackedCell((lower, upper))
    new = stack(jnp.array([1.0, 0.0]), (jnp.array([0.0, 2.0]), jnp.array([1.0, 1.0])))
    np.testing.assert_array_equal(new[0], [1.0, 2.0])
    np.testing.assert_array_equal(new[1], [11.0, 12.0])
    np.testing.assert_array_equal(hidden_state(stack)(new), new[1])
    layout = cell_layout(stack)
    assert layout is not None and layout.names[2:] == ("layer1.hidden[0]", "layer1.hidden[1]")
