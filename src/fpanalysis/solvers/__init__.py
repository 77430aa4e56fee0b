"""The solver: damped Newton, made for thousands of small dense systems at once."""

from fpanalysis.solvers._newton import DampedNewton
from fpanalysis.solvers._optimistix import AnySolver

__all__ = ["AnySolver", "DampedNewton"]
