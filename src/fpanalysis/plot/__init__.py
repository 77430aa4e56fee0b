"""Figures of results: every function takes labelled datasets and returns a plotly figure.

The figures work in notebooks (`.show()`) and save as pages that open offline (`.write_html("figure.html")`).
Their template is registered with plotly under the name `"fpanalysis"`; plotly's default stays as it was.
`figure.update_layout(template="fpanalysis_dark")` turns any of them dark.
"""

from fpanalysis.plot._aligned import aligned_trajectories
from fpanalysis.plot._bifurcation import bifurcation
from fpanalysis.plot._compare import compare
from fpanalysis.plot._fixed_points import fixed_points
from fpanalysis.plot._flow import flow
from fpanalysis.plot._loss_history import loss_history
from fpanalysis.plot._paths import trajectories
from fpanalysis.plot._profiles import profiles
from fpanalysis.plot._report import report
from fpanalysis.plot._spectrum import spectrum
from fpanalysis.plot._spectrum_by import spectrum_by
from fpanalysis.plot._styles import assign_colors
from fpanalysis.plot._trail import fixed_point_trail
from fpanalysis.plot._weights import weights

__all__ = [
    "aligned_trajectories",
    "assign_colors",
    "bifurcation",
    "compare",
    "fixed_point_trail",
    "fixed_points",
    "flow",
    "loss_history",
    "profiles",
    "report",
    "spectrum",
    "spectrum_by",
    "trajectories",
    "weights",
]
