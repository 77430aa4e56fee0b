"""Rounding floors and exact values against mpmath, digit by digit, and XLA's functions against Arb."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from flint import arb, ctx
from mpmath import mp, mpf

from fpanalysis.arithmetic import Evaluator
from fpanalysis.arithmetic._elementary import ELEMENTARY
from fpanalysis.vector_field import float64

N = 3
NOTHING = np.zeros(0)


@pytest.fixture(autouse=True)
def digits():
    """Compute the references with 60 digits, and XLA's values with float64."""
    with mp.workdps(60), jax.enable_x64(True):
        yield


# The same systems twice: in JAX, and in mpmath number by number.


def _mp_matvec(matrix, x):
    return [mpmath.fsum(mpf(float(w)) * v for w, v in zip(row, x, strict=True)) for row in matrix]


def _mp_sum(*vectors):
    return [mpmath.fsum(entries) for entries in zip(*vectors, strict=True)]


def _mp(vector):
    return [mpf(float(entry)) for entry in vector]


def _mp_sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


def _tanh(p, x):
    return jnp.tanh(p["w"] @ x + p["b"]) - x


def _mp_tanh(p, x):
    return [mpmath.tanh(a) - v for a, v in zip(_mp_sum(_mp_matvec(p["w"], x), _mp(p["b"])), x, strict=True)]


def _relu(p, x):
    return -x + p["w"] @ jax.nn.relu(x) + p["b"]


def _mp_relu(p, x):
    active = [max(v, mpf(0)) for v in x]
    return _mp_sum([-v for v in x], _mp_matvec(p["w"], active), _mp(p["b"]))


def _softplus(p, x):
    return jax.nn.softplus(p["w"] @ x + p["b"]) - x


def _mp_softplus(p, x):
    arguments = _mp_sum(_mp_matvec(p["w"], x), _mp(p["b"]))
    return [mpmath.log1p(mpmath.exp(a)) - v for a, v in zip(arguments, x, strict=True)]


def _tail(p, x):
    return p["b"] * x * jnp.exp(-(x**2)) + (p["w"] @ x) * jnp.exp(-jnp.abs(x)) / (1 + x**4)


def _mp_tail(p, x):
    rest = _mp_matvec(p["w"], x)
    terms = zip(_mp(p["b"]), x, rest, strict=True)
    return [b * v * mpmath.exp(-v * v) + r * mpmath.exp(-abs(v)) / (1 + v**4) for b, v, r in terms]


def _gru(p, x):
    r, z, n = jnp.split(p["w3"] @ x, 3)
    br, bz, bn = jnp.split(p["b3"], 3)
    n = jnp.tanh(bn + jax.nn.sigmoid(r + br) * (n + p["b"]))
    return n + jax.nn.sigmoid(z + bz) * (x - n) - x


def _mp_gru(p, x):
    w, b = _mp_matvec(p["w3"], x), _mp(p["b3"])
    result = []
    for k in range(N):
        reset, keep = _mp_sigmoid(w[k] + b[k]), _mp_sigmoid(w[N + k] + b[N + k])
        new = mpmath.tanh(b[2 * N + k] + reset * (w[2 * N + k] + mpf(float(p["b"][k]))))
        result.append(new + keep * (x[k] - new) - x[k])
    return result


def _lstm_cell(p, x):
    h, c = jnp.split(x, 2)
    i, f, g, o = jnp.split(p["w4"] @ h + p["b4"], 4)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jnp.concatenate([jax.nn.sigmoid(o) * jnp.tanh(c), c]) - x


def _mp_lstm_cell(p, x):
    h, c = x[:N], x[N:]
    a = _mp_sum(_mp_matvec(p["w4"], h), _mp(p["b4"]))
    new = [_mp_sigmoid(a[N + k]) * c[k] + _mp_sigmoid(a[k]) * mpmath.tanh(a[2 * N + k]) for k in range(N)]
    out = [_mp_sigmoid(a[3 * N + k]) * mpmath.tanh(new[k]) for k in range(N)]
    return [value - old for value, old in zip([*out, *new], x, strict=True)]


