"""Losses: named terms that add up, each weighted.

Terms are for one trial; a `Loss` takes their mean over a batch. They compose as numbers do:

>>> import fpanalysis as fpa
>>> loss = fpa.losses.position() + 0.1 * fpa.losses.final_velocity() + 1e-5 * fpa.losses.hidden()
>>> loss.names
('position', 'final_velocity', 'hidden')
"""

import abc
import math
import numbers
from collections import Counter
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from fpanalysis._messages import listed, nearest
from fpanalysis.control.trials import Rollout, Trial

Scalar = Float[Array, ""]
Weight = float | int | Scalar


class _Summand(eqx.Module):
    """What can be added, and multiplied by a number."""

    # NumPy would take a summand for an array of objects otherwise.
    __array_ufunc__ = None

    @abc.abstractmethod
    def _weighted(self) -> tuple[tuple[Weight, "Term"], ...]: ...

    def __add__(self, other: "_Summand") -> "Loss":
        if not isinstance(other, _Summand):
            return NotImplemented
        return Loss(self._weighted() + other._weighted())

    def __mul__(self, factor: Weight) -> "Loss":
        if isinstance(factor, _Summand):
            return NotImplemented
        return Loss(tuple((factor * weight, term) for weight, term in self._weighted()))

    def __rmul__(self, factor: Weight) -> "Loss":
        return self * factor


class AbstractTerm(_Summand):
    """A term of a loss that looks at one trial and what the model did in it.

    For a term without parameters, `term` is shorter.

    Attributes:
        name: what the term is called in histories.

    Example:
        >>> import equinox as eqx, jax.numpy as jnp, fpanalysis as fpa
        >>> class Beyond(fpa.losses.AbstractTerm):
        ...     '''How far the effector goes beyond a radius, squared and summed over time.'''
        ...
        ...     radius: float = eqx.field(static=True)
        ...     name: str = eqx.field(static=True, default="beyond")
        ...
        ...     def __call__(self, model, trial, rollout):
        ...         distance = jnp.linalg.norm(rollout.position, axis=-1)
        ...         return jnp.sum(jnp.maximum(distance - self.radius, 0.0) ** 2)
        >>> (fpa.losses.reaching_loss() + 0.5 * Beyond(radius=2.0)).names[-1]
        'beyond'
    """

    name: eqx.AbstractVar[str]

    @abc.abstractmethod
    def __call__(self, model: Any, trial: Trial, rollout: Rollout) -> Scalar:
        """Return the term for one trial."""

    def _weighted(self) -> "tuple[tuple[Weight, Term], ...]":
        return ((1.0, self),)


class AbstractModelTerm(_Summand):
    """A term of a loss that looks at the model alone, such as a penalty on its weights.

    Attributes:
        name: what the term is called in histories.

    Example:
        >>> import equinox as eqx, jax.numpy as jnp, fpanalysis as fpa
        >>> class RecurrentWeights(fpa.losses.AbstractModelTerm):
        ...     '''Sum of the squared recurrent weights.'''
        ...
        ...     name: str = eqx.field(static=True, default="recurrent_weights")
        ...
        ...     def __call__(self, model):
        ...         return jnp.sum(model.network.cell.weight_hh**2)
        >>> (fpa.losses.reaching_loss() + 1e-4 * RecurrentWeights()).names[-1]
        'recurrent_weights'
    """

    name: eqx.AbstractVar[str]

    @abc.abstractmethod
    def __call__(self, model: Any) -> Scalar:
        """Return the term."""

    def _weighted(self) -> "tuple[tuple[Weight, Term], ...]":
        return ((1.0, self),)


Term = AbstractTerm | AbstractModelTerm


