"""Force fields against forces written in complex numbers, where a quarter turn is a factor of i."""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from jaxtyping import Array, Float

from fpanalysis.control.fields import AbstractAffineField, AbstractField, Constant, Curl, NoField


class Spring(AbstractField):
    """What a user would write: a force towards the origin."""

    amplitude: float | Float[Array, ""] = 0.0

    def force(self, position, velocity):
        return -self.amplitude * position


def forces(field, motion):
    """Return the forces at rows of (position, velocity), as complex numbers."""
    found = np.asarray(jax.vmap(field.force)(motion[:, :2], motion[:, 2:]), float)
    return found[:, 0] + 1j * found[:, 1]


@pytest.fixture(params=[False, True], ids=["float32", "float64"])
def motion(request):
    with jax.enable_x64(request.param):
        yield jnp.asarray(np.random.default_rng(0).normal(size=(20, 4)), float)


def tolerance(motion):
    return 20 * np.finfo(motion.dtype).eps


@pytest.mark.parametrize("amplitude", [1.6, -0.7, 0.0])
def test_curl_is_the_velocity_turned_by_a_quarter(motion, amplitude):
    velocity = np.asarray(motion, float)[:, 2] + 1j * np.asarray(motion, float)[:, 3]
    np.testing.assert_allclose(
        forces(Curl(amplitude), motion), amplitude * 1j * velocity, atol=tolerance(motion)
    )


@pytest.mark.parametrize(("amplitude", "angle"), [(3.0, 0.0), (2.0, 2.5), (-1.0, -1.1)])
def test_constant_points_where_its_angle_says(motion, amplitude, angle):
    expected = np.full(len(motion), amplitude * np.exp(1j * angle))
    np.testing.assert_allclose(forces(Constant(amplitude, angle), motion), expected, atol=tolerance(motion))


def test_no_field_is_no_force(motion):
    assert not np.any(forces(NoField(5.0), motion))


@pytest.mark.parametrize("field", [Curl(1.5), Constant(1.5, 0.4), NoField(1.5)])
@pytest.mark.parametrize("as_array", [False, True])
def test_the_dtype_is_that_of_the_motion(field, as_array):
    if as_array:  # as in a float32 network that is analysed in float64
        field = jax.tree.map(lambda number: jnp.asarray(number, jnp.float32), field)
    with jax.enable_x64(True):
        for dtype in (jnp.float32, jnp.float64):
            assert field.force(jnp.ones(2, dtype), jnp.ones(2, dtype)).dtype == dtype


def test_every_trial_has_its_own_amplitude():
    amplitudes = jnp.array([0.0, 1.0, -2.0])
    fields = jax.vmap(Curl)(amplitudes)
    found = jax.vmap(lambda field: field.force(jnp.zeros(2), jnp.array([0.5, 0.0])))(fields)
    np.testing.assert_allclose(found, [[0.0, 0.0], [0.0, 0.5], [0.0, -1.0]])


def test_forces_are_differentiated_by_amplitude_and_angle():
    def component(field):
        return field.force(jnp.zeros(2), jnp.array([0.3, 0.2]))[0]

    slopes = jax.grad(component)(Constant(jnp.asarray(2.0), jnp.asarray(0.5)))
    np.testing.assert_allclose(slopes.amplitude, math.cos(0.5), rtol=1e-6)
    np.testing.assert_allclose(slopes.angle, -2.0 * math.sin(0.5), rtol=1e-6)
    np.testing.assert_allclose(jax.grad(component)(Curl(jnp.asarray(1.0))).amplitude, -0.2, rtol=1e-6)


@pytest.mark.parametrize("field", [Curl(), NoField(), Spring()])
def test_drawing_a_field_without_a_random_part_sets_the_amplitude(field):
    drawn = field.drawn(1.5, jax.random.key(0))
    assert type(drawn) is type(field)
    assert drawn.amplitude == 1.5 and field.amplitude == 0.0


def test_drawn_constant_fields_point_everywhere_alike():
    keys = jax.random.split(jax.random.key(0), 2000)
    draw = jax.jit(jax.vmap(lambda key: Constant(angle=0.3).drawn(2.0, key)))
    angles = np.asarray(draw(keys).angle)
    assert np.all(np.abs(angles) <= np.pi + 1e-6)
    assert scipy.stats.kstest((angles + np.pi) / (2 * np.pi), "uniform").pvalue > 0.01
    assert Constant().drawn(2.0, keys[0]).amplitude == 2.0
    np.testing.assert_array_equal(draw(keys).angle, angles)


def test_a_field_of_ones_own_needs_a_force():
    class Forceless(AbstractField):
        amplitude: float = 0.0

    class Matrixless(AbstractAffineField):
        amplitude: float = 0.0

    incomplete: list[Any] = [Forceless, Matrixless]
    for field in incomplete:
        with pytest.raises(TypeError, match="abstract"):
            field()


def test_amplitudes_are_leaves():
    assert jax.tree.leaves(eqx.filter(Curl(jnp.asarray(1.0)), eqx.is_array)) == [1.0]
    assert jax.tree.structure(Curl(1.0)) == jax.tree.structure(Curl(2.0))


@pytest.mark.parametrize("make", [Curl, Constant, NoField, Spring])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_numbers_must_be_finite(make, bad):
    with pytest.raises(ValueError, match="amplitude: expected a finite number, got (nan|inf)"):
        make(bad)


def test_the_angle_must_be_finite():
    with pytest.raises(ValueError, match="angle: expected a finite number, got nan"):
        Constant(1.0, math.nan)
