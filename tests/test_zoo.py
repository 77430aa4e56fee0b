"""Ten systems of the zoo (`benchmarks/zoo.py` runs them all): what must hold of every result.

Their points are known otherwise: by interval arithmetic, region by region, or in closed form.
"""

import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
if not BENCHMARKS.exists():
    pytest.skip("the benchmarks are not part of this distribution", allow_module_level=True)
sys.path.append(str(BENCHMARKS))

from zoology import critical, gated, networks, piecewise, shapes  # noqa: E402
from zoology.judge import judge, run  # noqa: E402
from zoology.system import System  # noqa: E402
from zoology.truth import check, prove, read  # noqa: E402

MAKERS = (
    networks.tanh_maps,
    networks.odd_systems,
    gated.grus,
    critical.ghosts,
    critical.critical,
    critical.near_critical,
    shapes.scaled,
    piecewise.kinks,
    piecewise.continua,
)
ALL = {system.name: system for make in MAKERS for system in make()}
# Few formulas, so that few are compiled: what takes time here is XLA.
NAMES = (
    "odd map: [[1, −1], [−1, 1]]",
    "tanh(W x), diag(1, −1/2)",
    "tanh(W x), eigenvalue 1.0001",
    "GRU: one unit, gate 60 h +0",
    "GRU: n=1, weights ×4, gate ×4, seed=3",
    "ghost map at 2.5, speed 1e-06",
    "map: -1 (x − 0)^2",
    "nine points; entries in 10000 and 0.0001",
    "relu map without bias: n=2, gain=0.8",
    "relu segment",
)


@pytest.fixture(params=NAMES)
def system(request) -> System:
    """Return one of the systems."""
    return ALL[request.param]


def test_the_package_lists_what_is_true(system):
    truth = read([system])[system.name]
    assert truth is not None
    ds, _ = run(system, n_candidates=128)
    verdict = judge(system, truth, ds)
    said = "\n".join(verdict.remarks)
    wrong = {
        name: count
        for name in ("false", "twice", "stability", "isolation", "short", "loose")
        if (count := getattr(verdict, name))
    }
    assert not wrong, said
    assert verdict.found == verdict.points, said


def test_the_truths_are_true(system):
    """Proved anew, they are those of the file, and a Newton step with 60 digits leaves them there."""
    stored, proved = read([system])[system.name], prove(system)
    assert stored is not None and proved is not None
    assert check(system, stored) < 1e-17
    places = lambda truth: sorted((*point.x, *point.labels) for point in truth.points)
    assert places(stored) == places(proved)


def test_boxes_find_what_an_eye_sees():
    """What the proof finds in one dimension, the changes of sign on a fine grid show as well."""
    one = next(system for system in networks.tanh_maps() if system.name == "tanh map: n=1, gain=3.0, seed=4")
    x = np.linspace(-1, 1, 200_001)
    W, b = one.parameters["W"][0, 0], one.parameters["b"][0]
    f = np.tanh(W * x + b) - x
    proved = prove(one)
    assert proved is not None
    crossings = x[:-1][f[:-1] * f[1:] < 0]
    np.testing.assert_allclose(sorted(point.x[0] for point in proved.points), crossings, atol=1.1e-5)
