"""Make a bundled dataset of a finished training run: the selected checkpoints, and the history thinned.

fpanalysis train src/fpanalysis/datasets/reaching_ensemble/config.yaml --folder runs/reaching_ensemble
python tools/bundle.py runs/reaching_ensemble src/fpanalysis/datasets/reaching_ensemble
"""

import shutil
import sys
from pathlib import Path

import numpy as np

import fpanalysis as fpa

KEPT = 200  # iterations of the history, evenly spaced on a logarithmic axis


def main() -> None:
    """Copy what is kept of a run from one folder to another."""
    run, target = map(Path, sys.argv[1:])
    target.mkdir(parents=True, exist_ok=True)
    for name in ("config.yaml", "log.txt", "models.safetensors"):
        shutil.copy(run / name, target / name)
    history = fpa.open_dataset(run / "history.nc")
    kept = np.unique(np.geomspace(1, history.sizes["iteration"], KEPT).round().astype(int)) - 1
    fpa.save(history.isel(iteration=kept), target / "history.nc")
    size = sum(path.stat().st_size for path in target.iterdir())
    print(f"{target}: {len(fpa.load(target))} networks, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
