"""What the analysis of controllers shows: how long it takes, and that its numbers are right.

fpanalysis train examples/hundred_units.yaml --folder runs/hundred_units     six minutes, once
python benchmarks/steady_states.py                        everything, about five minutes on two cores
python benchmarks/steady_states.py --only closed decay    some sections
python benchmarks/steady_states.py --markdown             tables for docs/performance.md
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from measure import fresh, machine, timed
from report import Row, Table, at_most, exactly, measured, number, run

import fpanalysis as fpa
from fpanalysis.vector_field import VectorField

FOLDER = Path("runs/hundred_units")
CONTEXTS = [-2, -1, 0, 1, 2]
ARM_GOALS = [(0.05, 0.4), (-0.1, 0.3), (0.1, 0.45)]
MASS_GOALS = [(0.4, -0.3), (-0.6, 0.1), (0.0, 0.8)]
STILL = 1e-13


def hundred_units() -> fpa.Ensemble:
    """Return the five trained replicates of 100 units."""
    if not FOLDER.exists():
        sys.exit(f"{FOLDER} is missing; run: fpanalysis train examples/hundred_units.yaml --folder {FOLDER}")
    return fpa.load(FOLDER)  # pyright: ignore[reportReturnType]


def at_goals(**options) -> xr.Dataset:
    """Return the goal steady states of the 625 problems."""
    goal = fpa.Goal(position=fpa.grid(5, 5), context=CONTEXTS)
    return fpa.find_fixed_points(hundred_units(), goal, progress=False, **options)


def trail(**options) -> xr.Dataset:
    """Return the fixed points along 24 reaches of 100 steps."""
    controller = hundred_units().models[0]
    trials = fpa.tasks.SimpleReaches(n_steps=100).validation(n_directions=24, context=1.0)
    reaches = fpa.simulate(controller, trials, progress=False)
    return fpa.find_fixed_points(controller, inputs=reaches, spectra="values", progress=False, **options)


def farthest(one: xr.Dataset, other: xr.Dataset) -> float:
    """Return the largest distance between points of two results, infinite where their numbers differ."""
    if not one.n_fixed_points.equals(other.n_fixed_points):
        return np.inf
    return float(np.nanmax(np.linalg.norm(one.x.values - other.x.values, axis=-1)))


def grid_section() -> Iterator[Table]:
    """625 problems at goals."""
    table = Table("25 goals × 5 contexts × 5 replicates of 100 units, clamped, up to 64 candidates each")
    first = fresh("in_fresh_process.py", "goals", str(FOLDER))
    again = [timed(at_goals) for _ in range(3)]
    bare = [timed(lambda: at_goals(spectra=False))[0] for _ in range(3)]
    every = timed(lambda: at_goals(spectra=False, exhaustive=True))
    ds = again[0][1]
    table.rows += [
        at_most("first call of a process, spectra included", [first["call"]], 60, 15, "s"),
        at_most("the same with imports and loading", [first["process"]], None, None, "s"),
        at_most("later calls, spectra included", [seconds for seconds, _ in again], 60, 15, "s"),
        Row("without spectra", measured(bare, "s")),
        Row("without spectra, all candidates (exhaustive)", measured([every[0]], "s")),
        exactly("problems solved", [int((ds.status == 0).sum())], 625),
        at_most("largest residual", [float(ds.residual.max())], 1e-12),
        exactly("fixed points of each problem, largest number", [int(ds.n_fixed_points.max())], None),
        Row("candidates of each problem, mean", number(float(ds.n_candidates.mean()))),
        exactly(
            "points that sparing candidates lost",
            [int((every[1].n_fixed_points - ds.n_fixed_points).sum())],
            0,
        ),
        at_most(
            "largest distance of a point from that of the exhaustive run", [farthest(ds, every[1])], 1e-9
        ),
    ]
    yield table


def trail_section() -> Iterator[Table]:
    """2,400 problems along reaches."""
    table = Table("Trail of 24 reaches × 100 steps, 100 units, eigenvalues included")
    seconds, ds = timed(trail)
    again = [timed(trail)[0] for _ in range(2)]
    tried = ds.n_candidates.values > 0
    alone = ds.is_fixed.values & ((ds.n_hits.values == 0) | (ds.n_neighbour_hits.values == 0))
    table.rows += [
        at_most("first call", [seconds], 30, None, "s"),
        at_most("later calls", again, 30, None, "s"),
        exactly("problems solved", [int((ds.status == 0).sum())], 2400),
        at_most("largest residual", [float(ds.residual.max())], 1e-12),
        exactly("conditions with 64 fresh candidates", [int((ds.n_candidates == 64).sum())], 240),
        exactly(
            "of these, conditions where candidates and neighbours differ", [int(alone[tried].sum())], None
        ),
    ]
    yield table


def settled(loop: VectorField, u: np.ndarray, x: np.ndarray, most: int = 400_000) -> tuple[np.ndarray, int]:
    """Return where the loop rests from a state, and the number of steps until it moves less than `STILL`."""
    for steps in range(1000, most, 1000):
        x = fpa.simulate(loop, np.broadcast_to(u, (1000, len(u))), x, progress=False).x.values[-2:]
        if np.max(np.abs(x[1] - x[0])) < STILL:
            return x[1], steps
        x = x[1]
    return x, most


def at_rest(controller: fpa.Controller, place: tuple[float, float]) -> np.ndarray:
    """Return the loop's state with a silent network and the body at rest."""
    with jax.enable_x64(True):
        state = controller.initial(jnp.asarray(place))
        state = jax.tree_util.tree_map(lambda leaf: jnp.asarray(leaf, float), state)
        return np.asarray(controller.closed_loop().state_layout.flatten(state))


