"""
What happens to a network whose numbers explode?
================================================

One trial in thousands can take the losses of a training to 10¹⁶ and further, until a gradient is no number
any more. :doc:`plot_exploding_losses` finds the cause in explicit Euler steps and strong fields. Here we let
it happen on purpose, to three networks that are trained side by side, and see what is left of them.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnails/stopped_networks.png'

import textwrap
import warnings

import numpy as np

import fpanalysis as fpa

# %%
# A training that cannot end well
# -------------------------------
#
# `plant.integrator` is `exact` unless the configuration says otherwise. With `euler` in a curl field, `train`
# estimates beforehand how many trials will explode, and warns. Should a number cease to be finite later on,
# the network concerned stops, keeps its last finite weights, and says what happened in which trial; the
# others go on. The fields of `std` have a standard deviation of 3 N s/m here, so that it happens soon.

config = {
    "network": {"hidden_size": 8},
    "plant": {"integrator": "euler"},
    "perturbation": {"method": "std", "field_std": 3.0},
    "training": {"iterations": 20, "batch_size": 16},
    "replicates": 3,
}
with warnings.catch_warnings(record=True) as messages:
    warnings.simplefilter("always")
    ensemble = fpa.train(config, progress=False)
for message in messages:
    print(textwrap.fill(f"{message.category.__name__}: {message.message}", 100), end="\n\n")

# %%
# The table of the ensemble holds the same: the iteration that was not taken, or −1.

print(ensemble.table["stopped_at"].values)

# %%
# In the history, the losses of a network that stopped end there. Those of the others leap by many powers of
# ten: a batch with one strong field is enough.

fpa.plot.loss_history(ensemble.history, color="replicate").show()

# %%
# What is left
# ------------
#
# The weights that are kept are finite, and ordinary: AdamW divides each gradient by its own size, so that a
# huge one moves a weight by little more than the learning rate. The network can be looked at like any other.
# These are its recurrent weights beside those of the two that went on:

print("all finite:", all(np.isfinite(model.network.readout.weight).all() for model in ensemble))
fpa.plot.weights(fpa.weights(ensemble), color="replicate").show()

# %%
# The cure is `plant: {integrator: exact}`, the default, which adds no energy whatever the field.
#
# To try next: `integrator: euler` in your own configuration, to see the warning and how much of it comes
# true. :doc:`/training` says what else `train` checks.
