"""What a function makes of a float64 state is looked at when it is wrapped."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fpanalysis import simulate, vector_field
from fpanalysis.linearization import jacobians

SINGLE = np.random.default_rng(1).normal(size=(3, 3)).astype(np.float32)
W = jnp.asarray(SINGLE)


def to(dtype):
    return lambda x, u: jnp.tanh(x).astype(dtype)


def as_keras_does(x, u):
    return jnp.tanh(W @ x.astype(jnp.float32))


def scanned_in_single(x, u):
    """A loop whose carry begins in single precision cannot go on in another."""
    return jax.lax.fori_loop(0, 3, lambda _, h: jnp.tanh(W @ h + x), jnp.zeros(3, jnp.float32))


def multiplied_by_lax(x, u):
    return jax.lax.mul(W[0], x)


class Half(eqx.Module):
    """A step that casts its result down, whatever its weights are in."""

    weight: jax.Array

    def __call__(self, u, x):
        return (self.weight @ x).astype(jnp.bfloat16)


REFUSED = {
    "float32": (to("float32"), "f: expected float64 for a float64 state, got float32, which holds points to"),
    "float16": (to("float16"), "got float16, which holds .*; take casts such as .astype"),
    "weights in float32": (as_keras_does, "got float32, .*; take casts"),
    "one of two leaves": (lambda x, u: (x[0], x[1].astype(jnp.float32)), "got float32, .*; take casts"),
    "a cell": (Half(W), "got bfloat16, .*; take casts"),
    "integers": (to(int), "got int64, which has no derivatives; return floating-point numbers"),
    "truth values": (lambda x, u: x > 0, "got bool, which has no derivatives"),
    "complex": (to(complex), "got complex128; make real and imaginary parts entries of their own"),
    "a loop in float32": (
        scanned_in_single,
        "f: it takes a float32 state but fails for float64, .*; let its dtypes follow that of the state",
    ),
    "lax, which never promotes": (multiplied_by_lax, "f: it takes a float32 state but fails for float64, "),
    "a list": (
        lambda x, u: [x[1], -x[0], x[2]],
        r"f: it must return a state like the one it is given, \(3,\), got \[\(\), \(\), \(\)\]; make one "
        r"array of the numbers, jnp.stack\(\[...\]\)",
    ),
    "a list of Python's numbers": (lambda x, u: [0.0, 1, x[2]], r"got \[\(\), \(\), \(\)\]; make one array"),
}
NO_JAX = {
    "NumPy": lambda x, u: np.tanh(np.asarray(x)),
    "NumPy's functions": lambda x, u: np.asarray([np.sin(x[0]), x[1], x[2]]),
    "float()": lambda x, u: x * float(x[0]),
    "if": lambda x, u: x if x[0] > 0 else -x,
    "an index": lambda x, u: x * [1.0, 2.0][x[0].astype(int)],
}


@pytest.mark.parametrize("promotion", ["standard", "strict"])
@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize("what", REFUSED)
def test_other_dtypes_and_shapes_are_refused(what, x64, promotion):
    f, words = REFUSED[what]
    state = (jnp.zeros(3), jnp.zeros(3)) if what == "one of two leaves" else 3
    with jax.enable_x64(x64), jax.numpy_dtype_promotion(promotion):
        with pytest.raises(ValueError, match=words) as caught:
            vector_field(f, state=state)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", NO_JAX)
def test_functions_that_need_numbers_are_refused(what):
    with pytest.raises(
        TypeError, match="^f: expected a function that JAX can trace; .* Use jax.numpy"
    ) as caught:
        vector_field(NO_JAX[what], state=3)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("readout", "words"),
    [
        (to("float32"), "readout: expected float64 for a float64 state, got float32"),
        (to(int), "readout: .* got int64, which has no derivatives"),
        (to(complex), "readout: .* got complex128"),
        (lambda x: [x[0], x[1]], "readout: expected a function that returns a vector, got .*jnp.stack"),
        (lambda x: np.tanh(x), "readout: expected a function that JAX can trace"),
    ],
)
def test_readouts_are_looked_at_too(readout, words, unchecked):
    one = readout if readout.__code__.co_argcount == 1 else lambda x: readout(x, None)
    with pytest.raises((ValueError, TypeError), match=words):
        vector_field(lambda x, u: x, state=3, readout=one)


def test_what_a_function_raises_itself_is_left_alone():
    def broken(x, u):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        vector_field(broken, state=3)


class Own(eqx.Module):
    """A step with weights of its own, in any precision."""

    weight: jax.Array | np.ndarray

    def __call__(self, u, x):
        return jnp.tanh(self.weight @ x)


ACCEPTED = {
    "a closure in float32": lambda: lambda x, u: jnp.tanh(W @ x),
    "a closure of NumPy's": lambda: lambda x, u: jnp.tanh(SINGLE @ x),
    "weights in float32": lambda: Own(W),
    "weights of NumPy's": lambda: Own(SINGLE),
    "a float32 number beside": lambda: lambda x, u: jnp.tanh(jnp.float32(1) * (W @ x)),
}


@pytest.mark.parametrize("promotion", ["standard", "strict"])
@pytest.mark.parametrize("what", ACCEPTED)
def test_weights_in_single_precision_are_fine(what, promotion):
    """They are float64 numbers as they stand: the result agrees with NumPy's in float64."""
    x = np.array([[0.3, -0.2, 0.9]])
    with jax.numpy_dtype_promotion(promotion):
        field = vector_field(ACCEPTED[what](), state=3)
        got = simulate(field, 1, x, progress=False)["x"].values[0, 0]
        slope = jacobians(field, x, np.zeros((1, 0))).state[0]
    expected = np.tanh(SINGLE.astype(float) @ x[0])
    np.testing.assert_allclose(got, expected, rtol=1e-14)
    np.testing.assert_allclose(slope, (1 - expected**2)[:, None] * SINGLE, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_cells_of_every_precision_are_wrapped(dtype):
    cell = eqx.nn.GRUCell(2, 3, dtype=jnp.dtype(dtype), key=jax.random.key(0))
    ds = simulate(cell, 2, np.ones(3), progress=False)
    assert ds["x"].dtype == np.float64
    assert ds["x"].values[1, 0] != np.float32(ds["x"].values[1, 0])


class Rotation(eqx.Module):
    """A linear recurrence in complex numbers, as in linear recurrent units, its parts apart."""

    factor: jax.Array

    def __call__(self, u, x):
        z = self.factor * (x[0] + 1j * x[1])
        return jnp.stack([z.real, z.imag])


def test_complex_weights_stay_complex():
    factor = np.complex64(0.8 + 0.5j)
    field = vector_field(Rotation(jnp.asarray(factor)), state=["re", "im"])
    got = jacobians(field, np.array([[1.0, 2.0]]), np.zeros((1, 0))).state[0]
    a, b = float(factor.real), float(factor.imag)
    np.testing.assert_array_equal(got, [[a, -b], [b, a]])
