"""What stands between the hidden units of a PyTorch model and its readout is read, or said."""

import copy

import numpy as np
import pytest
from torch_networks import N_IN, N, Net, assert_same_step, evaluated, normed, simple, strong

from fpanalysis.load import load, load_torch
from fpanalysis.load._checkpoint import save_checkpoint
from fpanalysis.vector_field import model_hash

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402


def loop(step):
    """Return a forward that runs a cell over time by itself."""

    def forward(self, u, h):
        h, outputs = torch.zeros(u.shape[1], N), []
        for now in u:
            h = step(self, now, h)
            outputs.append(self.out(h))
        return torch.stack(outputs)

    return forward


def single(step):
    def forward(self, u, h):
        h = step(self, u, h)
        return self.out(h), h

    return forward


READ = {
    "with the state": (lambda s, u, h: (s.out((made := s.rnn(u, h))[0]), made[1]), {}),
    "last step only": (lambda s, u, h: s.out(s.rnn(u, h)[0][-1]).squeeze(), {}),
    "from the last state": (lambda s, u, h: s.out(s.rnn(u, h)[1][-1]), {}),
    "dropout": (lambda s, u, h: s.out(s.drop(s.rnn(u, h)[0])), {"drop": nn.Dropout()}),
    "an encoder": (lambda s, u, h: s.out(s.rnn(torch.relu(s.enc(u)))[0]), {"enc": nn.Linear(5, N_IN)}),
    "an embedding": (
        lambda s, u, h: s.out(s.rnn(s.table(u))[0]),
        {"table": nn.Embedding(9, N), "rnn": nn.GRU(N, N)},
    ),
    "a norm of the inputs": (
        lambda s, u, h: s.out(s.rnn(s.pre(u))[0]),
        {"pre": nn.LayerNorm(N), "rnn": nn.GRU(N, N)},
    ),
    "a norm": (normed, {"norm": nn.LayerNorm(N)}),
    "a norm without bias": (normed, {"norm": nn.LayerNorm(N, bias=False, eps=0.1)}),
    "a norm without weights": (normed, {"norm": nn.LayerNorm(N, elementwise_affine=False)}),
    "a cell in a loop": (loop(lambda s, u, h: s.rnn(u, h)), {"rnn": nn.GRUCell(N_IN, N)}),
    "an LSTM cell's step": (lambda s, u, h: s.out(s.rnn(u, h)[0]), {"rnn": nn.LSTMCell(N_IN, N)}),
    "the second of two cells": (
        loop(lambda s, u, h: s.rnn(s.low(u), h)),
        {"rnn": nn.GRUCell(N, N), "low": nn.RNNCell(N_IN, N)},
    ),
    "one layer for two inputs": (lambda s, u, h: s.out(s.rnn(u)[0]) + 0 * s.out(s.rnn(u.flip(0))[0]), {}),
    "noise on the inputs": (
        loop(lambda s, u, h: s.rnn(u + torch.randn_like(u), h)),
        {"rnn": nn.GRUCell(N_IN, N)},
    ),
    "a single step": (single(lambda s, u, h: s.rnn(u, h)), {"rnn": nn.GRUCell(N_IN, N)}),
}


@pytest.mark.parametrize("case", READ)
def test_readouts_that_are_read(case):
    forward, parts = READ[case]
    torch.manual_seed(0)
    net = Net(forward, **{name: copy.deepcopy(part) for name, part in parts.items()})
    if "norm" in parts:
        strong(net.norm, 3)
    field = load_torch(net, layer="rnn")
    hidden = np.random.default_rng(0).normal(size=(16, N)).astype(np.float32)
    x = np.concatenate([hidden, hidden + 1], axis=1) if len(field.state) == 2 * N else hidden
    with torch.no_grad():
        read = torch.tensor(hidden)
        expected = net.out(net.norm(read) if "norm" in parts else read).numpy()
    got = evaluated(field, x, np.zeros((16, len(field.inputs)), np.float32))[1]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


class Doubled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


def with_hook():
    net = Net(simple)
    net.out.register_forward_hook(lambda m, given, made: made.abs())
    return net


def one_unit():
    """Return a net whose only unit is positive, where a relu after it does nothing."""
    net = Net(lambda s, u, h: s.out(torch.relu(s.rnn(u, h)[0])), nn.GRU(N_IN, 1))
    net.out = nn.Linear(1, 3)
    with torch.no_grad():
        net.rnn.bias_ih_l0.fill_(9.0)
    return net


