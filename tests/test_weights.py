"""Weights are the network's own: gates do what their names say, and spectra are those of numpy."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from systems import tanh_network

import fpanalysis as fpa
from fpanalysis._cells import RNNCell, StackedCell


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def split(array, n):
    return np.split(np.asarray(array, float), n)


@pytest.mark.parametrize("cell", ["tanh", "gru", "lstm"])
def test_spectra_are_those_of_the_raw_weights(cell, request):
    field = request.getfixturevalue(cell)
    ds = fpa.weights(field)
    raw = field.function.cell
    gates = split(raw.weight_hh, ds.sizes["gate"])
    inputs = split(raw.weight_ih, ds.sizes["gate"])
    for k, (own, given) in enumerate(zip(gates, inputs, strict=True)):
        one = ds.isel(gate=k)
        np.testing.assert_array_equal(one.recurrent_weight, own)
        np.testing.assert_allclose(one.singular_value, np.linalg.svd(own, compute_uv=False), atol=1e-10)
        found, expected = one.eigenvalue.values, np.linalg.eigvals(own)
        np.testing.assert_allclose(np.sort_complex(found), np.sort_complex(expected), atol=1e-8)
        assert (np.diff(np.abs(found)) < 1e-8).all()
        np.testing.assert_allclose(one.spectral_radius, np.abs(expected).max())
        np.testing.assert_allclose(one.input_norm, np.sqrt((given**2).sum(axis=0)))
        np.testing.assert_allclose(one.input_matrix_norm, np.sqrt((given**2).sum()))
    readout = np.asarray(field.readout.readout.weight, float)
    np.testing.assert_array_equal(ds.readout_weight, readout)
    np.testing.assert_allclose(ds.readout_norm, [np.sqrt(row @ row) for row in readout])
    np.testing.assert_allclose(ds.readout_matrix_norm, np.sqrt((readout**2).sum()))
    assert (ds.input.values.tolist(), ds.output.values.tolist()) == (list(field.inputs), list(field.outputs))
    assert ds.attrs["cell"] == type(raw).__name__
    assert jnp.asarray(0.5).dtype == jnp.float32


def test_the_gates_of_a_live_gru_do_what_their_names_say():
    cell = eqx.nn.GRUCell(2, 5, key=jax.random.key(1))
    own = fpa.weights(cell).recurrent_weight
    h = np.random.default_rng(0).normal(size=5)
    bias, bias_n = split(cell.bias, 3), np.asarray(cell.bias_n, float)
    reset = sigmoid(own.sel(gate="reset").values @ h + bias[0])
    update = sigmoid(own.sel(gate="update").values @ h + bias[1])
    candidate = np.tanh(bias[2] + reset * (own.sel(gate="candidate").values @ h + bias_n))
    np.testing.assert_allclose(
        cell(jnp.zeros(2), jnp.asarray(h)), update * h + (1 - update) * candidate, 1e-5
    )


def test_the_gates_of_a_live_lstm_do_what_their_names_say():
    cell = eqx.nn.LSTMCell(2, 4, key=jax.random.key(2))
    own = fpa.weights(cell).recurrent_weight
    h, c = np.random.default_rng(0).normal(size=(2, 4))
    names = ["input", "forget", "candidate", "output"]
    gate = {
        name: own.sel(gate=name).values @ h + bias
        for name, bias in zip(names, split(cell.bias, 4), strict=True)
    }
    new = sigmoid(gate["forget"]) * c + sigmoid(gate["input"]) * np.tanh(gate["candidate"])
    got = cell(jnp.zeros(2), (jnp.asarray(h), jnp.asarray(c)))
    np.testing.assert_allclose(got[0], sigmoid(gate["output"]) * np.tanh(new), 1e-5)
    np.testing.assert_allclose(got[1], new, 1e-5)


def test_stacked_layers_of_different_kinds_and_sizes():
    keys = jax.random.split(jax.random.key(0), 3)
    drawn = [jax.random.normal(k, shape) for k, shape in zip(keys, ((4, 2), (4, 4), (4,)), strict=True)]
    low = RNNCell(drawn[0], drawn[1], drawn[2], "tanh")
    high = eqx.nn.GRUCell(4, 3, key=keys[0])
    ds = fpa.weights(fpa.vector_field(StackedCell((low, high)), inputs=["a", "b"]))
    assert ds.gate.values.tolist() == ["layer0", "layer1.reset", "layer1.update", "layer1.candidate"]
    assert ds.n_units.values.tolist() == [4, 3, 3, 3]
    top = ds.sel(gate="layer1.update")
    expected = np.asarray(high.weight_hh, float)[3:6]
    np.testing.assert_array_equal(top.recurrent_weight[:3, :3], expected)
    assert bool(top.recurrent_weight[3].isnull().all()) and bool(top.eigenvalue[3:].isnull().all())
    np.testing.assert_allclose(top.singular_value[:3], np.linalg.svd(expected, compute_uv=False))
    assert bool(top.input_norm.isnull().all())
    given = np.asarray(high.weight_ih, float)[3:6]
    np.testing.assert_allclose(top.input_matrix_norm, np.linalg.norm(given), rtol=1e-6)
    given = np.asarray(low.weight_ih, float)
    np.testing.assert_allclose(ds.input_norm.sel(gate="layer0"), np.linalg.norm(given, axis=0))
    assert "readout_norm" not in ds
    assert ds.attrs["cell"] == "RNNCell GRUCell"


def test_members_of_an_ensemble_are_found_by_their_labels():
    ensemble = fpa.datasets.reaching_ensemble()
    ds = fpa.weights(ensemble)
    assert ds.singular_value.dims == ("method", "field_std", "replicate", "gate", "component")
    where = {"method": "std", "field_std": 0.8, "replicate": 2}
    one = fpa.weights(ensemble.sel(**where).one())
    mine = ds.sel(where)
    for name in ("recurrent_weight", "eigenvalue", "singular_value", "input_norm", "readout_norm"):
        np.testing.assert_allclose(mine[name], one[name], atol=1e-12)
    assert mine.readout_matrix_norm.ndim == 0
    assert "n_units" not in ds


def broken():
    ensemble = fpa.datasets.delay_ensemble()
    models = ensemble.models

    def where(controller) -> Any:
        return controller.network.cell.weight_hh

    bad = eqx.tree_at(where, models[1], replace_fn=lambda w: w.at[3, 2].set(jnp.nan))
    return fpa.Ensemble([models[0], bad], ensemble.table)


def test_members_with_weights_that_are_not_finite_are_named():
    with pytest.warns(UserWarning, match="1 of 2 members hold NaN or infinite weights .*delay"):
        ds = fpa.weights(broken())
    # Row 3 is in the reset gate; the other gates' matrices are whole.
    assert bool(ds.singular_value[1, 0].isnull().all()) and bool(ds.eigenvalue[1, 0].isnull().all())
    assert bool(ds.singular_value[1, 1:].notnull().all()) and bool(ds.singular_value[0].notnull().all())
    with pytest.raises(ValueError, match="model: expected finite weights"):
        fpa.weights(broken().models[1])


def test_a_dataset_of_weights_survives_its_file(tmp_path, gru):
    ds = fpa.weights(gru)
    fpa.save(ds, tmp_path / "weights.nc")
    assert fpa.open_dataset(tmp_path / "weights.nc").identical(ds)


def test_members_that_are_built_differently_share_no_dataset():
    models: list[Any] = [
        fpa.Network.create({"a": 1}, {"b": 1}, kind=kind, hidden_size=3, key=jax.random.key(0))
        for kind in ("gru", "tanh")
    ]
    table = xr.Dataset({"member": ("kind", [0, 1])}, coords={"kind": ["gru", "tanh"]})
    with pytest.raises(ValueError, match="built differently: GRUCell and, of kind='tanh', RNNCell"):
        fpa.weights(fpa.Ensemble(models, table))


def controller() -> Any:
    return fpa.datasets.delay_ensemble().models[0]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: lambda x, u: x, "model: .*got a function"),
        (lambda: fpa.vector_field(lambda x, u: x, state=2), "weights are known .*got a function"),
        (lambda: tanh_network(np.eye(2)), "weights are known .*got Tanh"),
        (lambda: controller().closed_loop(), "give the controller itself"),
        (lambda: 3, "model: expected a VectorField"),
    ],
)
def test_models_without_known_weights_are_refused(model, message):
    with pytest.raises(TypeError, match=message):
        fpa.weights(model())
