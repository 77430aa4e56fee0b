"""
An LSTM from a file of weights
==============================

Networks trained in PyTorch are often kept as `.safetensors` or `.pt` files. We write such a file from the
bundled LSTM's weights, load it as anybody's file would be loaded, and compare the time scales of its
memories with those of the saddles.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnails/flipflop_lstm.png'

import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

import fpanalysis as fpa

# %%
# A file in PyTorch's layout
# --------------------------
#
# What matters are the names: `weight_ih_l0` and its siblings, under any prefix, are a recurrent layer; its
# kind (RNN, GRU or LSTM) shows in the shapes. A linear layer that fits the hidden state is taken as the
# readout. Here a GRU's and an LSTM's files would look alike; four blocks of rows instead of three tell them
# apart.

rng = np.random.default_rng(0)
hidden, inputs, outputs = 8, 2, 1
weights = {
    "core.rnn.weight_ih_l0": rng.normal(size=(4 * hidden, inputs)),
    "core.rnn.weight_hh_l0": rng.normal(size=(4 * hidden, hidden)) / np.sqrt(hidden),
    "core.rnn.bias_ih_l0": np.zeros(4 * hidden),
    "core.rnn.bias_hh_l0": np.zeros(4 * hidden),
    "readout.weight": rng.normal(size=(outputs, hidden)),
    "readout.bias": np.zeros(outputs),
}
path = Path(tempfile.mkdtemp()) / "small_lstm.safetensors"
save_file({key: value.astype(np.float32) for key, value in weights.items()}, path)

small = fpa.load(path)
print("state: ", ", ".join(small.state))
print("inputs:", ", ".join(small.inputs), " outputs:", ", ".join(small.outputs))

# %%
# An LSTM's state is two vectors, `h` and `c`; both count, under the names `hidden[0]`, … and `cell[0]`, ….
#
# Fixed points of the trained one
# -------------------------------
#
# The bundled flip-flop LSTM has 64 units, hence 128 state entries. It was loaded in the same way.

lstm = fpa.datasets.flipflop("lstm")
points = fpa.find_fixed_points(lstm, progress=False)
print(points.n_fixed_points.item(), "fixed points,", int(points.is_stable.sum()), "of them stable")
fpa.plot.fixed_points(points).show()

# %%
# Only names are needed to look at one half of the state.

cell = [entry for entry in points.state.values if entry.startswith("cell")]
print("cell entries reach up to", float(abs(points.x.sel(state=cell)).max().round(2)), "in size;")
hidden_entries = [entry for entry in points.state.values if entry.startswith("hidden")]
print(
    "hidden entries, squashed by tanh, up to", float(abs(points.x.sel(state=hidden_entries)).max().round(2))
)

# %%
# Time scales
# -----------
#
# `time_constant` is the number of steps in which a mode shrinks (positive) or grows (negative) by a factor
# e. The modes are sorted, so the first one decides how long a disturbance lasts at a memory, and how fast
# the network leaves a saddle.

first = points.time_constant.isel(mode=0)
for k in range(4):
    chosen = first.values[points.n_unstable.values == k]
    print(
        f"{k} unstable directions: {len(chosen):2} points, first time constant {np.median(chosen):7.1f} steps"
    )

# %%
fpa.plot.spectrum(points).show()
