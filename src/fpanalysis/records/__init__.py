"""The records store: models, evaluations and figures, found by their hyperparameters."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fpanalysis.records.figures import Figures
    from fpanalysis.records.opening import open_store, restore
    from fpanalysis.records.query import UnknownParameter
    from fpanalysis.records.recipes import versioned
    from fpanalysis.records.record import Query, Record
    from fpanalysis.records.schema import StoreError
    from fpanalysis.records.store import Store

__all__ = [
    "Figures",
    "Query",
    "Record",
    "Store",
    "StoreError",
    "UnknownParameter",
    "open_store",
    "restore",
    "versioned",
]

# SQLAlchemy and pandas take a while to import, so they are left until a store is wanted.
_PLACES = {
    "Figures": "figures",
    "Query": "record",
    "Record": "record",
    "Store": "store",
    "StoreError": "schema",
    "UnknownParameter": "query",
    "open_store": "opening",
    "restore": "opening",
    "versioned": "recipes",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f"fpanalysis.records.{_PLACES[name]}"), name)
    raise AttributeError(f"module 'fpanalysis.records' has no attribute {name!r}")
