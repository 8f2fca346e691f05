"""Functions of one number that the op ``unary`` applies to every element, defined in float64.

A function is a row of FUNCTIONS. Native kernels compute it on float32
(``kernels/direct/functions.h``); of codes both the interpreter and the runtime look results up in a
table of these definitions' values, so that they agree exactly.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["FUNCTIONS", "Function"]

Array: TypeAlias = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Function:
    """One function: its formula for people, and its value for arrays x and a number alpha.

    takes_alpha: whether alpha means anything. never_negative: whether nothing below zero comes out,
    whatever goes in. negative_of_positive: whether something below zero comes out of some number
    from zero up.
    """

    formula: str
    value: Callable[[Array, float], Array]
    takes_alpha: bool = False
    never_negative: bool = False
    negative_of_positive: bool = False


_ERF: Final = np.frompyfunc(math.erf, 1, 1)
_ERFC: Final = np.frompyfunc(math.erfc, 1, 1)


def _sigmoid(x: Array) -> Array:
    """Without overflow, and with all digits where it is small."""
    power = np.exp(-np.abs(x))
    return np.where(x < 0, power, 1.0) / (1.0 + power)


def _hard_sigmoid(x: Array) -> Array:
    return np.clip(x + 3.0, 0.0, 6.0) / 6.0


def _gelu(x: Array) -> Array:
    below = np.asarray(_ERFC(x * -math.sqrt(0.5)), dtype=np.float64)
    return 0.5 * x * below


def _gelu_tanh(x: Array) -> Array:
    """1 + tanh(u) = 2 sigmoid(2 u)."""
    return x * _sigmoid(math.sqrt(8.0 / math.pi) * (x + 0.044715 * x * x * x))


def _mish(x: Array) -> Array:
    """tanh(log(1 + p)) = n / (n + 2) with p = e^x, n = p * (p + 2)."""
    power = np.exp(np.minimum(x, 40.0))
    grown = power * (power + 2.0)
    return x * (grown / (grown + 2.0))


def _softplus(x: Array) -> Array:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def _binary_sign(x: Array) -> Array:
    return np.where(x < 0, -1.0, 1.0)


def _sign(x: Array) -> Array:
    return np.where(x > 0, 1.0, np.where(x < 0, -1.0, 0.0))


FUNCTIONS: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "abs": Function("|x|", lambda x, _: np.abs(x), never_negative=True),
        "binary_sign": Function("-1 if x < 0 else 1", lambda x, _: _binary_sign(x)),
        "elu": Function(
            "x if x > 0 else alpha * (e^x - 1)",
            lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0))),
            takes_alpha=True,
        ),
        "erf": Function(
            "2 / sqrt(pi) * integral of e^-t^2 from 0 to x",
            lambda x, _: np.asarray(_ERF(x), dtype=np.float64),
        ),
        "exp": Function("e^x", lambda x, _: np.exp(x), never_negative=True),
        "gelu": Function("x * Phi(x), Phi of the normal distribution", lambda x, _: _gelu(x)),
        "gelu_tanh": Function(
            "x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))", lambda x, _: _gelu_tanh(x)
        ),
        "hard_sigmoid": Function(
            "min(max(x + 3, 0), 6) / 6", lambda x, _: _hard_sigmoid(x), never_negative=True
        ),
        "hard_swish": Function("x * min(max(x + 3, 0), 6) / 6", lambda x, _: x * _hard_sigmoid(x)),
        "log": Function(
            "the natural logarithm of x", lambda x, _: np.log(x), negative_of_positive=True
        ),
        "mish": Function("x * tanh(log(1 + e^x))", lambda x, _: _mish(x)),
        "reciprocal": Function("1 / x", lambda x, _: 1.0 / x),
        "sigmoid": Function("1 / (1 + e^-x)", lambda x, _: _sigmoid(x), never_negative=True),
        "sign": Function("-1, 0 or 1; of NaN 0", lambda x, _: _sign(x)),
        "silu": Function("x / (1 + e^-x)", lambda x, _: x * _sigmoid(x)),
        "softplus": Function("log(1 + e^x)", lambda x, _: _softplus(x), never_negative=True),
        "sqrt": Function("the square root of x", lambda x, _: np.sqrt(x)),
        "tanh": Function("(e^x - e^-x) / (e^x + e^-x)", lambda x, _: np.tanh(x)),
    }
)
"""Every function by name; native/src/kernels/direct/functions.def lists the same."""
