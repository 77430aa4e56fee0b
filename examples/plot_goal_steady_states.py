"""
Where do controllers rest at their goals?
=========================================

A controller has reached its goal: the body is where it should be and does not move. What does the network do
now? We ask twelve controllers of a point mass that were trained in curl fields of four strengths, at 25
goals, under five values of the context input, which tells them how strong a field to expect. Each rests in
one state, and these states are a map of the workspace.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnails/goal_steady_states.png'

import tempfile
from pathlib import Path

import numpy as np
from scipy.linalg import subspace_angles

import fpanalysis as fpa

# %%
# One call
# --------
#
# The feedback is held at the goal and the network's own state is solved for. Everything that varies becomes a
# dimension of the result: the field strength of the training, the replicate, the context, the goal.

controllers = fpa.datasets.reaching_ensemble().sel(method="std")
goal = fpa.Goal(position=fpa.grid(5, 5), context=[-2, -1, 0, 1, 2])
ds = fpa.find_fixed_points(controllers, goal, spectra="values", progress=False)
print(dict(ds.n_fixed_points.sizes))
print("fixed points in each of", ds.n_fixed_points.size, "problems:", np.unique(ds.n_fixed_points))
print("stable:", int(ds.is_stable.sum()), " largest residual:", float(ds.residual.max()))

# %%
# Each problem has exactly one fixed point, and it is stable. Is it a steady state of the body too? Then the
# network must exert no force there. `summarize` says what is left of it:

table = fpa.summarize(ds.sel(field_std=0.8, replicate=0, context=[0, 2]).isel(goal=[0, 12, 24]))
print(table[["fixed points", "stable", "time constant (s)", "force (N)"]].round(3).to_string())

# %%
# And for all controllers, by the context: a few thousandths to hundredths of a newton remain. It is most
# where the context is negative, which no training has shown them (`std` draws the absolute value of a normal
# number). In the closed loop such a body comes to rest slightly beside its goal, where the force vanishes:
# see :doc:`plot_clamped_and_closed`.

force = ds.force_norm.isel(fixed_point=0)
fpa.plot.compare(force, by="context", color="field_std").show()

# %%
# A map of the workspace
# ----------------------
#
# The states of one controller, along the three principal components of all its 125. Every context has its own
# sheet, an image of the workspace: turn the figure until you see one from its edge.

one = ds.sel(field_std=0.8, replicate=0).isel(fixed_point=0)
fpa.plot.fixed_points(one, color="context").show()

# %%
# The context moves the sheet as a whole, and tilts it. In numbers, for all twelve controllers:


def plane(x):
    """Return centre, directions, share of the variance and spread of the best plane through points."""
    center = x.mean(axis=0)
    _, size, directions = np.linalg.svd(x - center, full_matrices=False)
    share = np.sum(size[:2] ** 2) / np.sum(size**2)
    return center, directions[:2].T, share, np.sqrt(np.sum(size**2) / len(x))


shares, angles, shifts = [], [], []
for controller in ds.isel(fixed_point=0).x.stack(member=("field_std", "replicate")).transpose("member", ...):
    planes = [plane(controller.sel(context=c).values) for c in ds.context.values]
    shares += [share for _, _, share, _ in planes]
    angles.append(np.degrees(subspace_angles(planes[0][1], planes[-1][1]).max()))
    shifts.append(np.linalg.norm(planes[-1][0] - planes[0][0]) / planes[2][3])
print(f"variance in the plane:          {100 * min(shares):.1f} % at least")
print(f"tilt from context −2 to 2:      {np.median(angles):.0f}° (median), {max(angles):.0f}° at most")
print(f"its centre moves by             {np.median(shifts):.1f} times the spread of the sheet (median)")

# %%
# How the context changes the modes
# ---------------------------------
#
# The eigenvalues of the same controller at all goals, by the context. Complex pairs are modes that oscillate;
# the farther from the origin, the longer they last.

fpa.plot.spectrum(one, color="context").show()

# %%
# In small steps of the context the modes can be followed: a line is one mode, at the goal in the middle. With
# the context, real modes meet and become pairs, whose angle grows: the network turns faster.

fine = fpa.Goal(position=(0.0, 0.0), context=np.linspace(-2, 2, 41))
controller = controllers.sel(field_std=0.8, replicate=0)
branch = fpa.follow(fpa.find_fixed_points(controller, fine, progress=False), "context")
fpa.plot.spectrum_by(branch, "context", max_modes=6).show()

# %%
# Save it, and go on in xarray
# ----------------------------
#
# The file holds labels, units and complex numbers. What follows uses the file alone: the slowest mode above
# 0.1 Hz of every controller, at every goal and context.

folder = Path(tempfile.gettempdir()) / "fpanalysis"
folder.mkdir(exist_ok=True)
path = folder / "goal_steady_states.nc"
fpa.save(ds, path)
ds = fpa.open_dataset(path)

oscillates = (ds.frequency > 0.1) & ds.is_stable
chosen = ds.time_constant.where(oscillates).fillna(-1).argmax("mode").isel(fixed_point=0)
slowest = ds[["time_constant", "frequency"]].where(oscillates).isel(mode=chosen, fixed_point=0)
print("time constant (s), median over goals and replicates")
print(slowest.time_constant.median(["goal", "replicate"]).to_pandas().round(2).to_string())

# %%
# With the body clamped, how long the oscillating modes last depends little on the field that the network was
# trained in. Their frequency does: the stronger the field, and the more of it the context announces, the
# faster.

fpa.plot.compare(slowest.frequency, by="context", color="field_std").show()

# %%
# To try next: `loop="closed"` for network and body together (:doc:`plot_clamped_and_closed`), or a finer
# sweep of the context with `fpa.follow(ds, "context")`. :doc:`plot_ringing` asks whether networks trained in
# strong fields swing.
