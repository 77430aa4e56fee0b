"""Points and modes that are the same along a condition."""

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from sweeps import sweep

import fpanalysis as fpa
from fpanalysis.branches import add_branches
from fpanalysis.matching import Modes, match_modes
from fpanalysis.spectrum import eigenpairs


def swept(f, values, *, state, candidates=None, name="r", **options):
    """Return the fixed points of a function of one input, swept over values."""
    time_domain = options.pop("time_domain", "continuous")
    field = fpa.vector_field(f, state=state, inputs=[name], time_domain=time_domain)
    values = xr.DataArray(np.asarray(values, float), dims=name, coords={name: np.asarray(values, float)})
    return fpa.find_fixed_points(field, {name: values}, candidates=candidates, progress=False, **options)


def labels(ds, name):
    """Return the words of a flag variable."""
    return np.array(ds[name].attrs["flag_meanings"].split())[ds[name].values]


def test_a_pitchfork_bears_two_branches():
    r = np.linspace(-0.55, 1.05, 33)
    ds = fpa.follow(swept(lambda x, u: u * x - x**3, r, state=["x"], n_candidates=64), "r")
    x = ds.x.values[..., 0]
    middle = ds.branch.values == 0
    assert middle.sum() == len(r)
    np.testing.assert_allclose(x[middle], 0.0, atol=1e-9)
    upper, lower = (
        ds.branch.values == k for k in sorted({1, 2}, key=lambda k: -x[ds.branch.values == k].mean())
    )
    np.testing.assert_allclose(x[upper], np.sqrt(r[r > 0]), rtol=1e-9)
    np.testing.assert_allclose(x[lower], -np.sqrt(r[r > 0]), rtol=1e-9)
    begins = labels(ds, "branch_begins")
    assert np.all(begins[0][ds.is_fixed.values[0]] == "start")
    assert (begins == "birth").sum() == 2  # both are stable: no fold
    ends = labels(ds, "branch_ends")
    assert (ends == "end").sum() == 3
    assert (ends == "death").sum() == 0


def test_a_fold_is_called_a_fold():
    r = np.linspace(-1.0, 0.47, 30)
    with pytest.warns(UserWarning, match="no fixed point"):
        ds = swept(lambda x, u: u + x**2, r, state=["x"], n_candidates=64)
    ds = fpa.follow(ds, "r")
    last = np.flatnonzero(r < 0)[-1]
    assert labels(ds, "branch_ends")[last].tolist() == ["fold", "fold"]
    assert (labels(ds, "branch_ends")[:last] == "none").all()
    for k in (0, 1):
        one = ds.x.isel(state=0).where(ds.branch == k).sum("fixed_point").values[: last + 1]
        np.testing.assert_allclose(np.abs(one), np.sqrt(-r[: last + 1]), rtol=1e-9)
        assert len(np.unique(np.sign(one))) == 1


def test_fast_points_are_found_where_they_have_gone():
    """Three stable points half apart move by nearly a whole spacing: the nearest is always the wrong one."""

    def f(x, u):
        moved = x - 5.0 * u
        return -moved * (moved - 1.0) * (moved - 2.0) * (moved - 3.0) * (moved - 4.0)

    r = np.arange(6) * 0.17
    starts = (np.linspace(-1, 10, 200))[:, None]
    ds = fpa.follow(swept(f, r, state=["x"], candidates=starts), "r")
    assert ds.n_fixed_points.values.tolist() == [5] * 6
    nearest = np.abs(ds.x.values[1, :, 0] - ds.x.values[0, 0, 0]).argmin()
    assert nearest != 0 or abs(5 * 0.17) > 0.5
    for k in range(5):
        x = ds.x.isel(state=0).where(ds.branch == k).sum("fixed_point").values
        np.testing.assert_allclose(x, k + 5.0 * r, atol=1e-8)
    assert float(ds.branch_confidence.min()) > 0.9
    blind = fpa.follow(ds.drop_vars("jacobian"), "r")
    x = blind.x.isel(state=0).where(blind.branch == 1).sum("fixed_point").values
    assert not np.allclose(np.diff(x), 0.85)  # without sensitivities the nearest misleads


