"""Live PyTorch modules are read by what they compute, or refused: their own forward is the second way."""

import copy
import re
import warnings
from functools import partial

import equinox as eqx
import jax
import numpy as np
import pytest

from fpanalysis.load import load, load_torch
from fpanalysis.load._checkpoint import save_checkpoint
from fpanalysis.vector_field import model_hash

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn.utils import parametrizations, parametrize, prune  # noqa: E402

# One shape throughout, so that what one test compiles, the others find.
N_IN, N = 2, 4
RNN_RELU = partial(nn.RNN, nonlinearity="relu")
LAYERS = {"tanh": nn.RNN, "relu": RNN_RELU, "gru": nn.GRU, "lstm": nn.LSTM}
CELLS = {"tanh": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}
OWN_DYNAMICS = "changes the state of 'rnn' itself"


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


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(
    "options", [{}, {"bias": False, "batch_first": True}, {"num_layers": 2, "dropout": 0.5}], ids=str
)
def test_layers_step_as_the_module_does(name, options):
    module = strong(LAYERS[name](N_IN, N, **options))
    assert_same_step(load_torch(module), module)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("bias", [True, False])
def test_cells_step_as_the_module_does(name, bias):
    module = strong(CELLS[name](N_IN, N, bias=bias))
    assert_same_step(load_torch(module), module)


def test_nothing_of_the_module_is_changed():
    net = Net(simple, nn.LSTM(N_IN, N, 2, dropout=0.5), drop=nn.Dropout())
    net.drop.eval()
    seen = []
    net.rnn.register_forward_hook(lambda *_: None)
    before, random = copy.deepcopy(net.state_dict()), torch.get_rng_state()
    load_torch(net)
    assert (net.training, net.rnn.training, net.drop.training) == (True, True, False)
    assert len(net.rnn._forward_hooks) == 1 and not net.out._forward_hooks and not seen
    assert torch.equal(random, torch.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in net.parameters())


class Leaky(nn.RNNCell):
    def forward(self, u, h):
        return 0.8 * h + 0.2 * super().forward(u, h)


class Halved(nn.GRUCell):
    def __call__(self, u, h):
        return 0.5 * super().__call__(u, h)


class OtherOrder(nn.LSTM):
    def check_forward_args(self, u, hidden, batch_sizes):
        hidden[1].mul_(0.5)


class WithAMethod(nn.GRU):
    def reset_parameters(self):
        for parameter in self.parameters():
            nn.init.normal_(parameter)


def replaced_forward():
    module = nn.GRU(N_IN, N)
    module.forward = lambda u, h: (h, h)
    return module


def hooked(hook, pre=False):
    module = strong(nn.GRU(N_IN, N))
    (module.register_forward_pre_hook if pre else module.register_forward_hook)(hook)
    return module


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Leaky(N_IN, N), "got Leaky, a RNNCell with a forward of its own.*vector_field.*state_dict"),
        (replaced_forward, "a GRU with a forward of its own"),
        (
            lambda: Halved(N_IN, N),
            "the next state of .* differs from what its weights give in a torch.nn.GRUCell",
        ),
        (lambda: OtherOrder(N_IN, N), "the next state of .* differs"),
        (lambda: hooked(lambda m, given, made: (made[0] * 0.99, made[1])), "the output of .* differs"),
        (lambda: hooked(lambda m, given, made: (made[0], made[1].clamp(-9, 9))), "the next state .* differs"),
        (lambda: hooked(lambda m, given: (given[0] + 1e-4, given[1]), pre=True), "the next state .* differs"),
        (lambda: hooked(lambda *_: 1 / 0), "cannot be run by itself.*division by zero.*state_dict"),
        (lambda: nn.LSTM(N_IN, N, proj_size=2), "has projections"),
        (lambda: nn.GRU(N_IN, N, bidirectional=True), "is bidirectional"),
        (lambda: nn.GRU(N_IN, N, device="meta"), "'weight_ih_l0' is on the meta device"),
        (lambda: nn.Sequential(nn.LazyLinear(2), nn.GRU(N_IN, N)), "'0.weight' has no shape yet"),
    ],
)
def test_other_equations_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        load_torch(make())


def test_a_subclass_with_the_same_equations_is_read():
    module = WithAMethod(N_IN, N)
    assert_same_step(load_torch(module), module)


def test_a_layer_decides_by_its_mode_whatever_it_says():
    layer, cell = strong(nn.RNN(N_IN, N)), strong(nn.RNNCell(N_IN, N))
    layer.nonlinearity = cell.nonlinearity = "relu"
    for module in (layer, cell):
        assert_same_step(load_torch(module), module)


