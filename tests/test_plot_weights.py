"""The figure of weights shows the numbers of its dataset, group by group."""

from collections.abc import Callable
from typing import Any

import numpy as np
import plotly.io as pio
import pytest
import xarray as xr

from fpanalysis import plot
from fpanalysis.plot import _styles

weights: Callable[..., Any] = plot.weights


@pytest.fixture(autouse=True)
def nothing_assigned(monkeypatch):
    monkeypatch.setattr(_styles, "_ASSIGNED", {})


def build(members=None, gates=("reset", "update", "candidate"), n=7, n_outputs=2, seed=0):
    """Return a dataset as `weights` makes it."""
    members = {} if members is None else members
    lead, shape = tuple(members), tuple(map(len, members.values()))
    rng = np.random.default_rng(seed)
    whole = (
        rng.normal(size=(*shape, len(gates), n, n))
        / np.sqrt(n)
        * np.linspace(0.5, 1.5, len(gates))[:, None, None]
    )
    readout = rng.normal(size=(*shape, n_outputs, n))
    value = np.linalg.eigvals(whole)
    value = np.take_along_axis(value, np.argsort(-np.abs(value), axis=-1), -1)
    return xr.Dataset(
        {
            "recurrent_weight": ((*lead, "gate", "unit_out", "unit"), whole),
            "singular_value": ((*lead, "gate", "component"), np.linalg.svd(whole, compute_uv=False)),
            "eigenvalue": ((*lead, "gate", "mode"), value),
            "readout_norm": ((*lead, "output"), np.linalg.norm(readout, axis=-1)),
            "readout_matrix_norm": (lead, np.linalg.norm(readout, axis=(-1, -2))),
        },
        coords={
            **members,
            "gate": list(gates),
            "mode": np.arange(n),
            "output": [f"force[{i}]" for i in range(n_outputs)],
        },
        attrs={"cell": "GRUCell"},
    )


ENSEMBLE = {"field_std": [0.0, 0.4], "replicate": [0, 1, 2]}


def panel(figure, number, name=None) -> Any:
    axis = "x" if number == 1 else f"x{number}"
    found = [trace for trace in figure.data if trace.xaxis == axis and trace.fill is None]
    return found if name is None else next(trace for trace in found if trace.name == name)


def notes(figure):
    return figure.layout.title.subtitle.text or ""


def test_gates_are_told_apart_in_every_panel_and_named_once():
    ds = build()
    figure = weights(ds)
    for number in (1, 2, 3):
        assert [trace.name for trace in panel(figure, number)] == ["reset", "update", "candidate"]
    legend = [trace.name for trace in figure.data if trace.showlegend]
    assert legend == ["reset", "update", "candidate"]
    assert figure.layout.legend.title.text == "gate"
    looks = {(t.line.color, t.line.dash) for t in panel(figure, 1)}
    assert len({color for color, _ in looks}) == len({dash for _, dash in looks}) == 3
    assert len({t.marker.symbol for t in panel(figure, 3)}) == 3
    assert pio.from_json(figure.to_json())


def test_the_histogram_is_a_density_of_the_weights():
    ds = build()
    for trace in panel(weights(ds), 1):
        edges, height = np.asarray(trace.x), np.asarray(trace.y)[:-1]
        own = ds.recurrent_weight.sel(gate=trace.name).values.ravel()
        expected, _ = np.histogram(own, edges, density=True)
        np.testing.assert_allclose(height, expected)
        assert np.sum(height * np.diff(edges)) == pytest.approx(1)


def test_singular_values_and_eigenvalues_are_those_of_the_dataset():
    ds = build()
    figure = weights(ds)
    for gate in ds.gate.values:
        line = panel(figure, 2, gate)
        np.testing.assert_array_equal(line.x, np.arange(1, 8))
        np.testing.assert_allclose(line.y, ds.singular_value.sel(gate=gate))
        cloud = panel(figure, 3, gate)
        np.testing.assert_array_equal(
            np.asarray(cloud.x) + 1j * np.asarray(cloud.y), ds.eigenvalue.sel(gate=gate)
        )
        first = ds.eigenvalue.sel(gate=gate, mode=0).item()
        assert cloud.hovertext[0].startswith(f"gate = {gate}<br>mode 0: λ = ")
        assert f"|λ| = {abs(first):.4g}" in cloud.hovertext[0]
    (circle,) = figure.layout.shapes
    assert (circle.type, circle.x0, circle.x1, circle.y0, circle.y1) == ("circle", -1, 1, -1, 1)
    assert (circle.layer, circle.xref, circle.yref) == ("below", "x3", "y3")
    assert figure.layout.yaxis3.scaleanchor == "x3"
    low, high = figure.layout.xaxis3.range
    assert low < min(-1, ds.eigenvalue.values.real.min()) and high > max(1, ds.eigenvalue.values.real.max())


def test_readout_norms_stand_at_their_outputs():
    ds = build()
    figure = weights(ds)
    (trace,) = panel(figure, 4)
    assert list(figure.layout.xaxis4.ticktext) == ["force[0]", "force[1]", "all"]
    np.testing.assert_allclose(trace.y, [*ds.readout_norm.values, ds.readout_matrix_norm])
    np.testing.assert_allclose(np.round(trace.x), [0, 1, 2])
    assert trace.hovertext[1] == f"force[1]: {ds.readout_norm[1].item():.4g}"


