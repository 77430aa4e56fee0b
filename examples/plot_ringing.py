"""
Does robustness make networks oscillate?
========================================

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
import plotly.io as pio
import xarray as xr
from plotly.colors import sample_colorscale
from scipy.stats import spearmanr

import fpanalysis as fpa

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
# All of them are stable. But the slow modes of networks that were trained in strong fields lie farther from
# the real axis, so they turn faster:

fpa.plot.spectrum(ds.sel(context=2), color="field_std").show()

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
# The force along the pulse at context 2, in units of its largest; the thick lines are means of twelve
# networks each. Every network answers at once, and brakes. Those that were trained in strong fields swing
# back and forth.

scaled = (force / abs(force).max("time")).sel(context=2, axis="x", drop=True)
scaled = scaled.assign_attrs(long_name="force, relative to its largest", units="1")
scaled.time.attrs["units"] = "s"
figure = fpa.plot.profiles(scaled.to_dataset(name="force"), "force", color="field_std", band="sem")
figure.update_layout(title_text="Mean force after the pulse")
figure.update_xaxes(range=[0, 4])
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
scale = pio.templates["fpanalysis"].layout.colorscale.sequential
colors = sample_colorscale([list(stop) for stop in scale], np.linspace(0, 1, 4).tolist())
symbols = ("circle", "diamond-open", "square", "x-thin-open")
for color, symbol, strength in zip(colors, symbols, ds.field_std.values, strict=True):
    x, y = (each.swing_frequency.sel(field_std=strength).values.ravel() for each in (predicted, simulated))
    figure.add_scatter(
        x=x, y=y, mode="markers", marker={"symbol": symbol, "size": 8, "color": color}, name=f"{strength:g}"
    )
figure.add_scatter(
    x=[0.2, 1.1], y=[0.2, 1.1], mode="lines", line={"color": "grey", "dash": "dot"}, name="equal"
)
figure.update_layout(template="fpanalysis", title_text="Frequency of the swings")
figure.update_layout(height=480, legend_title_text="field_std (N s/m)")
figure.update_xaxes(title_text="predicted by the mode (Hz)")
figure.update_yaxes(title_text="simulated (Hz)")
figure.show()

for name in ("swing_ratio", "swing_frequency"):
    a, b = simulated[name].transpose(*predicted[name].dims).values.ravel(), predicted[name].values.ravel()
    both = np.isfinite(a) & np.isfinite(b)
    print(f"{name}: rank correlation of simulated and predicted {spearmanr(a[both], b[both]).statistic:.2f}")

# %%
# And now the answer: swings of all 48 networks, by what the context announced and how they were trained.

fpa.plot.compare(simulated[["swing_frequency", "swing_ratio"]], by="context", color="field_std").show()

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
print("simulated / predicted frequency, median")
print(
    (again.swing_frequency / again.predicted_frequency).median(["method", "replicate"]).to_pandas().round(2)
)

# %%
# To try next: the same with late feedback (`fpa.datasets.delay_ensemble()`), or with `loop="clamped"`:
# without the body, whose inertia closes the loop, these modes are others. :doc:`plot_clamped_and_closed` has
# a controller that does not stop swinging at all.
