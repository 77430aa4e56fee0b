"""The words of a result: its variables with their dims, units and fillings, and the flags that they hold.

Nothing is imported here that needs installing, so that every part of the package can read it.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Literal, NamedTuple

TimeDomain = Literal["discrete", "continuous"]


class Kind(IntEnum):
    """What a row holds."""

    NONE = 0
    FIXED = 1
    SLOW = 2


class Status(IntEnum):
    """How the search under a condition ended."""

    SOLVED = 0
    NONE_FOUND = 1
    BAD_MODEL = 2
    BOUND_MET = 3


class Stability(IntEnum):
    """What becomes of small disturbances of a point."""

    NONE = 0
    STABLE = 1
    UNSTABLE = 2
    NEUTRAL = 3
    UNDECIDED = 4


class BranchBegin(IntEnum):
    """Whether and how a branch begins at a point."""

    NONE = 0
    START = 1
    BIRTH = 2
    FOLD = 3


class BranchEnd(IntEnum):
    """Whether and how a branch ends at a point."""

    NONE = 0
    END = 1
    DEATH = 2
    FOLD = 3


class ModeEvent(IntEnum):
    """What happened to a mode since the value before."""

    NONE = 0
    CROSSING = 1
    COLLISION = 2
    UNCERTAIN = 3


def words(flags: type[IntEnum]) -> tuple[str, ...]:
    """Return the names of flags as datasets spell them, the one of number 0 first."""
    return tuple(flag.name.lower() for flag in flags)


class Variable(NamedTuple):
    """What is said of a variable once and for all.

    Attributes:
        dims: its dims after the conditions.
        long_name: what it is, in words.
        filling: what its unused rows hold.
        units: its units, where they are always the same.
        flags: what its numbers mean, of flags.
    """

    dims: tuple[str, ...]
    long_name: str
    filling: float | int | bool
    units: str | None = None
    flags: type[IntEnum] | None = None


_NAN = float("nan")
_POINT = ("fixed_point",)
_MODE = ("fixed_point", "mode")

_SEARCH = {
    "x": Variable(("fixed_point", "state"), "state at the point", _NAN),
    "kind": Variable(_POINT, "what the row holds", Kind.NONE, flags=Kind),
    "is_fixed": Variable(_POINT, "whether the row holds a fixed point", False),
    "n_fixed_points": Variable((), "number of fixed points", 0, "1"),
    "n_slow_points": Variable((), "number of slow points", 0, "1"),
    "residual": Variable(_POINT, "max-norm of F(x, u) - x (continuous time: of F)", _NAN),
    "q": Variable(_POINT, "half the squared 2-norm of F(x, u) - x (continuous time: of F)", _NAN),
    "error": Variable(_POINT, "distance to the true point, max-norm", _NAN),
    "is_isolated": Variable(_POINT, "whether the point is the only one within its error", False),
    "is_smooth": Variable(_POINT, "whether F has a derivative at the point", False),
    "n_hits": Variable(_POINT, "candidates that ended here", -1, "1"),
    "n_neighbour_hits": Variable(_POINT, "starts from neighbouring conditions that ended here", -1, "1"),
    "coverage": Variable((), "Good-Turing estimate of the share of hits that go to known points", 0.0, "1"),
    "n_candidates": Variable((), "number of candidates", 0, "1"),
    "n_failed": Variable((), "candidates that ended at no fixed point", 0, "1"),
    "n_points_dropped": Variable((), "points not followed up because a bound was met", 0, "1"),
    "status": Variable((), "outcome of the condition", Status.SOLVED, flags=Status),
    "y": Variable(("fixed_point", "output"), "readout at the point", _NAN),
    "u": Variable(("input",), "constant input of the condition", _NAN),
}
_BODY = {
    "force": Variable(("fixed_point", "axis"), "force that the network exerts on the body", _NAN, "N"),
    "force_norm": Variable(_POINT, "size of the force", _NAN, "N"),
    "torque": Variable(("fixed_point", "joint"), "torque that the network exerts on the arm", _NAN, "N m"),
    "torque_norm": Variable(_POINT, "size of the torque", _NAN, "N m"),
    "position": Variable(("fixed_point", "axis"), "where the effector rests", _NAN, "m"),
    "offset": Variable(("fixed_point", "axis"), "where the effector rests, from the target", _NAN, "m"),
    "offset_norm": Variable(_POINT, "distance of the effector from the target", _NAN, "m"),
}
_SPECTRA = {
    "jacobian": Variable(("fixed_point", "state_out", "state"), "dF/dx", _NAN),
    "input_jacobian": Variable(("fixed_point", "state_out", "input"), "dF/du", _NAN),
    "output_jacobian": Variable(("fixed_point", "output", "state"), "dy/dx", _NAN),
    "eigenvalue": Variable(_MODE, "eigenvalue of the Jacobian", _NAN),
    "right_eigenvector": Variable(
        ("fixed_point", "state", "mode"), "right eigenvector, unit 2-norm", _NAN, "1"
    ),
    "left_eigenvector": Variable(
        ("fixed_point", "mode", "state"),
        "left eigenvector w, sum(conj(w) v) = 1 with the right one v",
        _NAN,
        "1",
    ),
    "eigenvalue_condition": Variable(_MODE, "condition number of the eigenvalue", _NAN, "1"),
    "is_defective": Variable(_MODE, "whether the mode is defective", False),
    "time_constant": Variable(_MODE, "time constant, negative where the mode grows", _NAN),
    "frequency": Variable(_MODE, "frequency of oscillation", _NAN),
    "stability_margin": Variable(_POINT, "how near the boundary of stability a mode counts as neutral", _NAN),
    "stability": Variable(_POINT, "what becomes of small disturbances", Stability.NONE, flags=Stability),
    "is_stable": Variable(_POINT, "whether every mode decays", False),
    "n_unstable": Variable(_POINT, "number of modes that grow", -1, "1"),
}
_MODES = {
    "mode_input": Variable(
        ("fixed_point", "mode", "input"), "how much a unit of the input drives the mode", _NAN
    ),
    "mode_output": Variable(("fixed_point", "output", "mode"), "how much the output shows of the mode", _NAN),
    "henrici": Variable(_POINT, "distance of the Jacobian from normality", _NAN, "1"),
    "initial_growth": Variable(_POINT, "fastest growth of a disturbance at the beginning", _NAN),
    "peak_growth": Variable(_POINT, "largest factor by which a disturbance grows", _NAN, "1"),
    "sensitivity": Variable(("fixed_point", "state", "input"), "shift of the point per unit of input", _NAN),
    "output_sensitivity": Variable(
        ("fixed_point", "output", "input"), "change of the readout per unit of input", _NAN
    ),
    "sensitivity_condition": Variable(_POINT, "condition number of the linear system", _NAN, "1"),
}
_BRANCHES = {
    "branch": Variable(_POINT, "the same number for the same point", -1),
    "branch_confidence": Variable(_POINT, "confidence of the link to the value before", _NAN, "1"),
    "branch_begins": Variable(
        _POINT, "whether and how the branch begins here", BranchBegin.NONE, flags=BranchBegin
    ),
    "branch_ends": Variable(_POINT, "whether and how the branch ends here", BranchEnd.NONE, flags=BranchEnd),
    "mode_track": Variable(_MODE, "the same number for the same mode of a branch", -1),
    "mode_confidence": Variable(_MODE, "confidence of the link to the value before", _NAN, "1"),
    "mode_event": Variable(_MODE, "what happened since the value before", ModeEvent.NONE, flags=ModeEvent),
    "followed_eigenvalue": Variable(("fixed_point", "track"), "eigenvalue in the order of the tracks", _NAN),
}

# Every variable of a result of fixed points, in the order in which datasets list them.
SCHEMA: Mapping[str, Variable] = MappingProxyType(_SEARCH | _BODY | _SPECTRA | _MODES | _BRANCHES)

# The words of every flag variable, the one of number 0 first.
FLAGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {name: words(each.flags) for name, each in SCHEMA.items() if each.flags}
)

# The dims of results that are no conditions.
DIMS = frozenset(dim for each in SCHEMA.values() for dim in each.dims)

# What a condition cannot be called: names of results, what `to_long` adds, and the dim of candidates.
RESERVED = DIMS | SCHEMA.keys() | {"candidate", "rank", "point"}
