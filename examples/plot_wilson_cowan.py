"""
Two populations: a memory, then a rhythm
========================================

An excitatory and an inhibitory population of neurons that drive each other can hold one of two activities, or
oscillate (Wilson and Cowan, Biophysical Journal, 1972). Which of these they do is decided by where the fixed
points of two differential equations lie, and which are stable. We follow the points while the external drive
changes, and see them meet in folds, where a memory is lost, and change their stability, where a rhythm
begins.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnails/wilson_cowan.png'

import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.nn import sigmoid

import fpanalysis as fpa

# %%
# The equations
# -------------
#
# `E` and `I` are the shares of cells that are active, counted from their activity without any drive. Each
# relaxes to a sigmoid of its input; cells that are active already cannot be recruited:
#
# ::
#
#     τ dE/dt = −E + (kₑ − E) Sₑ(c₁ E − c₂ I + P)
#     τ dI/dt = −I + (kᵢ − I) Sᵢ(c₃ E − c₄ I + Q)
#
# `P` and `Q` are the drive from outside. The other parameters are two sets of Wilson and Cowan's: one with
# hysteresis, which is a memory, and one with a limit cycle, a rhythm. For `τ` we take 10 ms.

TAU = 0.01  # s


def wilson_cowan(c1, c2, c3, c4, slope_e, threshold_e, slope_i, threshold_i):
    """Return the two populations as a vector field in continuous time."""

    def response(x, slope, threshold):
        return sigmoid(slope * (x - threshold)) - sigmoid(-slope * threshold)

    def rate(state, drive):
        e, i = state
        p, q = drive
        most_e, most_i = sigmoid(slope_e * threshold_e), sigmoid(slope_i * threshold_i)
        return (
            jnp.stack(
                [
                    -e + (most_e - e) * response(c1 * e - c2 * i + p, slope_e, threshold_e),
                    -i + (most_i - i) * response(c3 * e - c4 * i + q, slope_i, threshold_i),
                ]
            )
            / TAU
        )

    return fpa.vector_field(rate, state=["E", "I"], inputs=["P", "Q"], time_domain="continuous")


memory = wilson_cowan(12.0, 4.0, 13.0, 11.0, 1.2, 2.8, 1.0, 4.0)
rhythm = wilson_cowan(16.0, 12.0, 15.0, 3.0, 1.3, 4.0, 2.0, 3.7)

# %%
# Two answers to one input
# ------------------------
#
# The first set of parameters, without any drive. Candidates are a grid over the plane, which is small enough
# to search it all.

grid = np.linspace(-0.05, 0.5, 12)
candidates = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
points = fpa.find_fixed_points(memory, candidates=candidates, progress=False)
for (e, i), stable in zip(points.x.values, points.is_stable.values, strict=True):
    print(f"E = {e:.3f}, I = {i:.3f}: {'stable' if stable else 'saddle'}")

# %%
# Where the populations go from anywhere in the plane: colour is speed, and the two nullclines, along which
# one of the populations does not change, cross at the fixed points. The saddle stands between silence and
# activity.

extent = ((-0.02, 0.5), (-0.02, 0.35))
plane = fpa.flow_field(memory, ("E", "I"), extent=extent)
fpa.plot.flow(plane, points=points).show()

# %%
# How a memory is written and lost
# --------------------------------
#
# The drive `P` becomes a dimension of the result, and `follow` says which point is which along it. Each
# stable point meets the saddle at one end, and both are gone.


def swept(low, high, n=121):
    """Return values of the drive, to solve for each of them."""
    values = np.linspace(low, high, n)
    return {"P": xr.DataArray(values, dims="P", coords={"P": values})}


held = fpa.find_fixed_points(memory, swept(-0.7, 0.7), candidates=candidates, progress=False)
fpa.plot.bifurcation(fpa.follow(held, "P"), "E").show()

# %%
# Between the folds the populations remember where they came from. We raise the drive slowly and lower it
# again, and compare where the activity jumps with where the points meet: a little later, since a ghost of the
# fold holds the state for a while.

both = held.P.values[held.n_fixed_points.values == 3]
print(f"three fixed points from P = {both.min():.3f} to {both.max():.3f}")
steps = 4000
ramp = np.concatenate([np.linspace(-0.7, 0.7, steps), np.linspace(0.7, -0.7, steps)])
drive = np.stack([ramp, np.zeros_like(ramp)], axis=1)
start = held.x.isel(P=0, fixed_point=0).values
path = fpa.simulate(memory, drive, x0=start, dt=0.005, progress=False)
E = path.x.sel(state="E").values
for name, part in (("up", slice(0, steps)), ("down", slice(steps, None))):
    jump = np.abs(np.diff(E[part])).argmax()
    print(f"on the way {name:4} the activity jumps at P = {ramp[part][jump]:+.2f}")

# %%
# How a rhythm begins
# -------------------
#
# The second set of parameters. Where the drive is weak the populations rest; where it is strong they are
# active without change; between the two nothing is stable.

driven = fpa.find_fixed_points(rhythm, swept(0.5, 2.5), candidates=candidates, progress=False)
fpa.plot.bifurcation(fpa.follow(driven, "P"), "E").show()

# %%
# At a drive of 1.25 the single fixed point is an unstable focus, and all paths end on a cycle around it.

at = {"P": 1.25}
one = fpa.find_fixed_points(rhythm, at, candidates=candidates, progress=False)
starts = np.array([[0.0, 0.0], [0.2, 0.11], [0.45, 0.3]])
path = fpa.simulate(rhythm, np.tile([1.25, 0.0], (3, 400, 1)), x0=starts, dt=0.0005, progress=False)
plane = fpa.flow_field(rhythm, ("E", "I"), at, extent=extent)
fpa.plot.flow(plane, points=one, trajectories=path).show()

# %%
# The two ends of the rhythm are not alike, and the eigenvalues say so. At the strong end a complex pair
# crosses the imaginary axis (Andronov and Hopf): the rhythm sets in at the frequency of the pair, with a
# small amplitude. At the weak end a stable point and a saddle meet on the cycle: it sets in at full
# amplitude, and as slowly as one likes.

drives = np.array([1.1, 1.12, 1.15, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.85, 1.88])
u = np.zeros((len(drives), 8000, 2))
u[..., 0] = drives[:, None]
path = fpa.simulate(rhythm, u, x0=[0.3, 0.05], dt=0.0005, progress=False)
E = path.x.sel(state="E").values[:, 4000:]


def rate(E, dt=0.0005):
    """Return how often per second a signal rises through its mean."""
    away = E - E.mean()
    rises = np.flatnonzero((away[:-1] < 0) & (away[1:] >= 0))
    return (len(rises) - 1) / ((rises[-1] - rises[0]) * dt)


focus = driven.sel(P=drives, method="nearest")
focus = focus.isel(fixed_point=focus.x.sel(state="E", drop=True).argmax("fixed_point"))
print("  P    cycle (Hz)   focus (Hz)   amplitude of E")
for k, P in enumerate(drives):
    print(f"{P:.2f}  {rate(E[k]):9.1f}  {focus.frequency[k, 0].item():11.1f}  {np.ptp(E[k]) / 2:13.3f}")

# %%
# Are these all the points?
# -------------------------
#
# For these equations that can be checked, since they can be solved for `E` and `P` where nothing changes:
# each value of `I` belongs to one fixed point, at one drive. So all fixed points of all drives lie on one
# curve, and the folds are where it turns. The search knows nothing of this.


def solved(i, c1, c2, c3, c4, slope_e, threshold_e, slope_i, threshold_i):
    """Return the drive `P` under which the populations rest with `I`."""

    def inverse(share, slope, threshold):
        most, shift = 1 / (1 + np.exp(-slope * threshold)), 1 / (1 + np.exp(slope * threshold))
        height = share / (most - share) + shift
        return threshold + np.log(height / (1 - height)) / slope

    e = (c4 * i + inverse(i, slope_i, threshold_i)) / c3
    return inverse(e, slope_e, threshold_e) - c1 * e + c2 * i


def check(found, *parameters):
    """Compare the number of points that were found with that on the curve, at every drive."""
    i = found.x.sel(state="I").values
    P = solved(np.linspace(np.nanmin(i) - 1e-6, np.nanmax(i) + 1e-6, 100_001), *parameters)
    expected = [int((np.diff(np.sign(P - drive)) != 0).sum()) for drive in found.P.values]
    agree = int((found.n_fixed_points.values == expected).sum())
    turns = P[1:-1][np.diff(np.sign(np.diff(P))) != 0]
    print(f"{agree} of {len(expected)} drives agree; the curve turns at P =", *np.sort(turns).round(4))


check(held, 12.0, 4.0, 13.0, 11.0, 1.2, 2.8, 1.0, 4.0)
check(driven, 16.0, 12.0, 15.0, 3.0, 1.3, 4.0, 2.0, 3.7)

# %%
# To try next: the drive `Q` of the inhibitory population as a second dimension, `{"P": …, "Q": …}`, or two
# columns of these equations side by side. :doc:`plot_lorenz` has a system of three equations, and
# :doc:`plot_line_attractor` folds in a network of fifty units.
