"""
Clamped network against closed loop
===================================

Two ways to look at a controller at its goal. *Clamped*: the feedback is held where it should be, and the
network is left alone. *Closed*: network, body and delay line move together, as they do in a reach. We compare
the two for a point mass and for an arm, with feedback that arrives at once and five steps late.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnails/clamped_and_closed.png'

import tempfile
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

import fpanalysis as fpa
import fpanalysis.plot  # registers the figures' template

BLUE, VERMILION = "#0072B2", "#D55E00"

# %%
# A point mass
# ------------
#
# The clamped network would like to push a little; in the closed loop the body gives way until the push
# vanishes.

masses = fpa.datasets.delay_ensemble()
goal = fpa.Goal(position=fpa.grid(3, 3), context=[0, 1, 2])
results = {}
for delay in (0, 5):  # one by one, since a longer delay line is a larger state
    mass = masses.sel(delay=delay)
    results["clamped", delay] = fpa.find_fixed_points(mass, goal, progress=False)
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
# The leading modes are others: the body adds modes of its own, slower than those of the network, and late
# feedback makes them oscillate.

circle = np.exp(2j * np.pi * np.linspace(0, 1, 200))
figure = make_subplots(1, 2, subplot_titles=["feedback at once", "feedback 0.25 s late"], shared_yaxes=True)
for column, delay in enumerate((0, 5), start=1):
    line = {"color": "#9A9A9A", "width": 1}
    figure.add_scatter(
        x=circle.real, y=circle.imag, mode="lines", line=line, showlegend=False, row=1, col=column
    )
    for name, color, symbol in (("clamped", BLUE, "circle"), ("closed", VERMILION, "x-thin-open")):
        value = results[name, delay].eigenvalue.sel(context=1).isel(fixed_point=0).values.ravel()
        value = value[np.abs(value) > 0.4]
        figure.add_scatter(
            x=value.real,
            y=value.imag,
            mode="markers",
            marker={"size": 6, "color": color, "symbol": symbol},
            name=name,
            showlegend=column == 1,
            row=1,
            col=column,
        )
figure.update_layout(template="fpanalysis", height=420, title_text="Eigenvalues at nine goals, context 1")
figure.update_xaxes(title_text="Re λ (dimensionless)", range=[-0.2, 1.1])
figure.update_yaxes(title_text="Im λ (dimensionless)", range=[-0.6, 0.6], col=1)
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
figure = go.Figure()
time = path.time.values
figure.add_scatter(x=time, y=1e3 * amplitude.real, mode="markers", name="simulated", marker_color=BLUE)
figure.add_scatter(x=time, y=1e3 * expected.real, mode="lines", name="predicted", line_color=VERMILION)
figure.update_layout(template="fpanalysis", height=360, title_text="The leading mode after a small push")
figure.update_xaxes(title_text="time (s)")
figure.update_yaxes(title_text="amplitude, real part (10⁻³)")
figure.show()

# %%
# A loop that cycles
# ------------------
#
# Robust controllers can be too robust. Of the 48 bundled ones, one loop is not stable at some goals when its
# context says that strong fields are to come. The clamped network is stable there: only together with the
# body does it swing. Started a hair's breadth from rest, the simulation ends in a cycle of the predicted
# period.

eager = fpa.datasets.reaching_ensemble().sel(method="active", field_std=1.2, replicate=1).one()
far = fpa.Goal(position=(0.0, 0.8), context=2)
one = fpa.find_fixed_points(eager, far, loop="closed", progress=False).isel(fixed_point=0)
clamped = fpa.find_fixed_points(eager, far, progress=False)
print("clamped stable:", bool(clamped.is_stable.all()), " closed stable:", bool(one.is_stable))
print(
    f"its leading mode grows by e in {-float(one.time_constant[0]):.1f} s,"
    f" at {float(one.frequency[0]):.2f} Hz"
)
path = fpa.simulate(
    eager.closed_loop(), np.tile(one.u.values, (4000, 1)), one.x.values + 1e-4, progress=False
)
away = 100 * (path.y.isel(output=[0, 1]).values - one.position.values)
figure = go.Figure()
for name, values, color in zip("xy", away.T, (BLUE, VERMILION), strict=True):
    figure.add_scatter(x=path.time.values, y=values, mode="lines", name=name, line_color=color)
figure.update_layout(template="fpanalysis", height=360, title_text="The hand, started 10⁻⁴ from rest")
figure.update_xaxes(title_text="time (s)", range=[0, 100])
figure.update_yaxes(title_text="from the resting place (cm)")
figure.show()

# %%
# An arm, elbow up and elbow down
# -------------------------------
#
# An arm can be at a goal in two postures, and the network, which feels the hand only, rests in both. In the
# posture that it was trained in the movement is stable. In the other the same torques act the wrong way.

arm = fpa.datasets.arm_ensemble().sel(delay=0).one()
reach = fpa.Goal(position=(0.05, 0.4), context=1)
one = fpa.find_fixed_points(arm, reach, loop="closed", progress=False)
angles = np.degrees(one.x.sel(state=["plant.angle[0]", "plant.angle[1]"]).values)
for k, (shoulder, elbow) in enumerate(angles):
    says = "stable" if bool(one.is_stable[k]) else "unstable"
    print(f"shoulder {shoulder:6.1f}°, elbow {elbow:6.1f}°: {says}")

# %%
# In simulation an arm that starts a hair's breadth from the unstable posture leaves it:

figure = go.Figure()
for k, color in zip(range(2), (BLUE, VERMILION), strict=True):
    says = "stable" if bool(one.is_stable[k]) else "unstable"
    path = fpa.simulate(
        arm.closed_loop(), np.tile(one.u.values, (150, 1)), one.x.values[k] + 1e-4, progress=False
    )
    away = np.linalg.norm(path.y.values[:, :2] - one.position.values[k], axis=1)
    figure.add_scatter(
        x=path.time.values, y=100 * away, mode="lines", name=f"{says} posture", line_color=color
    )
figure.update_layout(template="fpanalysis", height=360, title_text="The hand after starting 10⁻⁴ from rest")
figure.update_xaxes(title_text="time (s)")
figure.update_yaxes(title_text="distance from the resting place (cm)", type="log", exponentformat="power")
figure.show()

# %%
# Save it, and go on in xarray
# ----------------------------

folder = Path(tempfile.gettempdir()) / "fpanalysis"
folder.mkdir(exist_ok=True)
fpa.save(results["closed", 5], folder / "closed.nc")
ds = fpa.open_dataset(folder / "closed.nc")
print("slowest mode (s), median over goals")
print(ds.time_constant.max("mode").isel(fixed_point=0).median("goal").to_pandas().round(2).to_string())
