"""Arrays, labelled arrays and tables to the last bit, for `exact`."""

import datetime
import decimal
import fractions
import uuid
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr

from fpanalysis.records import values
from fpanalysis.records.content import CIRCUMSTANCES
from fpanalysis.records.values import tagged

if TYPE_CHECKING:
    from fpanalysis.records.exact import Walk

_MOMENTS = (
    datetime.date,  # of which a datetime and a Timestamp are kinds
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
    pd.Period,
    pd.Interval,
    type(pd.NaT),
    type(pd.NA),
)

_UNITS = ({"units": "m"}, {"units": "m/s"})  # as goals have them


def array(value: Any, name: str, walk: "Walk") -> bytes | None:
    """Return the digest of an array, or a scalar that is none of Python's: dtype, shape and bits."""
    if isinstance(value, xr.DataArray | pd.Series | pd.Index) or isinstance(value, type):
        return None
    if not (hasattr(value, "__array__") and hasattr(value, "dtype")):
        return None
    walk.mark()
    if isinstance(value, jax.core.Tracer):
        raise TypeError(f"{name}: JAX traces it here, so that it has no values; call this outside of jax.jit")
    if isinstance(value, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(value)
        seen = np.where(mask, np.zeros((), value.dtype), np.ma.getdata(value))
        return tagged("masked", walk.all([seen, mask], name))
    if isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        kind = str(jax.random.key_impl(value))
        return tagged("key", [kind.encode(), walk.of(jax.random.key_data(value), name)])
    if callable(detach := getattr(value, "detach", None)):  # PyTorch's
        value = detach().cpu()  # pyright: ignore
    kind = b"weak" if getattr(value, "weak_type", False) else b""
    return tagged("array", [kind, _bits(np.asarray(value), name, walk)])


def _bits(data: np.ndarray, name: str, walk: "Walk") -> bytes:
    header = [str(data.shape).encode()]
    if data.dtype.kind == "O":
        return tagged("objects", [*header, *walk.all(data.ravel().tolist(), name)])
    if data.dtype.kind == "T":  # NumPy's strings of any length hold pointers
        return tagged("strings", [*header, *walk.all(data.ravel().tolist(), name)])
    data = np.ascontiguousarray(data).reshape(data.shape)
    if data.dtype.kind in "fc":  # of NaNs there are many bits, and one meaning
        data = np.where(np.isnan(data), np.full((), np.nan, data.dtype), data)
    data = data.astype(data.dtype.newbyteorder("<"), copy=False)
    dtype = str(data.dtype.descr if data.dtype.names else data.dtype)
    return tagged("bits", [*header, dtype.encode(), data.tobytes()])


def labelled(value: Any, name: str, walk: "Walk") -> bytes | None:
    """Return the digest of a labelled array or a dataset: values, dims, labels and attributes."""
    if isinstance(value, xr.Variable):
        walk.mark()
        return _variable(value, name, walk)
    if isinstance(value, xr.DataArray):
        if not is_told(value, name):
            walk.mark()
        walk.is_told = False
        coords = _variables(value.coords.variables, name, walk)
        return tagged("labelled", [str(value.name).encode(), _variable(value.variable, name, walk), *coords])
    if isinstance(value, xr.Dataset):
        if any(each.dtype.kind == "O" and not _is_text(each) for each in value.variables.values()):
            walk.mark()
        walk.is_told = False
        data = _variables({k: v.variable for k, v in value.data_vars.items()}, name, walk)
        coords = _variables(value.coords.variables, name, walk)
        attrs = _attrs(value.attrs, name, walk)
        return tagged("dataset", [attrs, tagged("data", data), tagged("coords", coords)])
    return None


def is_told(array: xr.DataArray, name: str) -> bool:
    """Return whether `recipes.described` tells all of a labelled array that goals and functions look at."""
    coords = array.coords.variables
    if array.attrs or array.name is not None or not _is_simple(array.variable):
        return False
    if array.dtype != np.float64 or not all(_is_simple(each) for each in coords.values()):
        return False
    if any(each.attrs and each.attrs not in _UNITS for each in coords.values()):
        return False
    if array.ndim == 0:
        return not coords
    if array.ndim == 1 and list(coords) == [array.dims[0]]:
        # One that labels itself stands in a recipe as a list, which says its dim only if that has its name.
        itself = np.array_equal(array, array[array.dims[0]])
        return not itself or name.endswith(f".{array.dims[0]}")
    # The dims of a coordinate are not said. There is no doubt where it has a dim's name, such as goal_x, or
    # where only one dim has its length.
    return all(
        each.ndim == 1 and (str(key).startswith(str(each.dims[0])) or array.shape.count(each.size) == 1)
        for key, each in coords.items()
    )


def _is_simple(variable: xr.Variable) -> bool:
    if _is_text(variable):
        return True
    data = variable.values
    return data.dtype in (np.float64, np.int64) and not np.any((data == 0) & np.signbit(data))


def _is_text(variable: xr.Variable) -> bool:
    if variable.dtype.kind == "U":
        return True
    return variable.dtype.kind == "O" and all(type(item) is str for item in variable.values.ravel())


def _variables(found: Mapping[Hashable, xr.Variable], name: str, walk: "Walk") -> list[bytes]:
    return sorted(
        tagged("named", [str(key).encode(), _variable(each, f"{name}.{key}", walk)])
        for key, each in found.items()
    )


def _variable(variable: xr.Variable, name: str, walk: "Walk") -> bytes:
    dims = [str(dim).encode() for dim in variable.dims]
    if _is_text(variable):  # labels are objects or fixed-width texts, as it happened
        data = tagged("texts", [values.text([str(text) for text in variable.values.ravel()]).encode()])
    else:
        was = walk.is_plain, walk.is_told
        data = _bits(np.asarray(variable.values), name, walk)
        walk.is_plain, walk.is_told = was if variable.dtype.kind != "O" else (False, False)
    return tagged("variable", [*dims, str(variable.shape).encode(), data, _attrs(variable.attrs, name, walk)])


def _attrs(attrs: Mapping, name: str, walk: "Walk") -> bytes:
    """Return the digest of attributes, but for those that say when and where something was computed."""
    told = {k: v for k, v in attrs.items() if str(k) not in CIRCUMSTANCES and not str(k).endswith("_version")}
    was = walk.is_plain, walk.is_told
    found = walk.of(told, f"{name}.attrs")
    walk.is_plain, walk.is_told = was
    return found


def table(value: Any, name: str, walk: "Walk") -> bytes | None:
    """Return the digest of something of pandas: dtypes, labels, values."""
    if not isinstance(value, pd.DataFrame | pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        return None
    walk.mark()
    if isinstance(value, pd.DataFrame):
        columns = [walk.of(value.iloc[:, i], f"{name}[{i}]") for i in range(value.shape[1])]
        return tagged("frame", [walk.of(value.index, name), walk.of(value.columns, name), *columns])
    labels = [walk.of(value.index, name), walk.of(value.name, name)] if isinstance(value, pd.Series) else []
    labels = walk.all(value.names, name) if isinstance(value, pd.Index) else labels
    items = np.asarray(value, dtype=object)
    return tagged("column", [str(value.dtype).encode(), *labels, _bits(items, name, walk)])


def moment(value: Any, name: str, walk: "Walk") -> bytes | None:
    """Return the digest of a time, a decimal number or the like, which `repr` tells."""
    del name
    if not isinstance(value, _MOMENTS):
        return None
    walk.mark(told=True)
    return tagged(type(value).__name__, [repr(value).encode()])
