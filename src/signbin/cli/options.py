"""Arguments and options that verbs share, and those of one verb that has many."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AcceleratorName",
    "Accelergy",
    "ActivationDensity",
    "Activations",
    "AllLayers",
    "AsJson",
    "AutotuneCache",
    "AutotuneFlag",
    "AutotuneSeconds",
    "BatchSize",
    "Calibrate",
    "CalibrationMethodName",
    "CalibrationSamples",
    "Compare",
    "Config",
    "Density",
    "Dram",
    "DrawSeed",
    "EnergySource",
    "FallbackName",
    "FloatLayers",
    "FloatModel",
    "Force",
    "Gemm",
    "InputShape",
    "Isa",
    "Jit",
    "Measure",
    "ModelFile",
    "ModelOrSource",
    "Pattern",
    "PeerCalibrate",
    "PeerIsa",
    "PeerPython",
    "Picture",
    "Prices",
    "SampleFiles",
    "SourceText",
    "Sweep",
    "Threads",
]

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]
Jit = Annotated[
    bool | None,
    typer.Option(
        "--jit/--no-jit",
        help="Make machine code (also where nobody has measured it), or none and run the kernels "
        "as compiled.",
        show_default=False,
    ),
]
Isa = Annotated[str, typer.Option(help="Instruction set to use; see 'signbin doctor'.")]
TargetName = Annotated[
    str | None,
    typer.Option(
        "--target", help="Another machine, cortex-a76 for one; its speed is modelled, not measured."
    ),
]
ModelFile = Annotated[Path, typer.Argument(metavar="MODEL.sbn", help="A compiled model.")]
Threads = Annotated[int, typer.Option("--threads", "-t", min=1, help="Threads per call.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Images per call.")]
SourceText = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="An ONNX file, a .pt2 archive, a run folder, a packed file, a folder of PLUM, "
        "MODULE:FACTORY or FILE.py:FACTORY.",
    ),
]
ModelOrSource = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="A .sbn file, or a source to compile first, as ONNX."),
]
FallbackName = Annotated[
    str | None,
    typer.Option(
        "--fallback",
        metavar="ENGINE",
        help="onnxruntime runs what signbin refuses, or is slower at, as timed here.",
    ),
]
InputShape = Annotated[
    list[str] | None,
    typer.Option(metavar="INPUT=C,H,W", help="Extents that an ONNX file leaves open."),
]
# Options of one verb that has many.
Activations = Annotated[
    str, typer.Option(metavar="KIND", help="float, int8 or int7: what flows between layers.")
]
Calibrate = Annotated[
    Path | None,
    typer.Option(
        metavar="DATA",
        help="Real samples for int8: a run folder, images, .npy or .npz. "
        "Default: the run's own training images.",
    ),
]
CalibrationMethodName = Annotated[
    str | None, typer.Option(metavar="NAME", help="mse (default), percentile or min-max.")
]
CalibrationSamples = Annotated[
    int | None, typer.Option(min=1, help="At most so many, evenly spaced. Default: 256.")
]
FloatLayers = Annotated[str | None, typer.Option(metavar="NAME,...", help="Layers to leave float.")]
AutotuneFlag = Annotated[
    bool, typer.Option("--autotune", help="Measure how each layer is fastest, do not predict it.")
]
AutotuneCache = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.json", help="Keeps measured times. Default: ~/.cache/signbin/autotune.json."
    ),
]
AutotuneSeconds = Annotated[
    float | None, typer.Option(help="To measure in, besides a first round. Default: 30.")
]
EnergySource = Annotated[
    Path | None,
    typer.Argument(
        metavar="MODEL|SHAPES.txt", help="A .sbn file, a source such as ONNX, or shapes."
    ),
]
Gemm = Annotated[str | None, typer.Option(metavar="MxNxK", help="Or one matrix product.")]
Density = Annotated[
    float | None, typer.Option(help="Non-zero weights / weights to draw. Default: 0.357.")
]
Pattern = Annotated[
    str,
    typer.Option(
        help="Zeros of --gemm: independent; stonne, as that simulator draws them (one percent "
        "point more in both operands); auto: stonne for whole percents below 100."
    ),
]
AcceleratorName = Annotated[str, typer.Option(help="Model of an array, or cpu.")]
Config = Annotated[
    str | None, typer.Option(metavar="NAME|FILE", help="As sigma-256-128, or a .toml file.")
]
Prices = Annotated[
    str | None, typer.Option("--table", metavar="NAME|FILE", help="Price of every action.")
]
Dram = Annotated[bool, typer.Option("--dram", help="Count memory outside the chip, too.")]
Compare = Annotated[
    bool, typer.Option("--compare", help="Binary, ternary and signed-binary side by side.")
]
ActivationDensity = Annotated[float | None, typer.Option(help="Non-zero inputs / inputs.")]
SampleFiles = Annotated[
    list[Path] | None,
    typer.Option(metavar="DIR|FILE", help="Run the model on these; count its zero inputs."),
]
AllLayers = Annotated[
    bool, typer.Option("--all-layers", help="Count layers with float weights, too.")
]
Sweep = Annotated[
    list[str] | None,
    typer.Option(
        metavar="AXIS=A,B,...",
        help="density; array; or a number in the configuration's name, as multipliers.",
    ),
]
DrawSeed = Annotated[int, typer.Option(min=0, help="Of the zeros that are drawn.")]
Measure = Annotated[bool, typer.Option("--measure", help="Ask this machine's meters, too.")]
Picture = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="PICTURE.svg", help="Stacked bars.")
]
Accelergy = Annotated[Path | None, typer.Option(metavar="DIR", help="Write its YAML files there.")]
PeerCalibrate = Annotated[
    Path | None,
    typer.Option(
        "--calibrate",
        metavar="DATA",
        help="Samples that peers are quantised with and outputs compared on: a run folder, "
        "images, .npy or .npz. Default: generated images.",
    ),
]
FloatModel = Annotated[
    Path | None,
    typer.Option(
        "--float",
        metavar="FLOAT.sbn",
        help="What a model with 8-bit activations was made from; peers get that.",
    ),
]
PeerIsa = Annotated[
    str, typer.Option(help="avx2: limit those engines to it that have a switch for it.")
]
PeerPython = Annotated[
    list[str] | None,
    typer.Option(metavar="FAMILY=PATH", help="Interpreter of engines installed elsewhere."),
]