def bodies() -> list[tuple[str, fpa.Controller, list]]:
    """Return controllers with their names and goals."""
    out = []
    for name, ensemble, goals in (
        ("point mass", fpa.datasets.delay_ensemble(), MASS_GOALS),
        ("arm", fpa.datasets.arm_ensemble(), ARM_GOALS),
    ):
        for delay, controller in zip((0, 5), ensemble.models, strict=True):
            assert isinstance(controller, fpa.Controller)
            out.append((f"{name}, delay {delay}", controller, goals))
    return out


def closed_section() -> Iterator[Table]:
    """Closed loops against long simulations."""
    table = Table(
        "Closed loop: stable points against simulations until nothing moves by more than 1e-13 a step"
    )
    for name, controller, goals in bodies():
        push = fpa.fields.Constant(1.0 if "mass" in name else 0.3, 0.7)
        for field in (None, fpa.fields.Curl(1.0), push):
            goal = fpa.Goal(position=goals, context=1.0)
            ds = fpa.find_fixed_points(
                controller, goal, loop="closed", field=field, spectra="values", progress=False
            )
            loop, worst, steps = controller.closed_loop(field), 0.0, 0
            for k in range(len(goals)):
                one = ds.isel(goal=k)
                end, n = settled(loop, one.u.values, at_rest(controller, goals[k - 1]))
                gap = np.linalg.norm(one.x.values[one.is_stable.values] - end, axis=1)
                worst, steps = max(worst, gap.min(initial=np.inf)), max(steps, n)
            label = "no field" if field is None else repr(field)
            table.rows.append(at_most(f"{name}, {label}: distance", [worst], 1e-8))
            stable, points = int(ds.is_stable.sum()), int(ds.n_fixed_points.sum())
            slowest = float(ds.time_constant.where(ds.is_stable).max())
            left = _leaves(loop, ds)
            table.notes.append(
                f"{name}, {label}: {stable} of {points} points stable, slowest mode {slowest:.2f} s, {steps} "
                f"steps at most{left}"
            )
    yield table


def _leaves(loop: VectorField, ds: xr.Dataset) -> str:
    """Return how far the simulation goes from its unstable points when started 1e-6 from them."""
    gone = []
    for index in np.argwhere((ds.is_fixed & ~ds.is_stable).values):
        u, x = ds.u.values[index[0]], ds.x.values[tuple(index)]
        path = fpa.simulate(loop, np.broadcast_to(u, (2000, len(u))), x + 1e-6, progress=False)
        gone.append(np.max(np.abs(path.x.values[-1] - x)))
    return f"; simulations leave the unstable ones, by {min(gone):.2g} at least" if gone else ""


def decay_section() -> Iterator[Table]:
    """Small perturbations along the leading mode."""
    table = Table("A perturbation of 1e-6 along the leading mode, over two time constants")
    rates, turns = [], []
    cases = [(name, c, goals[0], loop) for name, c, goals in bodies() for loop in ("clamped", "closed")]
    for name, controller, place, loop in cases:
        goal = fpa.Goal(position=place, context=1.0)
        ds = fpa.find_fixed_points(controller, goal, loop=loop, progress=False)
        field = controller.closed_loop() if loop == "closed" else controller.network.vector_field()
        ds = ds.isel(fixed_point=int(np.flatnonzero(ds.is_stable.values)[0]))
        rate, turn, text = _decay(field, ds)
        rates.append(rate)
        if turn is not None:
            turns.append(turn)
        table.notes.append(f"{name}, {loop}: {text}")
    table.rows += [
        at_most("rate against the eigenvalue's, largest error", [max(rates)], 1, None, "%"),
        at_most(f"frequency, largest error of {len(turns)} that oscillate", [max(turns)], 1, None, "%"),
    ]
    yield table


