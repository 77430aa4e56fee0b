"""
What else is in the files?
==========================

Results are files with labels and units, and most questions about them are a line of xarray. Here we open what
four other examples have saved (:doc:`plot_goal_steady_states`, :doc:`plot_clamped_and_closed`,
:doc:`plot_trail`, :doc:`plot_ringing`), and ask what they did not, without any network at hand. Run them
first.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnails/xarray.png'

import tempfile
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import xarray as xr

import fpanalysis as fpa
import fpanalysis.plot  # registers the template "fpanalysis"

folder = Path(tempfile.gettempdir()) / "fpanalysis"
names = ("goal_steady_states", "closed", "trail", "ringing")
goals, closed, trail, ringing = (fpa.open_dataset(folder / f"{name}.nc") for name in names)
xr.set_options(display_max_rows=8, display_expand_attrs=False)

# %%
# A file explains itself: what made it, with which settings, and what every variable is.

print({name: goals.attrs[name] for name in ("fpanalysis_version", "loop", "solver", "tol", "dt")})
print(goals.time_constant.attrs, goals.force_norm.attrs)
print(dict(goals.n_fixed_points.sizes))

# %%
# Select by label, reduce by name
# -------------------------------
#
# How large is the force that is left at the goals, by the context and the fields of the training?

force = 1000 * goals.force_norm.where(goals.is_fixed).max("fixed_point")
print("force left (mN), median over goals and replicates")
print(force.median(["goal", "replicate"]).to_pandas().round(1).to_string())

# %%
# Goals lie along one dimension and carry their places, so that a map of them is a matter of relabelling. Here
# is the force that is left at each goal, mean of three replicates; in the middle of the workspace it is
# smallest.

one = force.sel(field_std=0.8, context=2).mean("replicate")
plane = one.set_index(goal=["goal_x", "goal_y"]).unstack("goal")
figure = go.Figure()
figure.add_heatmap(
    x=plane.goal_x.values,
    y=plane.goal_y.values,
    z=plane.transpose("goal_y", "goal_x").values,
    coloraxis="coloraxis",
)
figure.update_layout(template="fpanalysis", height=420, width=520, title_text="Force left at the goals")
figure.update_layout(coloraxis_colorbar_title_text="mN")
figure.update_xaxes(title_text="x (m)")
figure.update_yaxes(title_text="y (m)", scaleanchor="x")
figure.show()

# %%
# Complex numbers, masks and time
# -------------------------------
#
# Eigenvalues are complex numbers in the file, too. Of the closed loop: how many modes oscillate and last
# longer than 0.2 s, at each context?

lasting = (closed.eigenvalue.imag > 0) & (closed.time_constant > 0.2) & closed.is_fixed
print(lasting.sum("mode").isel(fixed_point=0).mean("goal").to_pandas().to_string())

# %%
# Along a reach, conditions are time steps, and all that xarray does with time works. How fast does the fixed
# point move? Mean and standard deviation of eight reaches:

speed = np.sqrt((trail.x.isel(fixed_point=0).differentiate("time") ** 2).sum("state"))
speed.attrs = {"long_name": "speed of the fixed point", "units": "1/s"}
fpa.plot.profiles(speed.to_dataset(name="speed"), "speed").show()

# %%
# And what was simulated can lie beside what was predicted. By how much is the predicted frequency of the
# swings wrong?

error = 100 * abs(ringing.swing_frequency - ringing.predicted_frequency) / ringing.predicted_frequency
error.attrs = {"long_name": "error of the predicted frequency", "units": "%"}
fpa.plot.compare(error.rename("error"), by="context", color="field_std").show()

# %%
# To try next: the :doc:`notebook </notebooks/fixed_points_in_xarray>` starts from xarray, and :doc:`/schema`
# says what every variable and attribute in these files means.
