"""The solver: damped Newton, made for thousands of small dense systems at once."""

from fpanalysis.solvers._newton import DampedNewton

__all__ = ["DampedNewton"]