def test_points_that_cross_keep_their_branch():
    """Two independent points on a plane pass each other in every coordinate but one."""

    def f(x, u):
        side = jnp.sign(x[1])
        return jnp.stack([side * u[0] - x[0], x[1] - x[1] ** 3])

    r = np.linspace(-1.0, 1.0, 11)
    starts = np.array([[0.0, 1.1], [0.0, -1.1]])
    ds = fpa.follow(swept(f, r, state=["x", "y"], candidates=starts), "r")
    upper = ds.x.where(ds.branch == int(ds.branch.values[0][ds.x.values[0, :, 1] > 0][0])).sum("fixed_point")
    np.testing.assert_allclose(upper.sel(state="x"), r, atol=1e-9)
    np.testing.assert_allclose(upper.sel(state="y"), 1.0, atol=1e-9)


def test_other_conditions_are_kept_apart_and_the_order_of_dims_does_not_matter(gru):
    size = xr.DataArray([0.0, 0.05, 0.1], dims="size", coords={"size": [0.0, 0.05, 0.1]})
    which = xr.DataArray([0.0, 1.0], dims="which", coords={"which": [0, 1]})
    inputs = {"pulse[0]": size * which, "pulse[1]": size * (1 - which)}
    ds = fpa.find_fixed_points(gru, inputs, n_candidates=256, spectra="full", progress=False)
    both = fpa.follow(ds, "size")
    for w in (0, 1):
        alone = fpa.follow(ds.isel(which=w), "size")
        np.testing.assert_array_equal(alone.branch, both.branch.isel(which=w))
        np.testing.assert_array_equal(alone.mode_track, both.mode_track.isel(which=w))
    assert both.branch.isel(size=0, which=0).values.tolist() == list(range(27))
    followed = both.isel(which=0)
    gone = (labels(followed, "branch_ends")[:-1] != "none").sum()
    born = (labels(followed, "branch_begins")[1:] != "none").sum()
    counts = followed.n_fixed_points.values
    assert counts[-1] - counts[0] == born - gone


def test_an_empty_condition_interrupts_all_branches():
    r = np.array([-1.0, -0.5, 0.5, -0.5])
    with pytest.warns(UserWarning, match="no fixed point"):
        ds = swept(lambda x, u: u + x**2, r, state=["x"], n_candidates=32)
    ds = fpa.follow(ds, "r")
    assert ds.branch.values.tolist() == [[0, 1], [0, 1], [-1, -1], [2, 3]]


def test_angles_are_followed_through_their_period():
    field = fpa.vector_field(
        lambda x, u: jnp.stack([-jnp.sin(x[0] - u[0])]), state=["angle"], inputs=["turn"], periodic=["angle"],
        time_domain="continuous",
    )  # fmt: skip
    turn = np.arange(8) * 0.7
    turns = xr.DataArray(turn, dims="turn", coords={"turn": turn})
    ds = fpa.follow(fpa.find_fixed_points(field, {"turn": turns}, n_candidates=32, progress=False), "turn")
    assert ds.n_fixed_points.values.tolist() == [2] * 8
    stable = ds.branch.values[ds.is_stable.values]
    assert len(set(stable.tolist())) == 1


def test_random_sweeps_have_the_folds_that_calculus_says_and_no_others():
    """Coupled units whose folds are known: no branch is broken, none goes astray, every end is a fold.

    In a step that swallows an end and a beginning at once the number of points says nothing: left out.
    """
    n_folds = n_links = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        n, steps, top = int(rng.integers(1, 4)), int(rng.integers(5, 41)), rng.uniform(0.2, 1.5)
        basis = np.eye(n) + 0.3 * rng.normal(size=(n, n))
        values = np.linspace(-top * rng.random(), top, steps)
        known = sweep(rng.uniform(0.3, 3, n), rng.normal(size=n), basis, values)
        found = add_branches(known.ds, "u_")
        begins, ends = labels(found, "branch_begins"), labels(found, "branch_ends")
        for k in range(1, steps):
            was, now = (
                {name: i for i, name in enumerate(names) if name} for names in known.name[k - 1 : k + 1]
            )
            lost, born, stay = was.keys() - now, now.keys() - was, was.keys() & now
            if lost and born:
                continue
            branch = found.branch.values
            assert [branch[k - 1, was[name]] for name in stay] == [branch[k, now[name]] for name in stay]
            assert all(ends[k - 1, was[name]] == "fold" for name in lost)
            assert all(begins[k, now[name]] == "fold" for name in born)
            assert all(found.branch_confidence.values[k, now[name]] == 1.0 for name in born)
            n_folds, n_links = n_folds + len(lost) + len(born), n_links + len(stay)
    assert n_folds > 100
    assert n_links > 1000


