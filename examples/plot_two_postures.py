"""
Elbow up or elbow down?
=======================

The hand of an arm with two joints can be at a place in two postures. A network that feels the hand only, its
position and velocity, cannot tell them apart: where it rests in one, it rests in the other as well. Are
movements stable in both?
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnails/two_postures.png'

import numpy as np

import fpanalysis as fpa

# %%
# Two points of rest
# ------------------
#
# A controller of 50 units drives the joints by torques. It was trained to reach with the elbow down. We ask
# where network and arm rest together when the goal is 40 cm in front of the shoulder. Angles count modulo
# whole turns, so that no posture is found twice.

arm = fpa.datasets.arm_ensemble().sel(delay=0).one()
reach = fpa.Goal(position=(0.05, 0.4), context=1)
ds = fpa.find_fixed_points(arm, reach, loop="closed", spectra="values", progress=False)
angles = np.degrees(ds.x.sel(state=["plant.angle[0]", "plant.angle[1]"]).values)
for k, (shoulder, elbow) in enumerate(angles):
    says = "stable" if bool(ds.is_stable[k]) else "unstable"
    print(f"shoulder {shoulder:6.1f}°, elbow {elbow:6.1f}°: {says}")

# %%
# In the posture that it was trained in, the
# movement is stable. In the other the same torques act the wrong way, and some modes grow:

ds = ds.assign_coords(
    posture=("fixed_point", np.where(ds.is_stable, "elbow as trained", "elbow turned over"))
)
fpa.plot.spectrum(ds, color="posture").show()

# %%
# Let go
# ------
#
# In simulation an arm that starts a hair's breadth from the unstable posture leaves it, and the other stays.
# The distance of the hand from where it rests:

path = fpa.simulate(arm.closed_loop(), np.tile(ds.u.values, (300, 1)), ds.x + 1e-4, progress=False)
hand = path.y.sel(output=["position[0]", "position[1]"]).rename(output="axis").assign_coords(axis=["x", "y"])
away = np.sqrt(((hand - ds.position) ** 2).sum("axis"))
away.attrs = {"long_name": "distance of the hand", "units": "m"}
figure = fpa.plot.profiles(away.to_dataset(name="away"), "away", color="posture", band=None)
figure.update_layout(title_text="The hand after starting 10⁻⁴ from rest", yaxis_type="log")
figure.show()

# %%
# On this scale a growing mode is a rising line. How steep should it be? As steep as the leading eigenvalue
# says:

unstable = ds.sel(fixed_point=~ds.is_stable).isel(fixed_point=0)
seen = away.sel(fixed_point=unstable.fixed_point).values
rising = slice(int(np.argmax(seen > 1e-4)), int(np.argmax(seen > 1e-2)))
slope = np.polyfit(path.time.values[rising], np.log(seen[rising]), 1)[0]
print(f"grows by e in {1 / slope:.3f} s; the leading mode says {-float(unstable.time_constant[0]):.3f} s")

# %%
# And where does it go? Its elbow turns over, until the arm rests in the other posture.

elbow = np.degrees(path.x.sel(state="plant.angle[1]"))
elbow = elbow.assign_attrs(long_name="angle of the elbow", units="°").assign_coords(posture=ds.posture)
figure = fpa.plot.profiles(elbow.to_dataset(name="elbow"), "elbow", color="posture", band=None)
figure.update_layout(title_text="The elbow turns over")
figure.show()
print("hand from the goal in the end (m):", away.isel(time=-1).values.round(4))

# %%
# To try next: other goals, or late feedback, `fpa.datasets.arm_ensemble().sel(delay=5)`.
