"""
Which network was this figure made from?
========================================

A folder holds 24 trained controllers, and their names say how each was trained. Here they move into a records
store, which finds them by hyperparameter, computes every evaluation once, and knows of each figure how the
networks in it were trained and tested.
"""

# sphinx_gallery_thumbnail_path = '_static/thumbnails/records.png'

import re
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

import fpanalysis as fpa

place = Path(tempfile.gettempdir()) / "fpanalysis" / "records"
shutil.rmtree(place, ignore_errors=True)
networks = place / "networks"
networks.mkdir(parents=True)

ensemble = fpa.datasets.reaching_ensemble().sel(method=["active", "std"])
for model, labels in zip(ensemble, ensemble.labels, strict=True):
    name = "{method}_std{field_std}_rep{replicate}.eqx".format(**labels)
    fpa.save(model, networks / name)
print(*sorted(path.name for path in networks.iterdir())[:4], "…", sep="\n")

# %%
# From names of files to records
# ------------------------------
#
# A store is a folder with an SQLite database and all files. Every model is added with all that is known of
# its training, nested as in a configuration. (``fpanalysis train`` and ``db.train`` do this by themselves.)

db = fpa.open_store(place / "results")
for path in sorted(networks.glob("*.eqx")):
    method, field_std, replicate = re.fullmatch(r"(\w+)_std(.+)_rep(\d)\.eqx", path.name).groups()
    model = fpa.load(path)
    config = {
        "perturbation": {"method": method, "field_std": float(field_std)},
        "network": {"kind": "gru", "hidden_size": model.network.cell.weight_hh.shape[1]},
        "replicate": int(replicate),
    }
    db.add_model(model, config)
print(db)

# %%
# Find them
# ---------
#
# The last part of a name is enough. A list means any of its values, ``fpa.between`` a range.

query = db.models.where(field_std=[0.4, 0.8], method="std")
query.df()

# %%
# What varies among them?

query.varies()

# %%
# A misspelt name is an error, not an empty answer.

try:
    db.models.where(feild_std=0.8)
except fpa.records.UnknownParameter as error:
    print(error)

# %%
# ``one`` wants exactly one, and says what tells the others apart.

try:
    db.models.where(field_std=0.8, method="std").one()
except LookupError as error:
    print(error)
print(db.models.where(field_std=0.8, method="std", replicate=1).one())

# %%
# Compute once
# ------------
#
# Where do these controllers rest when the hand is on the goal, for contexts from none to beyond the training?
# ``fixed_points`` takes the query. The hyperparameters that vary become dimensions of the result.

goal = fpa.Goal(position=(0.1, 0.0), context=np.linspace(-1.0, 3.0, 5))
for _ in range(2):
    began = time.perf_counter()
    fps = db.fixed_points(query, goal, spectra="values", progress=False)
    print(f"{time.perf_counter() - began:.2f} s")
fps[["time_constant", "is_stable", "residual"]]

# %%
# The second time it was read. It is computed anew when a model, the goal, an option or the finder changes,
# and only then. Functions of your own are kept in the same way.


def slowest(model, position):
    """Return the longest time constant at a goal, in seconds."""
    ds = fpa.find_fixed_points(model, fpa.Goal(position=position), spectra="values", progress=False)
    return ds[["time_constant"]].isel(mode=0, fixed_point=0)


for record in query:
    db.evaluate(record, slowest, position=(0.1, 0.0))
db.evaluations.df()[["type", "position", "label"]]

# %%
# Figures that know where they come from
# --------------------------------------
#
# A figure is added with its parents: what was drawn. So it can be found by how these networks were trained,
# and on what they were tested.

for record in query:
    ds = db.fixed_points(record, goal, spectra="values", progress=False)
    fig = fpa.plot.spectrum(ds, color="context")
    db.add_figure(fig, type="spectrum", parents=[ds], n_modes=int(ds.sizes["mode"]))

figures = db.figures.where(type="spectrum", train=dict(field_std=0.8), test=dict(loop="clamped"))
figures.varies()

# %%
# Each says on a line what distinguishes it from the others. This one shows the modes of a controller at the
# goal, by the context it was told.

figures.load(annotate="varying")[0].show()

# %%
# Saved, they get names made from what varies among them and the beginning of the hash. All pages share one
# script, and ``index.csv`` lists every parameter.

index = db.figures.where(type="spectrum").save(
    place / "figures", formats=["html", "json"], annotate="varying"
)
print(*sorted(path.name for path in (place / "figures").iterdir()), sep="\n")
index[["name", "train.perturbation.field_std", "train.replicate", "test.loop"]]

# %%
# What the package can draw of a dataset also fits on one page, with its attributes, that opens offline:

report = fpa.plot.report(fps, place / "report.html")
print(report.name, f"{report.stat().st_size / 1e6:.1f} MB")

# %%
# Leave it in order
# -----------------
#
# ``check`` looks at every file. Closing the store writes its records as CSV, from which, with the files, the
# database can be rebuilt. :doc:`/records` tells the rest.

print(len(db.check(progress=False)), "problems")
db.close()
print(*sorted(path.name for path in (place / "results").iterdir()), sep="\n")

# %%
# To try next: `fpanalysis db --help` for the same from a terminal, and `db.train(config)`, which trains only
# what the store does not hold. :doc:`plot_xarray` goes on with datasets from files.
