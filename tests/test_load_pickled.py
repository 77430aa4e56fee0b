"""Checkpoints with more than weights, and whole modules, read without PyTorch as PyTorch reads them."""

import argparse
import collections
import os
import pathlib
import pickle
import random
import subprocess
import sys
import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from fpanalysis.load import load, load_torch
from fpanalysis.load._sources import named_weights, values_of
from fpanalysis.vector_field import model_hash

torch = pytest.importorskip("torch")


class Named(torch.nn.Module):
    """A network as a script defines it."""

    def __init__(self, recurrent: Any, n_units: int):
        super().__init__()
        self.embedding = torch.nn.Embedding(7, n_units)
        self.rnn = recurrent
        self.decoder = torch.nn.Linear(n_units, 3)
        self.history: Any = {"loss": np.zeros(3), "when": pathlib.Path("runs")}


class LeakyGRU(torch.nn.GRU):
    """A layer with equations of its own."""

    def forward(self, *args):
        """Return half of what a GRU does."""
        return super().forward(*args)[0] / 2


class OwnDict(dict):
    """A dict of a class of one's own."""


def a_hook(*args):
    """Do nothing."""


def network(**options):
    torch.manual_seed(0)
    return Named(torch.nn.GRU(2, 5, **options), 5)


def beside(weights):
    """Return checkpoints that hold weights beside other things."""
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.ones(3, 3))])
    return {
        "alone": weights,
        "a loss history": {"model_state_dict": weights, "loss": np.zeros(3), "best": np.float64(0.1)},
        "a namespace": {"state_dict": weights, "hyper_parameters": argparse.Namespace(lr=1e-3)},
        "a path": {"state_dict": weights, "folder": pathlib.Path("runs")},
        "a list": [weights, 3],
        "a tuple in a list": [3, ("net", weights)],
        "an object": argparse.Namespace(policy=weights, epoch=3),
        "a dict of a class": OwnDict(net=OwnDict(weights)),
        "an optimizer": {
            "net": weights,
            "optimizer": optimizer,
            "rng": torch.get_rng_state(),
            "t": "x" * 9000,
        },
        "statistics": {"net": weights, "inputs": {"mean": torch.zeros(2), "std": torch.ones(2)}},
        "functions": {"net": weights, "loss": torch.nn.functional.mse_loss, "kind": torch.nn.GRU},
        "a loss module": {"net": weights, "criterion": torch.nn.MSELoss(), "sets": {frozenset("a")}},
    }


