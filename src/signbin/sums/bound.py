"""How few additions any engine could need for random weights: a counting argument."""

from __future__ import annotations

import math

from signbin.errors import SpecError

__all__ = ["additions_bound"]

_ORDER_BITS = 1.44  # log2(e): lists that differ in order only are one
_SIGN_BITS = 0.6  # an addition may be a subtraction


def additions_bound(filters: int, inputs: int, entropy_bits: float) -> float:
    """Additions A that lists of sums need to tell random matrices of K filters x M inputs apart.

    A list of A additions is described by 2 log2(M + A) bits per addition, less log2(A) - 1.44
    for the order that does not matter, plus 0.6 for its sign, and log2(M + A) per output. There
    must be a list for nearly every matrix of entropy H per weight:

        A (2 log2(M + A) - log2(A) + 1.44 + 0.6) + K log2(M + A) >= K M H

    The least such A. It holds for random matrices, never for one given matrix: trained weights
    may lie far below. 0 where the outputs alone tell the matrices apart.
    """
    if filters < 1 or inputs < 1 or not 0 <= entropy_bits <= 2:
        raise SpecError(
            "counting bound",
            value=(filters, inputs, entropy_bits),
            allowed="at least one filter and input, 0 to 2 bits",
        )
    wanted = filters * inputs * entropy_bits

    def described(additions: float) -> float:
        reach = math.log2(inputs + additions)
        own = 2 * reach - math.log2(additions) + _ORDER_BITS + _SIGN_BITS if additions else 0.0
        return additions * own + filters * reach

    if described(0.0) >= wanted:
        return 0.0
    low, high = 0.0, float(filters * inputs)
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if described(middle) >= wanted else (middle, high)
    return high
