"""Live PyTorch modules are read by what they compute, or refused: their own forward is the second way."""

import copy
import re
import warnings
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest
from torch_networks import (
    CELLS,
    LAYERS,
    N_IN,
    RNN_RELU,
    N,
    Net,
    assert_same_step,
    evaluated,
    normed,
    simple,
    strong,
)

from fpanalysis.load import load, load_torch
from fpanalysis.vector_field import model_hash

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn.utils import parametrizations, parametrize, prune  # noqa: E402


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
    module: Any = nn.GRU(N_IN, N)
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


# Their annotations forget that `dim` may be None.
new_weight_norm: Any = parametrizations.weight_norm
old_weight_norm: Any = torch.nn.utils.weight_norm
PARAMETRISED: dict[str, Any] = {
    "spectral": parametrizations.spectral_norm,
    "weight_norm": parametrizations.weight_norm,
    "weight_norm of columns": partial(parametrizations.weight_norm, dim=1),
    "weight_norm of all": lambda m, name: new_weight_norm(m, name, dim=None),
    "old spectral": torch.nn.utils.spectral_norm,
    "old weight_norm": torch.nn.utils.weight_norm,
    "old weight_norm of all": lambda m, name: old_weight_norm(m, name, dim=None),
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


@pytest.mark.parametrize("name", ["old spectral", "old weight_norm"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_weights_that_hooks_compute_are_compared_without_rounding(name, seed):
    torch.manual_seed(seed)
    module = nn.GRU(3, 64)
    PARAMETRISED[name](module, "weight_hh_l0")
    assert len(load_torch(module.eval()).state) == 64


def test_a_spectral_norm_is_left_and_taken_where_it_is():
    module: Any = parametrizations.spectral_norm(
        strong(nn.LSTM(N_IN, 7)), "weight_hh_l0", n_power_iterations=1
    )
    before = copy.deepcopy(module.state_dict())
    field: Any = load_torch(module)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    np.testing.assert_array_equal(field.function.cell.weight_hh, module.eval().weight_hh_l0.detach())


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
    wrapped: Any
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
