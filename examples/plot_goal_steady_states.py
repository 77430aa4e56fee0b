"""
Where controllers rest at their goals
=====================================

A controller has reached its goal: the body is where it should be and does not move. What does the network do
now? We ask twelve controllers of a point mass that were trained in curl fields of four strengths, at 25
goals, under five values of the context input, which tells them how strong a field to expect.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnails/goal_steady_states.png'

import tempfile
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from scipy.linalg import subspace_angles

import fpanalysis as fpa
import fpanalysis.plot  # registers the figures' template

COLORS = ["#0072B2", "#56B4E9", "#767676", "#E69F00", "#D55E00"]

# %%
# One call
# --------
#
# The feedback is held at the goal and the network's own state is solved for. Everything that varies becomes
# a dimension of the result: the field strength of the training, the replicate, the context, the goal.

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
# A few thousandths to hundredths of a newton remain. In the closed loop such a body would come to rest
# slightly beside its goal, where the force vanishes: see :doc:`plot_clamped_and_closed`.
#
# A plane of goals
# ----------------
#
# The 25 points of one controller and one context, along the three principal components of all 125:

one = ds.sel(field_std=0.8, replicate=0).isel(fixed_point=0)
points = one.x.stack(condition=("context", "goal")).transpose("condition", "state").values
mean = points.mean(axis=0)
components = np.linalg.svd(points - mean, full_matrices=False)[2][:3]
figure = go.Figure()
for color, context in zip(COLORS, ds.context.values, strict=True):
    at = (one.x.sel(context=context).values - mean) @ components.T
    figure.add_scatter3d(
        x=at[:, 0],
        y=at[:, 1],
        z=at[:, 2],
        mode="markers",
        marker={"size": 4, "color": color},
        name=f"context {context:g}",
        text=[
            f"goal ({x:.1f}, {y:.1f}) m" for x, y in zip(one.goal_x.values, one.goal_y.values, strict=True)
        ],
    )
figure.update_layout(
    template="fpanalysis",
    height=520,
    title_text="Fixed points at 25 goals and five contexts",
    scene={f"{axis}axis_title": f"PC {k} (activity)" for k, axis in enumerate("xyz", start=1)},
)
figure.show()

# %%
# At each context the goals form a sheet that is nearly flat: an image of the workspace. The context moves the
# sheet as a whole, and tilts it. In numbers, for all twelve controllers:


def plane(x):
    """Return centre, directions, share of the variance and spread of the best plane through points."""
    center = x.mean(axis=0)
    _, size, directions = np.linalg.svd(x - center, full_matrices=False)
    return (
        center,
        directions[:2].T,
        np.sum(size[:2] ** 2) / np.sum(size**2),
        np.sqrt(np.sum(size**2) / len(x)),
    )


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
# Eigenvalues by context
# ----------------------
#
# The eigenvalues of the same controller at all goals. Complex pairs are modes that oscillate; the farther
# from the origin, the longer they last.

angle = np.linspace(0, 2 * np.pi, 200)
figure = go.Figure()
figure.add_scatter(
    x=np.cos(angle), y=np.sin(angle), mode="lines", line={"color": "#9A9A9A"}, name="boundary of stability"
)
for color, context in zip(COLORS, ds.context.values, strict=True):
    value = one.eigenvalue.sel(context=context).values.ravel()
    value = value[np.abs(value) > 0.3]
    figure.add_scatter(
        x=value.real,
        y=value.imag,
        mode="markers",
        marker={"size": 4, "color": color, "opacity": 0.7},
        name=f"context {context:g}",
    )
figure.update_layout(template="fpanalysis", height=520, title_text="Eigenvalues larger than 0.3, at 25 goals")
figure.update_xaxes(title_text="Re λ (dimensionless)", range=[-0.7, 1.1])
figure.update_yaxes(title_text="Im λ (dimensionless)", scaleanchor="x", range=[-0.6, 0.6])
figure.show()

# %%
# Save it, and go on in xarray
# ----------------------------
#
# The file holds labels, units and complex numbers. What follows uses the file alone.

folder = Path(tempfile.gettempdir()) / "fpanalysis"
folder.mkdir(exist_ok=True)
path = folder / "goal_steady_states.nc"
fpa.save(ds, path)
ds = fpa.open_dataset(path)

oscillates = (ds.frequency > 0.1) & ds.is_stable
slowest = ds.time_constant.where(oscillates).max(["mode", "fixed_point"])
xr.set_options(display_expand_attrs=False)
print("time constant (s) of the slowest mode above 0.1 Hz; median over goals and replicates")
print(slowest.median(["goal", "replicate"]).to_pandas().round(3).to_string())

# %%
# With the body clamped, how long the oscillating modes last depends little on the field that the network was
# trained in. Their frequency does:

chosen = ds.time_constant.where(oscillates).fillna(-1).argmax("mode")
frequency = ds.frequency.isel(mode=chosen).isel(fixed_point=0)
print("its frequency (Hz)")
print(frequency.median(["goal", "replicate"]).to_pandas().round(2).to_string())
