"""Weight quantisers: latent weights -> codes, one threshold rule and one scale rule each.

A quantiser is a frozen dataclass of its options. Its ``parts`` is a short pure function of the
latent weight, (K, C, R, S) for a convolution and (K, C), read as (K, C, 1, 1), for a linear
layer, and of the few tensors it keeps in the layer. In the formulas w is a latent weight, q its
quantised value, L the loss, p = e/E the share of training that is done. The list of all of them
is :data:`QUANTIZERS`; a new one is a class, an entry there and a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from signbin.quant.quantizer import Quantizer
from signbin.quant.quantizers.binary import (
    Binary,
    BinaryConnect,
    BinaryWeightNetwork,
    BiReal,
    XnorNetPlusPlus,
)
from signbin.quant.quantizers.gradual import Dsq, Progressive, ProxQuant
from signbin.quant.quantizers.hashing import Bwnh, HashedWeight
from signbin.quant.quantizers.least_squares import (
    GreedyFoldings,
    LeastSquaresBinary,
    LeastSquaresTernary,
    LeastSquaresTwoBits,
)
from signbin.quant.quantizers.multi_bit import AbcNet, DoReFa, LqNets
from signbin.quant.quantizers.signed_binary import SharedZeroBinary, SignedBinary, Support
from signbin.quant.quantizers.standardizing import DirNet, IrNet, ReCu
from signbin.quant.quantizers.ternary import Ternary, TrainedTernary
from signbin.quant.records import read_listed

__all__ = [
    "QUANTIZERS",
    "AbcNet",
    "BiReal",
    "Binary",
    "BinaryConnect",
    "BinaryWeightNetwork",
    "Bwnh",
    "DirNet",
    "DoReFa",
    "Dsq",
    "GreedyFoldings",
    "HashedWeight",
    "IrNet",
    "LeastSquaresBinary",
    "LeastSquaresTernary",
    "LeastSquaresTwoBits",
    "LqNets",
    "Progressive",
    "ProxQuant",
    "ReCu",
    "SharedZeroBinary",
    "SignedBinary",
    "Support",
    "Ternary",
    "TrainedTernary",
    "XnorNetPlusPlus",
    "quantizer_from_json",
]

QUANTIZERS: Final[Mapping[str, type[Quantizer]]] = MappingProxyType(
    {
        quantizer.kind: quantizer
        for quantizer in (
            *(SignedBinary, SharedZeroBinary, Binary, Ternary),
            *(BinaryConnect, BinaryWeightNetwork, XnorNetPlusPlus, BiReal, Bwnh),
            *(TrainedTernary, DoReFa, LqNets, AbcNet, ProxQuant, Dsq, Progressive),
            *(IrNet, DirNet, ReCu),
            *(LeastSquaresBinary, LeastSquaresTwoBits, LeastSquaresTernary, GreedyFoldings),
        )
    }
)


def quantizer_from_json(document: Mapping[str, Any]) -> Quantizer:
    """Read what ``to_json`` of any listed quantiser wrote; anything else is a SpecError."""
    return read_listed("quantizer", document, QUANTIZERS)