class Loss(_Summand):
    """A weighted sum of terms with names of their own.

    Sums and multiples of terms are losses already, so that this class is seldom called by name. The weights
    are leaves: within a batch of models each may have its own.

    Attributes:
        terms: the weight of every term, and the term.

    Raises:
        ValueError: there are no terms, two have the same name, or a weight is not finite.

    Example:
        >>> import fpanalysis as fpa
        >>> loss = 2.0 * (fpa.losses.output() + 1e-5 * fpa.losses.hidden())
        >>> [(weight, term.name) for weight, term in loss.terms]
        [(2.0, 'output'), (2e-05, 'hidden')]
    """

    terms: tuple[tuple[Weight, Term], ...]

    def __check_init__(self) -> None:
        if not self.terms:
            raise ValueError("loss: expected at least one term, got none")
        if repeated := sorted(name for name, count in Counter(self.names).items() if count > 1):
            raise ValueError(
                f"loss: every term needs a name of its own, but {listed(repeated)} is there more than once; "
                "to weight a term more, multiply it by a number"
            )
        for weight, term in self.terms:
            if isinstance(weight, numbers.Real) and not math.isfinite(weight):
                raise ValueError(f"weight of {term.name!r}: expected a finite number, got {weight!r}")

    @property
    def names(self) -> tuple[str, ...]:
        """The name of every term, in the order in which they were added."""
        return tuple(term.name for _, term in self.terms)

    def __call__(self, model: Any, trials: Trial, rollouts: Rollout) -> dict[str, Scalar]:
        """Return every term, weighted, as the mean over the trials; the loss is the sum of them.

        Args:
            model: the model that made the rollouts.
            trials: the trials, every leaf with one leading axis.
            rollouts: what the model did in them, likewise.
        """
        values = {}
        for weight, term in self.terms:
            if isinstance(term, AbstractModelTerm):
                value = term(model)
            else:
                value = jnp.mean(_of_each(term, model, trials, rollouts))
            values[term.name] = _times(weight, value)
        return values

    def per_trial(self, model: Any, trials: Trial, rollouts: Rollout) -> dict[str, Float[Array, " trial"]]:
        """Return every term, weighted, for every trial; terms on the model alone are the same for all.

        Args:
            model: the model that made the rollouts.
            trials: the trials, every leaf with one leading axis.
            rollouts: what the model did in them, likewise.
        """
        values = {}
        for weight, term in self.terms:
            if isinstance(term, AbstractModelTerm):
                value = jnp.full((len(rollouts.hidden),), term(model))
            else:
                value = _of_each(term, model, trials, rollouts)
            values[term.name] = _times(weight, value)
        return values

    def _weighted(self) -> tuple[tuple[Weight, Term], ...]:
        return self.terms


def term(name: str, function: Callable[[Any, Trial, Rollout], Scalar]) -> AbstractTerm:
    """Return a plain function as a term.

    Args:
        name: what the term is called in histories.
        function: called as `function(model, trial, rollout)` with one trial; it returns a scalar.

    Example:
        >>> import jax.numpy as jnp, fpanalysis as fpa
        >>> speed = fpa.losses.term("speed", lambda model, trial, rollout: jnp.sum(rollout.velocity**2))
        >>> (fpa.losses.position() + 0.01 * speed).names
        ('position', 'speed')
    """
    return _FunctionTerm(name, function)


class _FunctionTerm(AbstractTerm):
    """A plain function as a term."""

    name: str = eqx.field(static=True)
    function: Callable[[Any, Trial, Rollout], Scalar] = eqx.field(static=True)

    def __call__(self, model: Any, trial: Trial, rollout: Rollout) -> Scalar:
        return self.function(model, trial, rollout)


def position() -> AbstractTerm:
    """Return the squared distance (m²) to the target position, summed over time with the weights `(t/T)⁶`.

    Late errors count most, with `t` from 1 at the first step to `T` at the last.

    Example:
        >>> import fpanalysis as fpa
        >>> (2.0 * fpa.losses.position()).names
        ('position',)
    """
    return term("position", _position)


def final_velocity() -> AbstractTerm:
    """Return the squared difference ((m/s)²) from the target velocity at the last step.

    Example:
        >>> import fpanalysis as fpa
        >>> (2.0 * fpa.losses.final_velocity()).names
        ('final_velocity',)
    """
    return term("final_velocity", _final_velocity)


def force() -> AbstractTerm:
    """Return the squared output (N² or (N m)²) before motor noise, summed over time and components.

    Example:
        >>> import fpanalysis as fpa
        >>> (2.0 * fpa.losses.force()).names
        ('force',)
    """
    return term("force", _force)


def hidden() -> AbstractTerm:
    """Return the squared activity of the hidden units, summed over time and units.

    Example:
        >>> import fpanalysis as fpa
        >>> (2.0 * fpa.losses.hidden()).names
        ('hidden',)
    """
    return term("hidden", _hidden)


def output() -> AbstractTerm:
    """Return the squared difference from the target output, summed over time and components.

    Example:
        >>> import fpanalysis as fpa
        >>> (2.0 * fpa.losses.output()).names
        ('output',)
    """
    return term("output", _output)