def _decay(field: VectorField, one: xr.Dataset) -> tuple[float, float | None, str]:
    value = complex(one.eigenvalue.values[0])
    dt, constant = one.attrs["dt"], float(one.time_constant.values[0])
    n = max(int(round(2 * constant / dt)), 3)
    start = one.x.values + 1e-6 * one.right_eigenvector.values[:, 0].real
    u = one.u.values
    path = fpa.simulate(field, np.broadcast_to(u, (n, len(u))), start, progress=False).x.values
    amplitude = (path - one.x.values) @ one.left_eigenvector.values[0].conj()
    steps = np.arange(n)
    rate = -np.polyfit(steps, np.log(np.abs(amplitude)), 1)[0] / dt
    error = 100 * abs(rate * constant - 1)
    text = f"λ = {value:.4f}; rate {1 / constant:.4f} 1/s, measured {rate:.4f}"
    if value.imag == 0:
        return error, None, text
    turned = abs(np.polyfit(steps, np.unwrap(np.angle(amplitude)), 1)[0]) / (2 * np.pi * dt)
    frequency = float(one.frequency.values[0])
    text += f"; frequency {frequency:.4f} Hz, measured {turned:.4f}"
    return error, 100 * abs(turned / frequency - 1), text


def sensitivity_section() -> Iterator[Table]:
    """Sensitivities against points that are solved again."""
    table = Table("Sensitivities against central differences of points solved again, relative")
    step = 1e-5
    for name, controller, goals in bodies():
        for loop in ("clamped", "closed"):
            field = controller.closed_loop() if loop == "closed" else controller.network.vector_field()
            ds = fpa.find_fixed_points(
                controller, fpa.Goal(position=goals[:1], context=1.0), loop=loop, progress=False
            )
            ds, errors = fpa.sensitivity(ds).isel(goal=0, fixed_point=0), []
            for k in range(len(field.inputs)):
                ends = []
                for sign in (1, -1):
                    u = ds.u.values + sign * step * (np.arange(len(field.inputs)) == k)
                    again = fpa.find_fixed_points(
                        field, u, candidates=ds.x.values[None], spectra=False, progress=False
                    )
                    ends.append(again.x.values[0])
                expected = (ends[0] - ends[1]) / (2 * step)
                gap = np.linalg.norm(ds.sensitivity.values[:, k] - expected)
                errors.append(gap / np.linalg.norm(expected))
            table.rows.append(at_most(f"{name}, {loop}, {len(errors)} inputs, largest", [max(errors)], 1e-6))
    yield table


def follow_section() -> Iterator[Table]:
    """Eigenvalues followed through a crossing, against sorting."""
    table = Table("Following 625 points along five contexts, and eigenvalues through a crossing")
    ds = at_goals()
    table.rows.append(
        Row("follow, points and 100 modes each", measured([timed(lambda: fpa.follow(ds, "context"))[0]], "s"))
    )
    table.rows.append(Row("modes (non-normality included)", measured([timed(lambda: fpa.modes(ds))[0]], "s")))
    table.rows.append(Row("sensitivity", measured([timed(lambda: fpa.sensitivity(ds))[0]], "s")))
    table.rows.append(Row("summarize", measured([timed(lambda: fpa.summarize(ds))[0]], "s")))
    basis = np.array([[1.0, 0.6], [0.2, 1.0]])

    def f(x, u):
        values = jnp.stack([0.9 - 0.5 * u[0], 0.3 + 0.5 * u[0]])
        return (basis * values) @ np.linalg.inv(basis) @ x

    c = np.linspace(0.0, 1.0, 12)
    swept = xr.DataArray(c, dims="level", coords={"level": c})
    field = fpa.vector_field(f, state=2, inputs=["drive"])
    found = fpa.find_fixed_points(field, {"drive": swept}, candidates=np.zeros((1, 2)), progress=False)
    found = fpa.follow(found, "level")
    truth = np.stack([0.9 - 0.5 * c, 0.3 + 0.5 * c], axis=1)
    for name, values in (("followed", found.followed_eigenvalue), ("sorted", found.eigenvalue)):
        wrong = int((np.abs(values.values[:, 0] - truth) > 1e-9).sum())
        table.rows.append(
            exactly(
                f"{name}: eigenvalues of another identity, of 24", [wrong], 0 if name == "followed" else None
            )
        )
    yield table


SECTIONS: dict[str, Callable[[], Iterator[Table]]] = {
    "grid": grid_section,
    "trail": trail_section,
    "closed": closed_section,
    "decay": decay_section,
    "sensitivity": sensitivity_section,
    "follow": follow_section,
}


if __name__ == "__main__":
    run(SECTIONS, __doc__, machine())
