"""signbin: train, compile and run signed-binary neural networks on ordinary CPUs.

    program = signbin.compile(model, example_inputs)   # a torch.nn.Module, trained
    program.save("model.sbn")
    scores = signbin.Program.load("model.sbn")(images)  # float32 (N, C, H, W); numpy only

Importing signbin loads neither torch nor numpy: every name below is loaded on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

from signbin.errors import (
    CaptureError,
    ExecutionError,
    FormatError,
    PlanError,
    SignbinError,
    SpecError,
    VerifyError,
)
from signbin.version import VERSION

if TYPE_CHECKING:
    from signbin.calibrate import CalibrationMethod, QuantizedActivations
    from signbin.hybrid import HybridProgram, load
    from signbin.packed import PackedLinear, linear, pack_linear
    from signbin.runtime import Program
    from signbin.spec import LowBitWeight, Preprocessing, ValueSet
    from signbin.tune import Autotune
    from signbin.verbs.check import check
    from signbin.verbs.compile import compile
    from signbin.verbs.source import ModelCard

__version__ = VERSION

__all__ = [
    "Autotune",
    "CalibrationMethod",
    "CaptureError",
    "ExecutionError",
    "FormatError",
    "HybridProgram",
    "LowBitWeight",
    "ModelCard",
    "PackedLinear",
    "PlanError",
    "Preprocessing",
    "Program",
    "QuantizedActivations",
    "SignbinError",
    "SpecError",
    "ValueSet",
    "VerifyError",
    "__version__",
    "check",
    "compile",
    "linear",
    "load",
    "pack_linear",
]

_HOMES: Final = {
    "Autotune": "signbin.tune",
    "CalibrationMethod": "signbin.calibrate",
    "HybridProgram": "signbin.hybrid",
    "LowBitWeight": "signbin.spec",
    "ModelCard": "signbin.verbs.source",
    "PackedLinear": "signbin.packed",
    "Preprocessing": "signbin.spec",
    "Program": "signbin.runtime",
    "QuantizedActivations": "signbin.calibrate",
    "ValueSet": "signbin.spec",
    "check": "signbin.verbs.check",
    "compile": "signbin.verbs.compile",
    "linear": "signbin.packed",
    "load": "signbin.hybrid",
    "pack_linear": "signbin.packed",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'signbin' has no attribute {name!r}")
    value: object = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
