"""Own checkpoints: what comes back is what was saved, and what is wrong with a file is said."""

import json

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fpanalysis import datasets, vector_field
from fpanalysis._cells import RNNCell, StackedCell
from fpanalysis.io import save
from fpanalysis.load import load
from fpanalysis.load._checkpoint import save_checkpoint
from fpanalysis.load._container import checksum
from fpanalysis.vector_field import model_hash


def make_cell(kind, inputs, hidden, bias, dtype, key):
    if kind in ("tanh", "relu"):
        shapes = (hidden, inputs), (hidden, hidden), (hidden,)
        weight_ih, weight_hh, b = (
            jr.normal(k, s, dtype) for k, s in zip(jr.split(key, 3), shapes, strict=True)
        )
        return RNNCell(weight_ih, weight_hh, b, kind)
    return getattr(eqx.nn, kind)(inputs, hidden, use_bias=bias, dtype=dtype, key=key)


def assert_equal(field, back):
    assert model_hash(back) == model_hash(field)
    assert jax.tree_util.tree_structure(back) == jax.tree_util.tree_structure(field)
    for old, new in zip(jax.tree_util.tree_leaves(field), jax.tree_util.tree_leaves(back), strict=True):
        assert old.dtype == new.dtype
        assert np.asarray(old).tobytes() == np.asarray(new).tobytes()


@settings(max_examples=12)
@given(
    kinds=st.lists(st.sampled_from(["tanh", "relu", "GRUCell", "LSTMCell"]), min_size=1, max_size=3),
    stacked=st.booleans(),
    bias=st.booleans(),
    dtype=st.sampled_from(["float16", "bfloat16", "float32", "float64"]),
    outputs=st.one_of(st.none(), st.integers(1, 3)),
    dt=st.one_of(st.none(), st.floats(1e-6, 1e3)),
    time_domain=st.sampled_from(["discrete", "continuous"]),
    inputs=st.lists(st.text(max_size=5), min_size=1, max_size=3, unique=True),
    seed=st.integers(0, 100),
)
def test_round_trip(tmp_path_factory, kinds, stacked, bias, dtype, outputs, dt, time_domain, inputs, seed):
    path = tmp_path_factory.mktemp("round") / "model.eqx"
    keys = jr.split(jr.PRNGKey(seed), 4)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        sizes = [len(inputs)] + [3] * len(kinds)
        cells = [
            make_cell(k, n, 3, bias, jnp.dtype(dtype), key)
            for k, n, key in zip(kinds, sizes[:-1], keys[:-1], strict=False)
        ]
        cell = StackedCell(tuple(cells)) if stacked or len(cells) > 1 else cells[0]
        readout = outputs and eqx.nn.Linear(3, outputs, use_bias=bias, dtype=jnp.dtype(dtype), key=keys[-1])
        field = vector_field(cell, inputs=inputs, readout=readout, time_domain=time_domain, dt=dt)
    save_checkpoint(field, path)
    assert_equal(field, load(path))
    assert [p.name for p in path.parent.iterdir()] == ["model.eqx"]


@pytest.mark.parametrize("cell", ["tanh", "gru", "lstm"])
def test_bundled_networks_round_trip(tmp_path, cell):
    field = datasets.flipflop(cell)
    save_checkpoint(field, tmp_path / "model.eqx")
    assert_equal(field, load(str(tmp_path / "model.eqx")))


def test_own_state_names_and_nan_weights_come_back(tmp_path):
    cell = eqx.nn.GRUCell(1, 2, key=jr.PRNGKey(0))
    cell = eqx.tree_at(lambda c: c.bias_n, cell, jnp.array([jnp.nan, -0.0]))
    field = vector_field(cell, state=["größe", "b\n"])
    save_checkpoint(field, tmp_path / "model.eqx")
    back = load(tmp_path / "model.eqx")
    assert back.state == ("größe", "b\n")
    assert_equal(field, back)


class OwnCell(eqx.Module):
    """A cell that no header describes."""

    weight: jax.Array
    input_size: int = 1
    hidden_size: int = 2

    def __call__(self, input, hidden):
        return jnp.tanh(self.weight * hidden + input)


class Leaky(eqx.Module):
    """A step that is more than its cell's."""

    cell: eqx.nn.GRUCell

    def __call__(self, state, u):
        return 0.9 * state + 0.1 * self.cell(u, state)


