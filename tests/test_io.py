"""What goes into a file comes out of it, exactly."""

import os
import warnings

import equinox as eqx
import jax
import jaxtyping
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from fpanalysis import io, vector_field
from fpanalysis.io import open_dataset, save


def assert_same(found: xr.Dataset, expected: xr.Dataset) -> None:
    """Assert equality of values, dtypes, dims, attributes and of what is a coordinate."""
    xr.testing.assert_identical(found, expected)
    for name, variable in expected.variables.items():
        assert found.variables[name].dtype == variable.dtype, name
        assert found.variables[name].dims == variable.dims, name


VARIABLES = {
    "complex": (("a", "b"), np.array([[1 + 2j, np.nan, 1e300j]] * 2)),
    "complex64": ("b", np.array([1 + 2j, 2, 3], "complex64")),
    "complex scalar": ((), 3 + 4j),
    "bool": ("b", np.array([True, False, True])),
    "int8": ("b", np.array([-1, 0, -128], "int8"), {"flag_values": np.array([-1, 0], "int8")}),
    "uint8": ("b", np.array([0, 1, 255], "uint8")),
    "int64": ("b", np.array([1, -(2**63), 2**63 - 1])),
    "uint64": ("b", np.array([1, 2, 2**64 - 1], "uint64")),
    "float64": ("b", np.array([np.nan, np.inf, -0.0])),
    "float32": ("b", np.array([np.nan, 1, 9.96921e36], "float32")),
    "big_endian": ("b", np.array([1, 2, 3], ">f8")),
    "text": ("b", np.array(["é", "", "longer"], "U12")),
    "objects": ("b", np.array(["a", "", "c"], object)),
    "bytes": ("b", np.array([b"a", b"", b"cde"], "S5")),
    "text scalar": ((), "hello"),
    "bool_scalar": ((), True),
    "date": ("b", np.array(["2020-01-01", "2021-01-01", "NaT"], "M8[ns]")),
    "seconds": ("b", np.array(["2020-01-01", "2021-01-01", "2022-01-01"], "M8[s]")),
    "duration": ("b", np.array([1, 2, "NaT"], "m8[ns]")),
    "time_constant": ("b", [1.0, 2.0, 3.0], {"units": "seconds", "long_name": "τ"}),
    **{f"empty_{code}": ("none", np.zeros(0, code)) for code in ("f8", "c16", "i1", "bool", "U3", "S4", "O")},
    "empty_2d": (("none", "b"), np.zeros((0, 3), complex)),
}
COORDS = {
    "b": ["x", "y", "longer"],
    "a": [1.5, 2.5],
    "goal_x": ("b", [0.1, 0.2, 0.3]),
    "mask": ("b", [True, False, False]),
    "scalar": 3.5,
    "label": "one",
    "with space": ("b", [1, 2, 3]),
    "pole": ("b", [1j, 2, 3]),
    "elsewhere": ("d", np.arange(2)),
}
ATTRS = {
    "number": 0.1,
    "count": 3,
    "big": 2**62,
    "small": np.int8(3),
    "single": np.float32(0.1),
    "text": "é",
    "nothing": "",
    "list": [1.0, 2.0],
    "list_of_one": [1.0],
    "array_of_one": np.array([1], "int8"),
    "texts": ["a", ""],
    "text_of_one": ["a"],
    "no_numbers": np.array([], "int32"),
    "no_texts": np.array([], "U1"),
    "config": '{"a": null}',
}


@pytest.fixture
def everything() -> xr.Dataset:
    """Return a dataset with everything in it that can be saved."""
    ds = xr.Dataset(VARIABLES, COORDS, ATTRS)
    ds["float64"].attrs.update(ds.attrs)
    ds["b"].attrs["units"] = "m"
    return ds