def zeros():
    """Return an untrained net of zeros, all whose states are alike."""
    net = Net(lambda s, u, h: s.out(s.rnn(u, h)[0].mean(0)))
    for parameter in net.rnn.parameters():
        nn.init.zeros_(parameter)
    return net


LEFT_OUT = {
    "an activation": (
        lambda: Net(lambda s, u, h: s.out(s.act(s.rnn(u, h)[0])), act=nn.ReLU()),
        "'act' stands",
    ),
    "a function": (lambda: Net(lambda s, u, h: s.out(torch.tanh(s.rnn(u, h)[0]))), "no module"),
    "a relu of a positive unit": (one_unit, "no module"),
    "a mean of equal states": (zeros, "no module"),
    "a batch norm": (
        lambda: Net(lambda s, u, h: s.out(s.norm(s.rnn(u, h)[1][0])), norm=nn.BatchNorm1d(N)),
        "'norm' stands",
    ),
    "another norm": (lambda: Net(normed, norm=nn.RMSNorm(N)), "'norm' stands"),
    "a norm and more": (
        lambda: Net(lambda s, u, h: s.out(s.norm(s.rnn(u, h)[0] ** 3)), norm=nn.LayerNorm(N)),
        "'norm' stands",
    ),
    "a skip connection": (
        lambda: Net(lambda s, u, h: s.out(s.rnn(u, h)[0] + s.skip(u)), skip=nn.Linear(N_IN, N)),
        "'skip' stands",
    ),
    "the cell state": (
        lambda: Net(lambda s, u, h: s.out(s.rnn(u)[1][1][0]), nn.LSTM(N_IN, N)),
        "another state",
    ),
    "a lower layer": (
        lambda: Net(lambda s, u, h: s.out(s.rnn(u)[1][0]), nn.GRU(N_IN, N, 2)),
        "another state",
    ),
    "another linear layer after it": (
        lambda: Net(lambda s, u, h: s.two(s.out(s.rnn(u, h)[0])), two=nn.Linear(3, 1)),
        "'two' comes after 'out'",
    ),
    "an encoder that fits": (
        lambda: Net(lambda s, u, h: s.rnn(s.out(u))[0], nn.GRU(3, N)),
        "between .* and 'out'",
    ),
    "weights without their module": (
        lambda: Net(lambda s, u, h: nn.functional.linear(s.rnn(u, h)[0], s.out.weight)),
        "does not call 'out'",
    ),
    "a class of one's own": (lambda: replaced(Net(simple), Doubled(N, 3)), "'out' is a Doubled"),
    "a hook": (with_hook, "'out' does not compute what its weights say"),
}


def replaced(net, out):
    net.out = out
    return net


@pytest.mark.parametrize("case", LEFT_OUT)
def test_readouts_that_are_left_out(case):
    make, message = LEFT_OUT[case]
    net = make()
    with pytest.warns(UserWarning, match=f"y is left out, because .*{message}.*pass readout='out'") as caught:
        field = load_torch(net)
    assert field.outputs == () and len(caught) == 1
    assert load_torch(net, readout=False).outputs == ()
    if "comes after" in message:  # which does not make it another linear layer of the hidden units
        assert len(load_torch(net, readout="out").outputs) == 3
    else:
        with pytest.warns(UserWarning, match=f"as asked, though .*{message}"):
            assert len(load_torch(net, readout="out").outputs) == 3


def test_what_comes_after_the_readout_is_told():
    net = Net(lambda s, u, h: s.end(s.out(s.rnn(u, h)[0])), end=nn.Softmax(-1))
    with pytest.warns(UserWarning, match=r"y is what 'out' gives; .* something else \(after 'end'\)"):
        assert len(load_torch(net).outputs) == 3
    assert len(load_torch(net, readout="out").outputs) == 3


@pytest.mark.parametrize(
    ("forward", "rnn"),
    [
        (loop(lambda s, u, h: 0.9 * h + 0.1 * s.rnn(u, h)), nn.GRUCell),
        (loop(lambda s, u, h: s.rnn(u, h).clamp(-0.5, 0.5)), nn.GRUCell),
        (loop(lambda s, u, h: s.rnn(u, h) + 0.1 * torch.randn_like(h)), nn.RNNCell),
        (loop(lambda s, u, h: s.rnn(u, torch.tanh(h))), nn.RNNCell),
        (single(lambda s, u, h: 0.9 * h + 0.1 * s.rnn(u, h)), nn.GRUCell),
        (single(lambda s, u, h: s.rnn(u, nn.functional.layer_norm(h, (N,)))), nn.GRUCell),
        (loop(lambda s, u, h: 0.5 * s.rnn(u[None], h[None])[1][0]), nn.GRU),
        (single(lambda s, u, h: s.rnn(u[None], 0.5 * h[None])[1][0]), nn.GRU),
    ],
)
def test_modules_that_change_the_state_themselves_are_refused(forward, rnn):
    net = Net(forward, rnn(N_IN, N))
    with pytest.raises(ValueError, match="changes the state of 'rnn' itself.*load_torch\\(module.rnn\\)"):
        load_torch(net)
    assert_same_step(load_torch(net.rnn), net.rnn)


