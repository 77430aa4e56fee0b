"""How strong a force field is in a trial, and what the context input tells the network about it."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from fpanalysis._messages import listed
from fpanalysis.control.fields import AbstractField, Curl
from fpanalysis.control.tasks._base import check_number, normal, uniform

Scalar = Float[Array, ""]


class AbstractPerturbation(eqx.Module):
    """A random force field with a context input that says something about its strength."""

    @abc.abstractmethod
    def draw(self, key: PRNGKeyArray) -> tuple[Scalar, Scalar]:
        """Return the context input and the field's amplitude of one trial."""

    @abc.abstractmethod
    def context_and_field(self, key: PRNGKeyArray) -> tuple[Scalar, AbstractField]:
        """Return the context input and the force field of one trial."""


class AbstractMethod(AbstractPerturbation):
    """A way to draw context and amplitude, for one kind of field.

    Attributes:
        field_std: standard deviation `A` of the field's amplitude, in the field's unit.
        field: the kind of field; its own amplitude plays no part.
    """

    field_std: eqx.AbstractVar[float | Scalar]
    field: eqx.AbstractVar[AbstractField]

    def context_and_field(self, key: PRNGKeyArray) -> tuple[Scalar, AbstractField]:
        """Return the context input and the force field of one trial."""
        strength_key, field_key = jax.random.split(key)
        context, amplitude = self.draw(strength_key)
        return context, self.field.drawn(amplitude, field_key)


class Active(AbstractMethod):
    """The context says whether there is a field.

    With probability ½ the field is active: the context is 1 and the amplitude `A z`, with `z` standard
    normal. Otherwise the context is `low` and the amplitude 0.

    Attributes:
        field_std: standard deviation `A` of the amplitude where the field is active.
        field: the kind of field.
        low: the context without a field; below 1, such as 0 or −1.

    Example:
        >>> import jax, fpanalysis as fpa
        >>> context, amplitude = fpa.tasks.perturbations.Active(2.0, low=-1.0).draw(jax.random.key(0))
        >>> float(context) in (-1.0, 1.0)
        True
    """

    field_std: float | Scalar
    field: AbstractField = Curl()
    low: float = eqx.field(static=True, default=0.0)

    def __check_init__(self) -> None:
        check_number("field_std", self.field_std, 0.0)
        if not -float("inf") < self.low < 1.0:
            raise ValueError(f"low: expected a number below 1, got {self.low!r}")

    def draw(self, key: PRNGKeyArray) -> tuple[Scalar, Scalar]:
        """Return the context input and the field's amplitude of one trial."""
        active_key, z_key = jax.random.split(key)
        is_active, z = uniform(active_key) < 0.5, normal(z_key)
        context = jnp.where(is_active, jnp.ones_like(z), jnp.full_like(z, self.low))
        return context, jnp.where(is_active, _scaled(self.field_std, z), jnp.zeros_like(z))


class Amplitude(AbstractMethod):
    """The context says how strong the field of this very trial is.

    The context is `|z|` and the amplitude `A z`, with `z` standard normal.

    Attributes:
        field_std: standard deviation `A` of the amplitude.
        field: the kind of field.

    Example:
        >>> import jax, fpanalysis as fpa
        >>> context, amplitude = fpa.tasks.perturbations.Amplitude(field_std=2.0).draw(jax.random.key(0))
        >>> bool(abs(amplitude) == 2 * context)
        True
    """

    field_std: float | Scalar
    field: AbstractField = Curl()

    def __check_init__(self) -> None:
        check_number("field_std", self.field_std, 0.0)

    def draw(self, key: PRNGKeyArray) -> tuple[Scalar, Scalar]:
        """Return the context input and the field's amplitude of one trial."""
        z = normal(key)
        return jnp.abs(z), _scaled(self.field_std, z)