def test_an_ensemble_coloured_by_a_hyperparameter():
    ds = build(ENSEMBLE)
    figure = weights(ds, "field_std")
    assert "gate: candidate" in notes(figure)
    assert "from the lowest to the highest" in notes(figure)
    assert figure.layout.title.text == "Weights of 6 networks (GRUCell)"
    for name, value in (("0.0", 0.0), ("0.4", 0.4)):
        own = ds.sel(field_std=value, gate="candidate")
        line = panel(figure, 2, name)
        np.testing.assert_allclose(line.y, own.singular_value.mean("replicate"))
        np.testing.assert_allclose(line.customdata[:, 0], own.singular_value.min("replicate"))
        np.testing.assert_allclose(line.customdata[:, 1], own.singular_value.max("replicate"))
        found = np.asarray(panel(figure, 3, name).x)
        np.testing.assert_allclose(np.sort(found), np.sort(own.eigenvalue.values.real.ravel()))
        bars = panel(figure, 4, name)
        norms = own.readout_norm
        np.testing.assert_allclose(bars.y[:2], norms.mean("replicate"))
        np.testing.assert_allclose((bars.y + bars.error_y.array)[:2], norms.max("replicate"))
        np.testing.assert_allclose((bars.y - bars.error_y.arrayminus)[:2], norms.min("replicate"))
    text = panel(figure, 3, "0.4").hovertext[8]
    assert text.startswith("field_std = 0.4<br>replicate = 1<br>gate = candidate<br>mode 1: ")


def test_a_gate_can_be_chosen():
    ds = build(ENSEMBLE)
    figure = weights(ds.sel(gate="update"), "field_std")
    assert "gate: update" in notes(figure)
    expected = ds.singular_value.sel(gate="update", field_std=0.0).mean("replicate")
    np.testing.assert_allclose(panel(figure, 2, "0.0").y, expected)


@pytest.mark.parametrize(
    "ds",
    [
        build(gates=("recurrent",)),
        build().sel(gate="reset"),
        build(ENSEMBLE).isel(gate=0, field_std=0, replicate=0),
    ],
)
def test_a_single_matrix(ds):
    figure = weights(ds)
    assert [len(panel(figure, number)) for number in (1, 2, 3, 4)] == [1, 1, 1, 1]
    assert not any(trace.showlegend for trace in figure.data)
    assert "lowest" not in notes(figure)


def test_many_eigenvalues_are_thinned_and_the_figure_says_so():
    ds = build({"replicate": list(range(600))})
    figure = weights(ds)
    shown = sum(len(trace.x) for trace in panel(figure, 3))
    assert shown <= 10_000
    assert f"{shown:,} of 12,600 eigenvalues shown" in notes(figure)
    again = weights(ds)
    assert all(a.hovertext == b.hovertext for a, b in zip(panel(figure, 3), panel(again, 3), strict=True))


def test_networks_that_are_not_finite_are_counted_and_left_out():
    ds = build(ENSEMBLE)
    for name in ("recurrent_weight", "singular_value", "eigenvalue"):
        ds[name][1, 2] = np.nan
    figure = weights(ds)
    assert "3 of 18 matrices are not finite" in notes(figure)
    expected = ds.singular_value.sel(gate="reset").mean(["field_std", "replicate"])
    np.testing.assert_allclose(panel(figure, 2, "reset").y, expected)
    none = weights(ds * np.nan)
    assert "no network has finite weights" in none.layout.annotations[0].text


def test_layers_of_different_sizes():
    ds = build(gates=("layer0", "layer1"))
    ds["singular_value"][1, 4:], ds["eigenvalue"][1, 4:] = np.nan, np.nan
    ds["recurrent_weight"][1, 4:], ds["recurrent_weight"][1, :, 4:] = np.nan, np.nan
    figure = weights(ds)
    assert len(panel(figure, 2, "layer1").y) == len(panel(figure, 3, "layer1").x) == 4
    density = np.asarray(panel(figure, 1, "layer1").y)[:-1]
    assert np.sum(density * np.diff(panel(figure, 1, "layer1").x)) == pytest.approx(1)


def test_without_a_readout_and_with_many_outputs():
    ds = build().drop_vars(["readout_norm", "readout_matrix_norm", "output"])
    assert weights(ds).layout.annotations[0].text == "no linear readout"
    figure = weights(build(n_outputs=30))
    assert "12 of 30 outputs shown" in notes(figure)
    assert figure.layout.xaxis4.ticktext[-1] == "all"


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ((build().singular_value,), TypeError, "ds: expected an xarray.Dataset"),
        ((build().drop_vars("eigenvalue"),), ValueError, "ds: it has no variable 'eigenvalue'"),
        ((build(ENSEMBLE), "fild_std"), ValueError, "color: .*did you mean 'field_std'"),
        ((build(ENSEMBLE), "readout_norm"), ValueError, "color: .*more than one value"),
    ],
)
def test_bad_arguments_are_named(given, error, message):
    with pytest.raises(error, match=message):
        weights(*given)
