"""Elementary functions of balls and their derivatives, free of cancellation."""

from collections.abc import Callable
from typing import NamedTuple

from flint import arb


class Analytic(NamedTuple):
    """A function of one ball.

    Args:
        value: the function.
        slope: `(x, value) ->` its derivative.
    """

    value: Callable[[arb], arb]
    slope: Callable[[arb, arb], arb]


def _sech_squared(x: arb) -> arb:
    return x.sech() ** 2


def _cbrt(x: arb) -> arb:
    return -((-x).root(3)) if x < 0 else x.root(3)


def _gauss(x: arb) -> arb:
    return 2 / arb.const_sqrt_pi() * (-(x * x)).exp()


ANALYTIC = {
    "acos": Analytic(lambda x: x.acos(), lambda x, y: -((1 - x * x).rsqrt())),
    "acosh": Analytic(lambda x: x.acosh(), lambda x, y: (x * x - 1).rsqrt()),
    "asin": Analytic(lambda x: x.asin(), lambda x, y: (1 - x * x).rsqrt()),
    "asinh": Analytic(lambda x: x.asinh(), lambda x, y: (1 + x * x).rsqrt()),
    "atan": Analytic(lambda x: x.atan(), lambda x, y: 1 / (1 + x * x)),
    "atanh": Analytic(lambda x: x.atanh(), lambda x, y: 1 / (1 - x * x)),
    "cbrt": Analytic(_cbrt, lambda x, y: 1 / (3 * y * y)),
    "cos": Analytic(lambda x: x.cos(), lambda x, y: -x.sin()),
    "cosh": Analytic(lambda x: x.cosh(), lambda x, y: x.sinh()),
    "digamma": Analytic(lambda x: x.digamma(), lambda x, y: arb(2).zeta(x)),
    "erf": Analytic(lambda x: x.erf(), lambda x, y: _gauss(x)),
    "erfc": Analytic(lambda x: x.erfc(), lambda x, y: -_gauss(x)),
    "exp": Analytic(lambda x: x.exp(), lambda x, y: y),
    "exp2": Analytic(lambda x: arb(2) ** x, lambda x, y: y * arb.const_log2()),
    "expm1": Analytic(lambda x: x.expm1(), lambda x, y: x.exp()),
    "lgamma": Analytic(lambda x: x.lgamma(), lambda x, y: x.digamma()),
    "log": Analytic(lambda x: x.log(), lambda x, y: 1 / x),
    "log1p": Analytic(lambda x: x.log1p(), lambda x, y: 1 / (1 + x)),
    "logistic": Analytic(lambda x: 1 / (1 + (-x).exp()), lambda x, y: _sech_squared(x / 2) / 4),
    "neg": Analytic(lambda x: -x, lambda x, y: arb(-1)),
    "rsqrt": Analytic(lambda x: x.rsqrt(), lambda x, y: -y / (2 * x)),
    "sin": Analytic(lambda x: x.sin(), lambda x, y: x.cos()),
    "sinh": Analytic(lambda x: x.sinh(), lambda x, y: x.cosh()),
    "sqrt": Analytic(lambda x: x.sqrt(), lambda x, y: 1 / (2 * y)),
    "square": Analytic(lambda x: x * x, lambda x, y: 2 * x),
    "tan": Analytic(lambda x: x.tan(), lambda x, y: x.sec() ** 2),
    "tanh": Analytic(lambda x: x.tanh(), lambda x, y: _sech_squared(x)),
}
