"""How NumPy treats overflow and underflow inside the package. No JAX, so that figures can use it."""

import numpy as np


def usual_errors() -> np.errstate:
    """Return a context in which NumPy treats overflow and the like as it does by default.

    With `numpy.seterr(all="raise")`, numbers that fall below the smallest one would end a computation.
    """
    return np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")
