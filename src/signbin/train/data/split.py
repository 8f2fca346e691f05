"""Fixed stratified splits: the same on every machine, in every run, for every version."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from signbin.errors import SpecError

__all__ = ["held_out"]


def held_out(labels: NDArray[np.int64], share: float, salt: str) -> NDArray[np.bool_]:
    """Which samples a stratified split holds out: True for round(share * n) of every class.

    Within a class, samples are ordered by SHA-256 of ``"<salt>:<index>"`` and the first ones
    are held out: pseudo-random, but fixed for ever, which no generator's shuffle promises
    across library versions. Halves round to even. labels: (N,); returns (N,).
    """
    if not 0 < share < 1:
        raise SpecError("held-out share", value=share, allowed="0 < share < 1")
    keys = [hashlib.sha256(f"{salt}:{index}".encode()).digest() for index in range(len(labels))]
    chosen = np.zeros(len(labels), dtype=np.bool_)
    for label in np.unique(labels):
        members = sorted(np.flatnonzero(labels == label), key=keys.__getitem__)
        chosen[members[: round(share * len(members))]] = True
    return chosen
