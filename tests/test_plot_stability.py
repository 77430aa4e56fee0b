"""Figures say of a point what the dataset's `stability` says, with the same symbol and word everywhere."""

import numpy as np
import pytest
import xarray as xr
from plot_data import build, fixed_points, markers, names, spectrum

from fpanalysis import plot
from fpanalysis.plot._points import points_of
from fpanalysis.plot._stability import LOOKS, UNSTABLE_LOOKS, Answer, answers
from fpanalysis.schema import FLAGS, Kind, Stability


def followed(flags=(1, 2, 3, 4), n_steps=3):
    """Return branches of one stability each, and slow points; other variables say otherwise."""
    kind = np.tile([*[Kind.FIXED] * len(flags), Kind.SLOW], (n_steps, 1)).astype(np.int8)
    code = np.where(kind == Kind.FIXED, [*flags, 0], 0).astype(np.int8)
    place = ("time", "fixed_point")
    x = np.random.default_rng(0).normal(size=(*kind.shape, 2))
    attrs = {"flag_values": np.arange(5, dtype=np.int8), "flag_meanings": " ".join(FLAGS["stability"])}
    return xr.Dataset(
        {
            "x": ((*place, "state"), x),
            "kind": (place, kind),
            "stability": (place, code, attrs),
            "is_stable": (place, kind == Kind.FIXED),
            "branch": (place, np.where(kind == Kind.FIXED, np.arange(kind.shape[1]), -1), {"along": "time"}),
            "eigenvalue": ((*place, "mode"), np.full((*kind.shape, 2), 0.5 + 0j)),
            "n_candidates": ("time", np.full(n_steps, 9)),
        },
        coords={"time": np.arange(float(n_steps)), "state": ["p", "q"]},
        attrs={"time_domain": "discrete"},
    )


def shown(figure):
    """Return word and symbol of every kind of point in a legend, its count aside."""
    entries = [trace for trace in figure.data if trace.showlegend is not False and trace.marker.symbol]
    return {trace.name.partition(" (")[0]: trace.marker.symbol for trace in entries}


def test_words_and_symbols_are_the_same_in_every_figure():
    ds = followed()
    expected = {LOOKS[answer].name: LOOKS[answer].style.symbol for answer in Answer}
    del expected["stability not known"]
    states = xr.DataArray(np.zeros((3, 2)), {"time": ds.time, "state": ds.state}, ("time", "state"))
    trail = shown(plot.fixed_point_trail(ds, states))
    for found in (
        shown(spectrum(ds)),
        shown(fixed_points(ds, n_axes=2)),
        shown(fixed_points(ds)),
        shown(plot.bifurcation(ds, "p")),
        {name: symbol for name, symbol in trail.items() if name not in ("start", "end")},
    ):
        assert found == expected
    looks = [(look.style.symbol, look.style.color) for look in LOOKS.values() if "known" not in look.name]
    more = list(UNSTABLE_LOOKS[1:])
    assert len({*looks, *more}) == len(looks) + len(more), "two answers look alike"


@pytest.mark.parametrize("color", ["stability", "kind", "is_stable", "n_unstable"])
@pytest.mark.parametrize("figure", [spectrum, lambda ds, color: fixed_points(ds, color=color, n_axes=2)])
def test_symbols_say_the_same_where_colours_are_asked_for(color, figure):
    ds = followed()
    counts = xr.where(ds.stability == Stability.UNSTABLE, 1 + ds.time.astype(int), 0)
    ds["n_unstable"] = xr.where((ds.stability == Stability.UNDECIDED) | (ds.stability == 0), -1, counts)
    ds["kind"].attrs = {"flag_values": np.arange(3, dtype=np.int8), "flag_meanings": " ".join(FLAGS["kind"])}
    found = shown(figure(ds, color=color))
    of = {LOOKS[answer].name: LOOKS[answer].style.symbol for answer in Answer}
    stable, neutral, unstable, undecided, _, slow = of.items()
    expected = {
        "stability": dict(
            [stable, neutral, unstable, ("undecided", "diamond-open"), ("none", "circle-open")]
        ),
        "kind": {f"fixed, {word}": of[word] for word, _ in (stable, neutral, unstable, undecided)}
        | {"slow": "circle-open"},
        "n_unstable": {
            **{"-1, " + word: symbol for word, symbol in (undecided, slow)},
            **{"0, " + word: symbol for word, symbol in (stable, neutral)},
            **dict(zip("123", (symbol for symbol, _ in UNSTABLE_LOOKS), strict=True)),
        },
    }
    if color in expected:
        assert {name.replace("−", "-"): symbol for name, symbol in found.items()} == expected[color]
    assert set(found.values()) >= {symbol for symbol in of.values() if symbol != "diamond"}


def test_files_without_the_variable_say_the_same():
    ds = build()
    code = np.select(
        [ds.kind != Kind.FIXED, ds.is_stable, ds.n_unstable == 0],
        [Stability.NONE, Stability.STABLE, Stability.NEUTRAL],
        Stability.UNSTABLE,
    )
    newer = ds.assign(stability=(ds.kind.dims, code.astype(np.int8)))
    np.testing.assert_array_equal(answers(points_of(newer)), answers(points_of(ds)))
    assert len(np.unique(answers(points_of(ds)))) > 2
    without = ds.drop_vars(["is_stable", "n_unstable"])
    assert {*answers(points_of(without))} == {Answer.NOT_KNOWN, Answer.SLOW}


@pytest.mark.parametrize("domain", ["discrete", "continuous"])
def test_directions_are_drawn_where_modes_grow_by_more_than_their_margin(domain):
    boundary = 1.0 if domain == "discrete" else 0.0
    value = boundary + np.array([[0.1, -0.5], [1e-12, -0.5], [1e-4, -0.5]])
    ds = xr.Dataset(
        {
            "x": (("fixed_point", "state"), np.random.default_rng(1).normal(size=(3, 2))),
            "kind": ("fixed_point", np.ones(3, np.int8)),
            "eigenvalue": (("fixed_point", "mode"), value.astype(complex)),
            "right_eigenvector": (
                ("fixed_point", "state", "mode"),
                np.tile(np.eye(2, dtype=complex), (3, 1, 1)),
            ),
            "stability": ("fixed_point", np.array([2, 3, 2], np.int8)),
            "stability_margin": ("fixed_point", np.array([np.nan, np.nan, 1e-3])),
        },
        attrs={"time_domain": domain},
    )
    (lines,) = [trace for trace in fixed_points(ds, n_axes=2).data if trace.name == "unstable directions"]
    assert np.isfinite(np.asarray(lines.x, float)).sum() == 2  # one line, from end to end
    assert len(markers(fixed_points(ds, n_axes=2))) == 2
    quiet = ds.assign(stability=ds.stability * 0 + np.int8(Stability.NEUTRAL))
    assert "unstable directions" not in names(fixed_points(quiet, n_axes=2))
