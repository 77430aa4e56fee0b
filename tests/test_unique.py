"""The registry of distinct points: what is the same, what is nearest, what is certain."""

import numpy as np
import pytest

from fpanalysis import unique
from fpanalysis.unique import KnownPoints, NewPoint

ERROR = 1e-15


def point(x, f=0.0, error=ERROR, is_isolated=True, inverse=None):
    x = np.asarray(x, float)
    return NewPoint(x, np.full(len(x), f), np.full(len(x), error), is_isolated, inverse)


def registry(points, condition=0, n_conditions=1, inverse=None, **known_of_each):
    known = KnownPoints(np.ones((n_conditions, np.shape(points)[1])))
    for x in points:
        known.add(
            point(x, inverse=np.eye(len(x)) if inverse is None else inverse, **known_of_each), condition
        )
    return known


def test_nearest_agrees_with_all_distances():
    rng = np.random.default_rng(0)
    points, conditions = rng.normal(size=(40, 5)), rng.integers(3, size=40)
    known = KnownPoints(np.ones((3, 5)))
    for x, c in zip(points, conditions, strict=True):
        known.add(point(x), int(c))
    states, own = rng.normal(size=(25, 5)), rng.integers(3, size=25)
    index, distance = known.nearest(states, own)
    every = np.linalg.norm(states[:, None] - points[None], axis=-1)
    every[own[:, None] != conditions[None]] = np.inf
    np.testing.assert_array_equal(index, every.argmin(axis=1))
    np.testing.assert_allclose(distance, every.min(axis=1), rtol=1e-12)


def test_nearest_without_points():
    known = registry([[0.0, 0.0]], condition=1, n_conditions=2)
    index, distance = known.nearest(np.zeros((3, 2)), np.array([0, 1, 0]))
    assert index.tolist() == [-1, 0, -1]
    assert distance.tolist() == [np.inf, 0.0, np.inf]
    index, distance = KnownPoints(np.ones((1, 2))).nearest(np.zeros((2, 2)), np.zeros(2, int))
    assert index.tolist() == [-1, -1]
    assert known.nearest(np.zeros((0, 2)), np.zeros(0, int))[0].shape == (0,)


def test_tiny_distances_survive_large_coordinates():
    """The expanded square alone would lose them."""
    known = registry([[1e6, 1e6]])
    _, distance = known.nearest(np.array([[1e6 + 1e-6, 1e6]]), np.zeros(1, int))
    np.testing.assert_allclose(distance, 1e-6, rtol=1e-3)


def test_more_points_than_there_was_room_for():
    points = np.random.default_rng(1).normal(size=(100, 3))
    known = registry(points)
    found = known.of(0)
    np.testing.assert_array_equal(found.x, points)
    assert found.index.tolist() == list(range(100))
    assert known.count == 100


def test_points_belong_to_their_condition():
    known = registry([[0.0], [1.0]], condition=2, n_conditions=3)
    known.add(point([5.0]), 0)
    assert known.of(0).x.tolist() == [[5.0]]
    assert known.of(1).x.shape == (0, 1)
    assert known.of(2).x.tolist() == [[0.0], [1.0]]


def test_distances_are_in_units_of_the_scale_of_every_entry():
    known = KnownPoints(np.array([[1e6, 1e-9]]))
    known.add(point([1e6, 1e-9]), 0)
    known.add(point([2e6, 3e-9]), 0)
    index, distance = known.nearest(np.array([[1.1e6, 2.9e-9]]), np.zeros(1, int))
    assert index.tolist() == [1]
    np.testing.assert_allclose(distance, np.hypot(0.9, 0.1))


def test_the_nearest_of_near_points_far_from_the_origin():
    """Squares of coordinates of 1e6 say nothing about distances of 1e-2."""
    points = 1e6 + np.array([[0.0, 0.0], [0.01, 0.0], [1.0, 0.0]])
    known = registry(points)
    for k, x in enumerate(points):
        index, distance = known.nearest(x[None] + 1e-4, np.zeros(1, int))
        assert index.tolist() == [k]
        np.testing.assert_allclose(distance, np.sqrt(2) * 1e-4, rtol=1e-3)


def test_of_a_cluster_the_smallest_residual_is_kept():
    known = registry([[1.0]], f=1e-16)
    known.improve(0, np.array([1.0 + 1e-9]), np.array([1e-14]))
    assert known.x[0, 0] == 1.0
    known.improve(0, np.array([1.0 - 1e-16]), np.array([0.0]))
    assert known.x[0, 0] == 1.0 - 1e-16


@pytest.mark.parametrize(
    ("distance", "residual", "same"),
    [
        (0.0, 0.0, True),
        (1e-15, 0.0, True),  # within the error
        (1e-8, 1e-8, True),  # Newton's step from here, of 1e-8, leads to the point
        (1e-8, 0.0, False),  # two roots: Newton does not move
        (1e-5, 1e-5, False),  # farther than the distinctness distance
    ],
)
def test_same_asks_newton(distance, residual, same):
    known = registry([[1.0]])
    assert known.same(np.array([1.0 + distance]), np.array([residual]), 0) == same