def test_everything_round_trips_twice(everything, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(everything, tmp_path / "a.nc")
        found = open_dataset(tmp_path / "a.nc")
        assert_same(found, everything)
        save(found, str(tmp_path / "b.nc"))
        assert_same(open_dataset(str(tmp_path / "b.nc")), everything)
    assert found.attrs["array_of_one"].dtype == np.int8
    assert isinstance(found.attrs["text_of_one"], list)
    assert sorted(os.listdir(tmp_path)) == ["a.nc", "b.nc"]


@pytest.mark.parametrize("name", VARIABLES)
def test_each_variable_alone_round_trips(name, tmp_path):
    ds = xr.Dataset({name: VARIABLES[name]})
    save(ds, tmp_path / "a.nc")
    assert_same(open_dataset(tmp_path / "a.nc"), ds)


def test_an_empty_dataset_round_trips(tmp_path):
    save(xr.Dataset(), tmp_path / "a.nc")
    assert_same(open_dataset(tmp_path / "a.nc"), xr.Dataset())


def test_plain_xarray_opens_the_file_as_documented(everything, tmp_path):
    save(everything, tmp_path / "a.nc")
    with xr.open_dataset(tmp_path / "a.nc") as raw:
        np.testing.assert_array_equal(raw["complex"].values.view(complex), everything["complex"])
        np.testing.assert_array_equal(raw["float64"], everything["float64"])
        assert raw["b"].values.tolist() == ["x", "y", "longer"]
    with xr.open_dataset(tmp_path / "a.nc", engine="netcdf4", auto_complex=True) as raw:
        np.testing.assert_array_equal(raw["complex"], everything["complex"])


def test_encoding_of_an_earlier_file_has_no_effect(tmp_path):
    ds = xr.Dataset({"v": ("t", [0.123, 0.456])})
    ds["v"].encoding = {
        "dtype": "int8",
        "scale_factor": 0.1,
        "_FillValue": 0,
        "zlib": True,
        "chunksizes": (7,),
    }
    ds.encoding = {"unlimited_dims": {"gone"}}
    save(ds, tmp_path / "a.nc")
    found = open_dataset(tmp_path / "a.nc")
    assert_same(found, ds)
    assert found["v"].encoding == {}


def test_a_file_that_is_open_can_be_replaced(tmp_path):
    path = tmp_path / "a.nc"
    save(xr.Dataset({"v": ("t", np.zeros(3))}), path)
    with xr.open_dataset(path) as reader:
        save(xr.Dataset({"v": ("t", np.ones(3))}), path)
        assert reader["v"].values.sum() == 0
    assert open_dataset(path)["v"].sum() == 3


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.nc"
    save(xr.Dataset({"v": 1}), path)

    def fail(*args):
        raise OSError("no space left")

    monkeypatch.setattr(io.os, "fsync", fail)
    with pytest.raises(OSError, match="no space left"):
        save(xr.Dataset({"v": 2}), path)
    assert os.listdir(tmp_path) == ["a.nc"]
    assert open_dataset(path)["v"] == 1


@pytest.mark.parametrize(
    "value",
    [None, True, np.True_, {}, 1j, [True], ["a", 1], [[1, 2], [3, 4]], [[1], [2, 3]], np.float16(1), 2**70,
     "a\0b", np.datetime64("2020-01-01"), b"a", [None]],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("where", ["dataset", "variable"])
def test_attributes_that_netcdf_cannot_hold(value, where, tmp_path):
    ds = xr.Dataset({"v": ("t", [1.0])})
    (ds if where == "dataset" else ds["v"]).attrs["wrong"] = value
    with pytest.raises(
        TypeError, match="attribute 'wrong' of " + ("the dataset" if where == "dataset" else "'v'")
    ):
        save(ds, tmp_path / "a.nc")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("ds", "error", "words"),
    [
        (xr.Dataset({"v": ("t", np.zeros(2, "f2"))}), TypeError, "'v' has the dtype float16"),
        (xr.Dataset({"v": ("t", np.array(["a", None]))}), TypeError, "'v' holds (None|nan)"),
        (xr.Dataset({"v": ("t", ["a\0b"])}), ValueError, "ends a string at a NUL"),
        (
            xr.Dataset({"v": ("t", [1.0], {"units": "days since 2000-01-01"})}),
            ValueError,
            "read back as dates",
        ),
        (xr.Dataset({"v": ("t", [1.0], {"scale_factor": 2.0})}), ValueError, "'scale_factor' of 'v'"),
        (xr.Dataset({"a/b": 1}), ValueError, "the name 'a/b'"),
        (xr.Dataset({"v": ("c", [1.0, 2.0])}), ValueError, r"rename it, as in ds.rename\(c='...'\)"),
        (xr.Dataset({1: 1}), TypeError, "must be strings, got 1"),
        (xr.Dataset(attrs={1: 1}), TypeError, "its name must be a string"),
    ],
)
def test_what_would_change_is_refused(ds, error, words, tmp_path):
    with pytest.raises(error, match=words):
        save(ds, tmp_path / "a.nc")
    assert os.listdir(tmp_path) == []


def test_a_multiindex_is_refused_and_the_way_out_works(tmp_path):
    index = pd.MultiIndex.from_product([[0, 1], ["a", "b"]], names=["context", "goal"])
    ds = xr.Dataset({"v": ("row", np.arange(4.0))}).assign_coords(
        xr.Coordinates.from_pandas_multiindex(index, "row")
    )
    with pytest.raises(ValueError, match=r"ds\.reset_index\('row'\)"):
        save(ds, tmp_path / "a.nc")
    save(ds.reset_index("row"), tmp_path / "a.nc")
    assert open_dataset(tmp_path / "a.nc").set_index(row=["context", "goal"]).equals(ds)


def test_a_vector_field_goes_to_a_checkpoint(tmp_path):
    field = vector_field(eqx.nn.GRUCell(2, 3, key=jax.random.key(0)))
    with pytest.raises(ValueError, match=r"a vector field is saved .* '.eqx', got 'a.nc'"):
        save(field, tmp_path / "a.nc")
    save(field, tmp_path / "a.eqx")
    assert os.listdir(tmp_path) == ["a.eqx"]


def test_paths_are_checked(tmp_path):
    ds = xr.Dataset({"v": 1})
    with pytest.raises(ValueError, match=r"ends in '.nc', got 'a.zarr'"):
        save(ds, tmp_path / "a.zarr")
    with pytest.raises(FileNotFoundError, match="folder .* does not exist"):
        save(ds, tmp_path / "gone" / "a.nc")
    with pytest.raises((TypeError, jaxtyping.TypeCheckError), match="ds"):
        save(ds["v"], tmp_path / "a.nc")  # pyright: ignore[reportArgumentType]
    (tmp_path / "d.nc").mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        save(ds, tmp_path / "d.nc")
    with pytest.raises(ValueError, match="is a folder"):
        open_dataset(tmp_path / "d.nc")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        open_dataset(tmp_path / "gone.nc")


@pytest.mark.parametrize("keep", [0, 7, 500, -100])
def test_truncated_files_are_named(keep, tmp_path):
    path = tmp_path / "a.nc"
    save(xr.Dataset({"v": ("t", np.random.default_rng(0).normal(size=1000))}), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"'.*a.nc' is damaged or not a netCDF file"):
        open_dataset(path)


def test_foreign_files_are_named_or_read(tmp_path):
    path = tmp_path / "a.nc"
    path.write_text("state,x\n1,2\n")
    with pytest.raises(ValueError, match="damaged or not a netCDF file"):
        open_dataset(path)
    foreign = xr.Dataset({"v": ("t", [1.0, 2.0])})
    foreign.to_netcdf(path)
    assert open_dataset(path).identical(foreign)