def readout_norm(norm: float = 2.0) -> AbstractModelTerm:
    """Return the squared difference of the readout matrix' Frobenius norm from `norm`.

    Args:
        norm: the norm wanted, at least 0.

    Example:
        >>> import equinox as eqx, jax, jax.numpy as jnp, fpanalysis as fpa
        >>> network = fpa.Network.create({"pulse": 1}, {"bit": 1}, hidden_size=4, key=jax.random.key(0))
        >>> weights = jnp.array([[3.0, 0.0, 4.0, 0.0]])
        >>> network = eqx.tree_at(lambda network: network.readout.weight, network, weights)
        >>> float(fpa.losses.readout_norm(2.0)(network))
        9.0
    """
    return _ReadoutNorm(norm=norm)


class _ReadoutNorm(AbstractModelTerm):
    """The squared difference of the readout matrix' Frobenius norm from the one wanted."""

    norm: float = eqx.field(static=True)
    name: str = eqx.field(static=True, default="readout_norm")

    def __check_init__(self) -> None:
        if not 0.0 <= self.norm < math.inf:
            raise ValueError(f"norm: expected a finite number of at least 0, got {self.norm!r}")

    def __call__(self, model: Any) -> Scalar:
        square = jnp.sum(_readout(model) ** 2)
        # The root has no derivative at zero, where a readout may well start.
        is_zero = square == 0
        norm = jnp.where(is_zero, 0.0, jnp.sqrt(jnp.where(is_zero, 1.0, square)))
        return (norm - self.norm) ** 2


def reaching_loss() -> Loss:
    """Return the loss for reaches: position and final velocity, 1e-5 force and 1e-5 hidden activity.

    Example:
        >>> import fpanalysis as fpa
        >>> fpa.losses.reaching_loss().names
        ('position', 'final_velocity', 'force', 'hidden')
    """
    return position() + final_velocity() + 1e-5 * force() + 1e-5 * hidden()


def output_loss() -> Loss:
    """Return the loss for networks without a body: output and 1e-5 hidden activity.

    Example:
        >>> import fpanalysis as fpa
        >>> fpa.losses.output_loss().names
        ('output', 'hidden')
    """
    return output() + 1e-5 * hidden()


def _position(model: Any, trial: Trial, rollout: Rollout) -> Scalar:
    error = _effector(rollout.position, "position") - _target(trial, "position")
    n_steps = len(error)
    weights = (jnp.arange(1, n_steps + 1, dtype=error.dtype) / n_steps) ** 6
    return jnp.sum(weights[:, None] * error**2)


def _final_velocity(model: Any, trial: Trial, rollout: Rollout) -> Scalar:
    error = _effector(rollout.velocity, "final_velocity") - _target(trial, "velocity")
    return jnp.sum(error[-1] ** 2)


def _force(model: Any, trial: Trial, rollout: Rollout) -> Scalar:
    return jnp.sum(rollout.output**2)


def _hidden(model: Any, trial: Trial, rollout: Rollout) -> Scalar:
    return jnp.sum(rollout.hidden**2)


def _output(model: Any, trial: Trial, rollout: Rollout) -> Scalar:
    return jnp.sum((rollout.output - _target(trial, "output")) ** 2)


def _of_each(term: AbstractTerm, model: Any, trials: Trial, rollouts: Rollout) -> Float[Array, " trial"]:
    return jax.vmap(lambda trial, rollout: term(model, trial, rollout))(trials, rollouts)


def _times(weight: Weight, value: Array) -> Array:
    return jnp.asarray(weight, value.dtype) * value


def _target(trial: Trial, name: str) -> Array:
    if name not in trial.targets:
        raise ValueError(
            f"loss: the task has no target {name!r}{nearest(name, trial.targets)}; it has "
            f"{listed(trial.targets)}"
        )
    return trial.targets[name]


def _effector(values: Array | None, name: str) -> Array:
    if values is None:
        raise ValueError(f"loss: the term {name!r} needs an effector, but the model moves no plant")
    return values


def _readout(model: Any) -> Array:
    """Return the readout's weights, of a controller's network or of a network itself."""
    readout = getattr(getattr(model, "network", model), "readout", None)
    weight = getattr(readout, "weight", None)
    if weight is None:
        raise ValueError(
            f"readout_norm: expected a model with a linear readout (`network.readout.weight`), got "
            f"{type(model).__name__}"
        )
    return weight
