"""Tasks: what a model is trained on, as random trials and a fixed set for validation."""

from fpanalysis.control.tasks import perturbations
from fpanalysis.control.tasks._base import AbstractTask
from fpanalysis.control.tasks._flipflop import FlipFlop
from fpanalysis.control.tasks._integration import ContextIntegration
from fpanalysis.control.tasks._reaches import DelayedReaches, SimpleReaches

__all__ = [
    "AbstractTask",
    "ContextIntegration",
    "DelayedReaches",
    "FlipFlop",
    "SimpleReaches",
    "perturbations",
]
