"""Files with single bits flipped, and files cut short: the same model, or one clear error."""

import pickle
import random
import re

import numpy as np
import pytest
from safetensors.numpy import save_file

from fpanalysis.load import load, load_torch
from fpanalysis.load._checkpoint import save_checkpoint
from fpanalysis.load._content import CHECKPOINT, kind_of_content
from fpanalysis.load._sources import named_weights, values_of
from fpanalysis.vector_field import model_hash

N_FLIPS, STEP = 300, 16
WORDS = re.compile("(path|source|layer|readout|nonlinearity): ")
RNG = np.random.default_rng(0)
WEIGHTS = {
    "rnn.weight_ih_l0": RNG.normal(size=(12, 3)).astype("f4"),
    "rnn.weight_hh_l0": RNG.normal(size=(12, 4)).astype("f4"),
    "decoder.weight": RNG.normal(size=(2, 4)).astype("f4"),
}


def _torch_file(path, old: bool, whole: bool) -> None:
    torch = pytest.importorskip("torch")
    thing = torch.nn.GRU(3, 4) if whole else {name: torch.tensor(array) for name, array in WEIGHTS.items()}
    torch.save(thing, path, _use_new_zipfile_serialization=not old)


# How each kind is written, and whether a checksum covers what is read.
KINDS = {
    "eqx": (lambda path: save_checkpoint(load_torch(WEIGHTS), path), True),
    "zip": (lambda path: _torch_file(path, False, False), True),
    "whole": (lambda path: _torch_file(path, False, True), True),
    "old": (lambda path: _torch_file(path, True, False), False),
    "pickle": (lambda path: path.write_bytes(pickle.dumps(WEIGHTS)), False),
    "safetensors": (lambda path: save_file(WEIGHTS, path), False),
}


def _damaged(content: bytes):
    rng = random.Random(0)
    for bit in sorted(rng.sample(range(8 * len(content)), N_FLIPS)):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        yield f"bit {bit}", bytes(changed)
    for end in range(0, len(content), STEP):
        yield f"the first {end} bytes", content[:end]


def _read(path):
    """Return what is read of a file, short of compiling a network of it."""
    if kind_of_content(path) == CHECKPOINT:
        return {"": np.array(model_hash(load(path)))}
    return {name: values_of(name, tensor) for name, tensor in named_weights(path).tensors.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bits_and_files_cut_short(tmp_path, kind):
    write, has_checksum = KINDS[kind]
    write(sound := tmp_path / "sound")
    expected, path = _read(sound), tmp_path / "damaged"
    for what, content in _damaged(sound.read_bytes()):
        path.write_bytes(content)
        try:
            got = _read(path)
        except ValueError as error:
            assert WORDS.match(str(error)), what
            assert len(str(error)) < 2000, what
            continue
        if has_checksum:
            assert set(got) == set(expected), what
            for name, array in got.items():
                np.testing.assert_array_equal(array, expected[name], err_msg=what)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_give_a_network_or_a_valueerror(tmp_path, kind):
    KINDS[kind][0](tmp_path / "sound")
    path = tmp_path / "damaged"
    for i, (what, content) in enumerate(_damaged((tmp_path / "sound").read_bytes())):
        if i % 15:
            continue
        path.write_bytes(content)
        try:
            assert len(load(path, readout=False).state if kind != "eqx" else load(path).state), what
        except ValueError as error:
            assert WORDS.match(str(error)), what


def test_sizes_are_compared_before_anything_is_read(tmp_path):
    """Of a file of 8 GiB that claims less, or more, next to nothing is read."""
    import resource

    contents = {}
    for kind, (write, _) in KINDS.items():
        write(tmp_path / kind)
        contents[kind] = (tmp_path / kind).read_bytes()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for kind, content in contents.items():
        with open(tmp_path / kind, "wb") as file:
            file.write(content)
            file.truncate(2**33)
        try:
            _read(tmp_path / kind)
            assert kind in ("old", "pickle")  # They say where they end.
        except ValueError as error:
            assert WORDS.match(str(error))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**18  # KiB