PARAMETRISED = {
    "spectral": parametrizations.spectral_norm,
    "weight_norm": parametrizations.weight_norm,
    "weight_norm of columns": partial(parametrizations.weight_norm, dim=1),
    "weight_norm of all": partial(parametrizations.weight_norm, dim=None),
    "old spectral": torch.nn.utils.spectral_norm,
    "old weight_norm": torch.nn.utils.weight_norm,
    "old weight_norm of all": partial(torch.nn.utils.weight_norm, dim=None),
    "pruned": partial(prune.random_unstructured, amount=0.5),
    "pruned twice": lambda m, name: [
        prune.l1_unstructured(m, name, 0.3),
        prune.random_structured(m, name, 0.3, dim=1),
    ],
}
COMPUTED = [name for name in PARAMETRISED if "spectral" not in name]


class Clipped(nn.Module):
    def forward(self, weight):
        return weight.clamp(-0.1, 0.1)


def parametrised(name):
    net = Net(simple)
    # Old weight_norm says that it is old, and computes its weights anew only when the module is run.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part, weight in ((net.rnn, "weight_hh_l0"), (net.rnn, "weight_ih_l0"), (net.out, "weight")):
            PARAMETRISED[name](part, weight)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(1.7)
    return net


def assert_same_model(field, net):
    net = copy.deepcopy(net).eval()
    assert_same_step(field, net.rnn)
    x = np.random.default_rng(2).normal(size=(16, N)).astype(np.float32)
    with torch.no_grad():
        expected = net.out(torch.tensor(x)).numpy()
    np.testing.assert_allclose(evaluated(field, x, np.zeros((16, N_IN), np.float32))[1], expected, atol=2e-6)


@pytest.mark.parametrize("name", PARAMETRISED)
def test_reparametrised_modules_are_read_by_what_they_compute(name):
    net = parametrised(name)
    field = load_torch(net)
    with torch.no_grad():
        net.eval()(torch.zeros(1, 1, N_IN))
    if name.startswith("old") or "pruned" in name:
        for part in (net.rnn, net.out):  # so that they can be copied, which PyTorch refuses otherwise
            for weight in [key for key, value in vars(part).items() if isinstance(value, torch.Tensor)]:
                setattr(part, weight, getattr(part, weight).detach())
        net.rnn._flat_weights = [each.detach() for each in net.rnn._flat_weights]
    assert_same_model(field, net)


@pytest.mark.parametrize("name", COMPUTED)
def test_their_state_dicts_are_the_same_model(name):
    net = parametrised(name)
    live, read = load_torch(net), load_torch(net.state_dict())
    for ours, theirs in zip(jax.tree.leaves(read), jax.tree.leaves(live), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["spectral", "old spectral"])
def test_state_dicts_that_do_not_say_their_weights_are_refused(name):
    weights = parametrised(name).state_dict()
    with pytest.raises(
        ValueError, match=r"'rnn.weight_ih_l0' is parametrised \(spectral_norm\).*live module"
    ):
        load_torch(weights)
    plain = {key: value for key, value in weights.items() if not key.startswith("rnn")} | {
        f"rnn.{key}": value for key, value in nn.GRU(N_IN, N).state_dict().items()
    }
    with pytest.raises(ValueError, match="'out.weight' is parametrised"):
        load_torch(plain)
    assert load_torch(plain, readout=False).outputs == ()


def test_orthogonal_and_custom_parametrisations():
    orthogonal, clipped = strong(nn.RNN(N_IN, N)), strong(nn.GRU(N_IN, N))
    parametrizations.orthogonal(orthogonal, "weight_hh_l0")
    parametrize.register_parametrization(clipped, "weight_hh_l0", Clipped())
    for module, kind in ((orthogonal, "orthogonal"), (clipped, "with the parts 'original'")):
        field = load_torch(module)
        assert_same_step(field, module)
        with pytest.raises(ValueError, match=re.escape(f"'weight_hh_l0' is parametrised ({kind})")):
            load_torch(module.state_dict(), nonlinearity="tanh")
    np.testing.assert_allclose(
        np.linalg.svd(load_torch(orthogonal).function.cell.weight_hh)[1], np.ones(N), atol=1e-6
    )


def compiled_part():
    net = Net(simple)
    net.rnn = torch.compile(net.rnn)
    return net


def shared():
    net = Net(simple)
    net.again = net.rnn
    return net


