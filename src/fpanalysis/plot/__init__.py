"""Figures of results: every function takes labelled datasets and returns a plotly figure.

The figures work in notebooks (`.show()`) and save as pages that open offline (`.write_html("figure.html")`).
Their template is registered with plotly under the name `"fpanalysis"`; plotly's default stays as it was.
"""

from fpanalysis.plot._fixed_points import fixed_points
from fpanalysis.plot._spectrum import spectrum

__all__ = ["fixed_points", "spectrum"]
