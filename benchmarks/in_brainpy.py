"""The fixed points of a GRU by BrainPy's SlowPointFinder with its defaults, as its documentation uses it.

Run by solver.py with a Python that has BrainPy: `in_brainpy.py WEIGHTS.npz METHOD`. The points go into
WEIGHTS.npz.points.npy, and one line of JSON to standard output.
"""

import json
import sys
import time

START = time.perf_counter()


def main(path: str, method: str) -> None:
    """Find the points and print how long it took."""
    import brainpy as bp
    import jax
    import jax.numpy as jnp
    import numpy as np

    imports = time.perf_counter() - START
    arrays = {name: jnp.asarray(array, jnp.float32) for name, array in np.load(path).items()}

    def cell(h: jax.Array) -> jax.Array:
        h = bp.math.as_jax(h)
        drive_r, drive_z, drive_n = jnp.split(arrays["bias_ih"], 3)
        r, z, n = jnp.split(h @ arrays["weight_hh"].T + arrays["bias_hh"], 3, axis=-1)
        r, z = jax.nn.sigmoid(drive_r + r), jax.nn.sigmoid(drive_z + z)
        return (1 - z) * jnp.tanh(drive_n + r * n) + z * h

    begin = time.perf_counter()
    finder = bp.analysis.SlowPointFinder(f_cell=cell, f_type="discrete", verbose=False)
    getattr(finder, f"find_fps_with_{method}")(candidates=arrays["starts"])
    finder.filter_loss()
    finder.keep_unique()
    kept = finder.num_fps
    finder.exclude_outliers()
    points = np.asarray(finder.fixed_points)
    seconds = time.perf_counter() - begin
    np.save(f"{path}.points.npy", points)
    print(json.dumps({"imports": imports, "call": seconds, "unique": kept, "version": bp.__version__}))


if __name__ == "__main__":
    main(*sys.argv[1:])
