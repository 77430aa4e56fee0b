"""Measures of movements, from the datasets that `simulate` makes; each with its unit."""

import xarray as xr

from fpanalysis._messages import listed


def end_point_error(ds: xr.Dataset, last: float = 0.25) -> xr.DataArray:
    """Return how far from its target the effector is at the end of a movement, in m.

    Args:
        ds: from `simulate`, with `position`, `target_position` (..., time, axis) in m, and `time` in s.
        last: the mean is taken over this last part of the trial, in s.

    Returns:
        The mean distance, with the dims of `position` without `time` and `axis`.

    Raises:
        ValueError: the dataset lacks a variable, or `last` is not within the trial.

    Example:
        >>> import fpanalysis as fpa
        >>> ensemble = fpa.datasets.reaching_ensemble().sel(method="std", field_std=0.8)
        >>> ds = fpa.simulate(ensemble, fpa.tasks.SimpleReaches().validation(), progress=False)
        >>> bool((end_point_error(ds) < 0.02).all())
        True
    """
    _check(ds, "position", "target_position")
    dt = float(ds["time"][1] - ds["time"][0])
    steps = round(last / dt)
    if not 1 <= steps <= ds.sizes["time"]:
        raise ValueError(f"last: expected between {dt:g} s and {dt * ds.sizes['time']:g} s, got {last!r}")
    distance = _norm(ds["position"] - ds["target_position"]).isel(time=slice(-steps, None))
    return _named(distance.mean(dim="time"), "end_point_error", "end-point error", "m")


def lateral_deviation(ds: xr.Dataset) -> xr.DataArray:
    """Return the largest distance of the effector from the straight line to its target, in % of the reach.

    Args:
        ds: from `simulate`, with `position` and `target_position` (..., time, axis) and `start` (..., axis)
            in m. The line goes from the start to the last target.

    Returns:
        The largest absolute deviation, with the dims of `position` without `time` and `axis`.

    Raises:
        ValueError: the dataset lacks a variable, or a target is its start.

    Example:
        >>> import fpanalysis as fpa
        >>> field = fpa.fields.Curl(1.0)
        >>> trials = fpa.tasks.SimpleReaches().validation(field=field)
        >>> ensemble = fpa.datasets.reaching_ensemble().sel(method="std")
        >>> ds = fpa.simulate(ensemble, trials, progress=False)
        >>> deviation = lateral_deviation(ds).mean(["trial", "replicate"])
        >>> bool(deviation.sel(field_std=0.0) > deviation.sel(field_std=0.8))
        True
    """
    _check(ds, "position", "target_position", "start")
    reach = ds["target_position"].isel(time=-1, drop=True) - ds["start"]
    length = _norm(reach)
    if bool((length == 0).any()):
        raise ValueError("ds: expected reaches of some length, but a target is where its trial starts")
    gone = ds["position"] - ds["start"]
    across = gone.sel(axis="y", drop=True) * reach.sel(axis="x", drop=True)
    across = across - gone.sel(axis="x", drop=True) * reach.sel(axis="y", drop=True)
    deviation = 100 * abs(across).max(dim="time") / length**2
    return _named(deviation, "lateral_deviation", "largest lateral deviation", "%")


def _norm(vectors: xr.DataArray) -> xr.DataArray:
    return (vectors**2).sum("axis") ** 0.5


def _named(values: xr.DataArray, name: str, long_name: str, units: str) -> xr.DataArray:
    dims = [dim for dim in values.dims if dim != "trial"]
    dims += ["trial"] if "trial" in values.dims else []
    return values.transpose(*dims).rename(name).assign_attrs(long_name=long_name, units=units)


def _check(ds: xr.Dataset, *names: str) -> None:
    if missing := [name for name in names if name not in ds]:
        raise ValueError(
            f"ds: expected a dataset of movements from simulate, but {listed(missing)} is not in it; "
            f"it has {listed(map(str, ds.data_vars))}"
        )