class Std(AbstractMethod):
    """The context says how strong a field to expect, but not how strong this one is.

    The context is `|z1|` and the amplitude `A |z1| z2`, with `z1` and `z2` standard normal.

    Attributes:
        field_std: scale `A` of the amplitude, whose standard deviation given the context is `A |z1|`.
        field: the kind of field.
        scaled_context: whether the context is `A |z1|` instead, an older form of the method.

    Example:
        >>> import jax, fpanalysis as fpa
        >>> context, amplitude = fpa.tasks.perturbations.Std(field_std=0.0).draw(jax.random.key(0))
        >>> bool(context > 0), float(amplitude)
        (True, 0.0)
    """

    field_std: float | Scalar
    field: AbstractField = Curl()
    scaled_context: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        check_number("field_std", self.field_std, 0.0)

    def draw(self, key: PRNGKeyArray) -> tuple[Scalar, Scalar]:
        """Return the context input and the field's amplitude of one trial."""
        z1, z2 = normal(key, (2,))
        std = _scaled(self.field_std, jnp.abs(z1))
        return std if self.scaled_context else jnp.abs(z1), std * z2


class StdUniform(AbstractMethod):
    """The context says how strong a field to expect, and is bounded.

    The context is `c`, uniform in [0, 1), and the amplitude `A c z`, with `z` standard normal.

    Attributes:
        field_std: scale `A` of the amplitude, whose standard deviation given the context is `A c`.
        field: the kind of field.

    Example:
        >>> import jax, fpanalysis as fpa
        >>> context, amplitude = fpa.tasks.perturbations.StdUniform(field_std=2.0).draw(jax.random.key(0))
        >>> bool(0 <= context < 1)
        True
    """

    field_std: float | Scalar
    field: AbstractField = Curl()

    def __check_init__(self) -> None:
        check_number("field_std", self.field_std, 0.0)

    def draw(self, key: PRNGKeyArray) -> tuple[Scalar, Scalar]:
        """Return the context input and the field's amplitude of one trial."""
        context_key, z_key = jax.random.split(key)
        context = uniform(context_key)
        return context, _scaled(self.field_std, context) * normal(z_key)


class AnyOf(AbstractPerturbation):
    """One of several methods, chosen by a number that may differ within a batch.

    So one compiled function serves models that are trained with different methods. What is drawn with a key
    is what the chosen method draws with it.

    Attributes:
        index: which method, from 0.
        methods: the methods, all with the same kind of field.

    Raises:
        ValueError: there are no methods, their kinds of field differ, or there is no such index.

    Example:
        >>> import jax, fpanalysis as fpa
        >>> perturbations, key = fpa.tasks.perturbations, jax.random.key(0)
        >>> methods = perturbations.Std(2.0), perturbations.Amplitude(2.0)
        >>> perturbations.AnyOf(1, methods).draw(key) == methods[1].draw(key)
        True
    """

    index: int | Int[Array, ""]
    methods: tuple[AbstractMethod, ...]

    def __check_init__(self) -> None:
        if not self.methods:
            raise ValueError("methods: expected at least one, got none")
        if len(kinds := {jax.tree_util.tree_structure(method.field) for method in self.methods}) > 1:
            names = sorted({type(method.field).__name__ for method in self.methods})
            raise ValueError(
                f"methods: expected the same kind of field in all of them, got {len(kinds)} kinds "
                f"({listed(names)})"
            )
        if isinstance(self.index, int) and not 0 <= self.index < len(self.methods):
            raise ValueError(
                f"index: expected a number from 0 to {len(self.methods) - 1} for {len(self.methods)} "
                f"methods, got {self.index!r}"
            )

    # JAX hashes the branches of a switch. A bound method of a module with arrays has no hash; a lambda has.

    def draw(self, key: PRNGKeyArray) -> tuple[Scalar, Scalar]:
        """Return the context input and the field's amplitude of one trial."""
        branches = [lambda key, method=method: method.draw(key) for method in self.methods]
        return jax.lax.switch(self.index, branches, key)

    def context_and_field(self, key: PRNGKeyArray) -> tuple[Scalar, AbstractField]:
        """Return the context input and the force field of one trial."""
        branches = [lambda key, method=method: method.context_and_field(key) for method in self.methods]
        return jax.lax.switch(self.index, branches, key)


METHODS: dict[str, type[AbstractMethod]] = {
    "active": Active,
    "amplitude": Amplitude,
    "std": Std,
    "std_uniform": StdUniform,
}


def _scaled(field_std: float | Scalar, x: Scalar) -> Scalar:
    return jnp.asarray(field_std, x.dtype) * x
