"""
A GRU that remembers three bits
===============================

A flip-flop network gets short pulses of +1 or −1 on three inputs and has to hold, on each of its three
outputs, the sign of the last pulse seen on that input (Sussillo and Barak, 2013). Three bits make eight
memories. We ask a trained GRU of 64 units which states it can rest in when no pulse arrives.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnails/flipflop_gru.png'

import numpy as np

import fpanalysis as fpa

# %%
# One call
# --------
#
# The input is constant while the network holds a memory: no pulses, so all zeros, which is what
# `find_fixed_points` assumes when nothing else is said. It starts from 1,024 states: half near those the
# network visits, half between points that are known by then, where saddles lie.

gru = fpa.datasets.flipflop("gru")
points = fpa.find_fixed_points(gru, progress=False)
print(points)

# %%
# The result says how the search went. `coverage` close to 1 means that hardly any start ended at a point that
# no other start reached, so that few points can be missing. `residual` says how exactly the equation holds.

print("fixed points:    ", points.n_fixed_points.item())
print("starts:          ", points.n_candidates.item(), "of which nowhere:", points.n_failed.item())
print("coverage:        ", round(points.coverage.item(), 3))
print("largest residual:", points.residual.max().item())

# %%
# Eight stable points, nineteen saddles
# -------------------------------------
#
# Three bits that are each held at −1, at +1, or balanced in between give 3 × 3 × 3 = 27 states. Where `k`
# bits are balanced, the point is unstable in `k` directions: a corner of the cube is stable, an edge has
# one unstable direction, a face two, the middle three.

bits = np.round(points.y.values)
for k, place in enumerate(["corners", "edges", "faces", "middle"]):
    here = points.isel(fixed_point=(bits == 0).sum(axis=1) == k)
    directions = {int(n) for n in here.n_unstable.values}
    print(f"{place:8} {here.sizes['fixed_point']:2} points, unstable directions: {directions}")

# %%
# Here are the points along their first three principal components, with a trajectory that visits the
# memories: pulses arrive now and then on one of the three inputs.

rng = np.random.default_rng(0)
pulses = rng.choice([-1.0, 0.0, 1.0], size=(200, 3), p=[0.02, 0.96, 0.02])
trajectory = fpa.simulate(gru, pulses)
fpa.plot.fixed_points(points, trajectories=trajectory).show()

# %%
# How fast it forgets
# -------------------
#
# Near a fixed point the network behaves like its linearisation. An eigenvalue inside the unit circle is a
# direction in which a disturbance dies out, one outside a direction in which it grows. Every memory has all
# its eigenvalues inside.

fpa.plot.spectrum(points).show()

# %%
# The slowest mode of each memory says how many steps a disturbance lasts.

memories = points.isel(fixed_point=points.is_stable.values)
for bits, steps in zip(memories.y.values, memories.time_constant.isel(mode=0).values, strict=True):
    print("memory", np.sign(bits).astype(int), f"forgets a disturbance in {steps:.1f} steps")

# %%
# The dataset can be kept, complex numbers included, and opened anywhere:
#
# .. code-block:: python
#
#    fpa.save(points, "gru.nc")
#    points = fpa.open_dataset("gru.nc")
