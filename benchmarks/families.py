"""The networks that people use, with low-bit bodies: do they agree, and is any of them slower?

    python -m benchmarks.families FOLDER [NAME ...]

Installs torchvision into FOLDER (which may be there from the last time), without what it needs in
turn, and keeps nothing of it. Each network is compiled with float32 and with 8-bit activations.
Float32 results are held against PyTorch in float64, beside PyTorch's own in float32; every node on
codes against the interpreter on the same operands. Then both programs, compiled with ONNX Runtime
as fallback, are timed by turns with ONNX Runtime in float32 and with its static and its dynamic 8
bits, all on one thread; a side whose numbers are more than a fifth from the network's is no measure
for the others. A network that was measured today is left out, unless it is named; those that are
not named stay as they were measured on this CPU last, each with its day.
"""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import signbin
from benchmarks.family_networks import PACKAGES, Family, families
from benchmarks.imports import install
from benchmarks.options import add_turns, make_parser
from benchmarks.results import kept, record, today
from signbin.diagnose import measure_exactness
from signbin.hybrid import HybridProgram, PartEngine
from signbin.interop import to_onnx
from signbin.ir import Graph
from signbin.measure import InProcess, Schedule, paired_ratio, take_turns

SECTION: Final = "families"
_CALIBRATION: Final = 4
_MOST_ERROR: Final = 0.2  # of numbers in 8 bits: more is another network
_OURS: Final = ("signbin int8", "signbin fp32")
_THEIRS: Final = ("onnxruntime int8", "onnxruntime dynamic int8", "onnxruntime fp32")


def measure(family: Family, rounds: int) -> dict[str, Any]:
    """One row: sizes, agreement, and times by turns."""
    model = family.make()
    samples = np.random.default_rng(0).standard_normal((_CALIBRATION, *family.shape))
    images = samples.astype(np.float32)
    row: dict[str, Any] = {
        "network": family.name,
        "shape": list(family.shape),
        "parameters": sum(each.numel() for each in model.parameters()),
    }
    start = time.perf_counter()
    program = signbin.compile(model, (torch.from_numpy(images[:1]),))
    row["compile_s"] = time.perf_counter() - start
    row |= _float_agreement(model, program, images[:1])
    activations = signbin.QuantizedActivations(samples=images)
    coded = signbin.compile(model, (torch.from_numpy(images[:1]),), activations=activations)
    row |= _code_agreement(coded, images[:1])
    raced = {
        "signbin fp32": _with_fallback(model, images),
        "signbin int8": _with_fallback(model, images, activations),
    }
    row["parts"] = {name: _parts(each) for name, each in raced.items()}
    with torch.no_grad():
        exact = copy.deepcopy(model).double()(torch.from_numpy(images[:1]).double()).numpy()
    return {**row, **_race(raced, program.graph, images, exact, rounds)}


def _float_agreement(
    model: nn.Module, program: Any, images: NDArray[np.float32]
) -> dict[str, float]:
    """Largest differences from float64, relative to its largest number: ours, and PyTorch's own."""
    given = torch.from_numpy(images)
    with torch.no_grad():
        own = model(given).numpy()
        exact = copy.deepcopy(model).double()(given.double()).numpy()
    return {"error": _error(program(images), exact), "pytorch_error": _error(own, exact)}


def _code_agreement(program: Any, images: NDArray[np.float32]) -> dict[str, Any]:
    found = measure_exactness(program.graph, program.trace(images))
    assert found is not None
    return {"codes": found.values, "codes_differing": found.differing}


def _with_fallback(
    model: nn.Module,
    images: NDArray[np.float32],
    activations: signbin.QuantizedActivations | None = None,
) -> Any:
    example = (torch.from_numpy(images[:1]),)
    return signbin.compile(model, example, activations=activations, fallback="onnxruntime")


def _parts(program: Any) -> dict[str, int]:
    """How many parts each engine runs."""
    if not isinstance(program, HybridProgram):
        return {"signbin": 1, "onnxruntime": 0}
    ours = sum(part.engine is PartEngine.SIGNBIN for part in program.parts)
    return {"signbin": ours, "onnxruntime": len(program.parts) - ours}


