"""Figures of results: every function takes labelled datasets and returns a plotly figure.

The figures work in notebooks (`.show()`) and save as pages that open offline (`.write_html("figure.html")`).
Their template is registered with plotly under the name `"fpanalysis"`; plotly's default stays as it was.
`figure.update_layout(template="fpanalysis_dark")` turns any of them dark.
"""

from fpanalysis.plot._fixed_points import fixed_points
from fpanalysis.plot._spectrum import spectrum
from fpanalysis.plot._styles import assign_colors

__all__ = ["assign_colors", "fixed_points", "spectrum"]
