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
from typing import Any, Final, TypeVar

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
from signbin.quant.quantizers.shared_zero import SharedZeroBinary, Support
from signbin.quant.quantizers.signed_binary import Offset, SignedBinary
from signbin.quant.quantizers.standardizing import DirNet, IrNet, ReCu
from signbin.quant.quantizers.ternary import Ternary, TrainedTernary
from signbin.quant.records import read_listed, registered

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
    "Offset",
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
    "register_quantizer",
]

_Registered = TypeVar("_Registered", bound=Quantizer)

_KINDS: Final[dict[str, type[Quantizer]]] = {
    quantizer.kind: quantizer
    for quantizer in (
        *(SignedBinary, SharedZeroBinary, Binary, Ternary),
        *(BinaryConnect, BinaryWeightNetwork, XnorNetPlusPlus, BiReal, Bwnh),
        *(TrainedTernary, DoReFa, LqNets, AbcNet, ProxQuant, Dsq, Progressive),
        *(IrNet, DirNet, ReCu),
        *(LeastSquaresBinary, LeastSquaresTwoBits, LeastSquaresTernary, GreedyFoldings),
    )
}
QUANTIZERS: Final[Mapping[str, type[Quantizer]]] = MappingProxyType(_KINDS)


def register_quantizer(quantizer: type[_Registered]) -> type[_Registered]:
    """Put a quantiser of one's own into :data:`QUANTIZERS`; a decorator of its class.

    Configurations that name its kind can then be read: recipes, run folders, packs, checkpoints,
    in every process that has imported the module of the class. Of that name the class takes the
    place (a module that is loaded again).

    SpecError unless it is a frozen dataclass, a subclass of :class:`Quantizer` without abstract
    methods, whose ``kind`` is a word of its own and whose options all have defaults.

    >>> import dataclasses
    >>> from signbin.quant import (
    ...     Binary, Estimator, QuantConfig, Quantizer, StraightThrough, WeightParts,
    ...     filter_scale, register_quantizer, sign)
    >>> from signbin.spec import ScaleKind, ValueSet
    >>> @register_quantizer
    ... @dataclasses.dataclass(frozen=True)
    ... class MedianBinary(Quantizer):
    ...     "sign(w - median of the filter)."
    ...     kind = "median_binary"
    ...     value_set = ValueSet.BINARY
    ...     granularity = "filter"
    ...     def own_estimator(self) -> Estimator:
    ...         return StraightThrough()
    ...     def parts(self, weight, state) -> WeightParts:
    ...         middle = weight.detach().flatten(1).median(1).values
    ...         middle = middle.reshape((-1,) + (1,) * (weight.dim() - 1))
    ...         codes = sign(weight - middle)
    ...         return WeightParts(codes, middle, filter_scale(ScaleKind.HE, weight, codes, state))
    >>> QuantConfig.from_json(QuantConfig(MedianBinary()).to_json()).weight
    MedianBinary()
    """
    return registered("quantizer", quantizer, Quantizer, _KINDS)  # type: ignore[type-abstract]  # a base


def quantizer_from_json(document: Mapping[str, Any]) -> Quantizer:
    """Read what ``to_json`` of any listed quantiser wrote; anything else is a SpecError."""
    return read_listed("quantizer", document, QUANTIZERS)