def _hodgkin_huxley(p, x):
    v, m, h, n = x

    def rate(v, width):
        return jnp.where(jnp.abs(v / width) < 1e-6, width + v / 2, v / (1 - jnp.exp(-v / width)))

    return jnp.stack(
        [
            10 - 120 * m**3 * h * (v - 50) - 36 * n**4 * (v + 77) - 0.3 * (v + 54.387),
            0.1 * rate(v + 40, 10.0) * (1 - m) - 4 * jnp.exp(-(v + 65) / 18) * m,
            0.07 * jnp.exp(-(v + 65) / 20) * (1 - h) - h / (1 + jnp.exp(-(v + 35) / 10)),
            0.01 * rate(v + 55, 10.0) * (1 - n) - 0.125 * jnp.exp(-(v + 65) / 80) * n,
        ]
    )


def _mp_hodgkin_huxley(p, x):
    v, m, h, n = x
    f = lambda number: mpf(float(number))  # the doubles, not the decimals

    def rate(v, width):
        if abs(v / width) < f(1e-6):
            return width + v / 2
        return v / (1 - mpmath.exp(-v / width))

    return [
        10 - 120 * m**3 * h * (v - 50) - 36 * n**4 * (v + 77) - f(0.3) * (v + f(54.387)),
        f(0.1) * rate(v + 40, 10) * (1 - m) - 4 * mpmath.exp(-(v + 65) / 18) * m,
        f(0.07) * mpmath.exp(-(v + 65) / 20) * (1 - h) - h / (1 + mpmath.exp(-(v + 35) / 10)),
        f(0.01) * rate(v + 55, 10) * (1 - n) - f(0.125) * mpmath.exp(-(v + 65) / 80) * n,
    ]


def _morris_lecar(p, x):
    v, w = x
    m = 0.5 * (1 + jnp.tanh((v + 1.2) / 18))
    dv = (90 - 4.4 * m * (v - 120) - 8 * w * (v + 84) - 2 * (v + 60)) / 20
    return jnp.stack([dv, 0.04 * (0.5 * (1 + jnp.tanh((v - 2) / 30)) - w) * jnp.cosh((v - 2) / 60)])


def _mp_morris_lecar(p, x):
    v, w = x
    f = lambda number: mpf(float(number))
    m = (1 + mpmath.tanh((v + f(1.2)) / 18)) / 2
    dv = (90 - f(4.4) * m * (v - 120) - 8 * w * (v + 84) - 2 * (v + 60)) / 20
    return [dv, f(0.04) * ((1 + mpmath.tanh((v - 2) / 30)) / 2 - w) * mpmath.cosh((v - 2) / 60)]


NETWORKS = {
    "gru": (_gru, _mp_gru, N),
    "lstm": (_lstm_cell, _mp_lstm_cell, 2 * N),
    "relu": (_relu, _mp_relu, N),
    "softplus": (_softplus, _mp_softplus, N),
    "tail": (_tail, _mp_tail, N),
    "tanh": (_tanh, _mp_tanh, N),
}
MODELS = {
    "hodgkin_huxley": (_hodgkin_huxley, _mp_hodgkin_huxley, [-65.0, 0.5, 0.5, 0.5], [40.0, 0.5, 0.5, 0.5]),
    "morris_lecar": (_morris_lecar, _mp_morris_lecar, [0.0, 0.5], [80.0, 0.5]),
}


def _weights(rng, scale):
    shapes = {"w": (N, N), "b": (N,), "w3": (3 * N, N), "b3": (3 * N,), "w4": (4 * N, N), "b4": (4 * N,)}
    return {name: scale * rng.normal(size=shape) for name, shape in shapes.items()}


