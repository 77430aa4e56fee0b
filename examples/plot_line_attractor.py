"""
What is a line attractor made of?
=================================

A network sees two noisy streams of evidence. A context input says which of them counts, and the network has
to report its running sum (Mante et al., Nature, 2013). To hold a sum it needs a line of states in which it
can stay. We solve for the states where a trained network really stays, and find seven of them in each
context, not a line. Then we see how they do the work of one, and what makes the network deaf to the other
stream.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnails/line_attractor.png'

import numpy as np
import xarray as xr

import fpanalysis as fpa

# %%
# The network at work
# -------------------
#
# A tanh network of 50 units, trained with this package. We let it do every combination of the two coherences
# (the mean of the evidence) in both contexts, 72 trials of 5 s. Its report follows the sum of the stream that
# counts; the target contains the noise as well, so it can be met exactly.

network = fpa.datasets.integration_ensemble().one()
trials = fpa.simulate(network, fpa.tasks.ContextIntegration().validation(), progress=False)
error = (trials.y - trials.target).std().item()
print(f"{trials.sizes['trial']} trials; error of the report (standard deviation): {error:.3f}")

# %%
# Here are the trials of context 0, by the coherence of the stream that counts there. The other stream is as
# strong, and leaves no trace but the width of the bands.

in_context_0 = trials.isel(trial=trials.attended.values == 0)
fpa.plot.profiles(in_context_0, "y", color="coherence_0").show()

# %%
# Where it can stay
# -----------------
#
# Between two pieces of evidence the streams are silent and the context is on. That is the constant input to
# solve for, one for each context. Candidates are states of the trials, plus noise.

field = network.vector_field()
print("inputs:", ", ".join(field.inputs))


def held(**levels):
    """Return the input in both contexts, with the streams held at these levels."""
    context = xr.DataArray([0, 1], dims="context", coords={"context": [0, 1]})
    cue = {"context[0]": xr.where(context == 0, 1.0, 0.0), "context[1]": xr.where(context == 1, 1.0, 0.0)}
    return cue | levels


rng = np.random.default_rng(0)
visited = trials.hidden.stack(sample=("trial", "time")).transpose("sample", "unit").values
drawn = visited[rng.integers(len(visited), size=256)]
candidates = drawn + rng.normal(scale=0.5 * visited.std(axis=0), size=drawn.shape)
points = fpa.find_fixed_points(field, held(), candidates=candidates, slow_points=True, progress=False)
points = fpa.modes(points)
print("fixed points:", points.n_fixed_points.values, " slow points:", points.n_slow_points.values)

# %%
# Seven fixed points in each context, and no slow ones. In the order of their report, stable points and
# saddles take turns, and every saddle has one unstable direction:

for context in (0, 1):
    here = points.sel(context=context, output="decision")
    for kind, mask in (("stable", here.is_stable), ("saddle", ~here.is_stable)):
        print(
            f"context {context}, {kind}:",
            "          ".join(f"{y:+.2f}" for y in np.sort(here.y.values[mask])),
        )

# %%
# So the line is a string of beads. Along it, each saddle sends the state to the stable points left and right
# of it; across it, everything decays. Thin lines are trials without noise: they run along the beads of their
# context.

smooth = fpa.simulate(network, fpa.tasks.ContextIntegration(noise_std=0.0).validation(), progress=False)
fpa.plot.fixed_points(points, trajectories=smooth).show()

# %%
# In what sense is it a line? Its points lie nearly on one: the first principal component holds 94 % of their
# variance. And along it almost nothing moves.

for context in (0, 1):
    x = points.x.sel(context=context).values
    variance = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    print(f"context {context}: variance along the first component {100 * variance[0] / variance.sum():.0f} %")

# %%
# At the five inner points the leading eigenvalue is within 0.01 of 1, on one side or the other, while every
# other mode is gone in a few steps of 0.05 s:

inner = abs(points.y.sel(output="decision")) < 0.8
modulus, lasts = abs(points.eigenvalue).where(inner), abs(points.time_constant).where(inner)
for k, which in enumerate(("leading", "next")):
    low, high, longest = modulus[..., k].min(), modulus[..., k].max(), lasts[..., k].max()
    print(f"{which:7} mode: modulus {low:.3f} to {high:.3f}, time constant up to {longest:.2f} s")

# %%
# These are all eigenvalues; the leading ones are the group at the very edge of the unit circle.

fpa.plot.spectrum(points, color="context").show()

# %%
# How well it holds
# -----------------
#
# A report that is left alone drifts towards the nearest stable point. We stop the evidence at the end of the
# trials of context 0 and let the network go on. For the 5 s that a trial lasts, the string of beads passes
# for a line; after a minute there are four answers left.

quiet = np.zeros((1200, 4))
quiet[:, 0] = 1.0
ends = in_context_0.hidden.isel(time=-1).values
alone = fpa.simulate(field, np.tile(quiet, (len(ends), 1, 1)), x0=ends, progress=False)
report = alone.y.isel(output=0)
for seconds in (5, 60):
    moved = abs(report.sel(time=seconds, method="nearest") - report.isel(time=5))
    print(f"after {seconds:2} s it has moved by {moved.median():.2f} (median), {moved.max():.2f} at most")

# %%
# The reports by the answer that is left of them in the end:

stay = points.y.sel(context=0, output="decision").where(points.is_stable.sel(context=0), drop=True)
nearest = abs(report.isel(time=-1) - stay.rename(fixed_point="answer")).argmin("answer")
alone = alone.assign_coords(answer=("trial", stay.values[nearest.values].round(2)))
fpa.plot.profiles(alone, "y", color="answer", band=None, max_curves=20).show()

# %%
# What evidence does to the beads
# -------------------------------
#
# Hold a little evidence in the stream that counts: pairs of stable point and saddle approach each other and
# vanish in folds, until three points are left, and the state runs all along the line. The same evidence in
# the other stream hardly moves them.

level = xr.DataArray(np.linspace(-0.05, 0.05, 41), dims="coherence")
level = level.assign_coords(coherence=level.values)
stream = xr.DataArray([0, 1], dims="stream", coords={"stream": [0, 1]})
evidence = {f"stream[{k}]": xr.where(stream == k, level, 0.0) for k in (0, 1)}
sweep = fpa.find_fixed_points(field, held(**evidence), candidates=candidates[:128], progress=False)
for labels, n in sweep.n_fixed_points.groupby(["context", "stream"]):
    print(
        "context {}, evidence in stream {}:".format(*labels), f"{int(n.min())} to {int(n.max())} fixed points"
    )

# %%
# The branches of context 0, where stream 0 counts:

fpa.plot.bifurcation(fpa.follow(sweep.sel(context=0), "coherence"), "decision", color="stream").show()

# %%
# Where a pair has vanished, the state is slowed down still. Such ghosts are minima of the speed that are no
# fixed points; `slow_points=True` looks for them, and keeps them apart. This is context 0 with its stream
# held at 0.05, a tenth of the strongest evidence:

ghosts = fpa.find_fixed_points(
    field, held(**{"stream[0]": 0.05}), candidates=candidates, slow_points=True, progress=False
).sel(context=0)
for i in range(int(ghosts.n_fixed_points + ghosts.n_slow_points)):
    point = ghosts.isel(fixed_point=i)
    kind = "slow point " if point.kind == 2 else "fixed point"
    moves, leading = np.sqrt(2 * point.q), abs(point.eigenvalue[0])
    print(f"{kind} at {point.y.item():+.2f}: leading modulus {leading:.4f}, moves by {moves:.0e} a step")

# %%
# Why it is deaf to the other stream
# ----------------------------------
#
# A piece of evidence `du` moves the state by `B du`, with `B` the `input_jacobian`. Of this, all fades but
# the part along the leading mode, which the left eigenvector `w` reads off: Mante et al. call it the
# selection vector. `fpa.modes` has put the product `wᴴ B` into `mode_input`, and what the report shows of the
# mode into `mode_output`. Their product is the gain: by how much a unit of evidence moves the report for
# good.

streams = ["stream[0]", "stream[1]"]
leading = points.isel(mode=0).sel(output="decision")
gain = (leading.mode_input * leading.mode_output).real.sel(input=streams).where(inner)
for context in (0, 1):
    low, high = (
        edge.sel(context=context).values for edge in (gain.min("fixed_point"), gain.max("fixed_point"))
    )
    print(f"context {context}: ", ",   ".join(f"stream {k}: {low[k]:+.4f} to {high[k]:+.4f}" for k in (0, 1)))
print(f"asked for by the task: 1 / (100 steps × 0.5) = {1 / (100 * 0.5)}")

# %%
# The gain is what the task asks for, all along the line, and a tenth of it or less for the other stream. A
# prediction from fixed points alone; let us test it. A pulse of evidence in one step, then 20 quiet steps:

print("report moved by a pulse of 0.1 (10⁻³), predicted | simulated")
for context in (0, 1):
    here = leading.sel(context=context).isel(fixed_point=inner.sel(context=context).values)
    for k, stream in enumerate(streams):
        u = np.zeros((21, 4))
        u[:, context] = 1.0
        u[0, 2 + k] = 0.1
        path = fpa.simulate(field, np.tile(u, (5, 1, 1)), x0=here.x.values, progress=False)
        seen = 1000 * (path.y.isel(time=-1, output=0).values - here.y.values)
        predicted = 100 * (here.mode_input.sel(input=stream) * here.eigenvalue**20 * here.mode_output).real
        both = zip(predicted.values, seen, strict=True)
        print(f"context {context}, stream {k}:", "   ".join(f"{a:+.2f} | {b:+.2f}" for a, b in both))

# %%
# What does the context change, then: what is read, `w`, or what arrives, `B`? We combine the one of either
# context with the other of either, at the points in the middle of the line.

middle = abs(leading.y).argmin("fixed_point")
at = [leading.sel(context=context).isel(fixed_point=int(middle.sel(context=context))) for context in (0, 1)]
w = [each.left_eigenvector.values.real * each.mode_output.item().real for each in at]
B = [each.input_jacobian.sel(input=streams).values for each in at]
print("gain of           stream 0   stream 1")
for read in (0, 1):
    for arrives in (0, 1):
        first, second = w[read] @ B[arrives]
        print(f"w of {read} and B of {arrives}: {first:+9.4f} {second:+10.4f}")

# %%
# With one of them exchanged, both streams count: it takes the two together. But how the work is shared
# between them depends on the coordinates. We have looked at activities, after the tanh; there the context
# changes `B`, since it moves the units along their tanh. Written for the currents before the tanh, as Mante
# et al. write their network, evidence arrives by the same weights in every state, and the selection vector
# has to do it alone. There it is `w` times the slopes of the tanh:

weights = np.asarray(network.cell.weight_ih)[:, 2:]
read = [vector * (1 - each.x.values**2) for vector, each in zip(w, at, strict=True)]
for context in (0, 1):
    print(f"context {context}, gains of the streams:", (read[context] @ weights).round(4))
cosine = read[0] @ read[1] / np.linalg.norm(read[0]) / np.linalg.norm(read[1])
print(f"from one context to the other it turns by {np.degrees(np.arccos(cosine)):.0f}°")

# %%
# To try next: the points under half of each context (`context[0]` and `context[1]` both 0.5), or under a
# context that is swept from one to the other with `fpa.follow`. :doc:`plot_flipflop` has a network that is
# asked to hold discrete values, and :doc:`/tutorial` starts from nothing.
