"""Jacobians of a vector field and its readout at many points, as arrays."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from fpanalysis._compiled import compiled
from fpanalysis._given import numbers
from fpanalysis._numerics import in_float64, model_rules
from fpanalysis.vector_field import VectorField, float64

# Bytes of derivatives in flight at once. A forward-mode pass holds a few arrays of the size of its result.
_CHUNK_BYTES = 64 * 2**20
_ARRAYS_IN_FLIGHT = 4


class Linearization(NamedTuple):
    """Derivatives at `n` points, float64 numpy arrays.

    Attributes:
        state: ∂F/∂x, shape (n, state, state); row: the entry of F, column: the entry of x.
        input: ∂F/∂u, shape (n, state, input).
        output: ∂y/∂x, shape (n, output, state).
    """

    state: np.ndarray
    input: np.ndarray
    output: np.ndarray


def jacobians(field: VectorField, x: np.ndarray, u: np.ndarray) -> Linearization:
    """Return the Jacobians of `F` (the next state, or dx/dt) and of the readout at every point.

    Derivatives are taken by forward-mode automatic differentiation in float64, whatever the model's own
    precision, and are exact up to rounding. Points are worked on in chunks of one shape, which bounds the
    memory in flight and lets one compilation serve all of them, and a later call as well.

    Args:
        field: the vector field.
        x: states, shape (n, state).
        u: the input that belongs to each state, shape (n, input).

    Returns:
        A `Linearization` with ∂F/∂x, ∂F/∂u and ∂y/∂x. Continuous time: ∂F/∂x in 1/s.

    Raises:
        ValueError: `x` or `u` do not have the stated shapes.

    Example:
        >>> import numpy as np
        >>> from fpanalysis import vector_field
        >>> field = vector_field(lambda x, u: x**2 + u, state=1, inputs=1)
        >>> jacobians(field, np.array([[3.0], [5.0]]), np.zeros((2, 1))).state.ravel()
        array([ 6., 10.])
    """
    n_state, n_input = len(field.state), len(field.inputs)
    x, u = _checked(x, "x", n_state), _checked(u, "u", n_input)
    if len(x) != len(u):
        raise ValueError(f"u: expected one input for each of the {len(x)} states in x, got {len(u)}")
    n_output = len(field.outputs)
    result = Linearization(
        np.empty((len(x), n_state, n_state)),
        np.empty((len(x), n_state, n_input)),
        np.empty((len(x), n_output, n_state)),
    )
    chunk = _chunk_size(len(x), 8 * _ARRAYS_IN_FLIGHT * n_state * (n_state + n_input + n_output))
    with in_float64():
        field = float64(field)
        for start in range(0, len(x), chunk):
            # Clipped indices repeat the last point, so that a last, shorter chunk keeps the shape.
            rows = np.minimum(np.arange(start, start + chunk), len(x) - 1)
            n_used = min(chunk, len(x) - start)
            parts = _chunk(field, jnp.asarray(x[rows]), jnp.asarray(u[rows]))
            for whole, part in zip(result, parts, strict=True):
                whole[start : start + n_used] = np.asarray(part)[:n_used]
    return result


def state_jacobian(
    field: VectorField, x: Float[Array, " state"], u: Float[Array, " input"]
) -> tuple[Float[Array, " state"], Float[Array, "state_out state"]]:
    """Return `F(x, u)` and its Jacobian ∂F/∂x, inside a transformation of JAX.

    The derivative is taken leaf by leaf of the state and joined afterwards: XLA then writes every block
    once, which is up to five times faster than the derivative of the flat function (an LSTM's).
    """
    layout = field.state_layout

    def leaves(x: Array) -> list[Array]:
        with model_rules():
            return layout.treedef.flatten_up_to(field.function(layout.unflatten(x), u))

    basis = jnp.eye(x.size, dtype=x.dtype)
    values, blocks = jax.vmap(lambda v: jax.jvp(leaves, (x,), (v,)), out_axes=(None, -1))(basis)
    value = jnp.concatenate([jnp.ravel(leaf) for leaf in values])
    return value, jnp.concatenate([jnp.reshape(block, (-1, x.size)) for block in blocks])


@compiled
def _chunk(field: VectorField, x: jax.Array, u: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return the three Jacobians for one chunk of points."""

    def at(x: jax.Array, u: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        by_input = jax.jacfwd(field, argnums=1)(x, u)
        return state_jacobian(field, x, u)[1], by_input, jax.jacfwd(field.output)(x)

    return jax.vmap(at)(x, u)


def _chunk_size(n: int, bytes_each: int) -> int:
    """Return how many points to work on at once.

    Below the bound a power of two, so that calls with slightly different numbers share a compilation.
    """
    most = max(1, _CHUNK_BYTES // bytes_each)
    return min(most, 1 << max(n - 1, 0).bit_length())


def _checked(array: np.ndarray, name: str, size: int) -> np.ndarray:
    array = numbers(array, name)
    if array.ndim != 2 or array.shape[1] != size:
        raise ValueError(f"{name}: expected an array of shape (n, {size}), got {array.shape}")
    return array
