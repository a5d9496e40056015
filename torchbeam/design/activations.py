"""The activation functions as a cheat sheet has them: formulas to read and callables to draw, without torch.

In the texts the Greek sigma is the sigmoid, Phi the normal distribution function, and `a` the number a word takes.
Where a curve bends, its derivative is the one PyTorch's autograd takes, in the text and in the callable.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Curve:
    """One activation function f: what it is called, how it is written, and its value and slope anywhere.

    name: the word of the notation. number: what its number is ('a, the slope below zero'), '' where it takes none.
    default: the number when unsaid (PyTorch's), None where it takes none. f, df: (x, number) to f(x) and f'(x) for
    every finite x and the numbers its formula allows (CELU divides by its own); the number is passed over by those
    that take none.
    """

    name: str
    title: str
    formula: str
    derivative: str
    source: str
    number: str
    default: float | None
    f: Callable[[float, float], float]
    df: Callable[[float, float], float]


# Klambauer et al. 2017: with these two, mean 0 and variance 1 stay so from layer to layer.
SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717


def _sigmoid(x: float) -> float:
    small = math.exp(-abs(x))  # never overflows, on either side
    return (1.0 if x >= 0 else small) / (1 + small)


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _clip(x: float, low: float, high: float) -> float:
    return min(max(x, low), high)


def _normal(x: float) -> float:
    """The share of a standard normal distribution that lies below x."""
    return math.erfc(-x / math.sqrt(2)) / 2


def _normal_density(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _elu(x: float, a: float) -> float:
    return x if x > 0 else a * math.expm1(x)


def _elu_slope(x: float, a: float) -> float:
    return 1.0 if x > 0 else a * math.exp(x)


def _celu(x: float, a: float) -> float:
    return x if x > 0 else a * math.expm1(x / a)


def _celu_slope(x: float, a: float) -> float:
    return 1.0 if x > 0 else math.exp(x / a)


def _leaky(x: float, a: float) -> float:
    return x if x > 0 else a * x


def _leaky_slope(x: float, a: float) -> float:
    return 1.0 if x > 0 else a


def _gelu_slope(x: float) -> float:
    return _normal(x) + x * _normal_density(x)


def _silu_slope(x: float) -> float:
    share = _sigmoid(x)
    return share * (1 + x * (1 - share))


def _hardswish_slope(x: float) -> float:
    if x <= -3:
        return 0.0
    return 1.0 if x >= 3 else x / 3 + 0.5


def _mish(x: float) -> float:
    return x * math.tanh(_softplus(x))


def _mish_slope(x: float) -> float:
    t = math.tanh(_softplus(x))
    return t + x * (_sigmoid(x) * (1 - t * t))


_CURVES = (
    Curve(
        name="IDENTITY",
        title="identity",
        formula="x",
        derivative="1",
        source="",
        number="",
        default=None,
        f=lambda x, _: x,
        df=lambda *_: 1.0,
    ),
    Curve(
        name="STEP",
        title="binary step",
        formula="1 if x ≥ 0, 0 otherwise",
        derivative="0",
        source="",
        number="",
        default=None,
        f=lambda x, _: 1.0 if x >= 0 else 0.0,
        df=lambda *_: 0.0,
    ),
    Curve(
        name="SIGMOID",
        title="sigmoid, or logistic function",
        formula="σ(x) = 1 / (1 + exp(−x))",
        derivative="f(x) (1 − f(x))",
        source="",
        number="",
        default=None,
        f=lambda x, _: _sigmoid(x),
        df=lambda x, _: _sigmoid(x) * _sigmoid(-x),
    ),
    Curve(
        name="HARDSIGMOID",
        title="hard sigmoid",
        formula="0 if x < −3, 1 if x > 3, x/6 + 1/2 otherwise",
        derivative="1/6 if −3 < x < 3, 0 otherwise",
        source="Howard et al. 2019",
        number="",
        default=None,
        f=lambda x, _: _clip(x / 6 + 0.5, 0.0, 1.0),
        df=lambda x, _: 1 / 6 if -3 < x < 3 else 0.0,
    ),
    Curve(
        name="TANH",
        title="hyperbolic tangent",
        formula="(exp(x) − exp(−x)) / (exp(x) + exp(−x))",
        derivative="1 − f(x)²",
        source="",
        number="",
        default=None,
        f=lambda x, _: math.tanh(x),
        df=lambda x, _: 1 - math.tanh(x) ** 2,
    ),
    Curve(
        name="HARDTANH",
        title="hard hyperbolic tangent",
        formula="−1 if x < −1, 1 if x > 1, x otherwise",
        derivative="1 if −1 < x < 1, 0 otherwise",
        source="",
        number="",
        default=None,
        f=lambda x, _: _clip(x, -1.0, 1.0),
        df=lambda x, _: 1.0 if -1 < x < 1 else 0.0,
    ),
    Curve(
        name="ARCTAN",
        title="inverse tangent",
        formula="arctan(x)",
        derivative="1 / (1 + x²)",
        source="",
        number="",
        default=None,
        f=lambda x, _: math.atan(x),
        df=lambda x, _: 1 / (1 + x * x),
    ),
    Curve(
        name="SOFTSIGN",
        title="softsign",
        formula="x / (1 + |x|)",
        derivative="1 / (1 + |x|)²",
        source="Bergstra, Desjardins, Lamblin & Bengio 2009",
        number="",
        default=None,
        f=lambda x, _: x / (1 + abs(x)),
        df=lambda x, _: (1 / (1 + abs(x))) ** 2,
    ),
    Curve(
        name="RELU",
        title="rectified linear unit",
        formula="x if x > 0, 0 otherwise",
        derivative="1 if x > 0, 0 otherwise",
        source="Nair & Hinton 2010",
        number="",
        default=None,
        f=lambda x, _: max(x, 0.0),
        df=lambda x, _: 1.0 if x > 0 else 0.0,
    ),
    Curve(
        name="RELU6",
        title="rectified linear unit capped at 6",
        formula="0 if x < 0, 6 if x > 6, x otherwise",
        derivative="1 if 0 < x < 6, 0 otherwise",
        source="Krizhevsky 2010",
        number="",
        default=None,
        f=lambda x, _: _clip(x, 0.0, 6.0),
        df=lambda x, _: 1.0 if 0 < x < 6 else 0.0,
    ),
    Curve(
        name="LEAKYRELU",
        title="leaky rectified linear unit",
        formula="x if x > 0, a x otherwise",
        derivative="1 if x > 0, a otherwise",
        source="Maas, Hannun & Ng 2013",
        number="a, the slope below zero",
        default=0.01,
        f=_leaky,
        df=_leaky_slope,
    ),
    Curve(
        name="PRELU",
        title="parametric rectified linear unit",
        formula="x if x > 0, a x otherwise",
        derivative="1 if x > 0, a otherwise",
        source="He, Zhang, Ren & Sun 2015",
        number="a, the slope below zero at first, then learnt",
        default=0.25,
        f=_leaky,
        df=_leaky_slope,
    ),
    Curve(
        name="ELU",
        title="exponential linear unit",
        formula="x if x > 0, a (exp(x) − 1) otherwise",
        derivative="1 if x > 0, a exp(x) otherwise",
        source="Clevert, Unterthiner & Hochreiter 2016",
        number="a, how deep it levels off",
        default=1.0,
        f=_elu,
        df=_elu_slope,
    ),
    Curve(
        name="CELU",
        title="continuously differentiable ELU",
        formula="x if x > 0, a (exp(x/a) − 1) otherwise",
        derivative="1 if x > 0, exp(x/a) otherwise",
        source="Barron 2017",
        number="a, how deep it levels off, more than 0",
        default=1.0,
        f=_celu,
        df=_celu_slope,
    ),
    Curve(
        name="SELU",
        title="scaled exponential linear unit",
        formula="1.0507 x if x > 0, 1.7581 (exp(x) − 1) otherwise",
        derivative="1.0507 if x > 0, 1.7581 exp(x) otherwise",
        source="Klambauer, Unterthiner, Mayr & Hochreiter 2017",
        number="",
        default=None,
        f=lambda x, _: SELU_SCALE * _elu(x, SELU_ALPHA),
        df=lambda x, _: SELU_SCALE * _elu_slope(x, SELU_ALPHA),
    ),
    Curve(
        name="GELU",
        title="Gaussian error linear unit",
        formula="x Φ(x) = x (1 + erf(x/√2)) / 2",
        derivative="Φ(x) + x exp(−x²/2) / √(2π)",
        source="Hendrycks & Gimpel 2016",
        number="",
        default=None,
        f=lambda x, _: x * _normal(x),
        df=lambda x, _: _gelu_slope(x),
    ),
    Curve(
        name="SILU",
        title="sigmoid linear unit, or swish",
        formula="x σ(x) = x / (1 + exp(−x))",
        derivative="σ(x) (1 + x (1 − σ(x)))",
        source="Elfwing, Uchibe & Doya 2018",
        number="",
        default=None,
        f=lambda x, _: x * _sigmoid(x),
        df=lambda x, _: _silu_slope(x),
    ),
    Curve(
        name="HARDSWISH",
        title="hard swish",
        formula="0 if x < −3, x if x > 3, x (x + 3)/6 otherwise",
        derivative="0 if x ≤ −3, 1 if x ≥ 3, x/3 + 1/2 otherwise",
        source="Howard et al. 2019",
        number="",
        default=None,
        f=lambda x, _: x * _clip(x / 6 + 0.5, 0.0, 1.0),
        df=lambda x, _: _hardswish_slope(x),
    ),
    Curve(
        name="MISH",
        title="mish",
        formula="x tanh(ln(1 + exp(x)))",
        derivative="t + x σ(x) (1 − t²), t = tanh(ln(1 + exp(x)))",
        source="Misra 2019",
        number="",
        default=None,
        f=lambda x, _: _mish(x),
        df=lambda x, _: _mish_slope(x),
    ),
    Curve(
        name="SOFTPLUS",
        title="softplus",
        formula="ln(1 + exp(x))",
        derivative="σ(x) = 1 / (1 + exp(−x))",
        source="Dugas et al. 2001",
        number="",
        default=None,
        f=lambda x, _: _softplus(x),
        df=lambda x, _: _sigmoid(x),
    ),
    Curve(
        name="GAUSSIAN",
        title="Gaussian",
        formula="exp(−x²)",
        derivative="−2 x exp(−x²)",
        source="",
        number="",
        default=None,
        f=lambda x, _: math.exp(-x * x),
        df=lambda x, _: -2 * (x * math.exp(-x * x)),
    ),
    Curve(
        name="SINE",
        title="sine",
        formula="sin(x)",
        derivative="cos(x)",
        source="",
        number="",
        default=None,
        f=lambda x, _: math.sin(x),
        df=lambda x, _: math.cos(x),
    ),
    Curve(
        name="BENTIDENTITY",
        title="bent identity",
        formula="(√(x² + 1) − 1) / 2 + x",
        derivative="x / (2 √(x² + 1)) + 1",
        source="",
        number="",
        default=None,
        f=lambda x, _: (math.hypot(x, 1) - 1) / 2 + x,
        df=lambda x, _: x / (2 * math.hypot(x, 1)) + 1,
    ),
)

# By name, in the order a cheat sheet shows them.
ACTIVATIONS: dict[str, Curve] = {curve.name: curve for curve in _CURVES}
