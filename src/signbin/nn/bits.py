"""Low-bit codes as tensors of bits, the state of a module."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["codes_of", "state_of"]


def state_of(codes: NDArray[np.int8]) -> tuple[Tensor, Tensor, Tensor | None]:
    """bits (K, ceil(C / 8)) uint8, levels (K, 2) int8, signs like bits or None, of codes (K, C).

    The code of a weight is the second level of its filter where its bit is set, else the first;
    negated where its sign is set. There are signs where a filter mixes -1, 0 and +1.
    """
    minus, zero, plus = ((codes == value).any(axis=1) for value in (-1, 0, 1))
    if (minus & zero & plus).any():
        levels = np.tile(np.array([0, 1], np.int8), (len(codes), 1))
        return _packed(codes != 0), torch.from_numpy(levels), _packed(codes < 0)
    binary = minus & plus
    levels = np.stack([np.where(binary, -1, 0), np.where(minus & ~plus, -1, 1)], axis=1)
    bits = codes == levels[:, 1:]
    return _packed(bits), torch.from_numpy(levels.astype(np.int8)), None


def codes_of(bits: Tensor, levels: Tensor, signs: Tensor | None, inputs: int) -> NDArray[np.int8]:
    """The codes (K, C) that :func:`state_of` was given."""
    pair = levels.numpy()
    codes = np.where(_unpacked(bits, inputs), pair[:, 1:], pair[:, :1]).astype(np.int8)
    return codes if signs is None else np.where(_unpacked(signs, inputs), -codes, codes)


def _packed(bits: NDArray[np.bool_]) -> Tensor:
    return torch.from_numpy(np.packbits(bits, axis=1, bitorder="little"))


def _unpacked(bits: Tensor, inputs: int) -> NDArray[np.uint8]:
    return np.unpackbits(bits.numpy(), axis=1, count=inputs, bitorder="little")
