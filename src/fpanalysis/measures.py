"""Measures of movements, from the datasets that `simulate` makes; each with its unit."""

import numpy as np
import xarray as xr

from fpanalysis._messages import listed

# Turning points smaller than this, relative to the largest, are no swings.
_SMALLEST_SWING = 1e-3


def end_point_error(ds: xr.Dataset, last: float = 0.25) -> xr.DataArray:
    """Return how far from its target the effector is at the end of a movement, in m.

    Args:
        ds: from `simulate`, with `position`, `target_position` (..., time, axis) in m, and `time` in s.
        last: the mean is taken over this last part of the trial, in s.

    Returns:
        The mean distance, with the dims of `position` without `time` and `axis`; NaN where a trial has values
        that are NaN.

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
    return _named(distance.mean(dim="time", skipna=False), "end_point_error", "end-point error", "m")


def lateral_deviation(ds: xr.Dataset) -> xr.DataArray:
    """Return the largest distance of the effector from the straight line to its target, in % of the reach.

    Args:
        ds: from `simulate`, with `position` and `target_position` (..., time, axis) and `start` (..., axis)
            in m. The line goes from the start to the last target.

    Returns:
        The largest absolute deviation, with the dims of `position` without `time` and `axis`; NaN where a
        trial has values that are NaN.

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
    reach = _reach(ds)
    gone = ds["position"] - ds["start"]
    across = gone.sel(axis="y", drop=True) * reach.sel(axis="x", drop=True)
    across = across - gone.sel(axis="x", drop=True) * reach.sel(axis="y", drop=True)
    deviation = 100 * _peak(abs(across)) / _norm(reach) ** 2
    return _named(deviation, "lateral_deviation", "largest lateral deviation", "%")


def peak_velocity(ds: xr.Dataset) -> xr.DataArray:
    """Return the largest speed of the effector in a movement, in m/s.

    The reach of least jerk over a distance `D` in a time `T` has a peak of 1.875 D/T (Flash and Hogan 1985).

    Args:
        ds: from `simulate`, with `velocity` (..., time, axis) in m/s.

    Returns:
        The largest 2-norm of the velocity, with the dims of `velocity` without `time` and `axis`; NaN where a
        trial has values that are NaN.

    Raises:
        ValueError: the dataset lacks the variable.

    Example:
        >>> import fpanalysis as fpa
        >>> ensemble = fpa.datasets.reaching_ensemble().sel(method="std")
        >>> ds = fpa.simulate(ensemble, fpa.tasks.SimpleReaches().validation(), progress=False)
        >>> peak_velocity(ds).dims
        ('field_std', 'replicate', 'trial')
    """
    _check(ds, "velocity")
    return _named(_peak(_norm(ds["velocity"])), "peak_velocity", "peak velocity", "m/s")


def peak_force(ds: xr.Dataset) -> xr.DataArray:
    """Return the largest force that was commanded in a movement, in N; for an arm see `peak_torque`.

    Args:
        ds: from `simulate`, with `force` (..., time, axis) in N.

    Returns:
        The largest 2-norm of the force, with the dims of `force` without `time` and `axis`; NaN where a trial
        has values that are NaN.

    Raises:
        ValueError: the dataset lacks the variable.

    Example:
        >>> import fpanalysis as fpa
        >>> ensemble = fpa.datasets.reaching_ensemble().sel(method="std")
        >>> ds = fpa.simulate(ensemble, fpa.tasks.SimpleReaches().validation(), progress=False)
        >>> peak = peak_force(ds).mean(["trial", "replicate"])
        >>> bool(peak.sel(field_std=0.0) < peak.sel(field_std=0.8))
        True
    """
    if "force" not in ds and "torque" in ds:
        raise ValueError("ds: this body is moved by torques, and 'force' is not in it; use peak_torque")
    _check(ds, "force")
    return _named(_peak(_norm(ds["force"])), "peak_force", "peak force", "N")


def peak_torque(ds: xr.Dataset) -> xr.DataArray:
    """Return the largest torque that was commanded at any joint in a movement, in N m.

    Args:
        ds: from `simulate` of an arm, with `torque` (..., time, joint) in N m.

    Returns:
        The largest absolute torque of all joints, with the dims of `torque` without `time` and `joint`; NaN
        where a trial has values that are NaN.

    Raises:
        ValueError: the dataset lacks the variable.

    Example:
        >>> import fpanalysis as fpa
        >>> box = ((-0.15, 0.2), (0.15, 0.5))
        >>> task = fpa.tasks.SimpleReaches(workspace=box, reach_length=0.1, n_steps=100, dt=0.01)
        >>> ds = fpa.simulate(fpa.datasets.arm_ensemble(), task.validation(), progress=False)
        >>> peak_torque(ds).dims
        ('delay', 'trial')
    """
    if "torque" not in ds and "force" in ds:
        raise ValueError("ds: this body is moved by forces, and 'torque' is not in it; use peak_force")
    _check(ds, "torque")
    return _named(_peak(abs(ds["torque"]).max("joint", skipna=False)), "peak_torque", "peak torque", "N m")