def _race(
    raced: dict[str, Any],
    graph: Graph,
    images: NDArray[np.float32],
    exact: NDArray[np.float64],
    rounds: int,
) -> dict[str, Any]:
    """Milliseconds and error of each side, and the faster one of theirs against that of ours.

    A side whose numbers are far from the network's is timed, and is not the fastest of anybody.
    """
    with tempfile.TemporaryDirectory(prefix="signbin-families-") as folder:
        peers = _onnxruntime(graph, images, Path(folder))
        calls: dict[str, Callable[[], object]]
        calls = {**{name: partial(each, images[:1]) for name, each in raced.items()}, **peers}
        sides = [InProcess(name, call) for name, call in calls.items()]
        errors = {name: _error(call(), exact) for name, call in calls.items()}
        times = take_turns(sides, Schedule(rounds=rounds))
    right = [name for name in calls if errors[name] <= _MOST_ERROR]
    ours, theirs = (
        min((name for name in right if name in names), key=lambda name: times[name].min_ms)
        for names in (_OURS, _THEIRS)
    )
    return {
        "times": {name: {**times[name].to_json(), "error": errors[name]} for name in calls},
        "ours": ours,
        "theirs": theirs,
        **paired_ratio(times[theirs], times[ours]).to_json(),
        "least_ratio": times[theirs].min_ms / times[ours].min_ms,
    }


def _error(found: Any, exact: NDArray[np.float64]) -> float:
    """max |difference| / max |exact|, of an output or the first of several."""
    output = found[0] if isinstance(found, (list, tuple)) else found
    return float(np.abs(output - exact).max() / np.abs(exact).max())


def _onnxruntime(
    graph: Graph, images: NDArray[np.float32], folder: Path
) -> dict[str, Callable[[], object]]:
    """Its three forms of a network; those of 8 bits are left out where its own tools cannot make
    them.
    """
    static, dynamic, plain = _THEIRS
    given, samples = folder / "float.onnx", folder / "images.npy"
    given.write_bytes(to_onnx(graph).SerializeToString())
    np.save(samples, images)
    made = {plain: _session(given, images[:1])}
    for name, make in ((static, partial(_in_static_codes, samples)), (dynamic, _in_dynamic_codes)):
        coded = folder / f"{name}.onnx"
        try:
            make(given, coded)
            made[name] = _session(coded, images[:1])
        except Exception as error:  # whatever their tools raise
            sys.stderr.write(
                f"ONNX Runtime makes no {name.removeprefix('onnxruntime ')}: {error}\n"
            )
    return made


def _in_static_codes(samples: Path, given: Path, coded: Path) -> None:
    from signbin.measure.peers.onnxruntime_quantization import prepare_model  # noqa: PLC0415

    prepare_model({"model": str(given), "output": str(coded), "calibration": str(samples)})


def _in_dynamic_codes(given: Path, coded: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415 - an extra

    quantize_dynamic(given, coded, per_channel=True, weight_type=QuantType.QInt8)


def _session(path: Path, images: NDArray[np.float32]) -> Callable[[], object]:
    import onnxruntime  # noqa: PLC0415 - an extra

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda: session.run(None, {name: images})


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every network, print one line each, record each as it ends."""
    options = _options(arguments)
    if not options.offline:
        install(options.folder, PACKAGES)
    torch.set_num_threads(1)
    rows, day = kept(SECTION, options.results), today()
    done = {name for name, row in rows.items() if row["date"] == day}
    for family in families(options.folder):
        if family.name not in options.names if options.names else family.name in done:
            continue
        row = rows[family.name] = {**measure(family, options.rounds), "date": day}
        times = "  ".join(f"{name} {each['min_ms']:.2f}" for name, each in row["times"].items())
        print(f"{family.name}: {row['least_ratio']:.2f}x  {times} ms  error {row['error']:.1e}")
        record(SECTION, {"rows": list(rows.values())}, options.results)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument("folder", type=Path, help="where torchvision is, or is put")
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks to measure again")
    parser.add_argument("--offline", action="store_true", help="install nothing")
    add_turns(parser, 10)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
