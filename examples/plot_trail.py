"""
What does a reach run after?
============================

While a controller reaches, its input changes in every step, and with it the point where the network would
come to rest if the input stayed as it is. Does the network follow that point closely, or does it run after
it? We hold the input of every step of eight reaches constant, and solve for the fixed point.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnails/trail.png'

import tempfile
from pathlib import Path

import numpy as np

import fpanalysis as fpa

# %%
# One call
# --------
#
# A simulation holds the whole input of the network, feedback included. Given as `inputs`, each of its time
# steps becomes a condition: `trial` and `time` are dimensions of the result.

controller = fpa.datasets.reaching_ensemble().sel(method="std", field_std=0.8, replicate=0).one()
trials = fpa.tasks.SimpleReaches(n_steps=60).validation(n_directions=8, context=1.0)
reaches = fpa.simulate(controller, trials, progress=False)
angle = np.degrees(reaches.direction).round().astype(int)
reaches = reaches.assign_coords(angle=angle.assign_attrs(units="°"))
ds = fpa.find_fixed_points(controller, inputs=reaches, spectra="values", progress=False)
print(dict(ds.n_fixed_points.sizes))
print("fixed points at each step:", np.unique(ds.n_fixed_points), " stable:", bool(ds.is_stable.all()))

# %%
# These are the reaches, in the plane of the hand, and the force on the way: forwards, then backwards.

fpa.plot.trajectories(reaches, color="angle", panels=["position", "force"]).show()

# %%
# Each step is solved from the points of the steps before and after it. Every tenth also has 64 candidates of
# its own; a warning would say if they led elsewhere.

asked = ds.n_candidates.isel(trial=0) > 0
print("steps with candidates:", int(asked.sum()), "of", asked.size, "in each reach")
print(
    "points that only neighbours or only candidates led to:", int((ds.n_hits == 0).where(asked, False).sum())
)

# %%
# State and fixed point
# ---------------------
#
# Four of the eight. Lines are where the network is, open symbols where it would rest under the input of the
# same step. Both start far apart, since the goal has just been shown, and meet at the goal.

fpa.plot.fixed_point_trail(ds.isel(trial=[0, 2, 4, 6]), reaches, color="angle").show()

# %%
# How far behind
# --------------
#
# The distance of the state from the fixed point, mean and standard deviation of eight reaches. It falls
# twice: the fixed point jumps when the goal is shown, and moves again for the brake.

target = ds.x.isel(fixed_point=0)
state = reaches.hidden.rename(unit="state").assign_coords(state=target.state)
distance = np.sqrt(((state - target) ** 2).sum("state"))
distance.attrs = {"long_name": "distance from the fixed point", "units": "1"}
wanted = ds.force.isel(fixed_point=0).assign_attrs(long_name="force at the point")
followed = reaches[["start", "target_position"]].assign(distance=distance, wanted=wanted)
fpa.plot.profiles(followed, "distance").show()

# %%
# The force that the network would exert at its fixed point shows the same, along the reach and across it: a
# push towards the goal, then a brake.

fpa.plot.profiles(followed, "wanted").show()

# %%
# Save it, and go on in xarray
# ----------------------------

folder = Path(tempfile.gettempdir()) / "fpanalysis"
folder.mkdir(exist_ok=True)
fpa.save(ds, folder / "trail.nc")
ds = fpa.open_dataset(folder / "trail.nc")
slowest = ds.time_constant.max("mode").isel(fixed_point=0).mean("trial")
print("slowest time constant of the clamped network (s), mean over the reaches")
print(slowest.sel(time=[0.1, 0.5, 1.0, 2.0, 3.0], method="nearest").to_pandas().round(3).to_string())

# %%
# To try next: another context, in which the network expects a stronger field; `fpa.tasks.DelayedReaches`,
# where the goal is shown before the movement may begin. :doc:`plot_goal_steady_states` looks at the end of
# the trail.
