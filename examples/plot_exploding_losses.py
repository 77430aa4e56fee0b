"""
Why do losses explode?
======================

A controller that is trained in random force fields may show losses of 10⁵, of 10¹¹, or none that are finite,
in its very first batch. This page takes one known case apart: the older form of the method `std`, in which
context input and field are both scaled by `A = 1.6`, with a curl field and explicit Euler steps. The context
is the obvious suspect. It is not the cause.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnails/exploding_losses.png'

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from scipy.integrate import quad
from scipy.special import k0
from scipy.stats import spearmanr

import fpanalysis as fpa
from fpanalysis.control.rollout import rollouts
from fpanalysis.control.trials import Trial

A = 1.6  # N s/m
DT, STEPS = 0.05, 99  # s; the defaults of the task

# %%
# What the networks are told
# --------------------------
#
# A method of perturbation draws two numbers for each trial: the context, which the network sees, and the
# amplitude of the field, which it feels. `z`, `z₁` and `z₂` are standard normal; `c` is uniform from 0 to 1.
#
# ===================== ============== ====================
# method                context        amplitude of the field
# ===================== ============== ====================
# `active`              0 or 1         0 or `A z`
# `amplitude`           `∣z∣`          `A z`
# `std`                 `∣z₁∣`         `A ∣z₁∣ z₂`
# `std`, scaled context `A ∣z₁∣`       `A ∣z₁∣ z₂`
# `std_uniform`         `c`            `A c z`
# ===================== ============== ====================

perturbations = fpa.tasks.perturbations
methods = {
    "active": perturbations.Active(A),
    "amplitude": perturbations.Amplitude(A),
    "std": perturbations.Std(A),
    "std, scaled context": perturbations.Std(A, scaled_context=True),
    "std_uniform": perturbations.StdUniform(A),
}


keys = jax.random.split(jax.random.key(0), 25_000)
draws = {}
for name, method in methods.items():
    draws[name] = [np.asarray(values) for values in jax.vmap(method.draw)(keys)]

# %%
# The context input in 25,000 trials of each method. A violin is as wide as values are frequent.

contexts = xr.DataArray(
    [context for context, _ in draws.values()],
    dims=("method", "trial"),
    coords={"method": list(draws)},
    name="context",
    attrs={"long_name": "context input", "units": "1"},
)
fpa.plot.compare(contexts, by="method").show()

# %%
# Scaling makes the context wider, but 6 is no number that a network cannot bear. The fields differ more. A
# product of two normal numbers has heavy tails: its density falls like `exp(−∣x∣)`, not like `exp(−x²/2)`.

print("method                 largest context   strongest field (N s/m)")
for name, (context, amplitude) in draws.items():
    print(f"{name:20} {context.max():15.2f} {abs(amplitude).max():18.1f}")

# %%
# First batches
# -------------
#
# What matters, then: the scale of the context, the tail of the field, or the integrator? We try all eight
# combinations. The tail of `std` is cut by `std_uniform`, whose `c` is bounded. Twenty controllers with
# random weights do one batch of 250 trials each; controllers, reaches and noise are the same in all
# combinations.

NETWORKS, BATCH = 20, 250
# Tail of the field, and what the context is multiplied by.
CONDITIONS = [("std", A), ("std", 1.0), ("std_uniform", A), ("std_uniform", 1.0)]
task = fpa.tasks.SimpleReaches(n_steps=STEPS, dt=DT)
loss = fpa.losses.reaching_loss()
create = eqx.filter_jit(lambda key: fpa.Controller.create(hidden_size=50, key=key))
weight_keys, reach_keys, noise_keys = jax.random.split(jax.random.key(0), (3, NETWORKS))
controllers = [create(key) for key in weight_keys]
reaches = jax.jit(jax.vmap(task.sample))(jax.random.split(reach_keys[0], BATCH))
drawn = NETWORKS * BATCH
tails = {tail: [values[:drawn] for values in draws[tail]] for tail in ("std", "std_uniform")}


@eqx.filter_jit
def trial_losses(controller, context, amplitude, key):
    """Return the loss of every trial of a batch, shape (condition, trial)."""
    noise = jax.random.split(key, BATCH)

    def one(context, amplitude):
        shown = jnp.broadcast_to(context[:, None, None], (BATCH, STEPS, 1))
        inputs = {**reaches.inputs, "context": shown}
        trials = Trial(inputs, reaches.targets, reaches.start, fpa.fields.Curl(amplitude))
        return sum(loss.per_trial(controller, trials, rollouts(controller, trials, noise)).values())

    return jax.lax.map(lambda given: one(*given), (context, amplitude))


contexts, amplitudes = (
    jnp.stack([values.reshape(NETWORKS, BATCH) for values in parts], axis=1)
    for parts in (
        [scale * tails[tail][0] for tail, scale in CONDITIONS],
        [tails[tail][1] for tail, _ in CONDITIONS],
    )
)
losses = {}
for integrator in ("euler", "exact"):
    plant = fpa.plants.PointMass(integrator=integrator)
    moving = [dataclasses.replace(controller, plant=plant) for controller in controllers]
    with ThreadPoolExecutor(2) as pool:  # two networks at a time, one on each core
        found = np.stack(list(pool.map(trial_losses, moving, contexts, amplitudes, noise_keys)), axis=1)
    losses |= {(integrator, *condition): found[i] for i, condition in enumerate(CONDITIONS)}

print("integrator  tail         context     median     worst   above 1000")
for (integrator, tail, scale), values in losses.items():
    first = values.mean(axis=1)
    told = "as drawn" if scale == 1.0 else f"times {scale}"
    numbers = f"{np.median(first):8.1f} {first.max():9.3g} {(first > 1000).sum():6} of {NETWORKS}"
    print(f"{integrator:11} {tail:12} {told:9} {numbers}")

# %%
# The loss of the first batch of every network, as a power of ten, by the tail of the field and what the
# context is multiplied by:

first = xr.DataArray(
    [[np.log10(losses[name, *each].mean(axis=1)) for each in CONDITIONS] for name in ("euler", "exact")],
    dims=("integrator", "condition", "network"),
    coords={
        "integrator": ["euler", "exact"],
        "condition": [f"{tail} × {scale:g}" for tail, scale in CONDITIONS],
    },
    name="loss",
    attrs={"long_name": "log₁₀ of the loss", "units": "1"},
)
fpa.plot.compare(first, by="condition", color="integrator").show()

# %%
# Taking the scale out of the context leaves the explosions where they were. Either of the two others removes
# them: fields without the tail, or an integrator that does not add energy. Where batches explode, few trials
# of them do.

euler, exact = (losses[integrator, "std", 1.0] for integrator in ("euler", "exact"))
strongest = abs(tails["std"][1]).reshape(NETWORKS, BATCH)
exploded = euler.mean(axis=1) > 1000
share = 100 * euler[np.arange(NETWORKS), strongest.argmax(axis=1)] / euler.sum(axis=1)
rank = spearmanr(euler.mean(axis=1) / exact.mean(axis=1), strongest.max(axis=1)).statistic
lowest, highest = share[exploded].min(), share[exploded].max()
print(f"{exploded.sum()} of {NETWORKS} batches have a loss above 1000.")
print(f"The trial with the strongest field makes {lowest:.1f} % to {highest:.1f} % of it.")
print(f"Loss, in units of that of the exact steps, and strongest field: rank correlation {rank:.2f}")

# %%
# Energy from nowhere
# -------------------
#
# A curl field pushes at a right angle to the velocity, so it does no work: it turns the movement and leaves
# its energy as it is. An explicit Euler step goes along the tangent instead, and ends further out. With the
# amplitude `a`, 1 kg and no damping, it multiplies the kinetic energy by `1 + (a dt)²`, whatever the
# direction. A trial has 99 such steps. We let go of a mass at 1 m/s in every one of the 25,000 fields of
# `std`, with no controller, and compare.


@eqx.filter_jit
def energy_growth(plant, amplitudes):
    """Return the kinetic energy at the end of a trial without commands, in units of that at the start."""

    def one(amplitude):
        move = plant.stepper(fpa.fields.Curl(amplitude), DT)
        state = {"position": jnp.zeros(2), "velocity": jnp.array([1.0, 0.0])}
        state = jax.lax.fori_loop(0, STEPS, lambda _, state: move(state, jnp.zeros(2)), state)
        return jnp.sum(state["velocity"] ** 2)

    return jax.vmap(one)(amplitudes)


amplitude = draws["std"][1]
predicted = (1 + (amplitude.astype(float) * DT) ** 2) ** STEPS
grown, kept = (
    np.asarray(energy_growth(fpa.plants.PointMass(integrator=name), jnp.asarray(amplitude)), float)
    for name in ("euler", "exact")
)
print(f"largest growth with Euler, predicted:  {predicted.max():.3g}")
print(f"largest growth with Euler, seen:       {grown.max():.3g}")
print(f"largest relative difference:           {abs(grown / predicted - 1).max():.1e}")
print(f"with the exact integrator, seen:       {kept.min():.4f} to {kept.max():.4f}")

# %%
# The energy grows more than tenfold where `∣a∣` is above a threshold. How often `A ∣z₁ z₂∣` is, follows from
# the density of a product of two normal numbers, `K₀(∣x∣)/π` with the modified Bessel function `K₀`.

threshold = np.sqrt(10 ** (1 / STEPS) - 1) / DT
expected = 2 / np.pi * quad(k0, threshold / A, np.inf)[0]
print(f"threshold: {threshold:.2f} N s/m")
print(f"trials of std above it, from the density:       {100 * expected:.2f} %")
print(f"trials whose energy Euler multiplied by > 10:   {100 * np.mean(grown > 10):.2f} %")
bounded = (1 + (draws["std_uniform"][1].astype(float) * DT) ** 2) ** STEPS
print(f"with std_uniform, from the amplitudes:          {100 * np.mean(bounded > 10):.2f} %")
print(f"largest growth with std_uniform:                {bounded.max():.0f}")
doubled = (1 + (2 * draws["std_uniform"][1].astype(float) * DT) ** 2) ** STEPS
print(f"largest growth with std_uniform and twice A:    {doubled.max():.2g}")

# %%
# So the tail decides how far it goes. AdamW squares the gradient, and single precision ends at 3 × 10³⁸:
# from a gradient of about 10¹⁹ on, nothing is finite any more. A growth of 10¹⁹ is rare, but a training of
# 5,000 iterations draws more than a million trials.

limit = np.sqrt(1e19 ** (1 / STEPS) - 1) / DT
rare = 2 / np.pi * quad(k0, limit / A, np.inf)[0]
print(f"growth of 1e19: above {limit:.1f} N s/m, in one of {1 / (rare * BATCH):.0f} batches")

# %%
# The cure is `plant: {integrator: exact}`, the default, which holds for every `A`. Fields with a lighter
# tail, such as those of `std_uniform`, only put the limit further off: with twice the `A`, explosions are
# back. :doc:`plot_stopped_networks` shows what `train` does when it happens all the same.
#
# To try next: your own scale `A` and trial length in the formulas above. :doc:`/training` says more on
# methods of perturbation.