def test_units_of_the_state_do_not_decide_which_point_is_which():
    basis = np.eye(3) + 0.3 * np.random.default_rng(0).normal(size=(3, 3))
    known = sweep(np.array([2.0, 1.7, 0.8]), np.array([1.0, -0.6, 0.4]), basis, np.linspace(-0.4, 0.9, 14))
    one = add_branches(known.ds, "u_")
    unit = xr.DataArray([1e-12, 1.0, 1e9], dims="state", coords={"state": known.ds.state})
    out = unit.rename(state="state_out").assign_coords(state_out=known.ds.state_out)
    scaled = known.ds.assign(
        x=known.ds.x * unit,
        jacobian=known.ds.jacobian / unit * out,
        input_jacobian=known.ds.input_jacobian * out,
    )
    scaled = scaled.assign({name: scaled[name].transpose(*known.ds[name].dims) for name in known.ds})
    other = add_branches(scaled, "u_")
    assert (labels(one, "branch_ends") == "fold").sum() >= 6
    for name in ("branch", "branch_begins", "branch_ends"):
        np.testing.assert_array_equal(one[name], other[name])
    np.testing.assert_allclose(one.branch_confidence, other.branch_confidence, atol=1e-6)


def test_points_of_the_flip_flop_that_stay_are_not_said_to_fold(gru):
    """From 0 to 0.05 no point comes or goes, as a sweep in steps of 0.001 shows; from 0.06 to 0.09 12 go."""
    pulse = np.array([0.0, 0.05, 0.06, 0.09])
    r = xr.DataArray(pulse, dims="r", coords={"r": pulse})
    ds = fpa.find_fixed_points(gru, {"pulse[0]": r}, n_candidates=256, spectra="full", progress=False)
    assert ds.n_fixed_points.values.tolist() == [27, 27, 23, 11]
    found = add_branches(ds, "r")
    assert int(found.branch.max()) + 1 == 27
    assert (labels(found, "branch_ends")[0] == "none").all()
    assert (labels(found, "branch_ends") == "fold").sum(axis=1).tolist() == [0, 4, 12, 0]


@pytest.mark.parametrize("offset", [0.0, 1.3, np.pi])
def test_folds_of_angles_are_seen_where_they_wrap(offset):
    """`a' = r − sin(a − offset)` has a pair of points up to r = 1, where they meet at π/2 + offset."""
    field = fpa.vector_field(
        lambda x, u: u[0] - jnp.sin(x - offset - 0.5 * jnp.pi), state=["joint angle"], inputs=["r"],
        periodic=["joint angle"], time_domain="continuous",
    )  # fmt: skip
    r = xr.DataArray([0.7, 0.9, 0.97, 1.04], dims="r_", coords={"r_": [0.7, 0.9, 0.97, 1.04]})
    with pytest.warns(UserWarning, match="no fixed point"):
        ds = fpa.find_fixed_points(field, {"r": r}, n_candidates=32, progress=False)
    ds = fpa.follow(ds, "r_")
    assert ds.n_fixed_points.values.tolist() == [2, 2, 2, 0]
    assert int(ds.branch.max()) == 1
    assert labels(ds, "branch_ends")[2].tolist() == ["fold", "fold"]


