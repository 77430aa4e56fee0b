"""Which axes a cloud of states is drawn along, and what they are called."""

from collections.abc import Sequence

import numpy as np

from fpanalysis.plot._text import escaped
from fpanalysis.projection import Projection, own_axes, principal_components


def projection_of(cloud: np.ndarray, n_axes: int) -> Projection:
    """Return the first principal components of states, or their own entries where there are no more."""
    n_state = cloud.shape[1]
    return own_axes(n_state) if n_state <= n_axes else principal_components(cloud, n_axes)


def axis_titles(
    names: Sequence[str], share: np.ndarray, unit: str = "", what: str = " of variance"
) -> list[str]:
    """Return the titles of axes: their names, the share of the variance where it is known, and a unit."""
    known = [f" ({_percent(each)}{what})" if np.isfinite(each) else "" for each in share]
    return [
        escaped(name) + part + (f" ({unit})" if unit else "") for name, part in zip(names, known, strict=True)
    ]


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 1 else f"{percent:.1f} %" if percent >= 0.1 else "< 0.1 %"
