"""
What does closing the loop change?
==================================

Two ways to look at a controller at its goal. *Clamped*: the feedback is held where it should be, and the
network is left alone. *Closed*: network, body and delay line move together, as they do in a reach. We compare
the two for a point mass with feedback that arrives at once and five steps late, and meet loops that oscillate
or swing for ever although their network alone is stable.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnails/clamped_and_closed.png'

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

import fpanalysis as fpa

# %%
# A point mass
# ------------
#
# The clamped network would like to push a little; in the closed loop the body gives way until the push
# vanishes.

masses = fpa.datasets.delay_ensemble()
goal = fpa.Goal(position=fpa.grid(3, 3), context=[0, 1, 2])
clamped = fpa.find_fixed_points(masses, goal, spectra="values", progress=False)
results = {}
for delay in (0, 5):
    results["clamped", delay] = clamped.sel(delay=delay)
    # One by one, since a longer delay line is a larger state.
    mass = masses.sel(delay=delay)
    results["closed", delay] = fpa.find_fixed_points(mass, goal, loop="closed", progress=False)
    for loop in ("clamped", "closed"):
        print(f"\n{loop}, delay of {delay} steps")
        print(
            fpa.summarize(results[loop, delay].sel(context=1, goal=[4]))
            .drop(columns="note")
            .round(4)
            .T.to_string(header=False)
        )

# %%
# The leading modes are others. The eigenvalues of both at nine goals, first with feedback at once:


def both(delay):
    """Return the modes of clamped network and closed loop at context 1, along a dimension `loop`."""
    names = ["kind", "eigenvalue", "time_constant", "frequency"]
    parts = [results[loop, delay].sel(context=1)[names] for loop in ("clamped", "closed")]
    loop = pd.Index(["clamped", "closed"], name="loop")
    return xr.concat(parts, loop, join="outer", combine_attrs="drop_conflicts")


figure = fpa.plot.spectrum(both(0), color="loop")
figure.update_layout(title_subtitle_text="nine goals, feedback at once")
figure.show()

# %%
# The body adds modes of its own, slower than those of the network. Feedback that is a quarter of a second
# late makes them oscillate, at the right edge of the unit circle:

figure = fpa.plot.spectrum(both(5), color="loop")
figure.update_layout(title_subtitle_text="nine goals, feedback 0.25 s late")
figure.show()

# %%
# The delay line forgets everything after five steps. These are modes at λ = 0 without eigenvectors of their
# own, labelled `is_defective`:

for delay in (0, 5):
    one = results["closed", delay].isel(fixed_point=0, context=0, goal=0)
    print(f"delay of {delay} steps: {int(one.is_defective.sum())} of {one.sizes['mode']} modes are defective")

# %%
# Does the prediction hold?
# -------------------------
#
# The leading mode of the loop with late feedback oscillates. We push the state along its eigenvector,
# simulate, and look at its amplitude, which is what the left eigenvector reads off.

one = results["closed", 5].sel(context=1, goal=4).isel(fixed_point=0)
loop = masses.sel(delay=5).one().closed_loop()
start = one.x + 1e-3 * one.right_eigenvector.isel(mode=0).real
path = fpa.simulate(loop, np.tile(one.u.values, (60, 1)), start.values, progress=False)
amplitude = (path.x.values - one.x.values) @ one.left_eigenvector.isel(mode=0).values.conj()
expected = amplitude[0] * one.eigenvalue.values[0] ** np.arange(60)
seen = np.stack([amplitude.real, expected.real])
seen = xr.DataArray(
    seen, dims=("from", "time"), coords={"from": ["simulated", "predicted"], "time": path.time}
)
seen.attrs = {"long_name": "amplitude", "units": "1"}
figure = fpa.plot.profiles(seen.to_dataset(name="amplitude"), "amplitude", color="from", band=None)
figure.update_layout(title_text="Leading mode after a small push")
figure.show()

# %%
# A loop that cycles
# ------------------
#
# Robust controllers can be too robust. Of the 48 bundled ones, one loop is not stable at some goals when its
# context says that strong fields are to come. The clamped network is stable there: only together with the
# body does it swing.

eager = fpa.datasets.reaching_ensemble().sel(method="active", field_std=1.2, replicate=1).one()
far = fpa.Goal(position=(0.0, 0.8), context=2)
one = fpa.find_fixed_points(eager, far, loop="closed", spectra="values", progress=False).isel(fixed_point=0)
clamped = fpa.find_fixed_points(eager, far, spectra="values", progress=False)
print("clamped stable:", bool(clamped.is_stable.all()), " closed stable:", bool(one.is_stable))
print(
    f"its leading mode grows by e in {-float(one.time_constant[0]):.1f} s,"
    f" at {float(one.frequency[0]):.2f} Hz"
)

# %%
# Started a hair's breadth from rest, the simulation ends in a cycle. Its frequency is nearly that of the
# mode, which describes the beginning.

path = fpa.simulate(
    eager.closed_loop(), np.tile(one.u.values, (4000, 1)), one.x.values + 1e-4, progress=False
)
away = path.y.isel(output=[0, 1]).rename(output="axis").assign_coords(axis=["x", "y"]) - one.position
away.attrs = {"long_name": "from rest", "units": "m"}
figure = fpa.plot.profiles(away.sel(time=slice(0, 100)).to_dataset(name="away"), "away", band=None)
figure.update_layout(title_text="The hand, started 10⁻⁴ from rest")
figure.show()

y = away.sel(axis="y", time=slice(100, None)).values
rises = np.flatnonzero((y[:-1] < 0) & (y[1:] >= 0))
print(f"frequency of the cycle: {(len(rises) - 1) / (np.ptp(rises) * 0.05):.2f} Hz")

# %%
# Save it, and go on in xarray
# ----------------------------

folder = Path(tempfile.gettempdir()) / "fpanalysis"
folder.mkdir(exist_ok=True)
fpa.save(results["closed", 5], folder / "closed.nc")
ds = fpa.open_dataset(folder / "closed.nc")
print("slowest mode (s), median over goals")
print(ds.time_constant.max("mode").isel(fixed_point=0).median("goal").to_pandas().round(2).to_string())

# %%
# To try next: a force field in the loop, `field=fpa.fields.Curl(1.0)`, which moves its modes but not its
# point of rest; `fpa.follow` along the context. An arm can rest at a goal in two ways:
# :doc:`plot_two_postures`. :doc:`plot_trail` looks at what happens on the way to a goal.