def _states(rng, size):
    """Return states of all sizes, saturated ones and the origin."""
    spread = rng.normal(size=(4, size)) * 10.0 ** rng.uniform([[-12], [-3], [-1], [1]], [[-6], [0], [1], [6]])
    return np.concatenate([spread, np.zeros((1, size)), rng.choice([-0.7, 0.7, 1.0], (1, size))])


def _exact(evaluator, x, u=NOTHING, scale=None):
    exact = evaluator.exact(np.asarray(x), u, scale)
    assert exact is not None
    return exact


def _floor(fn, x):
    return Evaluator(lambda x, u: fn(x), x.shape[1], 0).rounding_floor(x, np.zeros((len(x), 0)))


@pytest.mark.parametrize("name", NETWORKS)
def test_no_rounding_error_of_a_network_exceeds_its_floor(name):
    fn, reference, size = NETWORKS[name]
    rng = np.random.default_rng(sum(map(ord, name)))
    compiled = jax.jit(jax.vmap(fn, in_axes=(None, 0)))
    errors, floors = [], []
    for scale in 10.0 ** rng.uniform(-1, 3, 35):
        p, x = _weights(rng, scale), _states(rng, size)
        floor = _floor(lambda x, p=p: fn(p, x), x)
        for state, value, bound in zip(x, np.asarray(compiled(p, x)), floor, strict=True):
            exact = reference(p, _mp(state))
            errors.append([float(abs(mpf(float(v)) - e)) for v, e in zip(value, exact, strict=True)])
            floors.append(bound)
            assert np.all(errors[-1] <= bound), (name, scale, state)
    assert np.all(np.isfinite(floors))


@pytest.mark.parametrize("name", MODELS)
def test_no_rounding_error_of_a_published_model_exceeds_its_floor(name):
    fn, reference, center, spread = MODELS[name]
    x = np.asarray(center) + np.random.default_rng(3).uniform(-1, 1, (60, len(center))) * spread
    # The removable singularities of the rates, and how near to them the formula is switched.
    x[:5, 0] = -40.0, -55.0, -40 + 1e-5, -40 + 1.0000001e-5, -40 + 1e-4
    floor = _floor(lambda x: fn(None, x), x)
    values = np.asarray(jax.jit(jax.vmap(lambda x: fn(None, x)))(x))
    for state, value, bound in zip(x, values, floor, strict=True):
        exact = reference(None, _mp(state))
        assert np.all([abs(mpf(float(v)) - e) <= b for v, e, b in zip(value, exact, bound, strict=True)])
    assert np.median(floor[5:]) < 1e-11


def test_the_floor_of_an_ordinary_network_is_near_what_rounding_does():
    rng = np.random.default_rng(0)
    w = rng.normal(size=(64, 64)) / 8
    fn = lambda x: jnp.tanh(w @ x) - x
    x = rng.uniform(-1, 1, (10, 64))
    with ctx.workprec(200):
        exact = [_exact(Evaluator(lambda x, u: fn(x), 64, 0), state) for state in x]
    values = np.asarray(jax.jit(jax.vmap(fn))(x))
    errors = np.abs(values - [np.ldexp(e.value, e.exponent) for e in exact])
    floor = _floor(fn, x)
    assert np.all(errors <= floor + 1e-17)  # the reference itself is rounded to float64
    assert np.sqrt(np.mean(floor**2)) < 1e3 * np.sqrt(np.mean(errors**2))


def test_small_products_leave_small_errors_and_differences_large_ones():
    tail = _floor(lambda x: x * jnp.exp(-(x**2)), np.array([[7.0], [0.0], [30.0]]))
    assert 1e-38 < tail[0, 0] < 1e-33
    assert tail[1, 0] == 0.0
    assert tail[2, 0] < 1e-305
    shifted = _floor(lambda x: (x + x * jnp.exp(-(x**2))) - x, np.array([[7.0]]))
    assert 1e-16 < shifted[0, 0] < 1e-14
    w = jnp.array([[2.0, 1.0], [0.0, 3.0]])
    assert np.all(_floor(lambda x: jnp.tanh(w @ x) - x, np.zeros((1, 2))) == 0.0)


