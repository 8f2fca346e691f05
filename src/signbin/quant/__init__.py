"""Quantised training: weight quantisers, surrogate gradients, layers and training health."""

from signbin.quant.config import QuantConfig
from signbin.quant.estimators import (
    ESTIMATORS,
    ClippedStraightThrough,
    ErrorDecay,
    Estimator,
    Identity,
    ShiftedErrorDecay,
    estimator_from_json,
)
from signbin.quant.health import (
    CodeSnapshot,
    LayerHealth,
    ModelHealth,
    OutputRecorder,
    record_outputs,
    snapshot,
    training_health,
)
from signbin.quant.layers import QConv2d, QLinear, QuantizedLayer
from signbin.quant.prepare import (
    LayerDecision,
    QuantizationSummary,
    quantize_,
    quantized_layers,
    set_progress,
)
from signbin.quant.quantizer import Quantizer
from signbin.quant.quantizers import (
    QUANTIZERS,
    Binary,
    SignedBinary,
    Ternary,
    quantizer_from_json,
)

__all__ = [
    "ESTIMATORS",
    "QUANTIZERS",
    "Binary",
    "ClippedStraightThrough",
    "CodeSnapshot",
    "ErrorDecay",
    "Estimator",
    "Identity",
    "LayerDecision",
    "LayerHealth",
    "ModelHealth",
    "OutputRecorder",
    "QConv2d",
    "QLinear",
    "QuantConfig",
    "QuantizationSummary",
    "QuantizedLayer",
    "Quantizer",
    "ShiftedErrorDecay",
    "SignedBinary",
    "Ternary",
    "estimator_from_json",
    "quantize_",
    "quantized_layers",
    "quantizer_from_json",
    "record_outputs",
    "set_progress",
    "snapshot",
    "training_health",
]
