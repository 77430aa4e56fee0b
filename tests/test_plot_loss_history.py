"""The curves are the means that they are said to be, and nothing that happened is left unsaid."""

from collections.abc import Callable
from typing import Any

import numpy as np
import plotly.io as pio
import pytest
import xarray as xr
from scipy.stats import gmean

import fpanalysis as fpa

loss_history: Callable[..., Any] = fpa.plot.loss_history

ITERATIONS = np.array([0, 1, 2, 5, 10, 20, 49])
CHECKS = np.array([0, 25, 50])


def history(seed=0):
    """Return a history as a training makes it: two methods, three strengths, four replicates."""
    rng = np.random.default_rng(seed)
    shape, dims = (2, 3, 4), ("method", "field_std", "replicate")
    loss = np.exp(rng.normal(size=(*shape, 7, 3))) / (1 + ITERATIONS[:, None])
    monitored = np.exp(rng.normal(size=(*shape, 3, 3)))
    return xr.Dataset(
        {
            "loss": ((*dims, "iteration", "term"), loss.astype(np.float32)),
            "monitored_loss": ((*dims, "validation_iteration", "term"), monitored.astype(np.float32)),
            "selected_checkpoint": (dims, rng.choice([25, 50], shape).astype(np.int32)),
            "validation_loss": (dims, np.exp(rng.normal(size=shape))),
            "is_best": (dims, np.broadcast_to(np.arange(4) == 2, shape)),
            "stopped_at": (dims, np.full(shape, -1, np.int32)),
            "stop_reason": (dims, np.full(shape, "", object)),
        },
        coords={
            "method": ["a", "b"],
            "field_std": ("field_std", [0.0, 0.4, 0.8], {"units": "N s/m"}),
            "replicate": np.arange(4),
            "iteration": ITERATIONS,
            "validation_iteration": CHECKS,
            "term": ["position", "force", "hidden"],
        },
    )


def curves(figure, name):
    """Return training, validation and band of a line."""
    found = [trace for trace in figure.data if trace.name == name and trace.mode != "markers"]
    solid = [trace for trace in found if trace.line.dash is None and trace.fill is None]
    dashed = [trace for trace in found if trace.line.dash == "dash"]
    return solid[0], dashed[0], [trace for trace in found if trace.fill == "toself"]


def notes(figure):
    return figure.layout.title.subtitle.text or ""


def shown(figure):
    return [trace.name for trace in figure.data if trace.showlegend]


def test_curves_are_geometric_means_and_bands_one_deviation_of_the_logarithm():
    ds = history()
    figure = loss_history(ds)
    assert shown(figure) == ["sum of the terms", "position", "force", "hidden"]
    for name in shown(figure):
        whole = ds.loss.sum("term") if name.startswith("sum") else ds.loss.sel(term=name)
        checked = (
            ds.monitored_loss.sum("term") if name.startswith("sum") else ds.monitored_loss.sel(term=name)
        )
        training, validation, (band,) = curves(figure, name)
        losses = whole.values.reshape(24, 7)
        np.testing.assert_allclose(training.y, gmean(losses), rtol=1e-6)
        np.testing.assert_allclose(validation.y, gmean(checked.values.reshape(24, 3)), rtol=1e-6)
        spread = np.exp(np.log(losses).std(axis=0, ddof=1))
        np.testing.assert_allclose(band.y[:7], training.y / spread, rtol=1e-6)
        np.testing.assert_allclose(band.y[7:], (training.y * spread)[::-1], rtol=1e-6)
        assert training.x.tolist() == [0.5, 1, 2, 5, 10, 20, 49]
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", "log")
    assert figure.layout.xaxis.title.text == "iteration (0 stands at ½)"
    assert "geometric mean of 24 networks" in notes(figure)


def test_lines_differ_in_more_than_colour():
    figure = loss_history(history())
    solid = [curves(figure, name)[0] for name in shown(figure)]
    assert len({trace.marker.symbol for trace in solid}) == len({trace.line.color for trace in solid}) == 4
    for trace in solid:
        assert 2 <= (np.array(trace.marker.size) > 0).sum() <= 8


@pytest.mark.parametrize("color", ["field_std", "method", "is_best", "replicate"])
def test_sums_by_hyperparameter(color):
    ds = history()
    figure = loss_history(ds, color=color)
    table = ds.loss.sum("term").stack(network=("method", "field_std", "replicate"))
    values = (ds[color] + xr.zeros_like(ds.is_best)) if ds[color].dtype.kind == "f" else ds[color]
    values = values.broadcast_like(ds.is_best).stack(network=("method", "field_std", "replicate"))
    for value in np.unique(ds[color].values):
        training, _, _ = curves(figure, str(value))
        chosen = table.values[:, values.values == value]
        np.testing.assert_allclose(training.y, gmean(chosen, axis=1), rtol=1e-6)
    unit = " (N s/m)" if color == "field_std" else ""
    assert figure.layout.legend.title.text == color + unit


def test_chosen_checkpoints_are_marked_at_the_mean_of_their_losses():
    ds = history()
    figure = loss_history(ds, color="method")
    for method in ("a", "b"):
        (mark,) = [trace for trace in figure.data if trace.name == method and trace.mode == "markers"]
        one = ds.sel({"method": method})
        for x, y, text in zip(mark.x, mark.y, mark.hovertext, strict=True):
            theirs = one.validation_loss.values[one.selected_checkpoint.values == x]
            assert y == pytest.approx(gmean(theirs))
            assert f"checkpoint {x:.0f}</b>" in text
            assert f"chosen for {len(theirs)} of 12 networks" in text
        assert sorted(mark.x) == np.unique(one.selected_checkpoint.values).tolist()
    stars = [trace for trace in figure.data if trace.name == "chosen checkpoint"]
    assert {trace.marker.symbol for trace in stars} == {"star-open"}


