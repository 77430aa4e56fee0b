"""Time scales against closed forms, stability against what the neutral margin is meant to tell apart."""

import warnings

import hypothesis.extra.numpy as hnp
import jaxtyping
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fpanalysis import find_fixed_points, vector_field
from fpanalysis.annotate import _judged
from fpanalysis.schema import Stability
from fpanalysis.spectra.stability import is_neutral, stability, time_scales

_, STABLE, UNSTABLE, NEUTRAL, UNDECIDED = Stability
DOMAINS = ("discrete", "continuous")


def test_time_scales_of_sampled_decay_agree_between_domains():
    rates = np.array([-1.0 + 20j, -5.0, 3.0])
    expected = time_scales(rates, "continuous", None)
    found = time_scales(np.exp(rates * 0.01), "discrete", 0.01)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(expected[0], [1, 0.2, -1 / 3])
    np.testing.assert_allclose(expected[1], [10 / np.pi, 0, 0])


def test_special_modes_have_time_scales_without_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = np.array([1 + 5e-10, -1, 0, complex(-0.0, -0.0), 2, np.nan, 1e-310])
        tau, frequency = time_scales(values, "discrete", None)
        np.testing.assert_allclose(tau[:6], [np.inf, np.inf, 0, 0, -1 / np.log(2), np.nan])
        assert 0 < tau[6] < 0.01
        np.testing.assert_allclose(frequency[:6], [0, 0.5, 0, 0, 0, np.nan])
        tau, frequency = time_scales(np.array([1e4j, 5e-15, 1e-4, 0]), "continuous", None)
        np.testing.assert_allclose(tau, [np.inf, np.inf, -1e4, np.inf])
        np.testing.assert_allclose(frequency, [1e4 / (2 * np.pi), 0, 0, 0])


def test_stability_counts_beyond_the_margin():
    rows = np.array([[0.5, 0.1], [1 + 1e-10, 0.1], [1.1, 1 - 1e-10], [-1.5, 1.5j], [np.nan, np.nan]])
    found = stability(rows, "discrete")
    assert found.stability.tolist() == [STABLE, NEUTRAL, UNSTABLE, UNSTABLE, UNDECIDED]
    assert found.is_stable.tolist() == [True, False, False, False, False]
    assert found.n_unstable.tolist() == [0, 0, 1, 2, -1]
    assert (found.stability.dtype, found.is_stable.dtype, found.n_unstable.dtype) == (np.int8, bool, np.int64)
    found = stability(np.array([[-1.0, -2], [1e-15, -1], [1, 2j], [-1e-15, -1]]), "continuous")
    assert found.is_stable.tolist() == [True, False, False, False]
    assert found.n_unstable.tolist() == [0, 0, 1, 0]


@given(
    hnp.arrays(np.complex128, (4, 3), elements=st.complex_numbers(max_magnitude=3)), st.sampled_from(DOMAINS)
)
def test_time_constants_and_stability_agree(values, time_domain):
    tau, _ = time_scales(values, time_domain, None)
    found = stability(values, time_domain)
    assert np.array_equal((tau < 0).sum(axis=1), found.n_unstable)
    assert np.array_equal(np.isinf(tau), is_neutral(values, time_domain))
    assert np.array_equal(found.is_stable, ((tau >= 0) & np.isfinite(tau)).all(axis=1))


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ([-1e-10, -2e-10], STABLE),  # hours, written in seconds
        ([-1e8, -0.05], STABLE),  # stiff, and yet it decays
        ([-1e8, 0.05], UNSTABLE),
        ([-1.0, 1e-15], NEUTRAL),  # a zero that rounding moved
        ([-1.0, -1e-15], NEUTRAL),
        ([0.0, 0.0], NEUTRAL),
        ([1e-12 + 1j, 1e-12 - 1j], NEUTRAL),  # Hopf
        ([-1e-12 + 1j, -1e-12 - 1j, -1e5], NEUTRAL),
        ([-1e-6 + 1j, -1e-6 - 1j], STABLE),
    ],
)
@pytest.mark.parametrize("unit", [1e-9, 1.0, 60.0, 1e9])
def test_rates_are_judged_relative_to_rates(rates, expected, unit):
    assert stability(unit * np.array(rates, complex), "continuous").stability == expected


