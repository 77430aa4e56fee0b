"""A result may be transposed, selected, masked or joined: every function that takes one says the same."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import fpanalysis as fpa
from fpanalysis.rows import rows_of
from fpanalysis.schema import SCHEMA

WEIGHTS = np.array([[1.6, 0.4, -0.2], [-0.3, 1.5, 0.1], [0.2, -0.1, 0.5]])
DRIVE = np.array([[0.3, -0.1], [0.1, 0.2], [0.0, 0.4]])
READ = np.array([[1.0, 0.5, 0.0], [0.0, -1.0, 2.0]])
LEVELS = np.array([[[0.0, 0.0], [0.1, 0.0]], [[0.2, 0.1], [0.9, 0.0]], [[0.1, 0.3], [0.0, 0.5]]])
MODEL = fpa.vector_field(
    lambda x, u: jnp.tanh(WEIGHTS @ x + DRIVE @ u),
    state=["p", "q", "r"],
    inputs=["left", "right"],
    readout=lambda x: READ @ x,
    outputs=["y1", "y2"],
)


@pytest.fixture(scope="module")
def found():
    """Return points under six conditions that differ in their number of points, Jacobians included."""
    inputs = xr.DataArray(LEVELS, {"a": [0.0, 1.0, 2.0], "b": ["one", "two"]}, ("a", "b", "input"))
    ds = fpa.find_fixed_points(MODEL, inputs, n_candidates=128, progress=False)
    assert len(np.unique(ds.n_fixed_points)) > 1
    return ds


@pytest.fixture(scope="module")
def full(found):
    """Return all that can be derived of the points."""
    return fpa.follow(fpa.sensitivity(fpa.modes(found)), "a")


def linearize(ds):
    return fpa.linearize(MODEL, ds, progress=False)


def eigendecompose(ds):
    return fpa.eigendecompose(ds, progress=False)


def alone(ds):
    """Return the points of one condition."""
    return ds.isel(a=1, b=0)


FORMS = {
    "transposed": lambda ds: ds.transpose("state", "fixed_point", ...),
    "points first": lambda ds: ds.transpose("fixed_point", ...),
    "conditions swapped": lambda ds: ds.transpose("b", "a", ...),
    "reversed dims": lambda ds: ds.transpose(*reversed(list(ds.sizes))),
    "one condition": lambda ds: ds.isel(a=1),
    "one point": alone,
    "the first point of each": lambda ds: ds.isel(fixed_point=0),
    "the first point, no label": lambda ds: ds.isel(fixed_point=0, drop=True),
    "a slice": lambda ds: ds.isel(a=slice(0, 2)),
    "a list, backwards": lambda ds: ds.isel(a=[2, 0], fixed_point=slice(None, None, -1)),
    "by label": lambda ds: ds.sel(b="two"),
    "a point of each": lambda ds: ds.isel(fixed_point=xr.DataArray([0, 1, 0], dims="a")),
    "some points by a mask": lambda ds: alone(ds).isel(fixed_point=alone(ds).x.values[:, 0] > -0.1),
    "masked points": lambda ds: ds.where(ds.x.isel(state=0, drop=True) > -0.1),
    "masked conditions": lambda ds: ds.where(ds.a > 0.5),
    "masked and dropped": lambda ds: ds.where(ds.a > 0.5, drop=True),
    "joined halves": lambda ds: xr.concat([ds.isel(a=[0]), ds.isel(a=[1, 2])], "a"),
    "joined, padded": lambda ds: xr.concat(
        [ds.isel(a=[0], fixed_point=[0]), ds.isel(a=[1, 2])], "a", join="outer"
    ),
    "joined anew": lambda ds: xr.concat([ds, ds], "side"),
    "joined under text": lambda ds: xr.concat([ds, ds], pd.Index(["left", "right"], name="side")),
    "joined with one kind": lambda ds: xr.concat([ds, ds], "side", data_vars=["x"]),
    "joined points": lambda ds: xr.concat(
        [alone(ds), ds.isel(a=0, b=1)], "fixed_point", data_vars="all", coords="minimal", compat="override"
    ),
    "reindexed": lambda ds: ds.reindex(a=[2.0, 5.0]),
    "a dim more": lambda ds: ds.expand_dims("model"),
    "stacked conditions": lambda ds: ds.stack(c=("a", "b")),
    "long": fpa.to_long,
    "one output": lambda ds: ds.isel(output=1) if "output" in ds.dims else ds,
    "states in another order": lambda ds: ds.isel(state=[2, 0, 1]),
    "no points": lambda ds: ds.isel(fixed_point=[]),
}


def check(changed, function, form, untouched):
    """Assert that a function adds to a changed result what the answer holds that was changed afterwards."""
    answer, expected = function(changed), form(untouched)
    places, used = changed.kind.dims, changed.kind.isin([1, 2]).values
    new = [name for name in answer.data_vars if name not in changed and name in expected]
    assert new
    for name in new:
        ours, theirs = answer[name], expected[name]
        if "state_out" in ours.dims:
            theirs = theirs.sel(state_out=ours.state_out)
        if "state" in ours.dims:
            theirs = theirs.sel(state=ours.state)
        if set(theirs.dims) < set(ours.dims):  # joined where the answers, but not the points, are the same
            theirs = theirs.broadcast_like(ours)
        theirs = theirs.transpose(*places, ...)
        values = ours.transpose(*theirs.dims).values[used]
        np.testing.assert_allclose(values, theirs.values[used], rtol=1e-9, atol=1e-12, err_msg=str(name))


NEEDED = ["x", "u", "kind"]
BARE = (
    "reversed dims",
    "the first point of each",
    "masked points",
    "joined, padded",
    "joined points",
    "long",
)


@pytest.mark.parametrize("name", [*BARE, "states in another order", "no points", "stacked conditions"])
def test_jacobians_are_the_same(found, name):
    check(FORMS[name](found[NEEDED]), linearize, FORMS[name], found)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_what_is_derived_is_the_same(found, full, form):
    changed = form(found[[*NEEDED, "jacobian", "input_jacobian", "output_jacobian"]])
    check(changed, eigendecompose, form, found)
    check(changed, fpa.sensitivity, form, full)
    check(form(found), fpa.modes, form, full)


@pytest.mark.parametrize(
    "name", ["transposed", "reversed dims", "by label", "joined under text", "a dim more"]
)
def test_branches_are_the_same(found, full, name):
    form = FORMS[name]
    check(form(found), lambda ds: fpa.follow(ds, "a"), form, full)


@pytest.mark.parametrize("name", [*BARE, "joined under text", "stacked conditions"])
def test_files_hold_every_form(full, name, tmp_path):
    changed = FORMS[name](full)
    if any(index.nlevels > 1 for index in changed.indexes.values()):
        changed = changed.reset_index("c")
    fpa.save(changed, tmp_path / "points.nc")
    xr.testing.assert_identical(fpa.open_dataset(tmp_path / "points.nc"), changed)


def test_long_ones_are_the_same(full):
    long = fpa.to_long(full)
    for name in ("transposed", "points first"):
        xr.testing.assert_identical(fpa.to_long(FORMS[name](full)), long)
    xr.testing.assert_identical(fpa.to_long(long), long)
    for mask in (full.is_stable, full.a > 0.5):
        kept = mask.broadcast_like(full.kind).transpose(*full.kind.dims).values[full.kind.values != 0]
        masked, expected = fpa.to_long(full.where(mask)), long.isel(fixed_point=kept)
        xr.testing.assert_identical(masked, expected.assign_coords(fixed_point=np.arange(kept.sum())))
        assert {name: masked[name].dtype for name in masked.variables} == {
            name: long[name].dtype for name in long.variables
        }


def test_tables_are_the_same(full):
    table = fpa.summarize(full)
    for name in ("transposed", "points first", "reversed dims", "joined halves"):
        pd.testing.assert_frame_equal(
            fpa.summarize(FORMS[name](full)).reorder_levels(["a", "b"]).sort_index(), table
        )
    pd.testing.assert_frame_equal(fpa.summarize(full.isel(a=1)), table.loc[1.0])
    assert fpa.summarize(full.isel(fixed_point=0))["fixed points"].tolist() == [1] * 6
    masked = fpa.summarize(full.where(full.is_stable))
    assert masked["fixed points"].tolist() == table["stable"].tolist() == masked["stable"].tolist()
    kept, columns = masked["fixed points"] > 0, ["coverage", "time constant (step)"]
    pd.testing.assert_frame_equal(masked.loc[kept, columns], table.loc[kept, columns])
    out = fpa.summarize(full.where(full.a > 0.5))
    pd.testing.assert_frame_equal(out.loc[1.0:], table.loc[1.0:])
    assert out.loc[0.0, "note"].tolist() == ["left out by a mask"] * 2
    both = fpa.summarize(FORMS["joined under text"](full))
    counts, before = both["fixed points"].to_numpy(int), table["fixed points"].to_numpy(int)
    assert counts.sum() == 2 * before.sum()
    with pytest.raises(ValueError, match="'u' differs between the points along 'fixed_point'"):
        fpa.summarize(fpa.to_long(full))


def drawn(figure):
    """Return all that a figure shows, in an order of its own."""
    shown = []
    for trace in figure.data:
        if trace.type not in ("scatter", "scatter3d"):
            continue
        table = np.round([np.asarray(trace[axis], float) for axis in "xyz" if axis in trace], 9)
        table = table[:, np.isfinite(table).all(axis=0)]
        shown.append((trace.name, np.sort(table, axis=1).tolist()))
    return sorted(repr(each) for each in shown)


FIGURES = {
    "spectrum": lambda ds: fpa.plot.spectrum(ds, color="residual"),
    "fixed_points": fpa.plot.fixed_points,
    "spectrum_by": lambda ds: fpa.plot.spectrum_by(ds, "a"),
    "bifurcation": lambda ds: fpa.plot.bifurcation(ds, "p", "a"),
    "flow": lambda ds: fpa.plot.flow(fpa.flow_field(MODEL, ds, u=[0.0, 0.0], n=5), points=ds),
}
PAIRS = {
    "reversed dims": (FORMS["reversed dims"], lambda ds: ds),
    "masked conditions": (FORMS["masked conditions"], lambda ds: ds.isel(a=[1, 2])),
    "one point": (lambda ds: ds.isel(fixed_point=0), lambda ds: ds.isel(fixed_point=[0])),
}


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_figures_are_the_same(full, figure):
    for name, (form, plain) in PAIRS.items():
        assert drawn(figure(form(full))) == drawn(figure(plain(full))), name


def test_a_trail_is_the_same(full):
    trail = full.rename(a="time").drop_vars(["branch", "branch_begins", "branch_ends"])
    states = xr.DataArray(
        np.linspace(0, 1, 18).reshape(3, 2, 3),
        {"time": [0.0, 1.0, 2.0], "b": ["one", "two"], "state": trail.state},
        ("time", "b", "state"),
    )
    expected = drawn(fpa.plot.fixed_point_trail(trail, states))
    for form in (lambda ds: ds.transpose("state", "fixed_point", ...), lambda ds: ds.where(ds.kind > 0)):
        assert drawn(fpa.plot.fixed_point_trail(form(trail), states)) == expected


@pytest.mark.parametrize("name", ["masked points", "stacked conditions", "the first point, no label"])
def test_reports_show_every_form(full, name, tmp_path):
    page = fpa.plot.report(FORMS[name](full), tmp_path / "page.html").read_text(encoding="utf-8")
    assert "fpa.plot.spectrum(ds" in page
    assert "fpa.plot.fixed_points(ds)" in page


def test_types_and_fillings_come_back(full):
    for name in ("masked points", "masked conditions", "joined, padded"):
        back = rows_of(FORMS[name](full)).ds
        for key, array in full.data_vars.items():
            assert back[key].dtype == array.dtype, key
            assert back[key].dims == array.dims, key
    unused = back.kind.values == 0
    for key in full.data_vars:
        if "fixed_point" in back[key].dims:
            rest = back[key].values[unused]
            np.testing.assert_array_equal(rest, np.full_like(rest, SCHEMA[str(key)].filling))


@pytest.mark.parametrize(
    ("form", "function", "sentence"),
    [
        (lambda ds: ds.isel(state=[0, 1]), eigendecompose, "expected the whole Jacobian"),
        (lambda ds: ds.isel(state=[0, 1], state_out=[0, 1]), fpa.sensitivity, "expected the whole Jacobian"),
        (lambda ds: ds.isel(state=[0, 1]), linearize, "its state entries are not the model's"),
        (lambda ds: ds.isel(input=0), linearize, "its input entries are not the model's"),
        (lambda ds: ds.isel(mode=0), fpa.modes, "expected all 3 modes, got 1"),
        (lambda ds: ds.isel(mode=[0, 1]), lambda ds: fpa.follow(ds, "a"), "expected all 3 modes .* got 2"),
        (lambda ds: ds.stack(c=("a", "fixed_point")), fpa.modes, "'fixed_point' is stacked with other dims"),
        (lambda ds: ds.drop_attrs(), eigendecompose, "expected the attribute 'time_domain'"),
        (lambda ds: ds.drop_vars("u"), linearize, "the variable 'u' is missing"),
        (lambda ds: ds.drop_vars("kind"), fpa.to_long, "expected a dataset made by find_fixed_points"),
        (lambda ds: ds.isel(a=0), lambda ds: fpa.follow(ds, "a"), "the result has no condition 'a'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(full, form, function, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        function(form(full))
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)