DOMAINS = {
    **{name: (-0.999, 0.999) for name in ("acos", "asin", "atanh", "log1p")},
    **{name: (-5.0, 5.0) for name in ("tanh", "erf", "expm1", "atan", "asinh", "cbrt", "tan", "logistic")},
    **{name: (1e-3, 20.0) for name in ("log", "lgamma", "digamma")},
    "acosh": (1.0001, 50.0),
    "erfc": (-5.0, 26.0),
    "exp2": (-1020.0, 1020.0),
}
OF_ARB = {
    "cbrt": lambda a: a.root(3) if a > 0 else -((-a).root(3)),
    "exp2": lambda a: arb(2) ** a,
    "logistic": lambda a: 1 / (1 + (-a).exp()),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_elementary_functions_are_as_accurate_as_the_floor_takes_them_to_be(dtype):
    rng = np.random.default_rng(1)
    limits = np.finfo(dtype)
    points = {}
    for name in ELEMENTARY:
        low, high = DOMAINS.get(name, (-700.0, 700.0))
        if name in ("exp2", "erfc") or (low, high) == (-700.0, 700.0):
            low, high = (low, high) if dtype == np.float64 else (low / 8.2, high / 8.2)
        wide = np.geomspace(1e-30, max(-low, high), 150)
        wide = np.concatenate([wide, -wide])
        drawn = np.concatenate([rng.uniform(low, high, 500), wide[(wide > low) & (wide < high)]])
        points[name] = drawn.astype(dtype)
    primitives = {name: getattr(jax.lax, name) for name in ELEMENTARY}
    values = jax.jit(lambda points: {name: fn(points[name]) for name, fn in primitives.items()})(points)
    with ctx.workprec(200):
        for name, function in ELEMENTARY.items():
            of_arb = OF_ARB.get(name, lambda a, name=name: getattr(a, name)())
            for x, value in zip(points[name].astype(float), np.asarray(values[name], float), strict=True):
                exact = of_arb(arb(x))
                rounded = float(exact)
                if abs(rounded) > limits.max:
                    continue
                error = float(abs(arb(value) - exact))
                ulps = function.ulps(x, rounded) if rounded else 1.0
                assert error <= ulps * limits.eps * abs(rounded) + limits.tiny, (name, x)


@pytest.mark.parametrize("name", ["exp_exp", "div_exp", "chained", "sinc", "norm", "wrapped", "interp"])
def test_what_xla_rewrites_and_chooses_stays_within_the_floor(name):
    forms = {
        "exp_exp": (lambda x: jnp.exp(300 * x) * jnp.exp(-301 * x), lambda v: mpmath.exp(-v)),
        "div_exp": (lambda x: x / jnp.exp(100 * x), lambda v: v / mpmath.exp(100 * v)),
        "chained": (lambda x: (x + 1e10) - 1e10, lambda v: v),
        "sinc": (jnp.sinc, lambda v: mpmath.sincpi(v)),
        "norm": (lambda x: jnp.linalg.norm(x, keepdims=True) - x, lambda v: abs(v) - v),
        "wrapped": (lambda x: jnp.mod(x + 1.0, 2.0), lambda v: (v + 1) % 2),
        "interp": (lambda x: jnp.interp(x, jnp.arange(3.0), jnp.array([1.0, 3.0, 4.0])), _mp_interp),
    }
    fn, reference = forms[name]
    x = np.concatenate([np.random.default_rng(5).uniform(0, 2.5, 40), [0.0, 1e-9, 1.0, 2.0]])[:, None]
    floor, values = _floor(fn, x), np.asarray(jax.jit(jax.vmap(fn))(x))
    for state, value, bound in zip(x[:, 0], values[:, 0], floor[:, 0], strict=True):
        # The constants of the formula are π and 1e10 as doubles; those of mpmath here have more digits.
        slack = 1e-15 if name == "sinc" else 0.0
        assert abs(mpf(float(value)) - reference(mpf(float(state)))) <= bound + slack
    assert np.median(floor) < 1e-4


def _mp_interp(v):
    return 1 + 2 * v if v < 1 else (3 + (v - 1) if v < 2 else mpf(4))


def test_an_uncertain_choice_is_as_uncertain_as_the_cases_differ():
    jump = lambda x: jnp.where(jnp.sin(x) ** 2 + jnp.cos(x) ** 2 >= 1.0, 5.0, -1.0)
    assert _floor(jump, np.array([[0.3]]))[0, 0] >= 6.0
    assert _floor(lambda x: jnp.where(x > 0.1, 5.0, -1.0), np.array([[0.3]]))[0, 0] == 0.0
    assert _floor(lambda x: jnp.floor(jnp.sin(x) ** 2 + jnp.cos(x) ** 2), np.array([[0.3]]))[0, 0] >= 1.0
    assert _floor(lambda x: jnp.sign(x * 3.0 - 0.3 * 1.0), np.array([[0.1]]))[0, 0] >= 2.0


def test_narrower_floats_have_their_own_floor():
    fn = lambda x: jnp.tanh(3 * x.astype(jnp.float32)).astype(float) - x
    x = np.linspace(-2, 2, 40)[:, None]
    floor, values = _floor(fn, x), np.asarray(jax.jit(jax.vmap(fn))(x))
    errors = [
        float(abs(mpf(float(v)) - (mpmath.tanh(3 * mpf(s)) - mpf(s))))
        for s, v in zip(x[:, 0], values[:, 0], strict=True)
    ]
    assert np.all(errors <= floor[:, 0])
    assert 1e-8 < np.median(floor) < 1e-5


def _relative(exact, reference, jacobian):
    """Return the largest relative differences of values and derivatives from mpmath's."""
    power = [mpf(2) ** int(e) for e in exact.exponent]
    worst = mpf(0)
    for k, value in enumerate(reference):
        for got, expected in zip([exact.value[k], *exact.jacobian[k]], [value, *jacobian[k]], strict=True):
            got = mpf(float(got)) * power[k]
            worst = max(worst, abs(got - expected) / abs(expected) if expected else abs(got))
    return float(worst)


def _mp_jacobian(reference, x):
    """Return central differences with a step that leaves a hundred digits."""
    columns = []
    for k in range(len(x)):
        step = mpf(10) ** -100 * max(abs(x[k]), mpf(1))
        ahead, behind = list(x), list(x)
        ahead[k], behind[k] = x[k] + step, x[k] - step
        pairs = zip(reference(ahead), reference(behind), strict=True)
        columns.append([(a - b) / (2 * step) for a, b in pairs])
    return [list(row) for row in zip(*columns, strict=True)]


@pytest.mark.parametrize("name", NETWORKS)
def test_values_and_derivatives_are_the_formulas_own(name):
    fn, reference, size = NETWORKS[name]
    rng = np.random.default_rng(sum(map(ord, name)))
    for scale in (0.3, 3.0, 30.0):
        p, states = _weights(rng, scale), _states(rng, size)[[0, 2, 5]]
        evaluator = Evaluator(lambda x, u, p=p: fn(p, x), size, 0)
        for x in states:
            exact = _exact(evaluator, x)
            with mp.workdps(600):
                mp_fn = lambda v, p=p: reference(p, v)
                assert _relative(exact, mp_fn(_mp(x)), _mp_jacobian(mp_fn, _mp(x))) < 1e-12
            largest = np.max(np.abs(np.column_stack([exact.value, exact.jacobian])), axis=1)
            assert np.all((largest >= 0.5) & (largest <= 1.0))


def test_a_saturated_gate_leaves_no_zero():
    # One unit: z = σ(60 h + 60), so that F(h) − h = (1 − z)(tanh(−2 h) − h) is 1e-44 and 0.0 in float64.
    gate = lambda h: 1 / (1 + mpmath.exp(-(60 * h + 60)))
    fn = lambda x, u: (lambda z, n: n + z * (x - n) - x)(jax.nn.sigmoid(60 * x + 60), jnp.tanh(-2 * x))
    evaluator = Evaluator(fn, 1, 0)
    assert np.asarray(jax.jit(fn)(jnp.array([0.7]), jnp.zeros(0)))[0] == 0.0
    exact = _exact(evaluator, [0.7])
    with mp.workdps(200):
        h = mpf(0.7)
        f = lambda h: (1 - gate(h)) * (mpmath.tanh(-2 * h) - h)
        assert _relative(exact, [f(h)], [[mpmath.diff(f, h, h=mpf(10) ** -60)]]) < 1e-12
        assert mpmath.almosteq(f(h) / (1 - gate(h)), mpf("-1.585"), 1e-3)


@pytest.mark.parametrize("x", [7.0, 30.0])
def test_a_tail_is_no_zero(x):
    f = lambda v: v * mpmath.exp(-v * v)
    slope = lambda v: (1 - 2 * v * v) * mpmath.exp(-v * v)
    for fn in (lambda x, u: x * jnp.exp(-(x**2)), lambda x, u: (x + x * jnp.exp(-(x**2))) - x):
        exact = _exact(Evaluator(fn, 1, 0), [x])
        assert _relative(exact, [f(mpf(x))], [[slope(mpf(x))]]) < 1e-12
    exact = _exact(Evaluator(lambda x, u: x + x * jnp.exp(-(x**2)), 1, 0), [x])
    assert _relative(exact, [mpf(x) + f(mpf(x))], [[1 + slope(mpf(x))]]) < 1e-12


def test_units_multiply_the_columns():
    fn = lambda x, u: jnp.stack([x[0] * x[1], u[0] + x[1] ** 2])
    x, u, scale = np.array([3.0, 0.25]), np.array([2.0]), np.array([4.0, 1e-3])
    plain, scaled = (_exact(Evaluator(fn, 2, 1), x, u, s) for s in (None, scale))
    jacobian = np.array([[0.25, 3.0], [0.0, 0.5]])
    assert np.array_equal(plain.jacobian * 2.0 ** plain.exponent[:, None], jacobian)
    assert np.allclose(scaled.jacobian * 2.0 ** scaled.exponent[:, None], jacobian * scale, rtol=1e-14)
    assert np.array_equal(scaled.value * 2.0**scaled.exponent, [0.75, 2.0625])


def test_derivatives_on_a_kink_are_jax_own():
    for fn in (jax.nn.relu, jax.nn.softplus, jnp.abs, lambda x: jnp.maximum(x, 2 * x), jax.nn.gelu):
        exact = _exact(Evaluator(lambda x, u, fn=fn: fn(x), 1, 0), np.zeros(1))
        expected = jax.jvp(fn, (jnp.zeros(1),), (jnp.ones(1),))[1]
        assert np.allclose(exact.jacobian[0] * 2.0 ** exact.exponent[0], np.asarray(expected))


OPERATIONS = {
    "softmax": lambda x: jax.nn.softmax(x),
    "layer_norm": lambda x: (x - x.mean()) / jnp.sqrt(x.var() + 1e-5),
    "scan": lambda x: jax.lax.scan(lambda c, a: (jnp.tanh(c + a), c[0]), x, x)[1],
    "while": lambda x: jax.lax.while_loop(lambda c: jnp.max(c) > 0.5, lambda c: jnp.sin(c) * 0.9, x),
    "cond": lambda x: jax.lax.cond(x[0] > 0, jnp.exp, jnp.cos, x),
    "fori": lambda x: jax.lax.fori_loop(0, 4, lambda k, c: c + 0.1 * jnp.sin(k * c), x),
    "map": lambda x: jax.vmap(lambda a: jax.checkpoint(jnp.cosh)(a) * a)(x),
    "scatter": lambda x: x[::-1].at[1].add(x[0] * x[2]).at[2].set(jnp.sqrt(x[1])),
    "sorted": lambda x: jnp.sort(x) + jnp.cumsum(x) * jnp.cumprod(x) + jnp.roll(x, 1),
    "attention": lambda x: jnp.einsum("ij,jk->ik", jnp.outer(x, x), jnp.diag(x))[0] + x @ jnp.outer(x, x),
    "convolution": lambda x: jnp.convolve(x, jnp.array([1.0, 0.5, -2.0]), mode="same"),
    "powers": lambda x: x**2.5 + x**-2 + x**0.1 + jnp.cbrt(x) + jax.lax.rsqrt(x) + jnp.exp2(x),
    "angles": lambda x: jnp.arctan2(x, 1 - x) + jnp.arcsin(x) - jnp.arccos(x) * jnp.arctan(x) + jnp.tan(x),
    "hyperbolic": lambda x: jnp.arcsinh(x) + jnp.arctanh(x) + jnp.arccosh(1 + x) + jnp.sinh(x) - jnp.log(x),
    "special": lambda x: jax.lax.erf(x) + jax.lax.erfc(x) * jax.lax.lgamma(x) - jax.lax.digamma(x),
    "choices": lambda x: jnp.where(x > 0.3, jnp.minimum(x, 0.6), jnp.clip(x, 0.2, 0.25)) % 0.4,
    "extremes": lambda x: (
        jnp.max(x) * x + jnp.min(x) + jnp.prod(x) + x[jnp.argmax(x)] + jnp.hypot(x, x[::-1])
    ),
    "interp": lambda x: jnp.interp(x, jnp.array([0.0, 0.4, 1.0]), jnp.array([0.0, 1.0, 0.5])),
    "logs": lambda x: jnp.log1p(x) + jnp.expm1(x) + jax.nn.log_sigmoid(x) + jax.scipy.special.logsumexp(x),
    "units": lambda x: jax.nn.elu(x - 0.5) + jax.nn.silu(x) + jax.nn.gelu(x, approximate=False),
}


AT = np.array([0.61, 0.23, 0.37, 0.5009])


@pytest.fixture(scope="module")
def by_jax():
    """Return value and Jacobian of every operation, compiled at once."""
    with jax.enable_x64(True):
        values = lambda x: {name: fn(x) for name, fn in OPERATIONS.items()}
        jacobians, values = jax.jit(jax.jacfwd(lambda x: (values(x),) * 2, has_aux=True))(AT)
        return {name: (np.asarray(values[name]), np.asarray(jacobians[name])) for name in OPERATIONS}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_agree_with_jax_to_within_the_floor(name, by_jax):
    evaluator = Evaluator(lambda x, u: OPERATIONS[name](x), 4, 0)
    exact = _exact(evaluator, AT)
    floor = evaluator.rounding_floor(AT[None], np.zeros((1, 0)))[0]
    value, jacobian = by_jax[name]
    assert np.all(np.abs(np.ldexp(exact.value, exact.exponent) - value) <= floor + 2e-16 * np.abs(value))
    assert np.all(floor < 1e-12)
    assert np.allclose(np.ldexp(exact.jacobian, exact.exponent[:, None]), jacobian, rtol=1e-10, atol=1e-13)


def test_what_is_not_known_is_infinite_or_nothing():
    x, u = np.array([0.5, 0.2]), NOTHING
    unknown = (
        lambda x, u: jnp.linalg.solve(jnp.diag(x), x),
        lambda x, u: jax.pure_callback(np.sin, jax.ShapeDtypeStruct((2,), jnp.float64), x),
        lambda x, u: jnp.log(x - 1.0),
        lambda x, u: x / (x - x),
    )
    for fn in unknown:
        evaluator = Evaluator(fn, 2, 0)
        assert np.all(evaluator.rounding_floor(x[None], u[None]) == np.inf)
        assert evaluator.exact(x, u) is None
    assert Evaluator(lambda x, u: x.astype(jnp.float32).astype(float), 2, 0).exact(x, u) is None
    # An identity that no precision proves.
    assert Evaluator(lambda x, u: jnp.sin(x) ** 2 + jnp.cos(x) ** 2 - 1.0, 2, 0).exact(x, u) is None


def test_what_depends_on_the_input_only_counts_as_data():
    fn = lambda x, u: x * jnp.linalg.inv(u.reshape(2, 2)).astype(jnp.float32).astype(float)[0]
    evaluator = Evaluator(fn, 2, 4)
    u = np.array([2.0, 0.0, 0.0, 4.0])
    assert evaluator.narrowest_float == np.float64
    assert np.all(evaluator.rounding_floor(np.ones((1, 2)), u[None]) < 1e-6)
    assert np.array_equal(_exact(evaluator, np.ones(2), u).value, [0.5, 0.0])


def _residual(model):
    field = float64(model)
    return field.residual, len(field.state), len(field.inputs)


def test_traits(gru, lstm):
    smooth = {
        "gru": _residual(gru),
        "lstm": _residual(lstm),
        "softplus": (lambda x, u: jax.nn.softplus(x), 2, 0),
        "softmax": (lambda x, u: jax.nn.softmax(x), 2, 0),
        "input": (lambda x, u: x * jnp.abs(u[0]), 2, 1),
        "branches": (lambda x, u: jax.lax.cond(u[0] > 0, jnp.sin, jnp.exp, x), 2, 1),
    }
    for name, (fn, n_state, n_input) in smooth.items():
        evaluator = Evaluator(fn, n_state, n_input)
        assert not evaluator.may_have_kinks, name
        assert not evaluator.has_callback
        assert evaluator.narrowest_float == np.float64
    kinked = (
        jax.nn.relu,
        jnp.abs,
        jnp.sort,
        lambda x: jnp.clip(x, 0, 1),
        lambda x: jnp.where(x > 0, x, 0.5 * x),
        lambda x: jax.lax.cond(x[0] > 0, jnp.sin, jnp.exp, x),
        lambda x: (x > 0).astype(float) * x,
        lambda x: x * jnp.max(x),
    )
    for fn in kinked:
        assert Evaluator(lambda x, u, fn=fn: fn(x), 2, 0).may_have_kinks
    callback = lambda x, u: jax.jit(
        lambda x: jax.pure_callback(np.sin, jax.ShapeDtypeStruct((2,), jnp.float64), x)
    )(x)
    assert Evaluator(callback, 2, 0).has_callback
    assert Evaluator(callback, 2, 0).may_have_kinks
    for dtype in (jnp.float32, jnp.float16, jnp.bfloat16):
        fn = lambda x, u, dtype=dtype: jax.lax.scan(
            lambda c, _: (jnp.sin(c.astype(dtype)).astype(float), None), x, None, length=2
        )[0]
        assert Evaluator(fn, 2, 0).narrowest_float == dtype
    long = lambda x, u: jax.lax.scan(
        lambda c, _: (jnp.sin(c.astype(jnp.float32)).astype(float), None), x, None, length=100_000
    )[0]
    assert Evaluator(long, 2, 0).narrowest_float == np.float32
    assert np.all(Evaluator(long, 2, 0).rounding_floor(np.ones((1, 2)), np.zeros((1, 0))) == np.inf)
    weights = jnp.ones(2, jnp.float32)
    assert Evaluator(lambda x, u: x * weights.astype(float), 2, 0).narrowest_float == np.float64
