"""What is known of controllers that reach in force fields, and whether the bundled ensemble shows it.

    python benchmarks/findings.py                  about three minutes on two cores
    python benchmarks/findings.py --markdown       tables for docs/performance.md

48 GRUs of 50 units (4 methods × 4 field strengths × 3 replicates), 25 goals, 5 contexts: 6,000 problems
clamped, and 6,000 in the closed loop.
"""

import argparse
from collections.abc import Iterator

import numpy as np
import xarray as xr
from measure import machine
from report import Row, Table, number, show
from scipy.linalg import subspace_angles
from scipy.stats import spearmanr

import fpanalysis as fpa

CONTEXTS = [-2, -1, 0, 1, 2]
GROWS = "holds if ≥ 75 % of networks"


def verdict(share: float) -> str:
    """Return whether a tendency holds: in three quarters of the networks at least."""
    return "holds" if share >= 0.75 else "does not hold"


def number_of_points(clamped: xr.Dataset, closed: xr.Dataset) -> Iterator[Row]:
    """One fixed point for each clamped input?"""
    for name, ds in (("clamped", clamped), ("closed loop", closed)):
        ones = int((ds.n_fixed_points == 1).sum())
        says = "holds" if ones == ds.n_fixed_points.size else "does not hold"
        yield Row(f"one fixed point, {name}", f"{ones:,} of {ds.n_fixed_points.size:,}", "all", "", says)
        stable = int(ds.is_stable.sum())
        yield Row(f"stable, {name}", f"{stable:,} of {int(ds.is_fixed.sum()):,}")


def planes(clamped: xr.Dataset) -> Iterator[Row]:
    """Points of a grid of goals near a plane, which shifts with the context?"""
    shares, tilts, steps, shifts = [], [], [], []
    members = clamped.isel(fixed_point=0).x.stack(member=("method", "field_std", "replicate"))
    for member in members.transpose("member", "context", "goal", "state").values:
        found = []
        for points in member:
            center = points.mean(axis=0)
            _, size, directions = np.linalg.svd(points - center, full_matrices=False)
            shares.append(np.sum(size[:2] ** 2) / np.sum(size**2))
            found.append((center, directions[:2].T, np.sqrt(np.mean(np.sum((points - center) ** 2, axis=1)))))
        angles = [
            np.degrees(subspace_angles(a[1], b[1]).max()) for a, b in zip(found, found[1:], strict=False)
        ]
        steps += angles
        tilts.append(np.degrees(subspace_angles(found[0][1], found[-1][1]).max()))
        shifts.append(np.linalg.norm(found[-1][0] - found[0][0]) / found[2][2])
    low, mid = 100 * min(shares), 100 * np.median(shares)
    says = "holds" if low > 90 else "does not hold"
    yield Row("variance of 25 goals in two PCs", f"{mid:.2f} % [≥ {low:.1f}]", "> 90 %", "", says)
    yield Row(
        "angle of the plane, context −2 to 2", f"{np.median(tilts):.0f}° [{min(tilts):.0f}–{max(tilts):.0f}]"
    )
    yield Row("angle of the plane, from one context to the next", f"{np.median(steps):.1f}°")
    text = f"{np.median(shifts):.1f} [{min(shifts):.1f}–{max(shifts):.1f}]"
    says = "holds" if min(shifts) > 1 else "does not hold"
    yield Row("shift of its centre, in units of its spread", text, "> 1", "", says)


