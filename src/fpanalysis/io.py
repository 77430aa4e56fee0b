"""Datasets to and from netCDF files, and models to checkpoints, written whole or not at all."""

import json
import os
import warnings
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from fpanalysis._files import clear_partials
from fpanalysis._netcdf_files import read_netcdf, write_netcdf
from fpanalysis.control.controller import Controller
from fpanalysis.control.ensemble import Ensemble
from fpanalysis.control.network import Network
from fpanalysis.load._checkpoint import save_checkpoint
from fpanalysis.vector_field import VectorField

# What netCDF cannot hold exactly is noted in one attribute, which `open_dataset` reads and takes away.
_NOTES = "_fpanalysis_notes"
# xarray gives these attributes a meaning of its own: it would change the numbers on reading.
_RESERVED = {
    "_FillValue", "missing_value", "scale_factor", "add_offset", "_Unsigned", "_Encoding",
    "dtype", "coordinates", "grid_mapping", _NOTES,
}  # fmt: skip
# Dimensions that netCDF4's auto_complex reads as complex, under these names or the beginnings of them.
_COMPLEX_DIMS = ("complex", "ri", "_pfnc_complex")
_FLOATS = ("f4", "f8", "c8", "c16")
# What goes to checkpoints, as errors call it.
_MODELS = {VectorField: "a vector field", Controller: "a controller", Network: "a network"}


def save(ds: xr.Dataset | VectorField | Controller | Network, path: str | os.PathLike) -> None:
    """Write a dataset to a netCDF file, or a vector field, a controller or a network to a checkpoint.

    Everything in the dataset survives: values, dtypes (complex, bool and strings too), coordinates,
    attributes and the order of dimensions; `open_dataset` gives back an identical one (an index of text that
    pandas made comes back as Python's strings). `load` gives back a
    vector field, a controller or a network, bit for bit. The file appears whole or not at all, and a file
    of the same name is replaced even while someone reads it; it keeps its mode. Behind the end of a netCDF
    file stands a checksum, which other programs do not see, and a checkpoint has one in its header.

    Args:
        ds: the dataset (`path` ends in `.nc`); or the vector field, controller or network (`path` ends in
            `.eqx`).
        path: where to write; the folder must exist.

    Raises:
        TypeError: something in `ds` cannot be held by netCDF, such as an attribute that is neither a
            number, a string nor a list of them; or by a checkpoint, such as a function, or a plant of a
            class of one's own. Nothing is written then.
        ValueError: the name of the file has another suffix, an index has several levels, or a name or
            an attribute would be read back as something else.
        FileNotFoundError: there is no such folder.
        OSError: the disk is full, for example. A file that was there is as it was.

    Example:
        >>> import tempfile, xarray as xr, fpanalysis.io
        >>> ds = xr.Dataset({"eigenvalue": ("mode", [0.5 + 0.1j, 0.5 - 0.1j])})
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     fpanalysis.io.save(ds, f"{folder}/spectrum.nc")
        ...     fpanalysis.io.open_dataset(f"{folder}/spectrum.nc").identical(ds)
        True
    """
    if isinstance(ds, VectorField | Controller | Network):
        what = next(what for kind, what in _MODELS.items() if isinstance(ds, kind))
        save_checkpoint(ds, _target(path, ".eqx", what))
        return
    if not isinstance(ds, xr.Dataset):
        raise TypeError(
            "ds: expected a dataset, a vector field, a controller or a network, "
            f"got {type(ds).__name__}{_way_out(ds)}"
        )
    path = _target(path, ".nc", "a dataset")
    ds = _with_plain_text(ds)
    _check_dataset(ds)
    _write(_annotated(ds), path)


