"""Fixed points of trained recurrent networks and closed-loop controllers, labelled."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fpanalysis import datasets, measures, solvers
from fpanalysis.annotate import eigendecompose, linearize, to_long
from fpanalysis.control import fields, plants, tasks
from fpanalysis.control.controller import Controller
from fpanalysis.control.ensemble import Ensemble
from fpanalysis.control.network import Network
from fpanalysis.find import find_fixed_points
from fpanalysis.flow_field import flow_field
from fpanalysis.follow import follow
from fpanalysis.goal import Goal, grid
from fpanalysis.io import open_dataset, save
from fpanalysis.load import load, load_torch
from fpanalysis.modes import modes, sensitivity
from fpanalysis.records.filters import between, missing
from fpanalysis.simulation import simulate
from fpanalysis.summarize import summarize
from fpanalysis.training import losses
from fpanalysis.vector_field import VectorField, vector_field
from fpanalysis.weights import weights

if TYPE_CHECKING:
    from fpanalysis import plot, records
    from fpanalysis.records import open_store
    from fpanalysis.training.trainer import train

__all__ = [
    "Controller",
    "Ensemble",
    "Goal",
    "Network",
    "VectorField",
    "between",
    "datasets",
    "eigendecompose",
    "fields",
    "find_fixed_points",
    "flow_field",
    "follow",
    "grid",
    "linearize",
    "load",
    "load_torch",
    "losses",
    "measures",
    "missing",
    "modes",
    "open_dataset",
    "open_store",
    "plants",
    "plot",
    "records",
    "save",
    "sensitivity",
    "simulate",
    "solvers",
    "summarize",
    "tasks",
    "to_long",
    "train",
    "vector_field",
    "weights",
]


def __getattr__(name: str) -> Any:
    # Plotly takes a second to import, so it is left until a figure is wanted.
    if name == "plot":
        return import_module("fpanalysis.plot")
    # So do Optax and pydantic, until something is trained.
    if name == "train":
        return import_module("fpanalysis.training.trainer").train
    # And SQLAlchemy, until something is recorded.
    if name == "records":
        return import_module("fpanalysis.records")
    if name == "open_store":
        return import_module("fpanalysis.records").open_store
    raise AttributeError(f"module 'fpanalysis' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
