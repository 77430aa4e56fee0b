"""Trains a part of the bundled reaching controllers from a YAML file, and looks at how they reach.

Run with `python examples/train_from_yaml.py [folder]`; it takes about a minute on two cores. A run that was
killed goes on with the same command, and one that is finished is read from its folder.
"""

import os
import sys
from pathlib import Path

import jax

import fpanalysis as fpa

CONFIG = Path(__file__).with_name("reaching_part.yaml")
FIELD = fpa.fields.Curl(1.0)  # N s/m


def main(folder):
    """Train, then print errors and deviations for every strength of the fields in training."""
    # Networks are trained side by side on the devices, so each core becomes one. This must come first.
    jax.config.update("jax_num_cpu_devices", min(os.cpu_count() or 1, 4))
    ensemble = fpa.train(CONFIG, folder)
    print(ensemble)

    task = fpa.tasks.SimpleReaches()
    still = fpa.simulate(ensemble, task.validation(n_directions=24), progress=False)
    error = fpa.measures.end_point_error(still).mean(["trial", "replicate"])
    # No training trial had this field: amplitudes are drawn anew each time. The context says: expect a field.
    trials = task.validation(n_directions=24, context=1.0, field=FIELD)
    pushed = fpa.simulate(ensemble, trials, progress=False)
    pushed_error = fpa.measures.end_point_error(pushed).mean(["trial", "replicate"])
    deviation = fpa.measures.lateral_deviation(pushed).mean(["trial", "replicate"])

    print(f"\nMeans over directions and replicates; the curl field is {FIELD.amplitude} N s/m.")
    print("field_std (N s/m)   end-point error (mm)              lateral deviation (% of the reach)")
    print("                    no field   curl field             curl field")
    for field_std in ensemble.table.field_std.values:
        here = {"field_std": field_std}
        print(
            f"{field_std:17}   {1000 * error.sel(here):8.1f}   {1000 * pushed_error.sel(here):10.1f}"
            f"             {deviation.sel(here):10.1f}"
        )
    print(f"\nThe run is in {Path(folder).resolve()}; fpa.load gives the ensemble back.")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "runs/reaching_part")