def test_hover_text_is_what_the_dataset_says():
    ds = history().isel(method=0, field_std=0, replicate=1)
    training, validation, bands = curves(loss_history(ds), "force")
    assert not bands
    assert training.hovertext[0].startswith("<b>force</b>, training<br>iteration 0<br>")
    assert training.hovertext[3].endswith(f"loss = {ds.loss.sel(term='force', iteration=5).item():.4g}")
    assert validation.hovertext[2].startswith("<b>force</b>, validation<br>iteration 50<br>")
    text = curves(loss_history(history()), "force")[0].hovertext[3]
    assert "geometric mean of 24 networks" in text and "one standard deviation" in text


def test_networks_that_stopped_are_named_and_marked():
    ds = history()
    ds.loss[1, 2, 3, 4:] = np.nan
    ds.stopped_at[1, 2, 3], ds.stop_reason[1, 2, 3] = 10, "the <loss> is NaN"
    ds.selected_checkpoint[1, 2, 3], ds.validation_loss[1, 2, 3] = -1, np.inf
    figure = loss_history(ds)
    assert "1 of 24 networks stopped before the end" in notes(figure)
    stop = "method = b, field_std = 0.8 N s/m, replicate = 3: at iteration 10"
    assert stop in notes(figure).replace("<br>", " ")
    assert "1 networks without a checkpoint" in notes(figure)
    sums = [trace for trace in figure.data if trace.name == "sum of the terms" and trace.mode == "markers"]
    chosen, stopped = sums
    assert np.isfinite(chosen.y).all()
    assert stopped.x.tolist() == [5]
    assert stopped.y[0] == pytest.approx(float(ds.loss[1, 2, 3, 3].sum()))
    assert "the &lt;loss&gt; is NaN" in stopped.hovertext[0]
    training, _, _ = curves(figure, "sum of the terms")
    assert "of 23 networks" in training.hovertext[5] and "of 24 networks" in training.hovertext[3]


def test_losses_that_have_no_logarithm_do_not_count():
    ds = history()
    ds.loss[0, ..., 1], ds.monitored_loss[0, ..., 1] = 0, 0
    figure = loss_history(ds)
    training, _, _ = curves(figure, "force")
    np.testing.assert_allclose(training.y, gmean(ds.loss.values[1, ..., 1].reshape(12, 7)), rtol=1e-6)
    assert f"{12 * (7 + 3)} losses are not above 0" in notes(figure)
    ds.loss[..., 1], ds.monitored_loss[..., 1] = 0, 0
    figure = loss_history(ds)
    assert "force: no loss above 0, not shown" in notes(figure)
    assert "force" not in shown(figure)


def test_many_iterations_are_thinned_evenly_on_the_axis():
    n = 5000
    loss = xr.DataArray(1.0 / np.arange(1, n + 1), dims="iteration", coords={"iteration": np.arange(n)})
    figure = loss_history(loss.to_dataset(name="loss"))
    training = figure.data[0]
    assert 200 < len(training.x) <= 400
    assert (training.x[0], training.x[-1]) == (0.5, n - 1)
    np.testing.assert_allclose(training.y[1:], 1 / (training.x[1:] + 1))
    assert np.diff(np.log(training.x[-100:])).max() < 2 * np.log(2 * n) / 400
    assert f"{len(training.x):,} of 5,000 iterations shown" in notes(figure)


def test_one_term_that_was_selected():
    ds = history()
    one = loss_history(ds.sel(term="force"))
    np.testing.assert_array_equal(curves(one, "force")[0].y, curves(loss_history(ds), "force")[0].y)
    assert shown(one) == ["force"]
    assert one.layout.yaxis.title.text == "weighted loss, force"
    # The validation loss is that of all terms, and would not lie on this line.
    assert "chosen checkpoint" not in {trace.name for trace in one.data}


@pytest.mark.parametrize("name", ["reaching", "delay", "arm", "flipflop", "integration"])
def test_histories_of_the_bundled_networks(name):
    ds = getattr(fpa.datasets, f"{name}_ensemble")().history
    figure = loss_history(ds)
    again = pio.from_json(figure.to_json())
    assert shown(again) == ["sum of the terms", *ds.term.values.tolist()]
    marked = [trace for trace in figure.data if trace.name == "chosen checkpoint"]
    assert set(marked[0].x) == set(ds.selected_checkpoint.values.ravel())
    assert not figure.layout.annotations


def test_nothing_to_show_is_said():
    ds = history()
    for empty in (ds.isel(iteration=[], validation_iteration=[]), ds.isel(replicate=[])):
        assert loss_history(empty).layout.annotations[0].text == "no losses to show"
    blind = loss_history(ds.assign(loss=ds.loss * np.nan, monitored_loss=-ds.monitored_loss))
    assert blind.layout.annotations[0].text == "no loss is finite and positive"
    assert pio.from_json(blind.to_json())


@pytest.mark.usefixtures("unchecked")
def test_what_is_no_history_is_refused():
    ds = history()
    with pytest.raises(TypeError, match="history: .*got DataArray"):
        loss_history(ds.loss)
    with pytest.raises(ValueError, match="history: expected the history of a training.*it has 'stopped_at'"):
        loss_history(ds[["stopped_at"]])
    with pytest.raises(ValueError, match="color: .*did you mean 'field_std'.*it could be 'term', "):
        loss_history(ds, color="field_sd")
    with pytest.raises(ValueError, match="color: .*got 'loss'"):
        loss_history(ds, color="loss")
