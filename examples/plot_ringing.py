"""
Do robust networks ring?
========================

Controllers that were trained in strong force fields push back harder, and more so when the context input
tells them to expect strong fields. High gains make loops oscillate. Does it show when nothing but a flicker
of the senses disturbs a body at rest? We give 48 controllers a pulse of feedback, and compare what they do
with the slowest oscillating mode of their closed loop.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnails/ringing.png'

import tempfile
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from scipy.stats import spearmanr

import fpanalysis as fpa
import fpanalysis.plot  # registers the figures' template

COLORS = ["#767676", "#56B4E9", "#0072B2", "#D55E00"]

# %%
# At rest
# -------
#
# Network and body are solved together, for goals in the middle of the workspace and three contexts.

controllers = fpa.datasets.reaching_ensemble()  # four methods, four field strengths, three replicates
goal = fpa.Goal(position=(0.0, 0.0), context=[0, 1, 2])
ds = fpa.find_fixed_points(controllers, goal, loop="closed", spectra="values", progress=False)
ds = ds.isel(fixed_point=0)
print("stable:", int(ds.is_stable.sum()), "of", ds.is_stable.size)
print("farthest from the goal:", round(1e3 * float(ds.offset_norm.max()), 1), "mm")

# %%
# A pulse
# -------
#
# For one step the body is felt 5 cm away from where it is. A closed loop with `disturbed=True` has inputs for
# this, besides those that it always has.


def after_pulse(controller, at_rest):
    """Return the force after a pulse in the feedback, from rest at each context, `(context, time, axis)`."""
    loop = controller.closed_loop(disturbed=True)
    inputs = np.zeros((at_rest.sizes["context"], 120, len(loop.inputs)))
    inputs[..., : at_rest.sizes["input"]] = at_rest.u.values[:, None]
    inputs[:, 0, loop.inputs.index("disturbance.position[0]")] = 0.05
    path = fpa.simulate(loop, inputs, at_rest.x.values, progress=False)
    force = path.y.sel(output=["force[0]", "force[1]"]).rename(trial="context", output="axis")
    return force.assign_coords(context=at_rest.context, axis=["x", "y"]) - at_rest.force


parts = []
for labels, controller in zip(controllers.labels, controllers.models, strict=True):
    index = {name: labels[name] for name in controllers.sizes}
    parts.append(
        after_pulse(controller, ds.sel(index))
        .drop_vars("fixed_point")
        .expand_dims({name: [value] for name, value in index.items()})
    )
force = xr.combine_by_coords([part.rename("force").to_dataset() for part in parts]).force

# %%
# Every network answers at once, and brakes. Those that were trained in strong fields swing back and forth
# when the context is high.

figure = go.Figure()
scaled = (force / abs(force).max("time")).sel(context=2, axis="x").median(["method", "replicate"])
for color, strength in zip(COLORS, force.field_std.values, strict=True):
    trace = scaled.sel(field_std=strength)
    figure.add_scatter(
        x=force.time.values, y=trace.values, mode="lines", line_color=color, name=f"{strength:g} N s/m"
    )
figure.update_layout(
    template="fpanalysis",
    height=400,
    title_text="Force after the pulse at context 2, median of 12 networks each",
)
figure.update_xaxes(title_text="time (s)", range=[0, 4])
figure.update_yaxes(title_text="force along x (relative to its largest)")
figure.show()

# %%
# Simulated against predicted
# ---------------------------
#
# `measures.ringing` compares the free swings after the brake: how large each is relative to the one before,
# and how fast they follow each other. A mode of frequency `f` and time constant `τ` predicts a ratio of
# `exp(−1/(2 f τ))`. We take the slowest mode that oscillates faster than 0.1 Hz.

simulated = fpa.measures.ringing(force)
oscillates = (ds.frequency > 0.1) & (ds.frequency < 9.9)  # at 10 Hz the sign alternates from step to step
slowest = ds.time_constant.where(oscillates).fillna(-1).argmax("mode")
f, tau = ds.frequency.isel(mode=slowest), ds.time_constant.isel(mode=slowest)
predicted = xr.Dataset({"swing_ratio": np.exp(-1 / (2 * f * tau)), "swing_frequency": f})

figure = go.Figure()
for color, strength in zip(COLORS, force.field_std.values, strict=True):
    x, y = (each.swing_frequency.sel(field_std=strength).values.ravel() for each in (predicted, simulated))
    figure.add_scatter(
        x=x, y=y, mode="markers", marker={"color": color, "size": 8}, name=f"{strength:g} N s/m"
    )
figure.add_scatter(
    x=[0.2, 1.1], y=[0.2, 1.1], mode="lines", line={"color": "#9A9A9A", "dash": "dot"}, name="equal"
)
figure.update_layout(template="fpanalysis", height=440, title_text="Frequency of the swings")
figure.update_xaxes(title_text="predicted by the mode (Hz)")
figure.update_yaxes(title_text="simulated (Hz)")
figure.show()

for name in ("swing_ratio", "swing_frequency"):
    a, b = simulated[name].transpose(*predicted[name].dims).values.ravel(), predicted[name].values.ravel()
    both = np.isfinite(a) & np.isfinite(b)
    print(f"{name}: rank correlation of simulated and predicted {spearmanr(a[both], b[both]).statistic:.2f}")

# %%
# Medians over methods and replicates:

for name in ("swing_ratio", "swing_frequency"):
    print(f"\n{name} (simulated | predicted)")
    tables = [
        each[name].median(["method", "replicate"]).transpose("field_std", "context").to_pandas()
        for each in (simulated, predicted)
    ]
    print(tables[0].round(2).astype(str).add(" | ").add(tables[1].round(2).astype(str)).to_string())

# %%
# So yes: robust networks ring. Without a hint of fields (context 0) all networks answer much alike, whatever
# they were trained in. At context 2 the swings of those that were trained in strong fields are twice as large
# and twice as fast as those of the networks that never felt a field. One mode of the closed loop predicts
# this, better where it lasts long enough to be seen alone.
#
# Save it, and go on in xarray
# ----------------------------

folder = Path(tempfile.gettempdir()) / "fpanalysis"
folder.mkdir(exist_ok=True)
path = folder / "ringing.nc"
fpa.save(simulated.assign(force=force, predicted_frequency=f, predicted_ratio=predicted.swing_ratio), path)
again = fpa.open_dataset(path)
print(
    (again.swing_frequency / again.predicted_frequency)
    .median(["method", "replicate", "context"])
    .to_pandas()
    .round(2)
)