def test_without_an_inverse_distance_decides():
    known = KnownPoints(np.ones((1, 1)))
    known.add(point([1.0]), 0)
    assert known.same(np.array([1.0 + 1e-8]), np.zeros(1), 0)
    assert not known.same(np.array([1.0 + 1e-5]), np.zeros(1), 0)
    assert not known.same(np.array([1.0]), np.zeros(1), -1)


def test_copies_of_a_degenerate_point_lie_within_its_error_and_on_a_continuum_distance_decides():
    known = registry([[1.0]], error=1e-4, is_isolated=False)
    assert known.same(np.array([1.00009]), np.zeros(1), 0)
    assert not known.same(np.array([1.00015]), np.zeros(1), 0)
    assert known.same(np.array([1.00015]), np.zeros(1), 0, play=np.array([1e-4]))
    line = registry([[1.0]], error=np.inf, is_isolated=False)
    assert line.same(np.array([1.0 + 5e-7]), np.zeros(1), 0)
    assert not line.same(np.array([1.0 + 2e-6]), np.zeros(1), 0)


def test_states_nearer_than_one_that_led_to_a_degenerate_point_lead_there_too():
    known = registry([[1.0]], error=1e-9, is_isolated=False)
    assert known.covering(np.array([1.0001]), 0) == -1
    known.reach_from(0, np.array([0.9998]))
    assert known.covering(np.array([1.0001]), 0) == 0
    assert known.covering(np.array([1.0003]), 0) == -1
    known.reach_from(0, np.array([7.0]))
    assert known.covering(np.array([1.01]), 0) == -1
    assert registry([[1.0]]).covering(np.array([1.0]), 0) == -1


def test_angles_are_wrapped_into_their_period_and_keep_their_bits():
    angle = np.array([0.1, np.pi, -np.pi, 3.5 * np.pi, -7.0, np.nextafter(-np.pi, 0.0)])
    wrapped = unique.wrap(angle)
    assert np.all((wrapped > -np.pi) & (wrapped <= np.pi))
    np.testing.assert_allclose(np.exp(1j * wrapped), np.exp(1j * angle), atol=1e-15)
    assert wrapped[[0, 1, 5]].tobytes() == angle[[0, 1, 5]].tobytes()
    assert wrapped[2] == np.pi


def test_whole_turns_apart_angles_are_the_same_point_and_nothing_else_is():
    known = KnownPoints(np.ones((1, 2)), np.array([True, False]))
    known.add(point([np.pi - 1e-8, 1.0]), 0)
    known.add(point([0.5, 1.0 + 2 * np.pi]), 0)
    states = np.array([[-np.pi + 1e-8, 1.0], [0.5 + 4 * np.pi, 1.0]])
    index, distance = known.nearest(states, np.zeros(2, int))
    assert index[0] == 0
    np.testing.assert_allclose(distance[0], 2e-8, rtol=1e-6)
    assert known.same(states[0], np.zeros(2), 0)
    assert distance[1] > 1.0  # lengths are not wrapped


def certain(fn, x, before, root=0.0, slope=1.0):
    known = registry([[root]], inverse=np.array([[1 / slope]]))
    x, before = np.array([[x]]), np.array([[before]])
    return bool(known.certain(x, fn(x), before, np.array([0]), np.abs(x[:, 0] - root))[0])


def test_certain_needs_a_nearly_linear_function_and_a_halved_distance():
    assert certain(lambda x: x + 0.1 * x**2, 0.1, 1.0)
    assert not certain(lambda x: x + 0.1 * x**2, 0.1, 0.15)
    assert not certain(lambda x: x + 5 * x**2, 0.1, 1.0)
    assert not certain(lambda x: -x, 0.1, 1.0)


def test_certain_is_right_about_where_newton_ends():
    """On `x³ − x`, wherever it says certain, Newton's method converges to that root."""
    fn, slope = lambda x: x**3 - x, lambda x: 3 * x**2 - 1
    ends = 0
    for before in np.linspace(-3, 3, 601):
        x = before - fn(before) / slope(before)
        for root in (-1.0, 0.0, 1.0):
            if certain(fn, x, before, root, slope(root)):
                end = x
                for _ in range(60):
                    end -= fn(end) / slope(end)
                assert end == pytest.approx(root, abs=1e-12)
                ends += 1
    assert ends > 100


def test_the_oldest_inverses_go_when_they_take_too_much(monkeypatch):
    monkeypatch.setattr(unique, "INVERSE_BYTES", 16)
    known = registry([[0.0], [1.0]], condition=1, n_conditions=2)
    known.add(point([5.0], inverse=np.eye(1)), 0)
    assert list(known.inverse) == [1, 2]
