"""
The trail of a reach
====================

While a controller reaches, its input changes in every step, and with it the point where the network would
come to rest if the input stayed as it is. Does the network follow that point closely, or does it run after
it? We hold the input of every step of eight reaches constant, and solve for the fixed point.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnails/trail.png'

import tempfile
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

import fpanalysis as fpa
import fpanalysis.plot  # registers the figures' template

COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#767676"]

# %%
# One call
# --------
#
# A simulation holds the whole input of the network, feedback included. Given as `inputs`, each of its time
# steps becomes a condition: `trial` and `time` are dimensions of the result.

controller = fpa.datasets.reaching_ensemble().sel(method="std", field_std=0.8, replicate=0).one()
trials = fpa.tasks.SimpleReaches(n_steps=60).validation(n_directions=8, context=1.0)
reaches = fpa.simulate(controller, trials)
ds = fpa.find_fixed_points(controller, inputs=reaches, spectra="values", progress=False)
print(dict(ds.n_fixed_points.sizes))
print("fixed points at each step:", np.unique(ds.n_fixed_points), " stable:", bool(ds.is_stable.all()))

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
# Lines are where the network is, dots where it would rest under the input of the same step. Both start far
# apart, since the goal has just been shown, and meet at the goal.

state = reaches.hidden.values
target = ds.x.isel(fixed_point=0).values
mean = target.mean(axis=(0, 1))
axes = np.linalg.svd((target - mean).reshape(-1, target.shape[-1]), full_matrices=False)[2][:2].T
figure = go.Figure()
for k, color in enumerate(COLORS):
    line, dots = (state[k] - mean) @ axes, (target[k] - mean) @ axes
    name = f"{np.degrees(float(ds.direction[k])):.0f}°"
    figure.add_scatter(x=line[:, 0], y=line[:, 1], mode="lines", line={"color": color, "width": 1}, name=name)
    figure.add_scatter(
        x=dots[:, 0],
        y=dots[:, 1],
        mode="markers",
        marker={"color": color, "size": 5, "symbol": "circle-open"},
        showlegend=False,
    )
figure.update_layout(
    template="fpanalysis",
    height=520,
    title_text="Eight reaches: the state (lines) and where it would rest (circles)",
)
figure.update_xaxes(title_text="PC 1 of the fixed points (activity)")
figure.update_yaxes(title_text="PC 2 of the fixed points (activity)", scaleanchor="x")
figure.show()

# %%
# How far behind
# --------------
#
# The distance falls twice: the fixed point jumps when the goal is shown, and moves again for the brake. The
# force that the network would exert at its fixed point shows the same: a push towards the goal, then a brake.

distance = np.linalg.norm(state - target, axis=-1)
force = ds.force_norm.isel(fixed_point=0).mean("trial")
figure = go.Figure()
figure.add_scatter(
    x=ds.time.values, y=distance.mean(axis=0), name="distance from the fixed point", line_color="#0072B2"
)
figure.add_scatter(
    x=ds.time.values, y=force.values, name="force at the fixed point", yaxis="y2", line_color="#D55E00"
)
figure.update_layout(
    template="fpanalysis",
    height=380,
    title_text="Mean over eight reaches",
    yaxis={"title": {"text": "distance (activity)"}, "rangemode": "tozero"},
    yaxis2={
        "title": {"text": "force (N)"},
        "overlaying": "y",
        "side": "right",
        "showgrid": False,
        "rangemode": "tozero",
        "tickmode": "auto",
    },
)
figure.update_xaxes(title_text="time (s)")
figure.show()

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