def gru_field(**options):
    return vector_field(eqx.nn.GRUCell(1, 2, key=jr.PRNGKey(0)), **options)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (vector_field(lambda x, u: -x, state=2), "got a function"),
        (vector_field(OwnCell(jnp.ones(2))), "got a vector field of 'OwnCell'"),
        (gru_field(readout=lambda h: h), "Linear as readout, or none, got function"),
        (
            eqx.tree_at(lambda f: f.function.cell.bias, gru_field(), jnp.zeros(6, jnp.bfloat16)),
            "expected .*bias to be of shape and dtype .*float32, got .*bfloat16",
        ),
        (
            eqx.tree_at(lambda f: f.function.cell.weight_hh, gru_field(), jnp.zeros((6, 2), jnp.int32)),
            "dtype float16, bfloat16, float32, float64, got int32",
        ),
        (
            eqx.tree_at(lambda f: f.function, gru_field(), Leaky(eqx.nn.GRUCell(1, 2, key=jr.PRNGKey(0)))),
            "holds more than cells, a linear readout and names",
        ),
    ],
    ids=["function", "own_cell", "readout", "mixed", "integers", "own_step"],
)
def test_what_cannot_be_described_is_refused(tmp_path, field, message):
    path = tmp_path / "model.eqx"
    with pytest.raises(TypeError, match=message):
        save_checkpoint(field, path)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.eqx"
    save_checkpoint(datasets.flipflop("tanh"), path)
    return path


def rewrite_header(path, **changes):
    line, content = path.read_bytes().split(b"\n", 1)
    header = {k: v for k, v in (json.loads(line) | changes).items() if v is not ...}
    if "sha256" in header:
        header["sha256"] = checksum(header, content)
    path.write_bytes(json.dumps(header).encode() + b"\n" + content)


def test_a_newer_version_is_refused(saved):
    rewrite_header(saved, version=2, package="9.0")
    with pytest.raises(ValueError, match=r"version 2, written by fpanalysis 9.0; .* up to version 1: update"):
        load(saved)


@settings(max_examples=15)
@given(keep=st.floats(0, 1, exclude_max=True))
def test_a_file_cut_short_is_refused(tmp_path_factory, keep):
    path = tmp_path_factory.mktemp("cut") / "model.eqx"
    save_checkpoint(gru_field(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(ValueError, match="damaged or cut short|expected 'model.eqx' to hold a model"):
        load(path)


def test_a_changed_array_a_changed_header_and_a_tail_are_refused(saved):
    content = saved.read_bytes()
    for wrong, why in {
        content[:-1] + bytes([content[-1] ^ 1]): "does not match its checksum",
        content.replace(b'"dt": null', b'"dt": 0.01', 1): "does not match its checksum",
        content + b"\0": r"promises \d+ bytes of arrays, \d+ are there",
    }.items():
        saved.write_bytes(wrong)
        with pytest.raises(ValueError, match=f"'model.eqx' is damaged or cut short: .*{why}"):
            load(saved)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cells": ...}, "lacks 'cells'"),
        ({"cells": []}, "does not fit its arrays"),
        ({"cells": [{"kind": "os.system"}]}, "does not fit its arrays"),
        ({"stacked": 3, "cells": [{}]}, "does not fit its arrays"),
        ({"readout": None}, "more arrays than it names"),
        ({"state": ["a"]}, "does not fit its arrays"),
        ({"inputs": ["a"]}, "does not fit its arrays"),
        ({"time_domain": "imaginary"}, "does not fit its arrays"),
        ({"dt": -1}, "does not fit its arrays"),
    ],
)
def test_a_wrong_header_is_refused(saved, changes, message):
    rewrite_header(saved, **changes)
    with pytest.raises(ValueError, match=message):
        load(saved)


def test_a_failed_write_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()

    def fail(*args):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        save_checkpoint(gru_field(), saved)
    assert saved.read_bytes() == before and list(saved.parent.iterdir()) == [saved]


def test_where_it_is_written_is_checked(tmp_path):
    with pytest.raises(ValueError, match=r"path: .* a name that ends in '.eqx', got 'model.pt'"):
        save(gru_field(), tmp_path / "model.pt")
    with pytest.raises(FileNotFoundError, match="the folder .*nowhere' does not exist"):
        save(gru_field(), tmp_path / "nowhere" / "model.eqx")


def test_a_checkpoint_replaces_what_a_link_points_to(tmp_path):
    (tmp_path / "link.eqx").symlink_to(tmp_path / "weights")
    save(gru_field(), tmp_path / "link.eqx")
    assert (tmp_path / "link.eqx").is_symlink()
    assert_equal(gru_field(), load(tmp_path / "link.eqx"))


def test_checkpoints_from_before_there_were_other_models_are_read(saved):
    rewrite_header(saved, model=...)
    assert b'"model"' not in saved.read_bytes().split(b"\n", 1)[0]
    assert_equal(datasets.flipflop("tanh"), load(saved))
