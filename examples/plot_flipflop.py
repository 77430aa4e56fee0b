"""
How does a network hold three bits?
===================================

A flip-flop network gets short pulses of +1 or −1 on three inputs and has to hold, on each of its three
outputs, the sign of the last pulse seen on that input (Sussillo and Barak, Neural Computation, 2013). Three
bits make eight memories. We ask a trained GRU of 64 units where it can rest when no pulse arrives, and find
the eight, nineteen saddles between them, and how a pulse leads from one to another. Then we ask two other
networks.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnails/flipflop.png'

from collections import Counter

import numpy as np
import xarray as xr

import fpanalysis as fpa

# %%
# One call
# --------
#
# The input is constant while the network holds a memory: no pulses, so all zeros, which is what
# `find_fixed_points` assumes when nothing else is said. It starts from 1,024 states: half near those that the
# network visits, half between points that are known by then, where saddles lie.

gru = fpa.datasets.flipflop("gru")
points = fpa.find_fixed_points(gru, progress=False)

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
# bits are balanced, the point is unstable in `k` directions: a corner of the cube is stable, an edge has one
# unstable direction, a face two, the middle three.

bits = np.round(points.y.values)
for k, place in enumerate(["corners", "edges", "faces", "middle"]):
    here = points.isel(fixed_point=(bits == 0).sum(axis=1) == k)
    directions = {int(n) for n in here.n_unstable.values}
    print(f"{place:8} {here.sizes['fixed_point']:2} points, unstable directions: {directions}")

# %%
# Here are the points along their first three principal components, with a trajectory that visits the
# memories: pulses arrive now and then on one of the three inputs. Short lines through the saddles are their
# unstable directions, arrows those in which the readout of each bit grows.

rng = np.random.default_rng(0)
pulses = rng.choice([-1.0, 0.0, 1.0], size=(400, 3), p=[0.02, 0.96, 0.02])
trajectory = fpa.simulate(gru, pulses)
fpa.plot.fixed_points(points, trajectories=trajectory).show()

# %%
# Saddles are the doors between memories
# --------------------------------------
#
# A saddle on an edge has one undecided bit, and one direction that decides it. We push the state a little
# along that right eigenvector, forwards and backwards, let the network run without input, and read out where
# it comes to rest. A bit near 0 is shown as ∘.


def name(readout):
    """Return the readout as signs, `∘` for an undecided bit."""
    return "".join("∘" if abs(bit) < 0.5 else "+" if bit > 0 else "−" for bit in readout)


doors = points.isel(fixed_point=points.n_unstable.values == 1)
direction = doors.right_eigenvector.isel(mode=0, drop=True).real
push = xr.DataArray([-0.05, 0.05], dims="push")
ends = fpa.simulate(gru, 300, x0=doors.x + push * direction).y.isel(time=-1)
for door, pair in zip(doors.y.values, ends.transpose("fixed_point", "push", "output").values, strict=True):
    print(f"{name(door)} leads to", " and ".join(sorted(map(name, pair))))

# %%
# Twelve edges, and each leads to the two memories at its ends. The six saddles with two undecided bits stand
# in the middle of a face of the cube. One of them, with the eight points around it, spans a plane that shows
# how the network moves there: slowly near the points, and from the middle to the corners.

on_face = np.round(points.y.values[:, 2]) == 1
face = points.isel(fixed_point=on_face)
fpa.plot.flow(fpa.flow_field(gru, face), points=face).show()

# %%
# What a pulse does
# -----------------
#
# Of what an input does to the state, `mode_input` is the part that goes along a mode. At a door, the
# undecided bit's own input pushes through it, and the others hardly do.

doors = fpa.modes(doors)
drive = abs(doors.mode_input.isel(mode=0))
own = np.abs(doors.y.values).argmin(axis=1)
others = drive.values[np.arange(3) != own[:, None]]
print(
    "an input along the direction that decides its own bit: at least", drive.values.max(axis=1).min().round(2)
)
print("                                   that of another bit: at most ", others.max().round(2))
print("is the strongest input that of the undecided bit?", (drive.values.argmax(axis=1) == own).all())

# %%
# One pulse of one step is enough. We send each of the six pulses to each of the eight memories, and look at
# what is held 60 steps later.

memories = points.isel(fixed_point=points.is_stable.values)
u = np.zeros((8, 6, 60, 3))
for k in range(6):
    u[:, k, 0, k // 2] = (-1.0) ** k
u = xr.DataArray(u, dims=("fixed_point", "pulse", "time", "input"))
held = np.sign(fpa.simulate(gru, u, x0=memories.x).y.isel(time=-1).values)
pulse = u.isel(time=0).values
asked = np.where(pulse == 0, np.sign(memories.y.values)[:, None], pulse)
right = (held == asked).all(axis=-1)
print(f"{int(right.sum())} of {right.size} pulses lead to the memory that was asked for")

# %%
# How fast it forgets
# -------------------
#
# Near a fixed point the network behaves like its linearisation. An eigenvalue inside the unit circle is a
# direction in which a disturbance dies out, one outside a direction in which it grows. Every memory has all
# its eigenvalues inside.

fpa.plot.spectrum(points).show()

# %%
# The same in other networks?
# ---------------------------
#
# A tanh network and an LSTM were trained on the same task. Their states have other axes, that of the LSTM
# twice as many. Yet both hold the bits in the same way: the cube with all its saddles is a property of the
# task, while the time scales are the network's own (Maheswaranathan et al., NeurIPS, 2019).

print("          points with 0, 1, 2, 3      memory heals in    door opens in")
print("          unstable directions         (median, steps)    (median, steps)")
for cell in ("gru", "tanh", "lstm"):
    found = points if cell == "gru" else fpa.find_fixed_points(fpa.datasets.flipflop(cell), progress=False)
    count = Counter(found.n_unstable.values.tolist())
    first = found.time_constant.isel(mode=0)
    heals, opens = (first.where(found.n_unstable == k).median().item() for k in (0, 1))
    print(f"{cell:8}  {str([count[k] for k in range(4)]):26} {heals:9.1f} {-opens:18.1f}")

# %%
# To try next: hold one input at a level instead of zero (:doc:`/models` does), until its memories are lost;
# or start from your own network, as :doc:`plot_pytorch` does. :doc:`plot_line_attractor` has a network that
# must hold a number instead of bits.