def oscillatory(ds: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """Return modulus and frequency (Hz) of the slowest oscillatory mode, median over the goals."""
    nyquist = 0.5 / ds.attrs["dt"]
    oscillates = (ds.frequency > 0.1) & (ds.frequency < 0.99 * nyquist)
    size = abs(ds.eigenvalue).where(oscillates).fillna(-1).isel(fixed_point=0)
    at = size.argmax("mode")
    modulus, frequency = size.isel(mode=at), ds.frequency.isel(fixed_point=0).isel(mode=at)
    return modulus.where(modulus > 0).median("goal"), frequency.median("goal")


def growth(name: str, ds: xr.Dataset) -> Iterator[Row]:
    """Do the strongest oscillatory modes grow with context and with the fields of the training?"""
    for what, values in zip(("modulus", "frequency"), oscillatory(ds), strict=True):
        trained = values.sel(field_std=values.field_std > 0)
        ends = [f"{float(trained.sel(context=c).median()):.2f}" for c in (0, 2)]
        rises = float((trained.sel(context=2) > trained.sel(context=0)).mean())
        yield Row(
            f"{name}: {what} from context 0 to 2",
            f"{ends[0]} → {ends[1]}, rises in {100 * rises:.0f} %",
            GROWS,
            "",
            verdict(rises),
        )
        for context in (1, 2):
            at = values.sel(context=context)
            flat = at.transpose("field_std", ...).values.reshape(at.sizes["field_std"], -1)
            ranks = [spearmanr(at.field_std.values, column).statistic for column in flat.T]
            share = float(np.mean(np.array(ranks) > 0))
            medians = " → ".join(f"{m:.2f}" for m in np.median(flat, axis=1))
            yield Row(
                f"{name}: {what} with field std 0 to 1.2, context {context}",
                f"{medians}, rises in {100 * share:.0f} %",
                GROWS,
                "",
                verdict(share),
            )


def unstable(closed: xr.Dataset, ensemble: fpa.Ensemble) -> Iterator[Row]:
    """What simulations do where the closed loop is not stable."""
    loose = (closed.is_fixed & ~closed.is_stable).isel(fixed_point=0)
    where = np.argwhere(loose.values)
    for index in where[:: max(len(where) // 3, 1)][:3]:
        method, strength, replicate, context, goal = (int(i) for i in index)
        one = closed.isel(
            {
                "method": method,
                "field_std": strength,
                "replicate": replicate,
                "context": context,
                "goal": goal,
            }
        ).isel(fixed_point=0)
        labels = {name: one[name].values.item() for name in ("method", "field_std", "replicate")}
        loop = ensemble.sel(**labels).one().closed_loop()  # pyright: ignore
        path = fpa.simulate(loop, np.tile(one.u.values, (12_000, 1)), one.x.values + 1e-6, progress=False)
        away = np.linalg.norm(path.y.values[:, :2] - one.position.values, axis=1)
        yield Row(
            f"{labels}, context {float(one.context):g}, goal {int(one.goal)}",
            f"∣λ∣ = {float(abs(one.eigenvalue[0])):.4f}, {float(one.frequency[0]):.2f} Hz",
            "",
            "",
            f"leaves; after 10 minutes {number(100 * away[-400:].min())} to "
            f"{number(100 * away[-400:].max())} cm away",
        )


def ringing(ensemble: fpa.Ensemble) -> Iterator[Row]:
    """Do robust networks ring? A pulse of feedback at the goal."""
    goal = fpa.Goal(position=(0.0, 0.0), context=[0, 1, 2])
    ds = fpa.find_fixed_points(ensemble, goal, loop="closed", spectra="values", progress=False).isel(
        fixed_point=0
    )
    oscillates = (ds.frequency > 0.1) & (ds.frequency < 9.9)
    slowest = ds.time_constant.where(oscillates).fillna(-1).argmax("mode")
    f, tau = ds.frequency.isel(mode=slowest), ds.time_constant.isel(mode=slowest)
    expected = {"swing_ratio": np.exp(-1 / (2 * f * tau)), "swing_frequency": f}
    parts = []
    for labels, controller in zip(ensemble.labels, ensemble.models, strict=True):
        rest = ds.sel({name: labels[name] for name in ensemble.sizes})
        loop = controller.closed_loop(disturbed=True)  # pyright: ignore
        u = np.zeros((3, 120, len(loop.inputs)))
        u[..., : rest.sizes["input"]] = rest.u.values[:, None]
        u[:, 0, loop.inputs.index("disturbance.position[0]")] = 0.05
        force = (
            fpa.simulate(loop, u, rest.x.values, progress=False).y.values[..., 2:]
            - rest.force.values[:, None]
        )
        time = np.arange(1, 121) * ds.attrs["dt"]
        array = xr.DataArray(force, dims=("context", "time", "axis"), coords={"time": time})
        parts.append(fpa.measures.ringing(array))
    for name, unit in (("swing_ratio", ""), ("swing_frequency", " Hz")):
        found = np.stack([part[name].values for part in parts]).reshape(expected[name].shape)
        wanted = expected[name].values
        both = np.isfinite(found) & np.isfinite(wanted)
        rho = spearmanr(found[both], wanted[both]).statistic
        yield Row(
            f"{name}: rank correlation with the slowest oscillatory mode",
            f"{rho:.2f}",
            "≥ 0.5",
            "",
            "holds" if rho >= 0.5 else "does not hold",
        )
        for k, context in enumerate((0, 1, 2)):
            simulated = np.nanmedian(found[..., k], axis=(0, 2))
            predicted = np.nanmedian(wanted[..., k], axis=(0, 2))
            pairs = ", ".join(f"{a:.2f} ({b:.2f})" for a, b in zip(simulated, predicted, strict=True))
            grows = simulated[-1] > 1.5 * simulated[0]
            yield Row(
                f"{name} by field std, context {context}: simulated (predicted){unit}",
                pairs,
                "1.2 above 1.5 × 0",
                "",
                "holds" if grows else "does not hold",
            )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--markdown", action="store_true", help="print tables as Markdown")
    markdown = parser.parse_args().markdown
    print("\n".join(("- " if markdown else "") + line for line in machine()) + "\n", flush=True)
    ensemble = fpa.datasets.reaching_ensemble()
    goal = fpa.Goal(position=fpa.grid(5, 5), context=CONTEXTS)
    clamped, closed = (
        fpa.find_fixed_points(ensemble, goal, loop=loop, spectra="values", progress=False)
        for loop in ("clamped", "closed")
    )
    tables = {
        "How many points": number_of_points(clamped, closed),
        "A plane of goals": planes(clamped),
        "Oscillatory modes, clamped": growth("clamped", clamped),
        "Oscillatory modes, closed loop": growth("closed loop", closed),
        "Closed loops that are not stable, in simulation": unstable(closed, ensemble),
        "Do robust networks ring? A pulse of feedback at the goal": ringing(ensemble),
    }
    for title, rows in tables.items():
        print(show(Table(title, list(rows)), markdown), flush=True)


if __name__ == "__main__":
    main()
