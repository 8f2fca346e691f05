"""THE list of engines a benchmark can time, each in a process of its own.

A row and one file in this folder add an engine. The file is loaded by ``serve.py`` in the
environment where the engine is installed, which need not be ours, so it imports nothing of
signbin (but for our own engine). It defines

    open_model(request) -> (run, facts)

request: ``model`` (path of the .onnx file, or of what a preparation made of it; of the .sbn file
for our own engine), ``shape`` (of every array that run will be given), ``threads`` and
``options``. run: from the input array, float32 of that shape, to the output array, which it may
reuse at the next call. facts: what to record, at least ``version``; ``isa`` where the engine says
which instruction set it runs, with ``isa_from``, how it says so.

An engine that cannot read ONNX with float weights as it is, or shall not, has preparations: each
one more file, run once per race in a process of its own, so that its memory is not the engine's:

    prepare_model(request) -> facts

request: ``model`` (the .onnx file), ``calibration`` (.npy file, float32 (N, C, H, W)), ``output``
(path to write). Of several preparations the one that runs fastest enters the race.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from signbin.errors import SpecError
from signbin.measure.agreement import Demand, Floor, Tolerance

__all__ = [
    "FAMILIES",
    "LIMITS",
    "OURS",
    "PEERS",
    "QUANTIZED",
    "SERVE",
    "Engine",
    "Family",
    "Preparation",
    "find_family",
    "find_peer",
]

_FOLDER: Final = Path(__file__).parent
SERVE: Final = _FOLDER / "serve.py"
"""The program every engine runs in."""

LIMITS: Final = ("avx2",)
"""Instruction sets that peers can be limited to, those that have a switch."""


@dataclasses.dataclass(frozen=True)
class Family:
    """Engines of one project, installed together: ``signbin[extra]``, or ``packages`` alone."""

    name: str
    extra: str
    packages: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Preparation:
    """From ONNX with float weights to a model file of an engine; suffix is the file's."""

    name: str
    family: Family
    file: Path
    suffix: str
    description: str


@dataclasses.dataclass(frozen=True)
class Engine:
    """One row: how an engine is called, found and judged.

    file: its Python file. demand: what its output must fulfil, compared with that of the float
    network. preparations: what may be done to the model first; the fastest result races, and
    without any the engine reads the ONNX file itself. instruction_sets: those it has code for,
    widest first, where it does not say what it runs: the widest that the CPU has is recorded.
    limits: environment variables that limit it to one of LIMITS. description: for tables.
    """

    name: str
    family: Family
    file: Path
    demand: Demand
    description: str
    preparations: tuple[Preparation, ...] = ()
    instruction_sets: tuple[str, ...] = ()
    limits: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)


_SIGNBIN: Final = Family("signbin", "", ("signbin",))
_ONNXRUNTIME: Final = Family("onnxruntime", "onnxruntime", ("onnxruntime", "onnx"))
_OPENVINO: Final = Family("openvino", "openvino", ("openvino", "nncf"))
_MNN: Final = Family("mnn", "mnn", ("mnn",))

FAMILIES: Final[Mapping[str, Family]] = MappingProxyType(
    {family.name: family for family in (_ONNXRUNTIME, _OPENVINO, _MNN)}
)

# float32 sums in another order differ by about 1e-6 of the largest output after twenty layers;
# Winograd transforms lose one more digit. 1e-4 is what we demand of ourselves against PyTorch.
_FLOAT: Final = Tolerance(1e-4)
# Noise of half the signal. Networks of random weights, the worst case, keep 12 dB and half of
# their top-1; one that answers at random, or every image alike, has 0 dB or less, and saturated
# sums leave -1 to 5 dB.
QUANTIZED: Final = Floor(top1_agreement=0.25, snr_db=6.0)
"""What is demanded of every engine with 8-bit activations, ours included."""

OURS: Final = Engine(
    "signbin", _SIGNBIN, _FOLDER / "signbin_program.py", Tolerance(0.0), "this project"
)

_QDQ: Final = Preparation(
    "qdq",
    _ONNXRUNTIME,
    _FOLDER / "onnxruntime_quantization.py",
    ".onnx",
    "ONNX Runtime's static quantisation: QDQ, u8 activations, min-max, 7-bit weights per filter",
)
_NNCF: Final = Preparation(
    "nncf",
    _OPENVINO,
    _FOLDER / "nncf_quantization.py",
    ".xml",
    "NNCF's post-training quantisation: preset PERFORMANCE, activation ranges min-max",
)
_MNN_CONVERTED: Final = Preparation(
    "converted", _MNN, _FOLDER / "mnn_conversion.py", ".mnn", "MNN's converter, float32"
)

# oneDNN, inside OpenVINO, knows the order AVX2 < AVX2_VNNI, AVX512_CORE < AVX512_CORE_VNNI.
_ONEDNN_LIMITS: Final = MappingProxyType({"avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2"}})

_ROWS: Final = (
    Engine(
        "onnxruntime",
        _ONNXRUNTIME,
        _FOLDER / "onnxruntime_session.py",
        _FLOAT,
        "ONNX Runtime, fp32, CPU provider, all its graph optimisations",
        instruction_sets=("avx512f", "avx2", "asimd"),
    ),
    Engine(
        "onnxruntime-int8",
        _ONNXRUNTIME,
        _FOLDER / "onnxruntime_session.py",
        QUANTIZED,
        "ONNX Runtime, u8s8, CPU provider, all its graph optimisations",
        preparations=(_QDQ,),
        instruction_sets=(
            *("amx_int8", "avx512_vnni", "avx_vnni", "avx512bw", "avx2"),
            *("i8mm", "asimddp", "asimd"),
        ),
    ),
    Engine(
        "openvino",
        _OPENVINO,
        _FOLDER / "openvino_model.py",
        _FLOAT,
        "OpenVINO, fp32, latency hint",
        limits=_ONEDNN_LIMITS,
    ),
    Engine(
        "openvino-int8",
        _OPENVINO,
        _FOLDER / "openvino_model.py",
        QUANTIZED,
        "OpenVINO, int8, latency hint, the faster of QDQ and NNCF",
        preparations=(_QDQ, _NNCF),
        limits=_ONEDNN_LIMITS,
    ),
    Engine(
        "mnn",
        _MNN,
        _FOLDER / "mnn_session.py",
        _FLOAT,
        "MNN, fp32, CPU backend",
        preparations=(_MNN_CONVERTED,),
        instruction_sets=("avx2", "asimd"),  # its wheels are built without AVX-512
    ),
)

PEERS: Final[Mapping[str, Engine]] = MappingProxyType({row.name: row for row in _ROWS})


def find_peer(name: str) -> Engine:
    """The row of a name; SpecError naming the known ones."""
    if name not in PEERS:
        raise SpecError("engine to compare with", value=name, allowed=", ".join(PEERS))
    return PEERS[name]


def find_family(name: str) -> Family:
    """The family of a name; SpecError naming the known ones."""
    if name not in FAMILIES:
        raise SpecError("family of engines", value=name, allowed=", ".join(FAMILIES))
    return FAMILIES[name]
