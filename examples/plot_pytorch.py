"""
What does my PyTorch network remember?
======================================

All there is of a network is often a file of weights that PyTorch wrote. We open one, check that what it has
become computes what PyTorch would, and ask the network, an LSTM of 64 units, what it holds, for how long, and
in which of its two states. No training code is needed for this, and for `.safetensors` files not even
PyTorch.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnails/pytorch.png'

import importlib.util
import tempfile
from importlib.resources import files
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

import fpanalysis as fpa

# %%
# A checkpoint
# ------------
#
# A model's `state_dict` maps names to arrays. This one was trained in PyTorch to hold three bits (see
# :doc:`plot_flipflop`). We write it as it would stand in a checkpoint: among other parts of a larger model.

weights = load_file(files("fpanalysis.datasets") / "flipflop_lstm64.safetensors")
state_dict = {f"model.{name}": value for name, value in weights.items()}
state_dict["model.encoder.weight"] = np.eye(3, dtype=np.float32)
path = Path(tempfile.mkdtemp()) / "checkpoint.safetensors"
save_file(state_dict, path)
for name, value in state_dict.items():
    print(f"{name:32} {str(value.shape):12} {value.dtype}")

# %%
# Names like `weight_hh_l0` are a recurrent layer, under any prefix. Its kind shows in the shapes: an LSTM
# stacks four blocks of 64 rows, a GRU three, a plain layer has one. A linear layer that fits the hidden units
# is the readout. Layers before the recurrent one, such as the encoder here, are left out: the inputs are what
# the recurrent layer itself is given. What the file cannot say are names for inputs and outputs, so we give
# some.

lstm = fpa.load(path, inputs=["pulse 0", "pulse 1", "pulse 2"], outputs=["bit 0", "bit 1", "bit 2"])
print("state:", lstm.state[0], "…", lstm.state[63] + ",", lstm.state[64], "…", lstm.state[127])
print("inputs:", lstm.inputs, " outputs:", lstm.outputs)

# %%
# A first look at the weights: distribution, singular values and eigenvalues of the recurrent matrix of every
# gate, and the norms of the readout. What the network does with them depends on where it is; that comes
# below.

fpa.plot.weights(fpa.weights(lstm)).show()

# %%
# The same from PyTorch itself; both need it to be installed:
#
# .. code-block:: python
#
#    torch.save(network.state_dict(), "network.pt")
#    lstm = fpa.load("network.pt")          # .pt or .pth; no code of the file is run
#
#    lstm = fpa.load_torch(network)         # the live module, or its state_dict()
#
# Where several layers could be meant, the error says which there are:

try:
    fpa.load_torch({**state_dict, "model.value_head.weight": np.ones((1, 64), np.float32)})
except ValueError as error:
    print(error)

# %%
# Is it the same network?
# -----------------------
#
# PyTorch's documentation gives the equations of `torch.nn.LSTM`. Written in NumPy, with the arrays of the
# file and in the precision of the file, they should lead to the same states, pulse after pulse.


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(h, c, u):
    """Return the next `h` and `c`, after the documentation of `torch.nn.LSTM`."""
    w = {name.rpartition(".")[2]: value for name, value in weights.items()}
    rows = w["weight_ih_l0"] @ u + w["bias_ih_l0"] + w["weight_hh_l0"] @ h + w["bias_hh_l0"]
    i, f, g, o = np.split(rows, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


rng = np.random.default_rng(0)
pulses = rng.choice([-1.0, 0.0, 1.0], size=(400, 3), p=[0.02, 0.96, 0.02]).astype(np.float32)
h = c = np.zeros(64, np.float32)
expected = []
for u in pulses:
    h, c = step(h, c, u)
    expected.append(np.concatenate([h, c]))
path = fpa.simulate(lstm, pulses)
print(f"largest difference after 400 steps: {abs(path.x.values - expected).max():.1e}")

# %%
# The difference is the rounding of float32: fpanalysis computes in float64. Where PyTorch is installed, here
# is what it says itself:

if importlib.util.find_spec("torch") is None:
    print("PyTorch is not installed here.")
else:
    import torch

    layer = torch.nn.LSTM(3, 64)
    own = {name.rpartition(".")[2]: torch.tensor(value) for name, value in weights.items()}
    layer.load_state_dict({name: own[name] for name in layer.state_dict()})
    with torch.no_grad():
        hidden, _ = layer(torch.tensor(pulses))
    print(f"largest difference: {abs(path.x.values[:, :64] - hidden.numpy()).max():.1e}")

# %%
# What it remembers
# -----------------
#
# Without a pulse the input is zero, and a memory is a state that stays. The search runs from 1,024 states.

points = fpa.find_fixed_points(lstm, progress=False)
print(f"{points.n_fixed_points.item()} fixed points, {int(points.is_stable.sum())} of them stable")
stable = points.isel(fixed_point=points.is_stable.values)
print("readouts of the stable points:", *["".join("−+"[int(bit > 0)] for bit in y) for y in stable.y.values])

# %%
# Eight memories, one for every content of three bits; the others are saddles between them. The arrows are the
# directions in which the readout of a bit grows.

fpa.plot.fixed_points(points).show()

# %%
# They were solved for in float64. Does the network rest there in float32 as well, step by step, as it would
# in PyTorch?

moved = []
for x in stable.x.values.astype(np.float32):
    h, c = x[:64], x[64:]
    for _ in range(1000):
        h, c = step(h, c, np.zeros(3, np.float32))
    moved.append(abs(np.concatenate([h, c]) - x).max())
print(f"after 1,000 steps no entry has moved by more than {max(moved):.1e}")

# %%
# For how long, and where
# -----------------------
#
# A memory heals: inside the unit circle a disturbance dies out. These are the eigenvalues of all points.

fpa.plot.spectrum(points).show()

# %%
# An LSTM's state is two vectors, the output `h` and the cell `c`. A mode's right eigenvector says in which of
# them a disturbance lasts, `time_constant` how long.

cell = [entry for entry in points.state.values if entry.startswith("cell")]
share = (abs(stable.right_eigenvector.sel(state=cell)) ** 2).sum("state")
print("mode   time constant (steps)   share in the cell    (medians over the memories)")
for mode in range(5):
    steps = stable.time_constant.isel(mode=mode).median().item()
    print(f"{mode:4} {steps:15.1f} {share.isel(mode=mode).median().item():24.2f}")

# %%
# So it is the cell that remembers, as its inventors meant it to (Hochreiter and Schmidhuber, 1997), yet no
# mode lasts longer than six steps: the memory is no slow leak. It lasts for ever because the network falls
# back into one of eight states.
#
# To try next: `fpa.save(lstm, "lstm.eqx")` keeps the network in a file of this package, which says names and
# time step itself. :doc:`/how_to/pytorch` says what else can be loaded, and how to write a cell of your own.