@pytest.mark.parametrize("size", [2, 6, 30])
def test_an_exact_zero_mode_is_neutral_in_any_basis(size):
    rng = np.random.default_rng(size)
    basis = np.linalg.qr(rng.normal(size=(20, size, size))).Q + 0.1 * rng.normal(size=(20, size, size)) / size
    rates = -rng.uniform(0.01, 1.0, (20, size))
    rates[:, 0] = 0.0
    found = np.linalg.eigvals((basis * rates[:, None]) @ np.linalg.inv(basis)).astype(complex)
    assert np.any(found.real[np.abs(found) < 1e-10] != 0), "rounding has no part in this test"
    assert np.all(stability(found, "continuous").stability == NEUTRAL)
    assert np.all(is_neutral(found, "continuous").sum(axis=-1) == 1)


@pytest.mark.parametrize(("time_domain", "boundary"), [("discrete", 1.0), ("continuous", 0.0)])
def test_a_margin_of_the_point_holds_where_it_is_larger(time_domain, boundary):
    values = np.tile([boundary - 6e-8, boundary - 0.5], (4, 1))
    values[2, 0] = boundary + 6e-8
    margin = np.array([np.nan, 1e-7, 1e-7, np.inf])
    found = stability(values, time_domain, margin)
    assert found.stability.tolist() == [STABLE, NEUTRAL, NEUTRAL, NEUTRAL]
    assert found.n_unstable.tolist() == [0, 0, 0, 0]
    assert is_neutral(values, time_domain, margin).sum(axis=-1).tolist() == [0, 1, 1, 2]
    assert np.isinf(time_scales(values, time_domain, None, margin)[0]).sum(axis=-1).tolist() == [0, 1, 1, 2]
    assert np.array_equal(stability(values, time_domain, 0.0), stability(values, time_domain))


def test_without_a_derivative_nothing_is_decided():
    found = stability(np.array([[0.5], [0.5], [2.0]]), "discrete", is_smooth=np.array([True, False, False]))
    assert found.stability.tolist() == [STABLE, UNDECIDED, UNDECIDED]
    assert found.is_stable.tolist() == [True, False, False]
    assert found.n_unstable.tolist() == [0, -1, -1]


def test_time_domains_are_checked():
    for function in (stability, is_neutral):
        with pytest.raises((ValueError, jaxtyping.TypeCheckError), match="time_domain"):
            function(np.zeros((1, 3)), "discret")  # pyright: ignore[reportArgumentType]


def slow_chain(rate, shear, time_domain):
    """Return an exact matrix with eigenvalues −a, −2a, −3a and −1 (discrete: 1 plus these)."""
    turn = np.kron([[1, 1], [1, -1]], [[1, 1], [1, -1]]) / 2
    chain = np.diag([-rate, -2 * rate, -3 * rate, -1.0]) + np.diag([shear, shear, 0.0], 1)
    return turn @ (chain + (time_domain == "discrete") * np.eye(4)) @ turn


@pytest.mark.parametrize("vectors", [True, False])
@pytest.mark.parametrize("time_domain", ["discrete", "continuous"])
def test_modes_that_rounding_could_move_across_are_neutral(time_domain, vectors):
    """All of them decay, but in continuous time one of the last grows as it is computed."""
    chains = [(2.0**-4, 0.5), (2.0**-8, 64.0), (2.0**-10, 512.0)]
    unit = np.diag([1.0, 1e6, 1e-6, 1e3])  # of the entries of the state
    for change in (np.eye(4), unit):
        jacobian = np.stack(
            [change @ slow_chain(*each, time_domain) @ np.linalg.inv(change) for each in chains]
        )
        spectrum, margin = _judged(jacobian, time_domain, vectors)
        assert stability(spectrum.eigenvalue, time_domain, margin).stability.tolist() == [1, 1, 3]
        assert (margin[:2] == 0).all() and 4e-4 < margin[2] < 1e-2


def test_what_does_not_act_back_moves_nothing():
    """A feed-forward chain has its eigenvalues on the diagonal, however strong it is."""
    chain = np.diag([-1e-6, -2e-6, -3e-6]) + np.diag([1e6, 1e6], 1)
    spectrum, margin = _judged(chain[None], "continuous", True)
    assert stability(spectrum.eigenvalue, "continuous", margin).is_stable.all() and margin.tolist() == [0.0]


@pytest.mark.parametrize(("time_domain", "unit"), [("discrete", "1"), ("continuous", "1/s")])
def test_margins_are_in_a_result_with_their_unit(time_domain, unit):
    jacobian = slow_chain(2.0**-10, 512.0, time_domain)
    model = vector_field(lambda x, u: jacobian @ x, state=4, time_domain=time_domain)
    for spectra in ("full", "values", False):
        ds = find_fixed_points(model, candidates=np.zeros((1, 4)), spectra=spectra, progress=False)
        assert ds.stability_margin.attrs["units"] == unit
        if spectra:
            assert ds.stability.values.tolist() == [3] and not np.isfinite(ds.time_constant.values[0, 0])
