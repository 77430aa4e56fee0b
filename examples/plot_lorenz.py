"""
A system in continuous time: Lorenz's equations
===============================================

`vector_field` takes any JAX function `f(x, u)`. With `time_domain="continuous"` it is read as `dx/dt`, and
a fixed point is a state where it vanishes. Lorenz's equations (Lorenz, 1963) have three such states, whose
positions and eigenvalues are known, so that we can compare.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnails/lorenz.png'

import jax.numpy as jnp
import numpy as np

import fpanalysis as fpa

SIGMA, BETA = 10.0, 8.0 / 3.0


def lorenz(state, u):
    """Return the rate of change; the input is the parameter ρ, the strength of the heating."""
    x, y, z = state
    return jnp.stack([SIGMA * (y - x), x * (u[0] - z) - y, x * y - BETA * z])


model = fpa.vector_field(lorenz, state=["x", "y", "z"], inputs=["rho"], time_domain="continuous")

# %%
# Three equilibria at ρ = 28
# --------------------------
#
# The input is given by its name. Stable means here: all eigenvalues in the left half plane.

points = fpa.find_fixed_points(
    model,
    inputs={"rho": 28.0},
    candidates=np.random.default_rng(0).normal(scale=15.0, size=(200, 3)) + [0.0, 0.0, 20.0],
    progress=False,
)
for i in range(points.sizes["fixed_point"]):
    point = points.isel(fixed_point=i)
    print(point.x.values.round(4), "λ =", point.eigenvalue.values.round(4))

# %%
# The textbook says: the origin, and two points at `x = y = ±√(β(ρ−1))`, `z = ρ − 1`.

print("expected ±", np.sqrt(BETA * 27.0).round(4), "and z = 27")

# %%
# The pair of complex eigenvalues lies a little to the right of the imaginary axis: the state turns around
# the point with the frequency `|Im λ|/2π` and moves slowly outwards. That is how the butterfly is drawn.

turning = points.isel(fixed_point=points.n_unstable.values == 2).isel(fixed_point=0)
for mode in range(3):
    entry = turning.isel(mode=mode)
    print(f"time constant {entry.time_constant.item():7.2f} s, frequency {entry.frequency.item():5.2f} Hz")

# %%
fpa.plot.spectrum(points).show()

# %%
# Several conditions at once
# --------------------------
#
# An input with one more named dimension is a whole experiment: each of its values becomes a condition, and
# the dimension comes back on the result. Below ρ = 1 only the origin exists; the two others appear there,
# and lose their stability at ρ ≈ 24.74.

import xarray as xr  # noqa: E402

rho = np.array([0.5, 10.0, 20.0, 24.0, 25.0, 28.0])
inputs = xr.DataArray(rho[:, None], dims=("rho", "input"), coords={"rho": rho, "input": ["rho"]})
sweep = fpa.find_fixed_points(
    model,
    inputs=inputs,
    candidates=np.random.default_rng(0).normal(scale=15.0, size=(200, 3)) + [0.0, 0.0, 20.0],
    progress=False,
)
for value in rho:
    here = sweep.sel(rho=value)
    print(f"ρ = {value:5}: {here.n_fixed_points.item()} points, {int(here.is_stable.sum())} of them stable")
