"""
Saddles as the doors between memories
=====================================

The tanh flip-flop network holds eight memories, as the GRU does. Here we look at what lies between them: at
the saddle on the edge between two memories, a single direction decides which of the two the network falls
into.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnails/flipflop_tanh.png'

import numpy as np

import fpanalysis as fpa

tanh = fpa.datasets.flipflop("tanh")
points = fpa.find_fixed_points(tanh, progress=False)
fpa.plot.fixed_points(points).show()

# %%
# The readout names a point
# -------------------------
#
# `y` is the readout at each point. A bit near ±1 is held, a bit near 0 is undecided. Saddles with one
# unstable direction have one undecided bit: they sit between two memories that differ in that bit.


def name(readout):
    """Return the readout as signs, `0` for an undecided bit."""
    return "".join("0" if abs(bit) < 0.5 else "+" if bit > 0 else "−" for bit in readout)


doors = points.isel(fixed_point=points.n_unstable.values == 1)
for readout in doors.y.values:
    print(name(readout), end="  ")

# %%
# Through the door
# ----------------
#
# The right eigenvector that belongs to the eigenvalue outside the unit circle is the unstable direction. We
# push the state a little along it, once forwards and once backwards, let the network run without input, and
# read out where it comes to rest.

door = doors.isel(fixed_point=0)
direction = door.right_eigenvector.isel(mode=0).values.real
print("between:", name(door.y.values), " λ =", np.round(door.eigenvalue.values[0].real, 3))
for push in (+0.05, -0.05):
    path = fpa.simulate(tanh, 300, x0=door.x.values + push * direction)
    print(f"pushed by {push:+}: falls into", name(path.y.isel(time=-1).values))

# %%
# All twelve doors together
# -------------------------
#
# The same from every edge: each saddle with one unstable direction connects exactly the two memories that
# its undecided bit can choose.

for i in range(doors.sizes["fixed_point"]):
    door = doors.isel(fixed_point=i)
    direction = door.right_eigenvector.isel(mode=0).values.real
    ends = [
        fpa.simulate(tanh, 300, x0=door.x.values + push * direction).y.isel(time=-1).values
        for push in (+0.05, -0.05)
    ]
    print(name(door.y.values), "→", " | ".join(sorted(name(end) for end in ends)))

# %%
# What the input can do
# ---------------------
#
# `input_jacobian` says how an input moves the state, and the left eigenvector picks from that movement the
# part that goes along the unstable direction. At a saddle the undecided bit's own input is the one that
# pushes through the door.

for i in range(3):
    door = doors.isel(fixed_point=i)
    w = door.left_eigenvector.isel(mode=0).values
    drive = np.abs(w.conj() @ door.input_jacobian.values)
    print(name(door.y.values), "strength of each input along the unstable direction:", drive.round(2))