def test_a_condition_at_the_fold_itself_belongs_to_it():
    """`r + x²` with a value at r = 0, where the pair is one degenerate point; there and back."""
    r = np.array([-0.4, -0.1, 0.0, 0.1])
    x = np.array(
        [[-np.sqrt(0.4), np.sqrt(0.4)], [-np.sqrt(0.1), np.sqrt(0.1)], [0.0, np.nan], [np.nan, np.nan]]
    )
    point = ("r", "fixed_point")
    ds = xr.Dataset(
        {
            "x": ((*point, "state"), x[..., None]),
            "kind": (point, np.isfinite(x).astype(np.int8)),
            "is_isolated": (point, np.isfinite(x) & (x != 0)),
            "u": (("r", "input"), r[:, None]),
            "jacobian": ((*point, "state_out", "state"), 2 * x[..., None, None]),
            "input_jacobian": ((*point, "state_out", "input"), np.ones((4, 2, 1, 1))),
        },
        {"r": r, "state": ["x"], "state_out": ["x"], "input": ["r"]},
        {"time_domain": "continuous"},
    )
    there = add_branches(ds, "r")
    assert sorted(labels(there, "branch_ends")[:3].ravel().tolist()) == ["fold"] * 2 + ["none"] * 4
    assert (labels(there, "branch_ends")[1:3] == "fold").sum() == 2
    back = add_branches(ds.isel(r=slice(None, None, -1)), "r")
    assert (labels(back, "branch_begins") == "fold").sum() == 2
    assert (labels(back, "branch_begins") == "birth").sum() == 0


def test_without_sensitivities_no_fold_is_claimed():
    known = sweep(np.array([2.0]), np.array([1.0]), np.eye(1), np.linspace(0.0, 1.0, 8))
    assert (labels(add_branches(known.ds, "u_"), "branch_ends") == "fold").sum() == 2
    blind = add_branches(known.ds.drop_vars("input_jacobian"), "u_")
    assert (labels(blind, "branch_ends") == "death").sum() == 2


@pytest.mark.parametrize(
    ("dim", "message"),
    [("rr", r"no condition 'rr' \(did you mean 'r'\?\)"), ("x", "no condition 'x'; it has 'r'")],
)
def test_dims_that_are_not_there(dim, message):
    ds = swept(lambda x, u: u - x, [0.0, 1.0], state=["x"], n_candidates=16)
    with pytest.raises(ValueError, match=message):
        fpa.follow(ds, dim)
    with pytest.raises(ValueError, match="at least two values of 'r', got 1"):
        fpa.follow(ds.isel(r=[0]), "r")


def linear(matrix):
    """Return the function of a linear map whose matrix depends on the input."""
    return lambda x, u: matrix(u[0]) @ x


def test_eigenvalues_that_cross_keep_their_identity_where_sorting_loses_it():
    basis = np.array([[1.0, 0.6], [0.2, 1.0]])

    def matrix(c):
        return basis @ jnp.diag(jnp.stack([0.9 - 0.5 * c, 0.3 + 0.5 * c])) @ np.linalg.inv(basis)

    c = np.linspace(0.0, 1.0, 12)
    ds = swept(linear(matrix), c, state=2, name="c_", candidates=np.zeros((1, 2)), time_domain="discrete")
    ds = fpa.follow(ds, "c_")
    np.testing.assert_allclose(ds.followed_eigenvalue.values[:, 0, 0], 0.9 - 0.5 * c, atol=1e-9)
    np.testing.assert_allclose(ds.followed_eigenvalue.values[:, 0, 1], 0.3 + 0.5 * c, atol=1e-9)
    assert not np.allclose(ds.eigenvalue.values[:, 0, 0], 0.9 - 0.5 * c)
    events = labels(ds, "mode_event")[:, 0]
    assert (events == "crossing").all(axis=1).sum() == 1
    assert (events[events != "none"] == "crossing").all()
    assert float(ds.mode_confidence.min()) > 0.99