def open_dataset(path: str | os.PathLike) -> xr.Dataset:
    """Read a netCDF file that `save` wrote (or any other that xarray reads) into memory, and close it.

    `xarray.open_dataset(path)` reads the same file, except that complex variables come back as pairs: an
    array with the fields `r` and `i`. `values.view(complex)` makes them complex again, or open the file
    with `xarray.open_dataset(path, engine="netcdf4", auto_complex=True)`.

    A file that `save` wrote is compared with its checksum before anything else. Damaged files may hang or
    end the process that reads them, so one without a checksum (of an older version, or from elsewhere) is
    read by another process, with a limit of time; that takes half a second more. Reading takes up to three
    times the memory of the dataset for a moment.

    Args:
        path: the file.

    Returns:
        The dataset, with all its values in memory.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or not netCDF, or not a regular file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"path: there is no file {str(path)!r}")
    if path.is_dir():
        raise ValueError(f"path: expected a netCDF file, but {str(path)!r} is a folder")
    return _decoded(path, read_netcdf(path))


def open_verified(path: Path) -> xr.Dataset:
    """Read a file of which the caller knows by a hash that it is as `save` wrote it.

    Args:
        path: the file, which may be older than the checksums that `save` writes.
    """
    return _decoded(path, read_netcdf(path, trusted=True))


def _decoded(path: Path, ds: xr.Dataset) -> xr.Dataset:
    try:
        return _restored(ds)
    except Exception as error:  # whatever comes of notes that someone else wrote
        raise ValueError(f"path: {str(path)!r} is damaged: its notes do not fit it ({error})") from error


def _way_out(ds: object) -> str:
    if isinstance(ds, Ensemble):
        return (
            "; save its members, as in save(ensemble.sel(...).one(), path), or keep the folder of its "
            "training run, which load reads"
        )
    return "; use .to_dataset(name=...)" if isinstance(ds, xr.DataArray) else ""


def _target(path: str | os.PathLike, suffix: str, what: str) -> Path:
    """Return where to write, after a look at the place."""
    path = Path(path)
    if path.suffix != suffix:
        raise ValueError(f"path: {what} is saved under a name that ends in {suffix!r}, got {path.name!r}")
    path = path.resolve()  # a symbolic link stays one
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path: the folder {str(path.parent)!r} does not exist")
    if path.is_dir():
        raise IsADirectoryError(f"path: expected the name of a file, but {str(path)!r} is a folder")
    clear_partials(path)
    return path


def _write(ds: xr.Dataset, path: Path) -> None:
    """Write to a neighbour of `path`, then let it take that name."""
    # No fill values: NaN is a number like any other here. Dates need one for "not a time".
    encoding = {name: {"_FillValue": None} for name, v in ds.variables.items() if v.dtype.kind == "f"}
    with warnings.catch_warnings():
        # A coordinate with a space in its name is restored from the notes.
        warnings.filterwarnings("ignore", "coordinate .* has a space", xr.SerializationWarning)
        write_netcdf(ds, path, encoding)


def _holders(ds: xr.Dataset) -> Iterator[tuple[Hashable | None, dict]]:
    """Yield everything that has attributes: the dataset (as None) and its variables."""
    yield None, ds.attrs
    for name, variable in ds.variables.items():
        yield name, variable.attrs


def _check_dataset(ds: xr.Dataset) -> None:
    for name, index in ds.xindexes.items():
        if isinstance(index, xr.indexes.PandasMultiIndex):
            raise ValueError(
                f"ds: {str(name)!r} belongs to an index of several levels, which netCDF cannot hold; "
                f"save ds.reset_index({str(index.dim)!r}) and call set_index after opening"
            )
    for name in {*ds.variables, *ds.dims}:
        if not isinstance(name, str):
            raise TypeError(f"ds: names of variables and dimensions must be strings, got {name!r}")
        if not name or "/" in name:
            raise ValueError(f"ds: netCDF does not allow the name {name!r}: it is empty or holds a '/'")
    for name, size in ds.sizes.items():
        if size == 2 and any(known.startswith(str(name)) for known in _COMPLEX_DIMS):
            raise ValueError(
                f"ds: netCDF takes a dimension of length 2 named {name!r} for real and imaginary parts; "
                f"rename it, as in ds.rename({name}='...')"
            )
    for name, variable in ds.variables.items():
        _check_values(str(name), variable)
    for name, attrs in _holders(ds):
        for key, value in attrs.items():
            _check_attribute(key, value, "the dataset" if name is None else repr(name))


def _with_plain_text(ds: xr.Dataset) -> xr.Dataset:
    """Return a dataset whose text of NumPy's `StringDType`, which pandas makes, is Python's strings."""
    for name, variable in ds.variables.items():
        if variable.dtype.kind == "T":
            ds = _with_dtype(ds, name, np.dtype(object))
    return ds


def _check_values(name: str, variable: xr.Variable) -> None:
    dtype = variable.dtype
    if not isinstance(dtype, np.dtype):
        raise TypeError(
            f"ds: variable {name!r} has the pandas type {dtype}, which netCDF cannot hold; change it, as in "
            f"ds.assign_coords({{{name!r}: ds[{name!r}].astype(str)}})"
        )
    # Half and extended precision have no netCDF type.
    if dtype.kind not in "biufcUSMmO" or (dtype.kind in "fc" and dtype.str[1:] not in _FLOATS):
        raise TypeError(f"ds: variable {name!r} has the dtype {dtype}, which netCDF cannot hold")
    if dtype.kind in "UO":
        for value in np.ravel(variable.values):
            if not isinstance(value, str):
                raise TypeError(
                    f"ds: variable {name!r} holds {value!r}; of objects, only strings can be saved"
                )
            if "\0" in value:
                raise ValueError(f"ds: variable {name!r} holds {value!r}; netCDF ends a string at a NUL")
    units = variable.attrs.get("units")
    if dtype.kind not in "M" and isinstance(units, str) and " since " in units:
        raise ValueError(f"ds: variable {name!r} has the units {units!r} and would be read back as dates")


def _check_attribute(key: Any, value: Any, holder: str) -> None:
    if not isinstance(key, str):
        raise TypeError(f"ds: attribute {key!r} of {holder}: its name must be a string")
    if not key or "/" in key:
        raise ValueError(f"ds: attribute {key!r} of {holder}: netCDF does not allow this name")
    if key in _RESERVED:
        raise ValueError(f"ds: attribute {key!r} of {holder} has a meaning of its own in netCDF; rename it")
    if not _can_hold(value):
        raise TypeError(
            f"ds: attribute {key!r} of {holder} is {value!r}; netCDF holds numbers, strings and lists of "
            "either (no bool, None, dict, date or complex number): use 0 or 1, leave it out, or store JSON"
        )


def _can_hold(value: Any) -> bool:
    """Return whether netCDF gives back this attribute as it was."""
    if isinstance(value, str):
        return "\0" not in value
    if isinstance(value, list | tuple) and any(isinstance(item, str | bool | np.bool_) for item in value):
        return all(isinstance(item, str) and "\0" not in item for item in value)
    if not isinstance(value, int | float | np.generic | np.ndarray | list | tuple) or isinstance(value, bool):
        return False
    try:
        array = np.asarray(value)
    except ValueError:  # lists of unequal lengths
        return False
    if array.ndim > 1:
        return False
    if array.dtype.kind == "U":
        return all("\0" not in item for item in np.ravel(array))
    return array.dtype.kind in "iu" or array.dtype.str[1:] in ("f4", "f8")


def _annotated(ds: xr.Dataset) -> xr.Dataset:
    """Return the dataset without encodings of earlier files, and with notes on what netCDF changes."""
    ds = ds.drop_encoding()
    dtypes = {
        str(name): "object" if v.dtype.kind == "O" else v.dtype.str
        for name, v in ds.variables.items()
        if v.dtype.kind in "USOMm" or v.dtype == np.complex64 or not v.dtype.isnative
    }
    for name, v in ds.variables.items():
        if v.dtype == np.complex64:  # a file that holds both precisions comes back with wrong numbers
            ds = _with_dtype(ds, name, np.dtype(np.complex128))
    lists = [
        [name, key, len(value)]
        for name, attrs in _holders(ds)
        for key, value in attrs.items()
        if not isinstance(value, str) and np.ndim(value) == 1 and len(value) < 2
    ]
    coords = [name for name in ds.coords if " " in str(name)]
    notes = {"dtypes": dtypes, "lists": lists, "coords": coords}
    notes = {key: value for key, value in notes.items() if value}
    return ds.assign_attrs({_NOTES: json.dumps(notes)}) if notes else ds


def _restored(ds: xr.Dataset) -> xr.Dataset:
    """Undo `_annotated`."""
    notes = json.loads(ds.attrs.pop(_NOTES, "{}"))
    for name, key, length in notes.get("lists", []):
        attrs = ds.attrs if name is None else ds.variables[name].attrs
        value = attrs[key]
        attrs[key] = [value][:length] if isinstance(value, str) else np.atleast_1d(value)
    for name, dtype in notes.get("dtypes", {}).items():
        variable = ds.variables[name]
        if variable.dtype != np.dtype(dtype):
            ds = _with_dtype(ds, name, np.dtype(dtype))
    return ds.set_coords(notes.get("coords", []))


def _with_dtype(ds: xr.Dataset, name: Hashable, dtype: np.dtype) -> xr.Dataset:
    variable = ds.variables[name]
    variable = xr.Variable(variable.dims, np.asarray(variable.values).astype(dtype), variable.attrs)
    return ds.assign_coords({name: variable}) if name in ds.coords else ds.assign({name: variable})
