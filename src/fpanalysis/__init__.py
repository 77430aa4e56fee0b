"""Fixed points of trained recurrent networks and closed-loop controllers, labelled."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fpanalysis import datasets, solvers
from fpanalysis.annotate import eigendecompose, linearize, to_long
from fpanalysis.find import find_fixed_points
from fpanalysis.io import open_dataset, save
from fpanalysis.load import load, load_torch
from fpanalysis.simulation import simulate
from fpanalysis.vector_field import VectorField, vector_field

if TYPE_CHECKING:
    from fpanalysis import plot

__all__ = [
    "VectorField",
    "datasets",
    "eigendecompose",
    "find_fixed_points",
    "linearize",
    "load",
    "load_torch",
    "open_dataset",
    "plot",
    "save",
    "simulate",
    "solvers",
    "to_long",
    "vector_field",
]


def __getattr__(name: str) -> Any:
    # Plotly takes a second to import, so it is left until a figure is wanted.
    if name == "plot":
        return import_module("fpanalysis.plot")
    raise AttributeError(f"module 'fpanalysis' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
