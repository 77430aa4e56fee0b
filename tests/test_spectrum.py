"""Eigenpairs against their definition."""

from typing import Any

import hypothesis.extra.numpy as hnp
import jaxtyping
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from fpanalysis import spectrum as module
from fpanalysis.schema import TimeDomain
from fpanalysis.spectrum import DEFECTIVE_CONDITION, eigenpairs


def block_diag(*blocks: Any) -> np.ndarray:
    """Return one matrix with the blocks on its diagonal."""
    return np.asarray(scipy.linalg.block_diag(*blocks))


DOMAINS = ("discrete", "continuous")


def check(jacobian: Any, spectrum: Any, time_domain: TimeDomain) -> None:
    """Assert what the definition of `eigenpairs` promises for every finite row."""
    lam, right, left, condition = vars(spectrum).values()
    scale = np.maximum(np.linalg.norm(jacobian, axis=(1, 2)), 1e-300)[:, None, None]
    assert np.all(np.abs(jacobian @ right - right * lam[:, None, :]) <= 1e-12 * scale)
    unit = left / np.linalg.norm(left, axis=2, keepdims=True)
    assert np.all(np.abs(unit.conj() @ jacobian - lam[:, :, None] * unit.conj()) <= 1e-12 * scale)
    np.testing.assert_allclose(np.linalg.norm(right, axis=1), 1, rtol=1e-13)
    overlap = np.einsum("nms,nsm->nm", left.conj(), right)
    defective = condition > DEFECTIVE_CONDITION
    np.testing.assert_allclose(
        overlap[~defective], 1, atol=1e-12 * np.maximum(condition[~defective], 1).max(initial=1)
    )
    np.testing.assert_allclose(np.linalg.norm(left, axis=2)[defective], 1, rtol=1e-13)
    assert np.all(condition >= 1)
    primary = np.abs(lam) if time_domain == "discrete" else np.real(lam)
    assert np.all(np.diff(primary, axis=1) <= 0)
    for row in lam:
        check_pairs(row)
    modulus = np.abs(right)
    first = np.argmax(modulus >= (1 - 1e-9) * modulus.max(axis=1, keepdims=True), axis=1)
    pivot = np.take_along_axis(right, first[:, None], axis=1)
    assert np.all(np.imag(pivot) == 0)
    assert np.all(np.real(pivot) > 0)


def check_pairs(row: Any) -> None:
    """Assert that conjugate pairs are neighbours, the positive imaginary part first."""
    k = 0
    imag = np.imag(row)
    while k < len(row):
        if imag[k] == 0:
            k += 1
            continue
        assert imag[k] > 0
        assert row[k + 1] == np.conj(row[k])
        k += 2


@pytest.mark.parametrize("time_domain", DOMAINS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_random_matrices(time_domain, data):
    size = data.draw(st.integers(1, 6))
    entries = st.one_of(st.integers(-2, 2).map(float), st.floats(-10, 10, allow_subnormal=False, width=32))
    jacobian = data.draw(hnp.arrays(np.float64, (2, size, size), elements=entries))
    jacobian = np.where(np.abs(jacobian) < 1e-6, 0.0, jacobian)
    check(jacobian, eigenpairs(jacobian, time_domain), time_domain)


@pytest.mark.parametrize("time_domain", DOMAINS)
def test_larger_matrices_agree_with_scipy_and_are_biorthogonal(time_domain):
    jacobian = np.random.default_rng(0).normal(size=(5, 30, 30)) / np.sqrt(30)
    found = eigenpairs(jacobian, time_domain)
    check(jacobian, found, time_domain)
    np.testing.assert_allclose(found.left.conj() @ found.right, np.tile(np.eye(30), (5, 1, 1)), atol=1e-9)
    for row, matrix in zip(found.eigenvalue, jacobian, strict=True):
        expected = scipy.linalg.eigvals(matrix)
        assert np.abs(row[:, None] - expected).min(axis=0).max() < 1e-12
    values = eigenpairs(jacobian, time_domain, vectors=False)
    np.testing.assert_allclose(values.eigenvalue, found.eigenvalue, atol=1e-11)
    assert values.right is None
    assert values.left is None
    assert values.condition is None


@pytest.mark.parametrize("time_domain", DOMAINS)
def test_pairs_stay_together_where_pairs_tie(time_domain):
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    other = (
        np.array([[0.8, -0.6], [0.6, 0.8]])
        if time_domain == "discrete"
        else np.array([[0.6, -0.3], [0.3, 0.6]])
    )
    jacobian = np.stack(
        [
            block_diag(turn, turn, other, -1.0, 1.0),
            block_diag(other, 1.0, turn, -1.0, other),
            block_diag(turn, turn.T, turn, turn.T),
        ]
    )
    found = eigenpairs(jacobian, time_domain)
    check(jacobian, found, time_domain)
    np.testing.assert_allclose(found.eigenvalue[2, ::2], 0.6 + 0.8j, atol=1e-15)


def test_condition_of_a_known_matrix():
    # Eigenvectors (1, 0) and (1, 1)/√2; left ones (1, −1)/√2 and (0, 1): the overlap is 1/√2.
    found = eigenpairs(np.array([[[2.0, -1.0], [0.0, 1.0]]]), "discrete")
    np.testing.assert_allclose(found.condition, np.sqrt(2), rtol=1e-14)
    np.testing.assert_allclose(found.left[0], [[1, -1], [0, np.sqrt(2)]], atol=1e-14)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("value", [0.0, 0.5, -2.0])
@pytest.mark.parametrize("reverse", [False, True])
def test_jordan_blocks_are_defective(size, value, reverse):
    block = value * np.eye(size) + np.eye(size, k=1)
    jacobian = block_diag(block, 0.25)[None]
    if reverse:
        jacobian = jacobian[:, ::-1, ::-1]
    found = eigenpairs(jacobian, "discrete")
    check(jacobian, found, "discrete")
    simple = np.isclose(found.eigenvalue[0], 0.25, atol=1e-6)
    assert np.all(found.condition[0, ~simple] > DEFECTIVE_CONDITION)
    assert np.all(found.condition[0, simple] < 10)


def test_a_bad_matrix_does_not_cost_the_others(monkeypatch):
    jacobian = np.random.default_rng(1).normal(size=(7, 4, 4))
    good = eigenpairs(jacobian, "discrete")
    jacobian[2, 1, 1], jacobian[5, 0, 0] = np.nan, np.inf
    monkeypatch.setattr(module, "_CHUNK_BYTES", 3 * 48 * 16)
    found = eigenpairs(jacobian, "discrete")
    keep = [0, 1, 3, 4, 6]
    for part, expected in zip(vars(found).values(), vars(good).values(), strict=True):
        np.testing.assert_array_equal(part[keep], expected[keep])
        assert np.isnan(part[[2, 5]]).all()


@pytest.mark.parametrize("shape", [(0, 3, 3), (1, 1, 1), (0, 1, 1)])
def test_sizes_at_the_edge(shape):
    found = eigenpairs(np.zeros(shape), "continuous")
    assert found.eigenvalue.shape == shape[:2]
    assert found.left.shape == shape


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"jacobian: expected .* got \(2, 3\)"):
        eigenpairs(np.zeros((2, 3)), "discrete")
    with pytest.raises((ValueError, jaxtyping.TypeCheckError), match="time_domain"):
        eigenpairs(np.zeros((1, 3, 3)), "discret")  # pyright: ignore[reportArgumentType]
