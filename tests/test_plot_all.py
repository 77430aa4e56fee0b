"""What all figures have in common: they survive JSON, turn dark, name their axes, and say so when empty."""

import inspect
import json

import numpy as np
import plotly.io as pio
import pytest
import xarray as xr
from plot_data import build
from reach_data import reaches

import fpanalysis as fpa
from fpanalysis import plot
from fpanalysis.plot._theme import DARK

# They draw nothing themselves.
NO_FIGURES = {"assign_colors", "report"}


def trail():
    """Return the points of two movements, and their states."""
    ds = build(n_state=6, n_points=3, conditions={"trial": [0, 1], "time": [0.1, 0.2, 0.3, 0.4]})
    path = np.random.default_rng(3).normal(size=(2, 4, 6))
    states = xr.DataArray(path, dims=("trial", "time", "state"), coords={"state": ds.state, "time": ds.time})
    return ds, states


def followed():
    """Return a pitchfork's points, followed along its parameter."""
    field = fpa.vector_field(lambda x, u: u * x - x**3, state=["x"], inputs=["r"], time_domain="continuous")
    r = xr.DataArray(np.linspace(-0.45, 1.0, 8), dims="r")
    inputs = {"r": r.assign_coords(r=r.values)}
    return fpa.follow(fpa.find_fixed_points(field, inputs, n_candidates=32, progress=False), "r")


@pytest.fixture(scope="module")
def data():
    """Return what each figure is drawn from."""
    field = fpa.datasets.flipflop("gru")
    corners = xr.Dataset({"x": (("fixed_point", "state"), np.eye(64)[:4])})
    ensemble = fpa.datasets.reaching_ensemble().sel(method="std", field_std=0.8)
    points = build()
    return {
        "spectrum": (points,),
        "fixed_points": (points,),
        "spectrum_by": (followed(),),
        "bifurcation": (followed(), "x"),
        "flow": (fpa.flow_field(field, corners, n=9),),
        "fixed_point_trail": trail(),
        "trajectories": (reaches(),),
        "aligned_trajectories": (reaches(),),
        "profiles": (reaches(),),
        "compare": (reaches().peak, "method"),
        "loss_history": (ensemble.history,),
        "weights": (fpa.weights(ensemble),),
    }


def emptied(name, arguments):
    """Return the arguments of a figure that has nothing to show."""
    ds, *more = arguments
    if "kind" in ds:
        return (ds.assign(kind=ds.kind * 0), *more)
    if name == "flow":
        return (ds.assign(flow=ds.flow * np.nan, speed=ds.speed * np.nan), *more)
    dim = {"loss_history": "iteration", "weights": "replicate"}.get(name, "trial")
    ds = ds.isel({dim: []})
    if name == "loss_history":
        ds = ds.isel(validation_iteration=[])
    return (ds, *more)


def test_every_figure_is_tested_here(data):
    assert set(data) == set(plot.__all__) - NO_FIGURES


@pytest.mark.parametrize("name", sorted(set(plot.__all__) - NO_FIGURES))
@pytest.mark.parametrize("empty", [False, True])
def test_figures_survive_json_turn_dark_and_name_their_axes(data, name, empty):
    arguments = emptied(name, data[name]) if empty else data[name]
    figure = getattr(plot, name)(*arguments)
    text = str(figure.to_json())
    again = pio.from_json(text)
    assert json.loads(str(again.to_json())) == json.loads(text)
    words = [note.text or "" for note in figure.layout.annotations]
    if empty:
        assert any(words), "an empty figure says nothing"
    else:
        assert len(figure.data) > 0 and figure.layout.title.text
        axes = [axis for axis in figure.select_xaxes() if axis.visible is not False]
        assert figure.layout.scene.xaxis.title.text or any(axis.title.text for axis in axes)
    # All that is dark or light is in the template.
    layout = json.loads(text)["layout"]
    layout.pop("template")
    assert not {"paper_bgcolor", "plot_bgcolor", "font"} & set(layout)
    figure.update_layout(template=DARK)
    assert pio.from_json(figure.to_json()).layout.template.layout.paper_bgcolor != "white"


@pytest.mark.parametrize("name", plot.__all__)
def test_public_functions_are_documented_with_an_example(name):
    text = inspect.getdoc(getattr(plot, name)) or ""
    assert all(part in text for part in ("Args:", "Raises:", "Example:", ">>> "))