def back(step):
    """Return a forward that runs a cell and gives `step` its input, its state and its last output."""

    def forward(self, u, h=None):
        h, y, outputs = torch.zeros(u.shape[1], N), torch.zeros(u.shape[1], 3), []
        for now in u:
            h = step(self, now, h, y)
            y = self.out(h)
            outputs.append(y)
        return torch.stack(outputs)

    return forward


@pytest.mark.parametrize(
    ("forward", "rnn"),
    [
        (back(lambda s, u, h, y: s.rnn(u + y[:, :N_IN], h)), nn.GRUCell),
        (back(lambda s, u, h, y: s.rnn(torch.sigmoid(h[:, :N_IN]) * u, h)), nn.RNNCell),
        (back(lambda s, u, h, y: s.rnn((u + y[:, :N_IN])[None], h[None])[1][0]), nn.GRU),
        (single(lambda s, u, h: s.rnn((u * h.sum(-1, keepdim=True))[None], h[None])[1][0]), nn.GRU),
        (single(lambda s, u, h: s.rnn(u * h.sum(-1, keepdim=True), h)), nn.GRUCell),
    ],
)
def test_modules_whose_input_depends_on_the_state_are_refused(forward, rnn):
    with pytest.raises(ValueError, match="input of 'rnn' depends on the state .*load_torch\\(module.rnn\\)"):
        load_torch(Net(forward, rnn(N_IN, N)))


@pytest.mark.parametrize("make", [loop, single])
def test_modules_that_call_the_cell_more_than_once_per_step_are_refused(make):
    net = Net(make(lambda s, u, h: s.rnn(u, s.rnn(u, h))), nn.GRUCell(N_IN, N))
    with pytest.raises(ValueError, match="calls 'rnn' several times per time step"):
        load_torch(net)


def clipped_cell(bound):
    """Return a forward that runs an LSTM cell and clips its cell state."""

    def forward(self, u, h):
        outputs = []
        for now in u:
            hidden, cell = self.rnn(now, h)
            h = hidden, cell.clamp(-bound, bound)
            outputs.append(self.out(hidden))
        return torch.stack(outputs), h

    return forward


def one_clipped_step(self, u, h):
    h, c = self.rnn(u, h)
    return self.out(h), (h, c.clamp(-9, 9))


@pytest.mark.parametrize(
    ("forward", "rnn"),
    [
        (clipped_cell(1.0), nn.LSTMCell(N_IN, N)),
        (clipped_cell(500.0), nn.LSTMCell(N_IN, N)),
        (one_clipped_step, nn.LSTMCell(N_IN, N)),
        (loop(lambda s, u, h: s.rnn(u, h).clamp(max=10.0)), nn.RNNCell(N_IN, N, nonlinearity="relu")),
        (loop(lambda s, u, h: s.rnn(u, h).clamp(max=500.0)), nn.RNNCell(N_IN, N, nonlinearity="relu")),
    ],
)
def test_clips_of_the_state_far_out_are_found(forward, rnn):
    with pytest.raises(ValueError, match="changes the state of 'rnn' itself"):
        load_torch(Net(forward, rnn))


def test_clips_before_the_readout_far_out_are_found():
    relu = nn.RNN(N_IN, N, nonlinearity="relu")
    with pytest.warns(UserWarning, match="y is left out, because .* no module"):
        assert load_torch(Net(lambda s, u, h: s.out(s.rnn(u, h)[0].clamp(max=300.0)), relu)).outputs == ()


def half_of_it(self, u, h):
    y = self.out(self.rnn(u, h)[0])
    return y[..., :2], y[..., 2:].exp()


def clipped_at_its_largest(self, u, h):
    largest = (self.out.weight.abs().sum(1) + self.out.bias.abs()).max()
    return self.out(self.rnn(u, h)[0]).clamp(-0.9 * largest, 0.9 * largest)