KINDS = {
    "zip": lambda thing, path: torch.save(thing, path),
    "old": lambda thing, path: torch.save(thing, path, _use_new_zipfile_serialization=False),
    **{
        f"pickle {protocol}": lambda thing, path, protocol=protocol: path.write_bytes(
            pickle.dumps(thing, protocol)
        )
        for protocol in (1, 2, 4, 5)
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_weights_beside_other_things(tmp_path, kind):
    module = network()
    expected = model_hash(load_torch(module.state_dict(), readout=False))
    for what, thing in beside(module.state_dict()).items():
        KINDS[kind](thing, tmp_path / "checkpoint")
        assert model_hash(load(tmp_path / "checkpoint", readout=False)) == expected, what


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "recurrent",
    [
        torch.nn.GRU(2, 5, num_layers=2, batch_first=True),
        torch.nn.LSTM(2, 5),
        torch.nn.RNN(2, 5, nonlinearity="relu"),
        torch.nn.RNN(2, 5, bias=False),
        torch.nn.RNNCell(2, 5, nonlinearity="relu"),
        torch.nn.LSTMCell(2, 5),
        torch.nn.GRU(2, 5).double(),
        torch.nn.GRU(2, 5).bfloat16(),
    ],
    ids=str,
)
def test_whole_modules(tmp_path, kind, recurrent):
    """The nonlinearity is the module's own, and no warning asks for it."""
    module = Named(recurrent, 5).to(recurrent.weight_hh_l0.dtype if hasattr(recurrent, "mode") else None)
    for thing in (module, {"model": module, "epoch": 3}):
        KINDS[kind](thing, tmp_path / "model.pkl")
        assert model_hash(load(tmp_path / "model.pkl")) == model_hash(load_torch(module.eval()))
    KINDS[kind](recurrent, tmp_path / "layer.pkl")
    assert model_hash(load(tmp_path / "layer.pkl")) == model_hash(load_torch(recurrent))


def test_attributes_of_a_whole_module(tmp_path):
    torch.save(network(num_layers=2, batch_first=True), tmp_path / "model.pt")
    rnn = named_weights(tmp_path / "model.pt").modules["rnn"]
    assert (rnn.of, rnn.num_layers, rnn.batch_first, rnn.hidden_size, rnn.mode) == (
        *("torch.nn.modules.rnn.GRU", 2, True, 5),
        "GRU",
    )


def test_whole_modules_that_are_not_what_their_weights_say(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch: the old weight_norm is deprecated.
        normed = network()
        torch.nn.utils.weight_norm(normed.rnn, "weight_hh_l0")
    torch.nn.utils.prune.random_unstructured(normed.decoder, "weight", 0.5)
    hooked, own, read = network(), Named(LeakyGRU(2, 5), 5), network()
    hooked.rnn.register_forward_hook(a_hook)
    read.decoder.register_forward_hook(a_hook)
    torch.save(normed, tmp_path / "normed.pt")
    expected, got = load_torch(normed), load(tmp_path / "normed.pt")
    x, u = jnp.full(5, 0.3, jnp.float32), jnp.full(2, 0.1, jnp.float32)
    np.testing.assert_allclose(got(x, u), expected(x, u), atol=1e-6)
    np.testing.assert_allclose(got.output(x), expected.output(x), atol=1e-6)
    for module, why in (
        (hooked, "was saved with hooks, .*a_hook"),
        (own, "got .*LeakyGRU, whose equations are unknown"),
    ):
        torch.save(module, tmp_path / "model.pt")
        with pytest.raises(ValueError, match=why):
            load(tmp_path / "model.pt")
    torch.save(read, tmp_path / "model.pt")
    with pytest.warns(UserWarning, match="y is left out, because 'decoder' has hooks, whose code is not run"):
        assert not load(tmp_path / "model.pt").outputs
    with pytest.raises(ValueError, match="nonlinearity: 'relu' is for plain recurrent layers"):
        load(tmp_path / "normed.pt", nonlinearity="relu")


def random_tensor(rng: random.Random):
    """Return a tensor of any dtype and layout."""
    dtypes = "float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split()
    shape = [rng.randint(0, 5) for _ in range(rng.randint(0, 3))]
    made = (torch.randn(shape) * 10).to(getattr(torch, rng.choice(dtypes)))
    for _ in range(rng.randint(0, 2)):
        change = rng.choice(["transpose", "tail", "stride", "expand", "parameter"])
        if change == "transpose" and made.ndim:
            made = made.transpose(0, -1)
        elif change == "tail" and made.ndim and made.shape[0] > 1:
            made = made[1:]
        elif change == "stride" and made.ndim and made.shape[-1] > 1:
            made = made[..., ::2]
        elif change == "expand":
            made = made.expand(3, *made.shape)
        elif change == "parameter" and made.is_floating_point():
            made = torch.nn.Parameter(made, requires_grad=rng.random() < 0.5)
    return made


def random_array(rng: random.Random):
    """Return an array of any dtype and order."""
    shape = [rng.randint(0, 30) for _ in range(rng.randint(0, 3))]
    made = np.asarray(np.random.default_rng(rng.randint(0, 99)).normal(size=shape))
    made = made.astype(rng.choice(["f4", "f8", ">f8", "i4", "?", "f2"]))
    return np.asfortranarray(made) if rng.random() < 0.5 else made


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_those_that_pytorch_reads(tmp_path, kind):
    rng, path = random.Random(0), tmp_path / "weights"
    for _ in range(30):
        weights: dict[str, Any] = {f"rnn.weight_hh_l{i}": random_tensor(rng) for i in range(3)}
        weights |= {f"rnn.weight_ih_l{i}": random_array(rng) for i in range(2)}
        weights["shared"] = weights["rnn.weight_hh_l0"]
        KINDS[kind](collections.OrderedDict(weights), path)
        got = named_weights(path).tensors
        again = pickle.loads(path.read_bytes()) if "pickle" in kind else torch.load(path, weights_only=False)
        for name, want in again.items():
            if isinstance(want, torch.Tensor):
                want = want.detach()
                want = (want.float() if want.dtype == torch.bfloat16 else want).numpy()
            found = values_of(name, got[name])
            np.testing.assert_array_equal(found.astype(want.dtype), want, err_msg=f"{name} {want.dtype}")


def test_weights_of_another_byte_order(tmp_path):
    """What a machine that begins with the highest byte writes, in a zip archive's and in NumPy's way."""
    import zipfile

    torch.save(network().state_dict(), tmp_path / "little.pt")
    with zipfile.ZipFile(tmp_path / "little.pt") as little, zipfile.ZipFile(tmp_path / "big.pt", "w") as big:
        for name in little.namelist():
            data = little.read(name)
            if "/data/" in name:
                data = np.frombuffer(data, "<f4").astype(">f4").tobytes()
            big.writestr(name, b"big" if name.endswith("byteorder") else data)
    big, little = (load(tmp_path / name, readout="decoder") for name in ("big.pt", "little.pt"))
    assert model_hash(big) == model_hash(little)


def test_without_a_checksum(tmp_path):
    """`set_crc32_options(False)` writes zeros in their place."""
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(network().state_dict(), tmp_path / "a.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    expected = load_torch(network().state_dict(), readout=False)
    assert model_hash(load(tmp_path / "a.pt", readout=False)) == model_hash(expected)


def test_several_models_are_named(tmp_path):
    torch.save({"model": network().state_dict(), "ema": network()}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"2 mappings of weights were found, 'model', 'ema'; pass one"):
        load(tmp_path / "a.pt")


WITHOUT = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "test_load_pickled"):
            raise ImportError(name)

sys.meta_path.insert(0, Refuse())
import fpanalysis as fpa
for path in sys.argv[1:]:
    assert len(fpa.load(path).state) == 5
assert "torch" not in sys.modules
"""


def test_without_pytorch_and_the_script(tmp_path):
    """Nothing is imported: neither PyTorch, nor the script in which the classes are."""
    for kind, save in KINDS.items():
        save(network(), tmp_path / f"{kind}.pt")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    files = [str(path) for path in tmp_path.iterdir()]
    subprocess.run([sys.executable, "-c", WITHOUT, *files], check=True, env=environment, timeout=120)