def strided():
    module = nn.GRU(N_IN, N)
    module.weight_hh_l0 = nn.Parameter(torch.randn(N, 3 * N).T)
    module.weight_ih_l0.data = torch.randn(3 * N, 2 * N_IN)[:, ::2]
    return module


def tied():
    module = nn.GRU(N, N, 2)
    module.weight_hh_l1 = module.weight_hh_l0
    return module


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_wrappers_and_storage_make_no_difference():
    net = Net(simple)
    expected = model_hash(load_torch(net))
    for wrapped in (torch.compile(net), nn.DataParallel(net), copy.deepcopy(net).half().float().to("cpu")):
        same = model_hash(load_torch(wrapped)) == expected
        assert same or wrapped.rnn.weight_hh_l0.equal(net.rnn.weight_hh_l0.half().float())
    for make in (compiled_part, shared):
        assert load_torch(make()).outputs == ("output[0]", "output[1]", "output[2]")
    assert_same_step(load_torch(module := strided()), module)
    assert len(load_torch(tied()).state) == 2 * N
    for module in (strong(nn.LSTM(N_IN, N, 2)), strong(RNN_RELU(N_IN, N)), strong(nn.GRUCell(N_IN, N))):
        scripted = torch.jit.script(module)
        assert model_hash(load_torch(scripted)) == model_hash(load_torch(module))


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_a_scripted_class_of_the_same_name_is_found_out():
    class GRU(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight_ih, self.weight_hh = (
                nn.Parameter(torch.ones(3 * N, N_IN)),
                nn.Parameter(torch.ones(3 * N, N)),
            )

        def forward(self, u, h):
            return u.sum() * h, h

    with pytest.raises(ValueError, match="cannot be run by itself|differs"):
        load_torch(torch.jit.script(GRU()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(dtype):
    net = Net(normed, norm=nn.LayerNorm(N)).to(dtype)
    field = load_torch(net)
    assert field.outputs == ("output[0]", "output[1]", "output[2]")
    if dtype is torch.float64:
        assert_same_step(field, net.rnn, np.float64)
    else:
        assert_same_step(field, net.rnn.float())


def test_quantised_layers_are_refused():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch announces that all this will go
        net = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.GRU(N_IN, N)), {nn.GRU})
        weights = net.state_dict()
    for source in (net, weights):
        with pytest.raises(ValueError, match="is quantised: it computes with integers"):
            load_torch(source)


def test_weights_without_an_array_are_refused():
    weights = nn.GRU(N_IN, N).state_dict()
    with pytest.raises(ValueError, match="'weight_hh_l0' is on the meta device, which holds no values"):
        load_torch(weights | {"weight_hh_l0": torch.empty(3 * N, N, device="meta")})
    with pytest.raises(ValueError, match="'weight_hh_l0' cannot be read as a plain array: .*[Ss]parse"):
        load_torch(weights | {"weight_hh_l0": weights["weight_hh_l0"].to_sparse()})


def test_plain_layers_of_a_state_dict_are_tanh_with_a_warning(tmp_path):
    module = nn.RNN(N_IN, N, 2, nonlinearity="relu")
    torch.save(module.state_dict(), tmp_path / "a.pt")
    with pytest.warns(
        UserWarning, match="tanh, PyTorch's default, is assumed.*nonlinearity='relu'"
    ) as caught:
        read = load(tmp_path / "a.pt")
    assert len(caught) == 1
    assert read.function.cell.cells[1].nonlinearity == "tanh"
    assert model_hash(load(tmp_path / "a.pt", nonlinearity="relu")) == model_hash(load_torch(module))
    with pytest.raises(ValueError, match="the module at '' says 'relu', got 'tanh'"):
        load_torch(module, nonlinearity="tanh")
    load_torch(nn.LSTM(N_IN, N).state_dict())


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
    "a single step": (single(lambda s, u, h: s.rnn(u, h)), {"rnn": nn.GRUCell(N_IN, N)}),
}


@pytest.mark.parametrize("case", READ)
def test_readouts_that_are_read(case):
    forward, parts = READ[case]
    torch.manual_seed(0)
    net = Net(forward, **{name: copy.deepcopy(part) for name, part in parts.items()})
    if "norm" in parts:
        strong(net.norm, 3)
    field = load_torch(net)
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
    ],
)
def test_modules_that_change_the_state_themselves_are_refused(forward, rnn):
    net = Net(forward, rnn(N_IN, N))
    with pytest.raises(ValueError, match=f"{OWN_DYNAMICS}.*load_torch\\(module.rnn\\)"):
        load_torch(net)
    assert_same_step(load_torch(net.rnn), net.rnn)


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
