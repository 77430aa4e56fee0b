"""Labels that pandas made: they become NumPy's own, or what is wrong is said in one sentence."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import fpanalysis as fpa
from fpanalysis.conditions import make_conditions, spread_candidates
from fpanalysis.control.ensemble import Ensemble
from fpanalysis.coordinates import plain_labels, without_levels

ZURICH = pd.date_range("2024-03-30 12:00", periods=3, tz="Europe/Zurich")  # the clock goes forward in between
UTC = np.array(["2024-03-30T11:00", "2024-03-31T10:00", "2024-04-01T10:00"], "M8[us]")

# What pandas holds, and the plain values that it stands for.
KINDS = {
    "categories of text": (pd.Categorical(["b", "a", "b"]), np.array(["b", "a", "b"])),
    "categories without order": (pd.Categorical([3, 1, 3]), np.array([3, 1, 3])),
    "categories not all used": (pd.Categorical(["lo"] * 3, ["hi", "lo"], ordered=True), np.array(["lo"] * 3)),
    "categories of nullable numbers": (
        pd.Categorical(pd.array([1, 2, 1], dtype="Int64")),
        np.array([1, 2, 1]),
    ),
    "categories of truth values": (pd.Categorical([True, False, True]), np.array([True, False, True])),
    "categories of times": (pd.Categorical(ZURICH), UTC),
    "bins": (pd.cut([0.5, 1.5, 0.7], [0, 1, 2]), np.array(["(0, 1]", "(1, 2]", "(0, 1]"])),
    "Int64": (pd.array([1, 2, 3], dtype="Int64"), np.array([1, 2, 3])),
    "UInt8": (pd.array([1, 2, 3], dtype="UInt8"), np.array([1, 2, 3], np.uint8)),
    "Float32": (pd.array([0.5, 1, 2], dtype="Float32"), np.array([0.5, 1, 2], np.float32)),
    "boolean": (pd.array([True, False, True], dtype="boolean"), np.array([True, False, True])),
    "string": (pd.array(["a", "b", "c"], dtype="string"), np.array(["a", "b", "c"], object)),
    "str": (pd.Index(["a", "b", "c"], dtype="str"), np.array(["a", "b", "c"], object)),
    "times of a zone": (ZURICH, UTC),
    "times of a zone as objects": (np.array(list(ZURICH), object), UTC),
    "periods": (
        pd.period_range("2024-01", periods=3, freq="M"),
        np.array(["2024-01", "2024-02", "2024-03"]),
    ),
    "intervals": (pd.interval_range(0, 3), np.array(["(0, 1]", "(1, 2]", "(2, 3]"])),
    "sparse": (pd.arrays.SparseArray([0, 1, 0]), np.array([0, 1, 0])),
    "numbers as objects": (np.array([1, 2, 3], object), np.array([1, 2, 3])),
}
MISSING = {
    "categories": pd.Categorical(["a", None, "b"]),
    "bins": pd.cut([0.5, 9.0, 0.7], [0, 1, 2]),
    "Int64": pd.array([1, None, 2], dtype="Int64"),
    "Float64": pd.array([1, None, 2], dtype="Float64"),
    "boolean": pd.array([True, None, False], dtype="boolean"),
    "string": pd.array(["a", None, "b"], dtype="string"),
    "times of a zone": pd.DatetimeIndex([ZURICH[0], pd.NaT, ZURICH[1]]),
    "objects": np.array(["a", None, "b"], object),
    "sparse": pd.arrays.SparseArray([0.0, np.nan, 1.0]),
    "numbers": np.array([1.0, np.nan, 2.0]),
    "times": np.array(["2020-01-01", "NaT", "2020-01-03"], "M8[ns]"),
}
LEVELS = np.linspace(-0.2, 0.2, 3)


def along(labels, name="level"):
    """Return three values along `level` with these labels."""
    return xr.DataArray(LEVELS, dims="level", coords={name: ("level", labels)})


def stacked(labels=("a", "b", "c")):
    """Return six values along `cond`, whose MultiIndex has the levels `rule` and `cue`."""
    values = np.arange(6.0).reshape(2, 3) / 30
    grid = xr.DataArray(values, dims=("rule", "cue"), coords={"rule": [1, 0], "cue": list(labels)})
    return grid.stack(cond=("rule", "cue"))


@pytest.fixture(scope="module")
def model():
    """Return a bistable unit: three fixed points under every input that the tests give."""
    return fpa.vector_field(lambda x, u: jnp.tanh(2 * x + u[:1]), state=["v"], inputs=["a", "b"])


@pytest.fixture(scope="module")
def controllers():
    """Return four controllers."""
    return fpa.datasets.reaching_ensemble().models[:4]


def find(model, inputs, **options):
    return fpa.find_fixed_points(model, inputs=inputs, n_candidates=16, progress=False, **options)


@pytest.mark.parametrize("name", ["level", "beside"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_becomes_plain(kind, name):
    labels, expected = KINDS[kind]
    data = along(labels, name)
    data[name].attrs["long_name"] = "which"
    before = data.copy(deep=True)
    got = plain_labels(data, "inputs")[name]
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got.values, expected)
    assert got.attrs["long_name"] == "which"
    assert ("time_zone" in got.attrs) == (expected.dtype.kind == "M")
    assert data.identical(before)


@pytest.mark.parametrize("kind", KINDS)
def test_a_label_of_the_whole_becomes_plain(kind):
    labels, expected = KINDS[kind]
    got = plain_labels(along(labels).isel(level=1), "inputs")["level"]
    assert got.item() == expected.tolist()[1]
    assert not isinstance(got.item(), np.generic)  # an object that holds a number cannot be saved


@pytest.mark.parametrize("level", [None, np.nan])
def test_missing_levels_of_a_multiindex_are_named(level, model):
    """As a plain array the level would hold the smallest integer there."""
    index = pd.MultiIndex.from_tuples([("a", 1), ("a", level), ("b", 2)], names=["rule", "cue"])
    data = xr.DataArray(LEVELS, dims="cond").assign_coords(
        xr.Coordinates.from_pandas_multiindex(index, "cond")
    )
    words = "^inputs: the labels 'cue' are missing at 1 of 3 positions, first at 1; leave those"
    with pytest.raises(ValueError, match=words):
        find(model, {"a": data})
    with pytest.raises(ValueError, match=words):
        find(model, data.expand_dims(input=["a", "b"]))


@pytest.mark.filterwarnings("ignore:`pandas.Index` does not support:FutureWarning")
@pytest.mark.parametrize("name", ["level", "beside"])
def test_numbers_that_pandas_has_no_index_for_become_float64(name, model):
    labels = np.array([0.5, 1.0, 2.0], np.float16)
    found = find(model, {"a": along(labels, name)})
    assert found[name].dtype == np.float64
    table = fpa.summarize(found.set_coords(name))
    assert len(table) == 3


def test_plain_labels_are_left_alone():
    data = along(["x", "y", "z"])
    assert plain_labels(data, "inputs") is data


@pytest.mark.parametrize("name", ["level", "beside"])
@pytest.mark.parametrize("kind", MISSING)
def test_missing_labels_are_named(kind, name, model):
    words = f"^{{}}: the labels '{name}' are missing at 1 of 3 positions, first at 1; leave those"
    data = along(MISSING[kind], name)
    with pytest.raises(ValueError, match=words.format("inputs")):
        find(model, {"a": data})
    with pytest.raises(ValueError, match=words.format("x0")):
        fpa.simulate(model, 3, x0=data.expand_dims(state=1), progress=False)


@pytest.mark.parametrize(
    "kind", ["categories of text", "Int64", "boolean", "times of a zone", "intervals", "numbers as objects"]
)
def test_a_result_has_plain_labels_and_survives_a_file(kind, model, tmp_path):
    labels, expected = KINDS[kind]
    found = find(model, {"a": along(labels)})
    plain = find(model, {"a": along(np.arange(3))})
    np.testing.assert_array_equal(found["level"], expected)
    assert found.drop_vars("level").equals(plain.drop_vars("level"))
    followed = fpa.follow(found, "level")
    assert followed.drop_vars("level").equals(fpa.follow(plain, "level").drop_vars("level"))
    simulated = fpa.simulate(model, along(labels).expand_dims(time=3, input=2), progress=False)
    for number, ds in enumerate((found, fpa.to_long(found), followed, simulated)):
        path = tmp_path / f"{number}.nc"
        fpa.save(ds, path)
        assert fpa.open_dataset(path).identical(ds)
    assert fpa.summarize(found).index.tolist() == pd.Index(expected).tolist()


def test_inputs_agree_when_one_has_categories_and_the_other_text(model):
    one, other = along(pd.Categorical(["x", "y", "z"])), along(["x", "y", "z"])
    assert make_conditions(model.inputs, None, {"a": one, "b": other}).u[:, 1].tolist() == LEVELS.tolist()
    with pytest.raises(ValueError, match="the coordinates of its DataArrays do not agree"):
        make_conditions(model.inputs, None, {"a": one, "b": other[::-1]})


@pytest.mark.parametrize("kind", ["categories of text", "Int64", "times of a zone"])
def test_candidates_along_the_labels(kind):
    labels, expected = KINDS[kind]
    conditions = make_conditions(("a",), None, {"a": along(labels)})
    starts = along(labels).expand_dims(candidate=4, state=2)
    want = np.broadcast_to(LEVELS[:, None, None], (3, 4, 2))
    np.testing.assert_array_equal(spread_candidates(starts, ("p", "q"), conditions), want)
    plain = starts.assign_coords(level=expected)
    np.testing.assert_array_equal(spread_candidates(plain, ("p", "q"), conditions), want)


@pytest.mark.parametrize("cues", [["a", "b", "c"], pd.Categorical(["a", "b", "c"])])
def test_a_multiindex_becomes_labels_along_a_numbered_dim(cues, model, tmp_path):
    given = stacked(cues)
    found = find(model, {"a": given})
    assert found["n_fixed_points"].dims == ("cond",)
    assert found["rule"].values.tolist() == [1, 1, 1, 0, 0, 0]
    assert found["cue"].values.tolist() == list("abcabc")
    assert found["cond"].values.tolist() == list(range(6))
    fpa.save(found, tmp_path / "a.nc")
    assert fpa.open_dataset(tmp_path / "a.nc").identical(found)
    grid = found.set_index(cond=["rule", "cue"]).unstack("cond")
    assert float(grid["u"].sel(rule=0, cue="b", input="a")) == float(given.sel(rule=0, cue="b"))
    assert int(fpa.follow(found, "cond")["branch"].max()) == 2
    assert len(fpa.summarize(found)) == 6


def test_candidates_of_a_multiindex_in_another_order_are_refused():
    given = stacked()
    conditions = make_conditions(("a",), None, {"a": given})
    starts = given.expand_dims(candidate=4, state=["v"])
    got = spread_candidates(starts, ("v",), conditions)
    np.testing.assert_array_equal(got, np.broadcast_to(given.values[:, None, None], (6, 4, 1)))
    with pytest.raises(ValueError, match="candidates: their coordinates 'rule' are not those"):
        spread_candidates(starts.isel(cond=[3, 1, 2, 0, 4, 5]), ("v",), conditions)


def test_candidates_stacked_from_a_simulation():
    conditions = make_conditions(("a",), None, {"a": along([1, 2, 3]).rename(level="trial")})
    x = xr.DataArray(
        np.arange(12.0).reshape(2, 6, 1), dims=("trial", "time", "state"), coords={"trial": [7, 8]}
    )
    got = spread_candidates(x.stack(candidate=("trial", "time")), ("v",), conditions)
    np.testing.assert_array_equal(got, np.broadcast_to(np.arange(12.0)[:, None], (3, 12, 1)))


def test_inputs_with_a_multiindex_in_another_order_do_not_agree(model):
    given = stacked()
    with pytest.raises(ValueError, match="the coordinates of its DataArrays do not agree"):
        make_conditions(model.inputs, None, {"a": given, "b": given[::-1]})


@pytest.mark.parametrize("kind", ["categories of text", "Int64", "boolean"])
def test_goals_with_labels_of_pandas(kind, controllers):
    labels, expected = KINDS[kind]
    goal = fpa.Goal(position=(0.0, 0.0), context=along(labels))
    entries = goal.inputs(controllers[0], "clamped")
    conditions = make_conditions(tuple(entries), entries, None)
    np.testing.assert_array_equal(conditions.template["level"], expected)
    assert conditions.u.shape == (3, len(entries))


def test_ensembles_with_labels_of_pandas(controllers):
    models = controllers
    member = ("method", np.arange(2))
    table = xr.Dataset({"member": member}, {"method": pd.Categorical(["std", "ext"])})
    ensemble = Ensemble(models, table)
    assert [label["method"] for label in ensemble.labels] == ["std", "ext"]
    assert ensemble.sel(method="ext").one() is models[1]
    with pytest.raises(ValueError, match="table: the labels 'method' are missing"):
        Ensemble(models, table.assign_coords(method=pd.Categorical(["std", None])))

    grid = xr.DataArray(
        np.arange(4).reshape(2, 2), dims=("a", "b"), coords={"a": [5, 6], "b": ["p", "q"]}, name="member"
    )
    flat = Ensemble(models, grid.stack(run=("a", "b")).to_dataset())
    assert flat.sizes == {"run": 4}
    assert flat.labels[2] == {"run": 2, "a": 6, "b": "p"}


def test_saving_pandas_types_says_what_to_do(tmp_path):
    for labels in (pd.Categorical(["x", "y", "z"]), pd.array([1, 2, 3], dtype="Int64"), ZURICH):
        ds = xr.Dataset({"v": along(labels)})
        with pytest.raises(TypeError, match=r"'level' has the pandas type .*assign_coords\({'level': ds"):
            fpa.save(ds, tmp_path / "a.nc")
        ds = ds.assign_coords({"level": ds["level"].astype(str)})  # as the message says
        fpa.save(ds, tmp_path / "a.nc")
        assert fpa.open_dataset(tmp_path / "a.nc").identical(ds)


def test_levels_of_a_dataset():
    ds = xr.Dataset({"v": stacked(), "w": ("time", [1.0, 2.0])}, {"time": pd.Categorical([3, 4])})
    got = without_levels(ds, "ds")
    assert set(got.coords) == {"cond", "rule", "cue", "time"}
    assert got["time"].dtype == np.int64
    assert not any(isinstance(index, xr.indexes.PandasMultiIndex) for index in got.xindexes.values())
