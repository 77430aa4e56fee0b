"""Fixed points of trained recurrent networks and closed-loop controllers, labelled."""

from fpanalysis.vector_field import VectorField, vector_field

__all__ = ["VectorField", "vector_field"]
