"""
What does Lorenz's butterfly turn around?
=========================================

Lorenz's equations (Journal of the Atmospheric Sciences, 1963) never settle, and their path draws the wings of
a butterfly. Yet they have states at rest, whose places and eigenvalues are known by formula. We find them,
compare, and look at what the path does near them. The same goes for any differential equation that can be
written with JAX.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnails/lorenz.png'

import jax.numpy as jnp
import numpy as np
import xarray as xr

import fpanalysis as fpa

# %%
# An equation becomes a model
# ---------------------------
#
# `vector_field` takes any JAX function `f(x, u)`. With `time_domain="continuous"` it is read as `dx/dt`, and
# a fixed point is a state where it vanishes. The input is the parameter `ρ`, the strength of the heating.

SIGMA, BETA = 10.0, 8.0 / 3.0


def lorenz(state, u):
    x, y, z = state
    return jnp.stack([SIGMA * (y - x), x * (u[0] - z) - y, x * y - BETA * z])


model = fpa.vector_field(lorenz, state=["x", "y", "z"], inputs=["rho"], time_domain="continuous")

# %%
# Three states at rest
# --------------------
#
# At `ρ = 28`, from 200 candidates scattered over the region of the butterfly. Stable means here: all
# eigenvalues in the left half plane. None of the three is stable.

candidates = np.random.default_rng(0).normal(scale=15.0, size=(200, 3)) + [0.0, 0.0, 20.0]
points = fpa.find_fixed_points(model, {"rho": 28.0}, candidates=candidates, progress=False)
for i in range(points.sizes["fixed_point"]):
    point = points.isel(fixed_point=i)
    print(point.x.values.round(4), "λ =", point.eigenvalue.values.round(4))

# %%
# The textbook says: the origin, and two points at `x = y = ±√(β(ρ − 1))`, `z = ρ − 1`.

wing = np.sqrt(BETA * 27.0)
known = np.array([[-wing, -wing, 27.0], [0.0, 0.0, 0.0], [wing, wing, 27.0]])
print("largest difference from the formula:", abs(points.x.values - known).max())

# %%
# Here they are, with a path that starts near one of the two. It turns around this wing in growing circles,
# until it goes over to the other. Lines through the points are their unstable directions.

start = points.x.isel(fixed_point=2).values + 0.1
path = fpa.simulate(model, np.full((8000, 1), 28.0), x0=start, dt=0.01, progress=False)
fpa.plot.fixed_points(points, trajectories=path).show()

# %%
# How fast it turns
# -----------------
#
# The eigenvalues of the three points. The pair of complex ones lies a little to the right of the imaginary
# axis: the state turns around the point with the frequency `∣Im λ∣/2π`, and moves outwards slowly.

fpa.plot.spectrum(points).show()

# %%
# In numbers, predicted from the eigenvalue of one point, and seen in the simulation while the circles are
# small:

mode = points.isel(fixed_point=2, mode=0)
away = path.x.sel(state="x").values - wing
tops = np.flatnonzero((away[1:-1] > away[:-2]) & (away[1:-1] >= away[2:])) + 1
tops = tops[tops < 1500]
turns = 1 / (np.diff(tops).mean() * 0.01)
grows = (len(tops) - 1) / turns / np.log(away[tops[-1]] / away[tops[0]])
print(f"turns a time unit: predicted {mode.frequency.item():.3f}, seen {turns:.3f}")
print(f"grows by e in      predicted {-mode.time_constant.item():.1f},  seen {grows:.1f}")

# %%
# From rest to chaos
# ------------------
#
# An input with one more named dimension is a whole experiment: each of its values becomes a condition, and
# the dimension comes back on the result. `follow` then says which point is which along it, and the figure
# shows where they lie: stable pieces are solid, unstable ones dashed.

rho = np.linspace(0.0, 30.0, 121)
inputs = {"rho": xr.DataArray(rho, dims="rho", coords={"rho": rho})}
sweep = fpa.find_fixed_points(model, inputs, candidates=candidates, progress=False)
fpa.plot.bifurcation(fpa.follow(sweep, "rho"), "x").show()

# %%
# Two thresholds are known. Below `ρ = 1` only the origin exists, and it is stable. The two others lose their
# stability at `ρ = σ(σ + β + 3)/(σ − β − 1)`. Beyond it no state at rest is stable, and what is left is the
# butterfly.

stable = sweep.is_stable.sum("fixed_point")
hopf = SIGMA * (SIGMA + BETA + 3) / (SIGMA - BETA - 1)
print("three points from ρ =", rho[(sweep.n_fixed_points == 3).values].min())
print("stable points up to ρ =", rho[(stable > 0).values].max(), f"; expected up to {hopf:.3f}")

# %%
# The threshold can be read off the real part of the leading eigenvalue, where it passes through zero:

two = sweep.isel(fixed_point=slice(0, 1)).sel(rho=slice(20, 30))
growth = two.eigenvalue.isel(fixed_point=0, mode=0).real
print(f"the pair crosses the axis at ρ = {np.interp(0.0, growth.values, two.rho.values):.3f}")

# %%
# To try next: `fpa.flow_field(model, ("x", "z"), {"rho": 28.0}, …)` for the flow in a plane through the
# butterfly, as :doc:`plot_wilson_cowan` shows it for two equations. :doc:`/how_to/ode` says more on
# differential equations.
