"""Perturbations: moments of what is drawn against closed forms, and the choice between methods."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from fpanalysis.control import fields
from fpanalysis.control.tasks.perturbations import (
    METHODS,
    Active,
    Amplitude,
    AnyOf,
    Std,
    StdUniform,
)

N = 25_000
A = 1.7
MEAN_ABS = np.sqrt(2 / np.pi)  # of a standard normal variable

ALL = [Active(A), Active(A, low=-1.0), Amplitude(A), Std(A), Std(A, scaled_context=True), StdUniform(A)]


def draws(method, seed=0):
    """Return contexts and amplitudes of many trials, as float64."""
    context, amplitude = jax.jit(jax.vmap(method.draw))(jax.random.split(jax.random.key(seed), N))
    return np.asarray(context, float), np.asarray(amplitude, float)


def assert_mean(samples, expected):
    """Five standard errors: one check in two million fails by chance, and the key is fixed."""
    assert abs(np.mean(samples) - expected) < 5 * np.std(samples) / np.sqrt(N)


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_active_is_active_in_half_the_trials_and_says_so(low):
    context, amplitude = draws(Active(A, low=low))
    assert set(context) == {low, 1.0}
    active = context == 1.0
    assert_mean(active, 0.5)
    assert np.all(amplitude[~active] == 0) and np.all(amplitude[active] != 0)
    assert scipy.stats.kstest(amplitude[active] / A, "norm").pvalue > 1e-3
    assert_mean(amplitude**2, A**2 / 2)


def test_amplitude_tells_the_strength_of_this_field_but_not_its_sign():
    context, amplitude = draws(Amplitude(A))
    np.testing.assert_allclose(np.abs(amplitude), A * context, rtol=1e-6)
    assert scipy.stats.kstest(amplitude / A, "norm").pvalue > 1e-3
    assert_mean(context, MEAN_ABS)
    assert_mean(np.sign(amplitude), 0.0)
    assert_mean(np.sign(amplitude) * context, 0.0)


def test_std_tells_the_strength_to_expect():
    context, amplitude = draws(Std(A))
    assert scipy.stats.kstest(context, "halfnorm").pvalue > 1e-3
    assert scipy.stats.kstest(amplitude / (A * context), "norm").pvalue > 1e-3
    assert_mean(context, MEAN_ABS)
    assert_mean(amplitude, 0.0)
    assert_mean(amplitude**2, A**2)
    assert_mean(amplitude**4, 9 * A**4)
    assert_mean(amplitude**2 * context**2, 3 * A**2)
    # corr(|z1|, |z1 z2|) = E|z| (1 − E|z|²) / (sd|z1| sd|z1 z2|)
    variance = 1 - MEAN_ABS**2
    expected = MEAN_ABS * variance / np.sqrt(variance * (1 - MEAN_ABS**4))
    assert np.corrcoef(context, np.abs(amplitude))[0, 1] == pytest.approx(expected, abs=0.03)


def test_scaled_context_scales_the_context_alone():
    context, amplitude = draws(Std(A))
    scaled, same = draws(Std(A, scaled_context=True))
    np.testing.assert_allclose(scaled, A * context, rtol=1e-6)
    np.testing.assert_array_equal(same, amplitude)


def test_std_uniform_bounds_the_context():
    context, amplitude = draws(StdUniform(A))
    assert context.min() >= 0 and context.max() < 1
    assert scipy.stats.kstest(context, "uniform").pvalue > 1e-3
    positive = context > 0
    assert scipy.stats.kstest(amplitude[positive] / (A * context[positive]), "norm").pvalue > 1e-3
    assert_mean(amplitude**2, A**2 / 3)
    assert_mean(amplitude**2 * context**2, A**2 / 5)


@pytest.mark.parametrize("method", ALL)
def test_the_strength_scales_the_amplitude_and_may_be_batched(method):
    stds = jnp.array([0.0, 1.0, 2.0, 4.0])
    batch = eqx.tree_at(lambda m: m.field_std, method, stds)
    axes = jax.tree_util.tree_map(lambda leaf: 0 if leaf is stds else None, batch)
    context, amplitude = jax.vmap(lambda m: m.draw(jax.random.key(3)), in_axes=(axes,))(batch)
    np.testing.assert_array_equal(amplitude, amplitude[1] * stds)
    scaled = isinstance(method, Std) and method.scaled_context
    np.testing.assert_array_equal(context, context[1] * (stds if scaled else np.ones(4)))


def test_a_constant_field_has_any_direction_whatever_its_amplitude():
    method = Std(A, field=fields.Constant())
    context, field = jax.jit(jax.vmap(method.context_and_field))(jax.random.split(jax.random.key(1), N))
    force = np.asarray(jax.vmap(lambda f: f.force(jnp.ones(2), jnp.ones(2)))(field))
    amplitude = np.asarray(field.amplitude)
    np.testing.assert_allclose(np.linalg.norm(force, axis=1), np.abs(amplitude), rtol=1e-5)
    # Along the sign of the amplitude, the direction is uniform on the circle.
    angle = np.arctan2(force[:, 1] * np.sign(amplitude), force[:, 0] * np.sign(amplitude))
    assert scipy.stats.kstest(angle, scipy.stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 1e-3
    for samples in (np.cos(angle) * amplitude**2, np.sin(angle) * np.asarray(context)):
        assert_mean(samples, 0.0)


def test_a_curl_field_takes_its_amplitude_from_the_draw():
    context, field = Amplitude(A).context_and_field(jax.random.key(4))
    force = np.asarray(field.force(jnp.zeros(2), jnp.array([0.5, 0.0])))
    assert abs(force[1]) == pytest.approx(0.5 * A * float(context), rel=1e-5)
    assert force[0] == 0


def test_fields_differ_between_keys_and_not_between_calls():
    for method in ALL:
        draw = jax.jit(method.context_and_field)
        once, again = draw(jax.random.key(5)), draw(jax.random.key(5))
        assert eqx.tree_equal(once, again)
    assert not eqx.tree_equal(*(Std(A).draw(jax.random.key(seed)) for seed in (5, 6)))


# --- AnyOf ------------------------------------------------------------------------------------------------


def test_any_of_draws_what_the_method_draws():
    keys = jax.random.split(jax.random.key(2), 200)
    draw = jax.jit(lambda index: jax.vmap(AnyOf(index, tuple(ALL)).draw)(keys))
    for index, method in enumerate(ALL):
        # To the last bit, although one is compiled as a whole and the other step by step.
        assert eqx.tree_equal(draw(index), jax.vmap(method.draw)(keys))


def test_any_of_serves_a_batch_of_methods_and_strengths_with_one_function():
    keys = jax.random.split(jax.random.key(7), 100)
    kinds, strengths = list(METHODS.values()), [0.3, 0.6, 0.9, 1.2]

    @jax.jit
    def draw(index, field_std):
        any_of = AnyOf(index, tuple(kind(field_std, fields.Constant()) for kind in kinds))
        return jax.vmap(any_of.context_and_field)(keys)

    together = jax.vmap(draw)(jnp.arange(4), jnp.array(strengths))
    for index, (kind, strength) in enumerate(zip(kinds, strengths, strict=True)):
        alone = jax.vmap(kind(strength, fields.Constant()).context_and_field)(keys)
        assert eqx.tree_equal(jax.tree_util.tree_map(lambda leaf, i=index: leaf[i], together), alone)


def test_the_registry_names_every_method():
    assert METHODS == {"active": Active, "amplitude": Amplitude, "std": Std, "std_uniform": StdUniform}


# --- precision, and what is refused -----------------------------------------------------------------------


@pytest.mark.parametrize("method", [*ALL, AnyOf(1, tuple(ALL))])
def test_draws_have_the_default_dtype_and_agree_between_precisions(method):
    key = jax.random.key(8)
    single = method.draw(key)
    assert {values.dtype for values in single} == {jnp.dtype("float32")}
    with jax.enable_x64(True):
        double = method.draw(key)
        assert {values.dtype for values in double} == {jnp.dtype("float64")}
        np.testing.assert_allclose(np.asarray(single), np.asarray(double), rtol=1e-6)


@pytest.mark.parametrize("method", METHODS.values())
@pytest.mark.parametrize("field_std", [-1.0, float("nan"), float("inf")])
def test_a_negative_or_infinite_strength_is_refused(method, field_std):
    with pytest.raises(ValueError, match=r"field_std: expected a number of at least 0, got (-1.0|nan|inf)"):
        method(field_std)


@pytest.mark.parametrize("low", [1.0, 2.0, float("nan"), -float("inf")])
def test_the_context_without_a_field_must_be_below_that_with_one(low):
    with pytest.raises(ValueError, match="low: expected a number below 1, got"):
        Active(A, low=low)


def test_any_of_refuses_what_it_cannot_choose_from():
    with pytest.raises(ValueError, match="index: expected a number from 0 to 1 for 2 methods, got 2"):
        AnyOf(2, (Std(A), Amplitude(A)))
    with pytest.raises(
        ValueError, match=r"methods: expected the same kind of field .* got 2 kinds \('Constant', 'Curl'"
    ):
        AnyOf(0, (Std(A), Std(A, fields.Constant())))
    with pytest.raises(ValueError, match="methods: expected at least one"):
        AnyOf(0, ())
