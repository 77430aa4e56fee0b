"""Plants: the bodies that a network moves, by a force or by torques at the joints."""

from fpanalysis.control.plants._arm import TwoLinkArm
from fpanalysis.control.plants._base import AbstractPlant, PlantState
from fpanalysis.control.plants._point_mass import PointMass

__all__ = ["AbstractPlant", "PlantState", "PointMass", "TwoLinkArm"]
