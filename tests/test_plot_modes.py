"""Modes along a condition: what is drawn is the mathematics, and says what the dataset says."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import plotly.io as pio
import pytest
import xarray as xr
from plot_data import build, lines_of, markers

import fpanalysis as fpa
from fpanalysis import plot
from fpanalysis.plot import _spectrum_by

spectrum_by: Callable[..., Any] = plot.spectrum_by


def test_real_modes_that_become_a_pair():
    """The eigenvalues of a damped oscillator are `λ = -1/2 ± √(1/4 - r)`."""
    field = fpa.vector_field(
        lambda x, u: jnp.stack([x[1], -u[0] * x[0] - x[1]]),
        state=["x", "v"],
        inputs=["r"],
        time_domain="continuous",
    )
    r = xr.DataArray(np.linspace(0.05, 1.03, 15), dims="r")
    r = r.assign_coords(r=r.values)
    oscillator = fpa.follow(fpa.find_fixed_points(field, {"r": r}, n_candidates=8, progress=False), "r")
    figure = spectrum_by(oscillator)
    root = np.sqrt(0.25 - oscillator.r.values.astype(complex))
    for axis, part in (("y", np.real), ("y2", lambda value: np.abs(np.imag(value)))):
        drawn = [trace for trace in figure.data if trace.yaxis == axis and trace.mode == "lines+markers"]
        assert len(drawn) == 2
        found = np.array([np.asarray(trace.y)[:-1] for trace in drawn])
        expected = np.array([part(-0.5 + root), part(-0.5 - root)])
        np.testing.assert_allclose(np.sort(found, axis=0), np.sort(expected, axis=0), atol=1e-9)
        assert len({trace.line.dash for trace in drawn}) == len({trace.line.color for trace in drawn}) == 2
    assert figure.layout.yaxis.title.text == "Re λ (1/s)"
    assert figure.layout.yaxis2.title.text == "|Im λ| (1/s)"
    assert [(shape.y0, shape.y1) for shape in figure.layout.shapes] == [(0, 0)]
    first = oscillator.r.values[oscillator.r.values > 0.25][0]
    for trace in figure.data:
        if trace.name == "collision (2)":
            np.testing.assert_allclose(trace.x, [first, first])


def modal(n_modes, contexts, n_goals=2):
    """Return followed modes `λₖ = aₖ exp(i c bₖ)` of one point a condition, sorted by modulus at each."""
    rng = np.random.default_rng(0)
    size = rng.uniform(0.2, 1.2, (n_goals, n_modes))
    turn, drift = rng.uniform(0, 1, (2, n_goals, n_modes))
    c = np.asarray(contexts)[:, None, None]
    by_track = size * (1 - 0.05 * c * drift) * np.exp(1j * c * turn)
    order = np.argsort(-np.abs(by_track), axis=-1)
    value = np.take_along_axis(by_track, order, -1)[:, :, None]
    dims = ("context", "goal", "fixed_point")
    ds = xr.Dataset(
        {
            "kind": (dims, np.ones(value.shape[:3], np.int8)),
            "branch": (dims, np.zeros(value.shape[:3], int), {"along": "context"}),
            "eigenvalue": ((*dims, "mode"), value),
            "mode_track": ((*dims, "mode"), order[:, :, None]),
            "mode_confidence": ((*dims, "mode"), rng.random(value.shape)),
            "mode_event": (
                (*dims, "mode"),
                rng.integers(0, 4, value.shape),
                {"flag_values": np.arange(4), "flag_meanings": "none crossing collision uncertain"},
            ),
            "time_constant": ((*dims, "mode"), -0.05 / np.log(np.abs(value)), {"units": "s"}),
            "frequency": ((*dims, "mode"), np.abs(np.angle(value)) / (0.1 * np.pi), {"units": "Hz"}),
        },
        coords={"context": contexts, "goal": np.arange(n_goals)},
        attrs={"time_domain": "discrete", "dt": 0.05},
    )
    return ds, by_track


def curves_in(figure, axis):
    """Yield what every line of a panel says of itself, and where it runs: `(point, 2)`."""
    for trace in figure.data:
        if trace.yaxis == axis and trace.mode == "lines+markers":
            x, y = np.asarray(trace.x, float), np.asarray(trace.y, float)
            ends = np.flatnonzero(np.isnan(x))
            for part in np.split(np.arange(len(x)), ends + 1):
                rows = part[~np.isnan(x[part])]
                if len(rows):
                    yield [trace.hovertext[i] for i in rows], np.stack([x[rows], y[rows]], axis=1)


@pytest.mark.parametrize("show", ["eigenvalue", "time"])
@pytest.mark.parametrize("color", [None, "goal", "mode_track"])
def test_a_line_is_one_mode_and_the_slowest_are_shown(show, color):
    contexts = [-1.0, 0.0, 0.5, 2.0]
    ds, by_track = modal(30, contexts)
    figure = spectrum_by(ds, "context", color=color, show=show, max_modes=5)
    assert "2 branches, the slowest 5 of 30 modes each" in figure.layout.title.subtitle.text
    slowest = np.sort(np.abs(by_track).max(axis=0), axis=1)[:, -5:]
    seen = []
    for (texts, first), (_, second) in zip(curves_in(figure, "y"), curves_in(figure, "y2"), strict=True):
        said = lines_of(texts[0])
        track = int(next(name for name in said if name.startswith("mode ")).split("track ")[1].split(":")[0])
        goal = int(said["goal"])
        value = by_track[:, goal, track]
        tau, hertz = np.abs(0.05 / np.log(np.abs(value))), np.abs(np.angle(value)) / (0.1 * np.pi)
        above, below = (np.abs(value), np.abs(np.angle(value))) if show == "eigenvalue" else (tau, hertz)
        np.testing.assert_array_equal(first[:, 0], contexts)
        np.testing.assert_allclose(first[:, 1], above)
        np.testing.assert_allclose(second[:, 1], below, atol=1e-12)
        for text, context in zip(texts, contexts, strict=True):
            point = ds.sel(context=context, goal=goal).isel(fixed_point=0)
            mode = int(np.flatnonzero(point.mode_track == track)[0])
            said = lines_of(text)
            assert said["mode_confidence"] == f"{point.mode_confidence.values[mode]:.4g}"
            word = "none crossing collision uncertain".split()[point.mode_event.values[mode]]
            assert said["mode_event"] == word
            assert float(said["time_constant"].split()[0]) == pytest.approx(
                point.time_constant.values[mode], 1e-3
            )
        seen.append((goal, track))
    assert len(seen) == len(set(seen)) == 10
    for goal in (0, 1):
        shown = sorted(np.abs(by_track[:, goal, track]).max() for g, track in seen if g == goal)
        np.testing.assert_allclose(shown, slowest[goal])


def test_growing_modes_are_marked_in_panels_of_time():
    ds, by_track = modal(6, [0.0, 1.0])
    figure = spectrum_by(ds, show="time", max_modes=6)
    (mark,) = [trace for trace in figure.data if trace.name.startswith("growing")]
    assert len(mark.x) == int((np.abs(by_track) > 1).sum()) > 0
    assert figure.layout.yaxis.type == "log"
    assert figure.layout.yaxis.title.text == "time constant (s)"


def test_events_are_marked_where_they_are():
    ds, _ = modal(4, [0.0, 1.0, 2.0])
    figure = spectrum_by(ds, max_modes=4)
    for number, event in enumerate(("crossing", "collision", "uncertain"), start=1):
        count = int((ds.mode_event == number).sum())
        above, below = [trace for trace in figure.data if trace.name == f"{event} ({count})"]
        expected = np.abs(ds.eigenvalue.values[ds.mode_event.values == number])
        np.testing.assert_allclose(np.sort(above.y), np.sort(expected))
        np.testing.assert_array_equal(above.x, below.x)
    assert len({trace.marker.symbol for trace in markers(figure)}) == 3
    assert figure.layout.shapes[0].y0 == 1


def test_five_hundred_modes_of_very_many_branches(monkeypatch):
    monkeypatch.setattr(_spectrum_by, "_MOST_ENTRIES", 400)
    ds, _ = modal(500, [0.0, 1.0], n_goals=40)
    figure = spectrum_by(ds)
    note = figure.layout.title.subtitle.text
    assert "40 branches, the slowest 8 of 500 modes each<br>25 of 40 branches shown" in note
    assert len(list(curves_in(figure, "y"))) == 25 * 8
    assert {trace.visible for trace in markers(figure)} == {"legendonly"}
    assert pio.from_json(figure.to_json())


def test_padding_gaps_and_missing_numbers_of_modes():
    ds, _ = modal(3, [0.0, 1.0, 2.0])
    ds["eigenvalue"][1, 0, 0, 2] = np.nan
    ds["kind"][2, 1, 0] = 0
    ds["branch"][2, 1, 0] = -1
    ds["time_constant"][0, 0, 0, 0] = np.inf
    figure = spectrum_by(ds, show="time", max_modes=3)
    assert sum(np.isfinite(line[:, 1]).sum() for _, line in curves_in(figure, "y")) == 18 - 1 - 3 - 1
    assert "1 time constants of 0 or ∞" in figure.layout.title.subtitle.text
    nothing = spectrum_by(ds.assign(kind=ds.kind * 0, branch=ds.branch * 0 - 1))
    assert "no fixed points found" in nothing.layout.annotations[0].text
    ds["eigenvalue"][:] = np.nan
    assert "no eigenvalue is finite" in spectrum_by(ds).layout.annotations[0].text


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"show": "times"}, "show: expected .*did you mean 'time'"),
        ({"max_modes": 0}, "max_modes: expected a whole number, 1 or larger, got 0"),
        ({"color": "gaol"}, "color: .*did you mean 'goal'"),
    ],
)
def test_bad_options_of_modes_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        spectrum_by(modal(3, [0.0, 1.0])[0], **arguments)


def test_branches_without_modes_are_explained():
    with pytest.raises(ValueError, match='but not its modes.*spectra="full"'):
        spectrum_by(fpa.follow(build(), "context"))
