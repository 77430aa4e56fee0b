"""Files: known by their content, clear words for each wrong one, and no code of a file is run."""

import builtins
import os
import pathlib
import pickle
import sys
import zipfile
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from fpanalysis import datasets
from fpanalysis.load import _existing, load, load_torch
from fpanalysis.load._checkpoint import save_checkpoint
from fpanalysis.vector_field import model_hash

WEIGHTS = {
    "rnn.weight_ih_l0": np.arange(18, dtype=np.float32).reshape(9, 2),
    "rnn.weight_hh_l0": np.eye(9, 3, dtype=np.float32),
    "decoder.weight": np.ones((1, 3), np.float32),
}


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


class Evil:
    """Pickled, it makes a file when it is built again."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


def saved(path, torch: Any = None):
    if path.suffix == ".eqx":
        save_checkpoint(load_torch(WEIGHTS), path)
    elif path.suffix == ".safetensors":
        save_file(WEIGHTS, path)
    else:
        torch.save({name: torch.tensor(array) for name, array in WEIGHTS.items()}, path)
    return path


@pytest.mark.parametrize("name", ["a.eqx", "a.safetensors", "a.pt", "A.PT"])
def test_every_kind_gives_the_same_field(tmp_path, torch, name):
    path = saved(tmp_path / name.lower(), torch).rename(tmp_path / name)
    assert model_hash(load(path)) == model_hash(load(str(path))) == model_hash(load_torch(WEIGHTS))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_nested_pt_checkpoint(tmp_path, torch, zipped):
    module = torch.nn.Sequential(torch.nn.GRU(2, 3))
    optimizer = torch.optim.Adam(module.parameters())
    torch.nn.utils.parameters_to_vector(module.parameters()).sum().backward()
    optimizer.step()
    checkpoint = {"state_dict": module.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    torch.save(checkpoint, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    assert model_hash(load(tmp_path / "a.pt")) == model_hash(load_torch(module))


def test_options_go_on_to_load_torch(tmp_path):
    path = saved(tmp_path / "a.safetensors")
    assert load(path, readout=False, inputs=["go", "stop"]).inputs == ("go", "stop")
    with pytest.raises(
        TypeError, match=r"options: expected some of 'layer', .*got 'layr' \(did you mean 'layer'"
    ):
        load(path, layr="rnn")
    with pytest.raises(TypeError, match="an .eqx file says all of this itself and takes none, got 'dt'"):
        load(saved(tmp_path / "a.eqx"), dt=0.1)


def test_bfloat16_without_pytorch(tmp_path):
    save_file({k: v.astype(ml_dtypes.bfloat16) for k, v in WEIGHTS.items()}, tmp_path / "a.safetensors")
    field = load(tmp_path / "a.safetensors")
    assert {leaf.dtype for leaf in jax.tree_util.tree_leaves(field)} == {jnp.dtype("float32")}
    assert model_hash(field) == model_hash(load_torch(WEIGHTS))


@pytest.mark.parametrize("read", [load, load_torch])
def test_missing_files_directories_and_impossible_names(tmp_path, read):
    saved(tmp_path / "model.safetensors")
    with pytest.raises(FileNotFoundError, match="there is no file .*modle.safetensors"):
        read(tmp_path / "modle.safetensors")
    (tmp_path / "folder.pt").mkdir()
    with pytest.raises(OSError, match="the directory .*folder.pt|folder.pt.* holds no training run"):
        read(tmp_path / "folder.pt")
    for wrong in ("a\0b", "a" * 5000):
        with pytest.raises((ValueError, FileNotFoundError), match="path: |source: "):
            read(wrong)


def test_what_is_no_path():
    with pytest.raises(
        TypeError,
        match="path: expected the path of a file or folder, got dict; state dicts .* go to load_torch",
    ):
        _existing(WEIGHTS)  # `load` itself is type-checked in tests


def test_an_eqx_file_is_not_for_load_torch(tmp_path):
    with pytest.raises(ValueError, match="found a checkpoint of this package.*which fpanalysis.load reads"):
        load_torch(saved(tmp_path / "a.eqx"))


NAMES = ["weights", "epoch=9.ckpt", "pytorch_model.bin", "best.pth.tar", "model.pkl", "a.pt", "a.eqx"]


@pytest.mark.parametrize("name", [*NAMES, "a.safetensors", "a.npz"])
def test_files_are_known_by_their_content(tmp_path, torch, name):
    for other in ("b.eqx", "b.safetensors", "b.pt"):
        path = saved(tmp_path / other, torch).rename(tmp_path / name)
        assert model_hash(load(path)) == model_hash(load_torch(WEIGHTS))
        if other != "b.eqx":
            assert model_hash(load_torch(path)) == model_hash(load_torch(WEIGHTS))


FOREIGN = {
    "a text": (b"hello", "content of no known kind"),
    "nothing": (b"", "nothing: the file is empty"),
    "netCDF": (b"\x89HDF\r\n", "a netCDF or HDF5 file"),
    "JSON": (b'{"size": 3}\n', "text that starts like JSON"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS .*git lfs pull"),
    "npy": (b"\x93NUMPY\x01\0", "bare arrays"),
    "npz": (
        b"PK\3\4" + bytes(26) + b"W_in.npy",
        r"arrays of numpy.savez \(.npz\); read them with numpy.load",
    ),
}


@pytest.mark.parametrize("content", FOREIGN)
@pytest.mark.parametrize("suffix", [".eqx", ".safetensors", ".pt", ""])
def test_content_that_is_no_model(tmp_path, content, suffix):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(FOREIGN[content][0])
    with pytest.raises(
        ValueError, match=f"expected 'model{suffix}' to hold a model, found {FOREIGN[content][1]}"
    ) as error:
        load(path)
    foreign_equinox = suffix == ".eqx" and content in ("npy", "JSON")
    assert foreign_equinox == ("tree_deserialise_leaves and pass it" in str(error.value))


def test_a_zip_archive_of_another_program(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(
        ValueError, match="'a.keras' cannot be read: .* that torch.save did not write.*'config.json'"
    ):
        load(tmp_path / "a.keras")


@pytest.mark.parametrize("read", [load, load_torch])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_what_is_no_regular_file_is_not_waited_for(tmp_path, read):
    os.mkfifo(tmp_path / "a.pt")
    (tmp_path / "link.eqx").symlink_to(tmp_path / "a.pt")
    (tmp_path / "gone.pt").symlink_to(tmp_path / "nothing")
    for name in ("a.pt", "link.eqx"):
        with pytest.raises(ValueError, match="path: expected a file, got a named pipe"):
            read(tmp_path / name)
    with pytest.raises(ValueError, match="path: expected a file, got a device"):
        read("/dev/zero")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read(tmp_path / "gone.pt")


@pytest.mark.parametrize("name", ["a.safetensors", "a.pt"])
def test_files_cut_short(tmp_path, torch, name):
    content = saved(tmp_path / name, torch).read_bytes()
    for keep in (0.3, 0.7, 0.99):
        (tmp_path / name).write_bytes(content[: int(keep * len(content))])
        with pytest.raises(ValueError, match=f"'{name}'.* may be damaged or cut short|'{name}' is damaged"):
            load(tmp_path / name)


@pytest.mark.parametrize("zipped", [True, False, None], ids=["zip", "old", "pickle"])
def test_code_in_a_pt_file_is_not_run(tmp_path, torch, zipped):
    touched, path = tmp_path / "touched", tmp_path / "a.pt"
    if zipped is None:
        path.write_bytes(pickle.dumps(Evil(touched)))
    else:
        torch.save({"rnn.weight_hh_l0": Evil(touched)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        ValueError, match="found no arrays|'a.pt' cannot be read: it holds an object of pathlib"
    ):
        load(path)
    assert not touched.exists()
    pickle.loads(pickle.dumps(Evil(touched)))
    assert touched.exists()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_is_refused_with_advice(tmp_path, torch):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 3)), tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"a TorchScript program.*torch.save\(model.state_dict\(\)"):
        load(tmp_path / "a.pt")


def test_without_pytorch(tmp_path, torch, monkeypatch):
    saved(tmp_path / "a.pt", torch)
    saved(tmp_path / "a.safetensors")
    real = builtins.__import__

    def no_torch(name, *args, **kwargs):
        if name.partition(".")[0] == "torch":
            raise ImportError("No module named 'torch'")
        return real(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.partition(".")[0] == "torch"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", no_torch)
    assert model_hash(load(tmp_path / "a.pt")) == model_hash(load_torch(WEIGHTS))
    assert model_hash(load(tmp_path / "a.safetensors")) == model_hash(load_torch(WEIGHTS))
    assert len(datasets.flipflop("gru").state) == 64


def test_what_is_no_model_or_has_no_shape_is_named(torch, unchecked):
    lazy: Any = torch.nn.Sequential(torch.nn.GRU(3, 5), torch.nn.LazyLinear(2))
    for source in (lazy, lazy.state_dict(), {"state_dict": lazy.state_dict()}):
        with pytest.raises(ValueError, match=r"source: '1.weight' has no shape yet; run the module once"):
            load_torch(source)
    with pytest.raises(TypeError, match="source: .* got the class GRU"):
        load_torch(torch.nn.GRU)
    layer: Any = 0
    with pytest.raises(TypeError, match="layer: expected the prefix of a recurrent layer or None, got 0"):
        load_torch(WEIGHTS, layer=layer)


def test_float8_is_refused_in_one_sentence(tmp_path, torch):
    from safetensors.torch import save_file as save_torch

    weights = {name: torch.as_tensor(value).to(torch.float8_e4m3fn) for name, value in WEIGHTS.items()}
    save_torch(weights, tmp_path / "a.safetensors")
    with pytest.raises(
        ValueError, match="expected 'rnn.weight_ih_l0' to be of a floating dtype .*, got F8_E4M3"
    ):
        load(tmp_path / "a.safetensors")
