"""What a system of the zoo is: a formula, how its points are known, and the model that the package is
given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np

import fpanalysis as fpa
from zoology.arithmetic import IN_JAX, Arithmetic, Formula

STABLE, UNSTABLE, NEUTRAL, UNDECIDED = ("stable",), ("unstable",), ("neutral",), ("undecided",)


@dataclass(frozen=True)
class Known:
    """A point given in closed form.

    Args:
        x: a function without arguments that returns the state as multiple-precision numbers, or plain numbers
            that are meant exactly.
        labels: the stabilities that are right; computed where None; any where empty.
        is_degenerate: whether I − J (flows: J) is singular there.
        play: distance within which the formula's rounding cannot tell the point from its surroundings.
    """

    x: Any
    labels: tuple[str, ...] | None = None
    is_degenerate: bool = False
    play: float = 0.0


@dataclass(frozen=True)
class System:
    """One system of the zoo.

    Args:
        kind: which row of the table it belongs to.
        name: tells it from all others, and says how it is made.
        formula: the next state, or dx/dt.
        parameters: what the formula takes by name.
        n_state: number of entries of the state.
        flow: whether time is continuous.
        residual: the equations that are solved, where they are not those of the formula itself.
        lift: the state that belongs to unknowns, `lift(xp, y, **parameters)`.
        box: lower and upper bounds between which all unknowns lie; the maker of the system says why.
        is_bounded: whether the box is mapped into itself, or entered by the flow, so that indices sum to 1.
        known: points in closed form. Where there are any, or `box` is None, they are all.
        regions: matrices of a piecewise linear system, for exact enumeration.
        scale: size of every entry of the state; from the box where left out.
        continuum: distance of states `(n, state)` from a continuum of fixed points, `(n,)`.
        cell: makes the model where it is another one than the formula, of the same equations.
        options: arguments of `find_fixed_points`.
        periodic: which entries of the state are angles.
    """

    kind: str
    name: str
    formula: Formula
    parameters: dict[str, Any]
    n_state: int
    flow: bool = False
    residual: Formula | None = None
    lift: Formula | None = None
    box: tuple[np.ndarray, np.ndarray] | None = None
    is_bounded: bool = False
    known: tuple[Known, ...] = ()
    regions: Callable[[], list[Known]] | None = None
    scale: np.ndarray | None = None
    continuum: Callable[[np.ndarray], np.ndarray] | None = None
    cell: Callable[[], Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    periodic: tuple[int, ...] = ()

    def right_side(self, xp: Arithmetic, x: Any, parameters: dict[str, Any] | None = None) -> Any:
        """Return `F(x)`."""
        return self.formula(xp, x, **(self.parameters if parameters is None else parameters))

    def equations(self, xp: Arithmetic, y: Any, parameters: dict[str, Any] | None = None) -> Any:
        """Return what vanishes at a fixed point, in the unknowns."""
        values = self.parameters if parameters is None else parameters
        if self.residual is not None:
            return self.residual(xp, y, **values)
        f = self.formula(xp, y, **values)
        return f if self.flow else f - y

    def state(self, xp: Arithmetic, y: Any, parameters: dict[str, Any] | None = None) -> Any:
        """Return the state of unknowns."""
        values = self.parameters if parameters is None else parameters
        return y if self.lift is None else self.lift(xp, y, **values)

    def model(self) -> Any:
        """Return what `find_fixed_points` is given."""
        if self.cell is not None:
            return self.cell()
        names = [f"x{k}" for k in range(self.n_state)]
        return fpa.vector_field(
            FormulaModel(self.formula, {k: _leaf(v) for k, v in self.parameters.items()}),
            state=names,
            time_domain="continuous" if self.flow else "discrete",
            periodic=[names[k] for k in self.periodic],
        )


def _leaf(value: Any) -> Any:
    return value if isinstance(value, int) else np.asarray(value, float)


class FormulaModel(eqx.Module):
    """A formula in JAX. Parameters are leaves, so that systems of one formula and size compile once."""

    formula: Formula = eqx.field(static=True)
    parameters: dict[str, Any]

    def __call__(self, u: Any, x: Any) -> Any:
        """Return the next state, or dx/dt."""
        del u
        whole = {k: v for k, v in self.parameters.items() if isinstance(v, int)}
        arrays = {k: jnp.asarray(v) for k, v in self.parameters.items() if k not in whole}
        return self.formula(IN_JAX, x, **arrays, **whole)


def cube(n: int, half: float | np.ndarray = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return the box of `n` entries from `−half` to `half`."""
    half = np.broadcast_to(np.asarray(half, float), (n,)).copy()
    return -half, half


def bounds(*pairs: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return a box of lower and upper bounds given entry by entry."""
    lo, hi = np.array(pairs, float).T
    return lo, hi