def test_eigenvalues_that_collide_are_labelled():
    """`λ = 0.5 ± √(0.04 − c)`: real, then a complex pair."""

    def matrix(c):
        return jnp.stack([jnp.stack([0.5, 1.0]), jnp.stack([0.04 - c, 0.5])])

    c = np.linspace(0.0, 0.1, 12)
    ds = swept(linear(matrix), c, state=2, name="c_", candidates=np.zeros((1, 2)), time_domain="discrete")
    events = labels(fpa.follow(ds, "c_"), "mode_event")[:, 0]
    at = np.flatnonzero(c > 0.04)[0]
    assert events[at].tolist() == ["collision", "collision"]
    assert (events == "collision").sum() == 2
    back = fpa.follow(ds.isel(c_=slice(None, None, -1)), "c_")
    assert (labels(back, "mode_event") == "collision").sum() == 2


def test_complex_pairs_that_cross_stay_pairs():
    def matrix(c):
        def turn(radius, angle):
            return radius * jnp.stack(
                [
                    jnp.stack([jnp.cos(angle), -jnp.sin(angle)]),
                    jnp.stack([jnp.sin(angle), jnp.cos(angle)]),
                ]
            )

        blocks = jnp.zeros((4, 4))
        blocks = blocks.at[:2, :2].set(turn(0.9 - 0.4 * c, 0.3)).at[2:, 2:].set(turn(0.5 + 0.4 * c, 1.2))
        return mixing @ blocks @ np.linalg.inv(mixing)

    mixing = np.eye(4) + 0.2 * np.random.default_rng(0).normal(size=(4, 4))
    c = np.linspace(0.0, 1.0, 11)[:-1] + 0.03
    ds = swept(linear(matrix), c, state=4, name="c_", candidates=np.zeros((1, 4)), time_domain="discrete")
    ds = fpa.follow(ds, "c_")
    expected = np.stack([(0.9 - 0.4 * c) * np.exp(s * 0.3j) for s in (1, -1)], axis=1)
    np.testing.assert_allclose(ds.followed_eigenvalue.values[:, 0, :2], expected, atol=1e-9)
    assert (labels(ds, "mode_event") == "crossing").sum() == 4


def test_a_smooth_family_agrees_with_a_much_finer_one():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 8, 8)) / np.sqrt(8)
    b *= 0.3

    def matrix(c):
        return jnp.asarray(a) + c * jnp.asarray(b)

    fine_c = np.linspace(0.0, 1.0, 401)
    start = np.zeros((1, 8))
    fine = swept(linear(matrix), fine_c, state=8, name="c_", candidates=start, time_domain="discrete")
    fine = fpa.follow(fine, "c_")
    coarse = fpa.follow(fine.drop_vars(["branch", "mode_track"]).isel(c_=slice(None, None, 10)), "c_")
    collided = (labels(fine, "mode_event") == "collision").any()
    same = np.isclose(coarse.followed_eigenvalue.values, fine.followed_eigenvalue.values[::10], atol=1e-9)
    if not collided:
        assert same.all()
    else:  # identities are not defined through a collision: up to it they agree
        first = np.flatnonzero((labels(fine, "mode_event") == "collision").any(axis=(1, 2)))[0] // 10
        assert same[: first + 1].all()
        assert first > 3


def test_matching_with_itself_is_the_identity_however_far_from_normal():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(1, 12, 12)) + 5 * np.triu(rng.normal(size=(1, 12, 12)), 1)
    found = eigenpairs(matrix, "discrete")
    own = Modes(found.eigenvalue[0], found.right[0], found.left[0], np.zeros(12, bool))
    match = match_modes(own, own)
    assert match.mode.tolist() == list(range(12))
    np.testing.assert_allclose(match.confidence, 1.0, atol=1e-6)
    assert not match.crosses.any()
    assert not match.collides.any()


def test_followed_results_pass_through_a_file(tmp_path):
    ds = fpa.follow(swept(lambda x, u: u - x, [0.0, 1.0, 2.0], state=["x"], n_candidates=16), "r")
    fpa.save(ds, tmp_path / "followed.nc")
    xr.testing.assert_identical(fpa.open_dataset(tmp_path / "followed.nc"), ds)


def test_modes_can_be_followed_in_one_call():
    ds = swept(lambda x, u: u - x, [0.0, 1.0, 2.0], state=["x"], n_candidates=16)
    both = fpa.modes(ds, "r")
    xr.testing.assert_equal(both.mode_track, fpa.follow(ds, "r").mode_track)
