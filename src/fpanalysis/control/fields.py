"""Force fields: the force on the effector, as a function of where it is and how fast it moves."""

import abc
import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, PRNGKeyArray


class AbstractField(eqx.Module):
    """A force on the effector, in newtons.

    Write one by giving it an `amplitude` and a `force`, for one trial, in JAX. Amplitudes are ordinary
    leaves: under `jax.vmap` every trial has its own. Zero amplitude should mean no force.

    Example:
        >>> import jax.numpy as jnp
        >>> from fpanalysis.control.fields import AbstractField
        >>> class Spring(AbstractField):
        ...     amplitude: float = 0.0  # newtons per metre
        ...
        ...     def force(self, position, velocity):
        ...         return -self.amplitude * position
        >>> Spring(20.0).force(jnp.array([0.1, 0.0]), jnp.zeros(2)).tolist()
        [-2.0, -0.0]
    """

    amplitude: eqx.AbstractVar[float | Float[Array, ""]]

    def __check_init__(self) -> None:
        _check_finite(self.amplitude, "amplitude")

    @abc.abstractmethod
    def force(self, position: Float[Array, "2"], velocity: Float[Array, "2"]) -> Float[Array, "2"]:
        """Return the force on the effector.

        Args:
            position: of the effector, in m.
            velocity: of the effector, in m/s.

        Returns:
            The force, in N.
        """

    def drawn(self, amplitude: float | Float[Array, ""], key: PRNGKeyArray) -> "AbstractField":
        """Return this field with another amplitude, and with its random part, if any, drawn anew.

        Args:
            amplitude: of the returned field, in the field's own unit.
            key: random key; a field without a random part does not use it.
        """
        del key
        return dataclasses.replace(self, amplitude=amplitude)


class AbstractAffineField(AbstractField):
    """A force that is an affine function of position and velocity: `matrix @ [position, velocity] + offset`.

    A linear plant in such a field is linear, and can be integrated exactly.
    """

    @abc.abstractmethod
    def affine(self, dtype: DTypeLike) -> tuple[Float[Array, "2 4"], Float[Array, "2"]]:
        """Return the matrix (N/m for the position, N s/m for the velocity) and the offset (N)."""

    def force(self, position: Float[Array, "2"], velocity: Float[Array, "2"]) -> Float[Array, "2"]:
        """Return the force on the effector, in N, at a position in m and a velocity in m/s."""
        matrix, offset = self.affine(velocity.dtype)
        motion = jnp.concatenate([position, velocity])
        return jnp.matmul(matrix, motion, precision=jax.lax.Precision.HIGHEST) + offset


class Curl(AbstractAffineField):
    """A velocity-dependent force at a right angle to the velocity, which does no work.

    `force = amplitude · [−v_y, v_x]`: a positive amplitude turns the movement counter-clockwise (Shadmehr &
    Mussa-Ivaldi, Journal of Neuroscience, 1994).

    Args:
        amplitude: in N s/m.

    Example:
        >>> import jax.numpy as jnp
        >>> from fpanalysis.control.fields import Curl
        >>> Curl(1.5).force(jnp.zeros(2), jnp.array([2.0, 0.0])).tolist()
        [0.0, 3.0]
    """

    amplitude: float | Float[Array, ""] = 0.0

    def affine(self, dtype: DTypeLike) -> tuple[Float[Array, "2 4"], Float[Array, "2"]]:
        """Return the matrix (N/m for the position, N s/m for the velocity) and the offset (N)."""
        a = jnp.asarray(self.amplitude, dtype)
        return jnp.zeros((2, 4), dtype).at[0, 3].set(-a).at[1, 2].set(a), jnp.zeros(2, dtype)


class Constant(AbstractAffineField):
    """The same force everywhere: `force = amplitude · [cos angle, sin angle]`.

    `drawn` draws the angle from the whole circle.

    Args:
        amplitude: in N.
        angle: direction of the force, in rad, counter-clockwise from the x axis.

    Example:
        >>> import jax.numpy as jnp
        >>> from fpanalysis.control.fields import Constant
        >>> Constant(3.0).force(jnp.zeros(2), jnp.zeros(2)).tolist()
        [3.0, 0.0]
    """

    amplitude: float | Float[Array, ""] = 0.0
    angle: float | Float[Array, ""] = 0.0

    def __check_init__(self) -> None:
        _check_finite(self.angle, "angle")

    def affine(self, dtype: DTypeLike) -> tuple[Float[Array, "2 4"], Float[Array, "2"]]:
        """Return the matrix (N/m for the position, N s/m for the velocity) and the offset (N)."""
        a, angle = jnp.asarray(self.amplitude, dtype), jnp.asarray(self.angle, dtype)
        return jnp.zeros((2, 4), dtype), a * jnp.stack([jnp.cos(angle), jnp.sin(angle)])

    def drawn(self, amplitude: float | Float[Array, ""], key: PRNGKeyArray) -> "Constant":
        """Return a constant field with this amplitude (N) and an angle uniform on the circle."""
        angle = jax.random.uniform(key, minval=-jnp.pi, maxval=jnp.pi)
        return dataclasses.replace(self, amplitude=amplitude, angle=angle)


class NoField(AbstractAffineField):
    """No force at all, whatever the amplitude.

    Args:
        amplitude: without effect; here so that every field has one.

    Example:
        >>> import jax.numpy as jnp
        >>> from fpanalysis.control.fields import NoField
        >>> NoField().force(jnp.ones(2), jnp.ones(2)).tolist()
        [0.0, 0.0]
    """

    amplitude: float | Float[Array, ""] = 0.0

    def affine(self, dtype: DTypeLike) -> tuple[Float[Array, "2 4"], Float[Array, "2"]]:
        """Return the matrix (N/m for the position, N s/m for the velocity) and the offset (N)."""
        return jnp.zeros((2, 4), dtype), jnp.zeros(2, dtype)


def _check_finite(value: object, argument: str) -> None:
    """Raise `ValueError` where a Python number is not finite; arrays may be traced, and are let through."""
    if isinstance(value, int | float) and not math.isfinite(value):
        raise ValueError(f"{argument}: expected a finite number, got {value!r}")
