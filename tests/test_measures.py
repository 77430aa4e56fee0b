"""Measures of movements against closed forms and plain loops."""

import numpy as np
import pytest
import xarray as xr

import fpanalysis as fpa

DT, STEPS = 0.001, 3000
TIME = np.arange(1, STEPS + 1) * DT


def least_jerk(distances, durations, angle=0.6):
    """Return reaches of least jerk (Flash and Hogan 1985), which end before the trial does."""
    distance, duration = np.asarray(distances)[:, None], np.asarray(durations)[:, None]
    s = np.minimum(TIME / duration, 1.0)
    gone = distance * (10 * s**3 - 15 * s**4 + 6 * s**5)
    speed = distance / duration * (30 * s**2 - 60 * s**3 + 30 * s**4)
    along = np.array([np.cos(angle), np.sin(angle)])
    start = np.array([0.3, -0.2])
    n = len(distance)
    goals = np.broadcast_to((start + distance * along)[:, None], (n, STEPS, 2))
    trial = ("trial", "time", "axis")
    return xr.Dataset(
        {
            "position": (trial, start + gone[..., None] * along),
            "velocity": (trial, speed[..., None] * along),
            "force": (trial, np.gradient(speed, DT, axis=1)[..., None] * along),
            "start": (("trial", "axis"), np.broadcast_to(start, (n, 2))),
            "target_position": (trial, goals),
        },
        coords={"time": TIME, "axis": ["x", "y"], "trial": np.arange(n)},
    )


def random_movements(seed=0):
    """Return movements of six networks, which have a goal that moves."""
    rng = np.random.default_rng(seed)
    lead, trial = ("method", "replicate"), ("trial", "time", "axis")
    return xr.Dataset(
        {
            "position": ((*lead, *trial), rng.normal(size=(2, 3, 5, 40, 2))),
            "velocity": ((*lead, *trial), rng.normal(size=(2, 3, 5, 40, 2))),
            "torque": ((*lead, "trial", "time", "joint"), rng.normal(size=(2, 3, 5, 40, 2))),
            "start": (("trial", "axis"), rng.normal(size=(5, 2))),
            "target_position": (trial, rng.normal(size=(5, 40, 2))),
        },
        coords={"time": np.arange(1, 41) * 0.05, "axis": ["x", "y"], "joint": ["shoulder", "elbow"]},
    )


DISTANCES, DURATIONS = [0.1, 0.5, 0.25], [0.4, 1.3, 2.0]


def test_a_reach_of_least_jerk_has_the_peaks_that_it_must_have():
    ds = least_jerk(DISTANCES, DURATIONS)
    distance, duration = np.array(DISTANCES), np.array(DURATIONS)
    np.testing.assert_allclose(fpa.measures.peak_velocity(ds), 1.875 * distance / duration, rtol=1e-5)
    # The acceleration of the same polynomial is largest at s = (3 − √3)/6, where it is 10/√3.
    peak = 10 / np.sqrt(3) * distance / duration**2
    np.testing.assert_allclose(fpa.measures.peak_force(ds), peak, rtol=1e-2)


@pytest.mark.parametrize("tolerance", [0.02, 0.05, 0.3])
def test_a_reach_of_least_jerk_settles_when_its_polynomial_says_so(tolerance):
    ds = least_jerk(DISTANCES, DURATIONS)
    roots = np.roots([6, -15, 10, 0, 0, tolerance - 1])
    (s,) = [root.real for root in roots if abs(root.imag) < 1e-9 and 0 < root.real < 1]
    found = fpa.measures.settling_time(ds, tolerance)
    np.testing.assert_allclose(found, s * np.array(DURATIONS), atol=1.01 * DT)


def test_settling_time_is_the_last_entry_into_the_neighbourhood():
    ds = random_movements()
    found = fpa.measures.settling_time(ds, 0.9)
    settled = 0
    for index in np.ndindex(found.shape):
        trial = index[-1]
        goals, start = ds.target_position.values[trial], ds.start.values[trial]
        near = [
            np.hypot(*(place - goal)) <= 0.9 * np.hypot(*(goals[-1] - start))
            for place, goal in zip(ds.position.values[index], goals, strict=True)
        ]
        times = [t for k, t in enumerate(ds.time.values) if all(near[k:])]
        assert found.values[index] == (times[0] if times else np.inf)
        settled += bool(times)
    assert 0 < settled < found.size
    assert "infinite" in found.attrs["comment"]


def test_what_is_near_from_the_beginning_settles_at_the_first_time():
    ds = least_jerk([0.2], [1.0])
    still = ds.assign(position=ds.target_position + 1e-3)
    assert fpa.measures.settling_time(still).item() == TIME[0]
    assert fpa.measures.settling_time(still, 1e-6).item() == np.inf


def test_peaks_against_loops():
    ds = random_movements()
    speed, torque = fpa.measures.peak_velocity(ds), fpa.measures.peak_torque(ds)
    for index in np.ndindex(speed.shape):
        assert speed.values[index] == max(np.sqrt(x * x + y * y) for x, y in ds.velocity.values[index])
        assert torque.values[index] == max(max(abs(a), abs(b)) for a, b in ds.torque.values[index])


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("end_point_error", "m"),
        ("lateral_deviation", "%"),
        ("peak_force", "N"),
        ("peak_torque", "N m"),
        ("peak_velocity", "m/s"),
        ("settling_time", "s"),
    ],
)
def test_every_measure_has_a_name_a_unit_and_one_value_per_movement(name, unit):
    ds = random_movements().transpose("trial", "time", ...)
    ds = ds.drop_vars("torque").assign(force=3 * ds.velocity) if name == "peak_force" else ds
    found = getattr(fpa.measures, name)(ds)
    assert found.dims == ("method", "replicate", "trial")
    assert (found.name, found.attrs["units"]) == (name, unit)
    assert found.attrs["long_name"]


def test_a_movement_that_explodes_has_no_measure_that_looks_like_one():
    ds = least_jerk(DISTANCES, DURATIONS)
    for name in ("position", "velocity", "force"):
        ds[name][1, 2000:] = np.nan
    for measure in (
        fpa.measures.peak_force,
        fpa.measures.peak_velocity,
        fpa.measures.end_point_error,
        fpa.measures.lateral_deviation,
    ):
        assert measure(ds).isnull().values.tolist() == [False, True, False]
    settled = fpa.measures.settling_time(ds).values
    assert np.isinf(settled).tolist() == [False, True, False]


def test_what_is_missing_is_said():
    ds = random_movements()
    with pytest.raises(ValueError, match="'force' is not in it; use peak_torque"):
        fpa.measures.peak_force(ds)
    with pytest.raises(ValueError, match="'torque' is not in it; use peak_force"):
        fpa.measures.peak_torque(least_jerk([0.1], [1.0]))
    with pytest.raises(ValueError, match="'velocity' is not in it; it has 'position'"):
        fpa.measures.peak_velocity(ds[["position"]])
    with pytest.raises(ValueError, match="tolerance: expected a positive fraction of the reach, got 0.0"):
        fpa.measures.settling_time(ds, 0.0)
    nowhere = ds.assign(target_position=ds.start + 0 * ds.target_position)
    for measure in (fpa.measures.settling_time, fpa.measures.lateral_deviation):
        with pytest.raises(ValueError, match="a target is where its trial starts"):
            measure(nowhere)