@pytest.mark.parametrize("forward", [half_of_it, clipped_at_its_largest])
def test_outputs_that_are_returned_otherwise_in_part_are_told(forward):
    net = Net(forward)
    nn.init.normal_(net.out.weight)
    nn.init.zeros_(net.out.bias)
    with pytest.warns(UserWarning, match="y is what 'out' gives; the module returns something else"):
        assert len(load_torch(net).outputs) == 3


def test_modules_that_cannot_be_run_are_told():
    def strange(s, u, h):
        return s.out(s.rnn(u["x"], h)[0])

    with pytest.warns(UserWarning, match="could not be run on made-up inputs .*readout='out'"):
        assert len(load_torch(Net(strange)).outputs) == 3
    with pytest.warns(UserWarning, match="whether the module changes the state of 'rnn'"):
        load_torch(Net(strange, nn.GRUCell(N_IN, N)), readout=False)
    with pytest.warns(UserWarning, match="y is left out, because 'norm', a norm of 4 units, may stand"):
        assert load_torch(Net(strange, norm=nn.LayerNorm(N))).outputs == ()
    assert len(load_torch(Net(strange, norm=nn.LayerNorm(N)), readout="out").outputs) == 3


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"norm": nn.LayerNorm(N)}, "'norm', a norm of 4 units, may stand before it"),
        ({"bn": nn.BatchNorm1d(N, affine=False)}, "'bn', a norm of 4 units"),
        ({"two": nn.Linear(3, 1)}, "'two', which reads 3 units, may come after it"),
    ],
)
def test_state_dicts_in_which_something_may_stand_between(parts, message):
    weights = Net(simple, **parts).state_dict()
    with pytest.warns(UserWarning, match=f"y is left out, because {message}.*readout='out'") as caught:
        assert load_torch(weights).outputs == ()
    assert len(caught) == 1
    assert len(load_torch(weights, readout="out").outputs) == 3


def named(name, module):
    return {f"{name}.{key}": value for key, value in module.state_dict().items()}


DOUBTFUL = {
    "another recurrent layer": (
        named("rnn", nn.GRU(N_IN, N)) | named("dec", nn.GRU(N, N)) | named("out", nn.Linear(N, 3)),
        "'out' may read another recurrent layer, 'dec'",
    ),
    "one that runs both ways": (
        named("rnn", nn.GRU(N_IN, N))
        | named("dec", nn.GRU(N, N // 2, bidirectional=True))
        | named("out", nn.Linear(N, 3)),
        "'out' may read another recurrent layer, 'dec'",
    ),
    "an embedding": (
        named("rnn", nn.GRU(N, N)) | named("table", nn.Embedding(7, N)),
        "'table' may be an emb",
    ),
    "an embedding by its name": (
        named("rnn", nn.GRU(N_IN, N)) | named("embedding", nn.Embedding(7, N)),
        "'embedding' may be an embedding",
    ),
    "a layer in front": (
        named("enc", nn.Linear(N, N_IN)) | named("rnn", nn.GRU(N_IN, N)),
        "'enc' may stand before the recurrent layer",
    ),
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_readouts_that_are_not_certain_are_left_out(case):
    weights, message = DOUBTFUL[case]
    with pytest.warns(UserWarning, match=f"y is left out, because {message}") as caught:
        assert load_torch(weights, layer="rnn").outputs == ()
    assert len(caught) == 1


def test_readouts_that_can_read_one_layer_only_are_read():
    weights = named("rnn", nn.GRU(N_IN, N)) | named("dec", nn.GRU(N, 7)) | named("out", nn.Linear(N, 3))
    assert len(load_torch(weights, layer="rnn").outputs) == 3
    assert len(load_torch(named("rnn", nn.GRU(N_IN, N)) | named("out", nn.Linear(N, N_IN))).outputs) == N_IN


def test_vectors_beside_the_recurrent_weights_are_told():
    weights = {f"lstm.{name}": value for name, value in nn.LSTMCell(N_IN, N).state_dict().items()}
    with pytest.warns(UserWarning, match="'lstm.norm.weight' beside the weights at 'lstm' is in no layer"):
        load_torch(weights | {"lstm.norm.weight": torch.ones(4 * N), "lstm.norm.bias": torch.ones(4 * N)})


def test_a_norm_before_the_readout_is_kept_in_a_checkpoint(tmp_path):
    for norm in (
        nn.LayerNorm(N, eps=0.3),
        nn.LayerNorm(N, bias=False),
        nn.LayerNorm(N, elementwise_affine=False),
    ):
        field = load_torch(Net(normed, norm=norm), outputs=["a", "b", "c"])
        save_checkpoint(field, tmp_path / "a.eqx")
        assert model_hash(load(tmp_path / "a.eqx")) == model_hash(field)
