"""Conditions keep their colours from figure to figure, and curves keep their labels."""

from typing import Any

import numpy as np
import pytest
import xarray as xr
from plot_data import build, markers, spectrum

from fpanalysis.plot import _styles, assign_colors
from fpanalysis.plot._curves import checked_most, curves_of, thinned
from fpanalysis.plot._styles import styles
from fpanalysis.plot._theme import DASHES, PALETTE, SCALES, SYMBOLS, new_figure


@pytest.fixture(autouse=True)
def nothing_assigned(monkeypatch):
    monkeypatch.setattr(_styles, "_ASSIGNED", {})


def colors(ds, name):
    return {trace.name: trace.marker.color for trace in markers(spectrum(ds, color=name))}


def test_an_assigned_value_keeps_its_colour_in_a_figure_of_fewer():
    ds = build()
    whole = colors(ds, "context")
    part = ds.sel(context=[0.0, 1.0])
    assert colors(part, "context")["0.0"] != whole["0.0"]
    assign_colors(ds)
    assert colors(ds, "context") == whole
    assert colors(part, "context") == {name: whole[name] for name in ("0.0", "1.0")}
    one = ds.sel(context=1.0)
    assert colors(one, "context") == {"1.0": whole["1.0"]}


def test_each_condition_of_numbers_has_a_scale_of_its_own():
    assign_colors({"context": [0, 1, 2], "method": ["a", "b"], "field_std": [0.0, 0.8]})
    assert styles("context", [0])[0].color != styles("field_std", [0.0])[0].color
    assert [look.color for look in styles("method", ["b", "a", "c"])] == [PALETTE[1], PALETTE[0], PALETTE[2]]
    assert _styles.scale_of("field_std") == SCALES[1]
    assign_colors({"field_std": [0.0, 0.4, 0.8]})
    assert _styles.scale_of("field_std") == SCALES[1]


def test_values_beyond_the_assigned_ones_take_the_nearest_end():
    assign_colors({"context": [0, 1, 2]})
    below, first, between, last, above = styles("context", [-1, 0, 0.5, 2, 3])
    assert (below.color, above.color) == (first.color, last.color)
    assert between.color not in (first.color, last.color)
    assert len({below.symbol, first.symbol, between.symbol, last.symbol, above.symbol}) == 5


def test_colour_symbol_and_dash_change_together_and_no_pair_repeats_soon():
    looks = styles("name", [f"n{i}" for i in range(42)])
    assert len({(look.color, look.symbol) for look in looks}) == 42
    assert len({(look.color, look.dash) for look in looks}) == 42
    assert len(SYMBOLS) == len(DASHES) == len(PALETTE) + 1


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("given", "error", "message"),
    [(3, TypeError, "got int"), ({"context": []}, ValueError, "'context' has no values")],
)
def test_bad_assignments_are_named(given, error, message):
    with pytest.raises(error, match=message):
        assign_colors(given)


def movements():
    values = np.random.default_rng(0).normal(size=(2, 3, 30, 5, 2))
    return xr.Dataset(
        {
            "position": (("method", "context", "trial", "time", "axis"), values),
            "target": (("trial", "time", "axis"), values[0, 0]),
        },
        coords={
            "method": ["a", "b"],
            "context": [0.0, 1.0, 2.0],
            "direction": ("trial", np.linspace(0, 6, 30), {"units": "rad"}),
            "is_best": (("method", "context"), np.eye(2, 3) > 0),
        },
    )


def test_curves_are_labelled_as_the_dataset_is():
    ds = movements()
    curves = curves_of(ds, "position", "time", "axis")
    index = np.random.default_rng(1).integers(len(curves), size=40)
    values, targets = curves.values("position", "time", "axis"), curves.values("target", "time", "axis")
    for i, text in zip(index, curves.texts(index), strict=True):
        said = dict(line.split(" = ") for line in text.split("<br>"))
        one = ds.sel({"method": said["method"], "context": float(said["context"])})
        one = one.isel(trial=int(said["trial"]))
        np.testing.assert_array_equal(values[i], one.position.values)
        np.testing.assert_array_equal(targets[i], one.target.values)
        assert float(said["direction"].removesuffix(" rad")) == pytest.approx(one.direction.item(), rel=1e-5)
        assert said["is_best"] == str(one.is_best.item())


@pytest.mark.parametrize("color", [None, "method", "context", "is_best", "direction"])
def test_groups_hold_every_curve_once(color):
    curves = curves_of(movements(), "position", "time", "axis")
    groups = curves.groups(color)
    assert sorted(np.concatenate([group.index for group in groups])) == list(range(len(curves)))
    assert len(groups) == {None: 1, "method": 2, "context": 3, "is_best": 2, "direction": 7}[color]
    if color in ("method", "context"):
        for group in groups:
            assert {str(value) for value in curves.label(color)[group.index]} == {group.name}


def test_thinning_is_the_same_every_time_and_says_so():
    groups = curves_of(movements(), "position", "time", "axis").groups("method")
    chosen, note = thinned(groups, 20)
    assert [len(index) for index in chosen] == [20, 20]
    assert note.startswith("40 of 180 curves shown, at most 20 a group")
    assert all(np.array_equal(one, two) for one, two in zip(chosen, thinned(groups, 20)[0], strict=True))
    assert thinned(groups, 90)[1] == ""


@pytest.mark.usefixtures("unchecked")
def test_curves_that_cannot_be_are_explained():
    ds = movements()
    with pytest.raises(ValueError, match="no variable 'positon' .did you mean 'position'"):
        curves_of(ds, "positon", "time")
    with pytest.raises(ValueError, match="'direction' lacks the dim 'time'"):
        curves_of(ds, "direction", "time")
    with pytest.raises(TypeError, match="got DataArray"):
        curves_of(ds.position, "position", "time")
    curves = curves_of(ds, "position", "time", "axis")
    with pytest.raises(ValueError, match="did you mean 'context'"):
        curves.groups("contxt")
    with pytest.raises(ValueError, match="more than one value per curve, along 'time', 'axis'"):
        curves.groups("target")
    with pytest.raises(ValueError, match="max_curves: expected a whole number"):
        checked_most(-1)


def test_long_titles_and_notes_take_the_lines_that_a_narrow_figure_has_room_for():
    title, notes = "as long as this is " * 6, ["first,<br>second", "and &amp; " * 20, "x" * 70]
    layout: Any = new_figure(title, notes).layout
    lines, noted = layout.title.text.split("<br>"), layout.title.subtitle.text.split("<br>")
    assert " ".join(lines) == title.strip() and max(map(len, lines)) <= 46
    assert " ".join(noted) == f"first, second {notes[1]}{notes[2]}" and noted[-1] == "x" * 70
    assert max(map(len, noted[:-1])) <= 58
    assert new_figure("short", []).layout.title.subtitle.text is None  # pyright: ignore[reportAttributeAccessIssue]