def settling_time(ds: xr.Dataset, tolerance: float = 0.05) -> xr.DataArray:
    """Return when the effector has come to its target for good, in s from the beginning of the trial.

    Args:
        ds: from `simulate`, with `position` and `target_position` (..., time, axis) and `start` (..., axis)
            in m, and `time` in s.
        tolerance: how far from its target the effector may be, as a fraction of the reach, which goes from
            the start to the last target.

    Returns:
        The first time from which on the distance stays within the tolerance until the end of the trial, with
        the dims of `position` without `time` and `axis`. Infinite where the effector is not there at the end.

    Raises:
        ValueError: the dataset lacks a variable, a target is its start, or `tolerance` is not positive.

    Example:
        >>> import fpanalysis as fpa
        >>> ensemble = fpa.datasets.reaching_ensemble().sel(method="std", field_std=0.8)
        >>> ds = fpa.simulate(ensemble, fpa.tasks.SimpleReaches().validation(), progress=False)
        >>> bool((settling_time(ds) < 4).all())
        True
    """
    allowed = tolerance * _norm(_reach(ds))
    if not tolerance > 0:
        raise ValueError(f"tolerance: expected a positive fraction of the reach, got {tolerance!r}")
    # Written so that a distance that is NaN is not near.
    away = ~(_norm(ds["position"] - ds["target_position"]) <= allowed)
    steps = ds.sizes["time"]
    last_away = steps - 1 - away.isel(time=slice(None, None, -1)).argmax("time")
    first_near = xr.where(away.any("time"), last_away + 1, 0)
    times = xr.DataArray(np.append(ds["time"].values, np.inf), dims="time")
    found = times.isel(time=first_near)
    named = _named(found, "settling_time", "settling time", "s")
    return named.assign_attrs(comment="infinite: not within the tolerance of the target at the end")


def ringing(deviation: xr.DataArray) -> xr.Dataset:
    """Return how much, and how fast, something swings back and forth after a pulse.

    Along the axis on which it varies most, the second turning point is compared with the third: the first
    answers the pulse itself, the second brakes, and from there on it swings freely. A damped oscillation of
    frequency `f` and time constant `τ` has the swing ratio `exp(−1/(2 f τ))`.

    Args:
        deviation: from the resting value, such as that of `force` or `velocity`, with the dims `time` (s) and
            `axis` or `joint` and any others.

    Returns:
        `swing_ratio`, the size of the third turning point relative to the second, 0 where there is none; and
        `swing_frequency` (Hz), one over twice the time between them, NaN where there is none. Turning points
        smaller than 1e-3 of the largest do not count.

    Raises:
        ValueError: a dim is missing.

    Example:
        >>> import numpy as np, xarray as xr, fpanalysis as fpa
        >>> time = np.arange(1, 400) * 0.01
        >>> swing = np.exp(-time / 0.5) * np.sin(2 * np.pi * time)
        >>> swing = xr.DataArray(swing[:, None] * [0.6, 0.8], dims=("time", "axis"), coords={"time": time})
        >>> found = fpa.measures.ringing(swing)
        >>> round(float(found.swing_frequency), 2), bool(abs(found.swing_ratio - np.exp(-1)) < 0.01)
        (1.0, True)
    """
    along = [dim for dim in ("axis", "joint") if dim in deviation.dims]
    if "time" not in deviation.dims or not along:
        raise ValueError(f"deviation: expected the dims 'time' and 'axis', got {tuple(deviation.dims)}")
    dt = float(deviation["time"][1] - deviation["time"][0])
    ratio, steps = xr.apply_ufunc(
        _swing, deviation, input_core_dims=[["time", along[0]]], output_core_dims=[[], []], vectorize=True
    )
    frequency = 1.0 / (2.0 * steps * dt)
    return xr.Dataset(
        {
            "swing_ratio": ratio.assign_attrs(long_name="swing ratio", units="1"),
            "swing_frequency": frequency.assign_attrs(long_name="frequency of the swings", units="Hz"),
        }
    )


def _swing(deviation: np.ndarray) -> tuple[float, float]:
    """Return third over second turning point of `(time, axis)`, and the steps between them."""
    if not np.all(np.isfinite(deviation)):
        return np.nan, np.nan
    main = deviation @ np.linalg.svd(deviation, full_matrices=False)[2][0]
    size = np.abs(main)
    # Turning points, and of several between two zeros the largest.
    side = np.sign(main)
    swings = np.split(np.arange(len(main)), np.flatnonzero(np.diff(side) != 0) + 1)
    turns = [int(part[size[part].argmax()]) for part in swings]
    turns = [turn for turn in turns if size[turn] > _SMALLEST_SWING * size.max()]
    if len(turns) < 3:
        return 0.0, np.nan
    return float(size[turns[2]] / size[turns[1]]), float(turns[2] - turns[1])


def _norm(vectors: xr.DataArray) -> xr.DataArray:
    return (vectors**2).sum("axis", skipna=False) ** 0.5


def _peak(sizes: xr.DataArray) -> xr.DataArray:
    """Return the largest over time; what comes before a NaN would be the peak of another movement."""
    return sizes.max("time", skipna=False)


def _reach(ds: xr.Dataset) -> xr.DataArray:
    """Return the way from the start to the last target; raise where there is none."""
    _check(ds, "position", "target_position", "start")
    reach = ds["target_position"].isel(time=-1, drop=True) - ds["start"]
    if bool((_norm(reach) == 0).any()):
        raise ValueError("ds: expected reaches of some length, but a target is where its trial starts")
    return reach


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
