"""Networks of other people: do they compute what ONNX Runtime computes, or are they refused?

    python -m benchmarks.imports FOLDER [--qonnx MODEL.onnx ...]

Installs packages that hold networks into FOLDER (which may be there from the last time), without
what they need in turn, and keeps nothing of them. Each network is compiled: whole, or, where it is
refused, with ONNX Runtime as fallback and every part taken that signbin can run. Its output is
compared with ONNX Runtime's (for networks in QONNX, with that of the package qonnx or of Brevitas).
"""

from __future__ import annotations

import argparse
import collections
import importlib.metadata
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

import signbin
from benchmarks.import_networks import PACKAGES, Foreign, foreign_networks
from benchmarks.options import make_parser
from benchmarks.results import record, todays
from signbin.errors import CaptureError, SignbinError
from signbin.hybrid import Fallback, HybridProgram, PartEngine
from signbin.onnx_reader import load_onnx
from signbin.onnx_reader.walk import FOLLOWS
from signbin.verbs.onnx_inputs import free_inputs

SECTION: Final = "foreign_networks"
_ALL_OF_OURS: Final = Fallback(prefer="signbin")  # type: ignore[arg-type]  # words are taken


def install(site: Path, packages: Sequence[str]) -> None:
    """The packages' own files, in a folder of theirs."""
    missing = [name for name in packages if not _version(name.partition("==")[0], site)]
    if missing:
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site)]
        subprocess.run([*command, *missing], check=True)


def measure(network: Foreign, site: Path) -> dict[str, Any]:
    """What became of one network."""
    version = _version(network.package, site)
    made = network.model()
    model = load_onnx(made)
    row: dict[str, Any] = {
        "network": network.name,
        "package": f"{network.package} {version}".strip(),
        "operators": len(model.graph.node),
        "refused": {},
    }
    given = tuple(network.inputs[info.name] for info in free_inputs(model))
    start = time.perf_counter()
    try:
        program: Any = signbin.compile(model, given)
    except SignbinError as error:
        row["seconds_to_refuse"] = time.perf_counter() - start
        row["refused"] = _counted(error)
        start = time.perf_counter()
        try:
            program = signbin.compile(model, given, fallback=_ALL_OF_OURS)
        except SignbinError as second:
            return {**row, "outcome": "refused", "why": str(second).partition("\n")[0]}
    row["seconds"] = time.perf_counter() - start
    row |= _shares(program)
    return {**row, "error": _error(program(*given), _expected(network, made, model, site))}


def _counted(error: SignbinError) -> dict[str, int]:
    """Refused operators and how many there are of each; else what the error is about."""
    found = error.findings if isinstance(error, CaptureError) else ()
    own = [each.operator for each in found if FOLLOWS not in each.reason]
    return dict(collections.Counter(own)) or {error.what: 1}


def _shares(program: Any) -> dict[str, Any]:
    if not isinstance(program, HybridProgram):
        return {"outcome": "whole", "parts": 1, "share": 1.0}
    ours = [part for part in program.parts if part.engine is PartEngine.SIGNBIN]
    nodes = sum(len(part.nodes) for part in program.parts)
    share = sum(len(part.nodes) for part in ours) / nodes
    outcome = "in parts" if ours else "ONNX Runtime alone"
    return {"outcome": outcome, "parts": len(program.parts), "share": share}


def _expected(
    network: Foreign, made: Path | ModelProto, model: ModelProto, site: Path
) -> list[NDArray[Any]]:
    if network.expected is not None:
        return [network.expected()]
    if network.quantized:
        assert isinstance(made, Path)
        return _with_qonnx(made, network.inputs, site)
    import onnxruntime  # noqa: PLC0415 - an extra

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found: list[NDArray[Any]] = session.run(None, dict(network.inputs))
    return found


def _with_qonnx(path: Path, given: Mapping[str, NDArray[Any]], site: Path) -> list[NDArray[Any]]:
    """Its interpreter, after its own clean-up, whose graph has names of its own."""
    if str(site) not in sys.path:
        sys.path.append(str(site))
    from qonnx.core.modelwrapper import ModelWrapper  # type: ignore[import-not-found]  # noqa: PLC0415
    from qonnx.core.onnx_exec import execute_onnx  # type: ignore[import-not-found]  # noqa: PLC0415
    from qonnx.util.cleanup import cleanup_model  # type: ignore[import-not-found]  # noqa: PLC0415

    model = cleanup_model(ModelWrapper(str(path)))
    (images,) = given.values()
    outputs = execute_onnx(model, {model.graph.input[0].name: images})
    return [outputs[each.name] for each in model.graph.output]


def _error(found: Any, expected: Sequence[NDArray[Any]]) -> float:
    """Largest difference of an output, relative to its largest number."""
    made = found if isinstance(found, (tuple, list)) else [found]
    return max(
        float(np.abs(ours.reshape(theirs.shape) - theirs).max() / (np.abs(theirs).max() or 1.0))
        for ours, theirs in zip(made, expected, strict=True)
    )


def _version(package: str, site: Path) -> str:
    """Of a package in the folder, else of one that is installed; "" where it is neither."""
    for found in importlib.metadata.distributions(name=package, path=[str(site)]):
        return found.version
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _parser() -> argparse.ArgumentParser:
    parser = make_parser(__doc__)
    parser.add_argument("folder", type=Path, help="where packages are installed")
    parser.add_argument("--qonnx", type=Path, nargs="*", default=[], help="files in QONNX")
    text = "networks whose name has this in it; today's others stay"
    parser.add_argument("--only", default="", help=text)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all, and keep the rows."""
    options = _parser().parse_args(arguments)
    site = options.folder / "site"
    kept = (todays(SECTION, options.results) or {}).get("rows", []) if options.only else []
    rows = {row["network"]: row for row in kept}
    for network in foreign_networks(site, tuple(options.qonnx)):
        if options.only in network.name:
            install(site, PACKAGES.get(network.package, ()))
            rows[network.name] = measure(network, site)
            sys.stderr.write(f"{rows[network.name]}\n")
    written = record(SECTION, {"rows": list(rows.values())}, options.results)
    sys.stdout.write(f"wrote {written}\n")


if __name__ == "__main__":
    main()
