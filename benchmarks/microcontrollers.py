"""Networks on an emulated Cortex-M4: signbin's exported C beside weights of a byte and SMLAD.

    python -m benchmarks.microcontrollers digits.sbn fashion.sbn:images.npy resnet20.sbn

Each is a model compiled with 8-bit activations, with inputs (N, C, H, W) of its own or two that are
drawn. Both engines are compiled with -O2 and run in QEMU, which counts instructions; outputs are
compared bit by bit with the interpreter's. --sizes writes what kernels take into
``signbin/c_source/kernels/sizes.toml`` instead. --cmsis-nn CHECKOUT counts CMSIS-NN's own
convolutions of the same shapes as well, on images and weights of zeros.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.cortex_m import board, cmsis, int8_network
from benchmarks.options import make_parser
from benchmarks.results import newest, record
from signbin import artifact, c_source
from signbin.arrays import open_array
from signbin.c_source.literals import number
from signbin.errors import ExecutionError
from signbin.files import write_text
from signbin.ir import Graph, interpret
from signbin.report import markdown, words

KERNELS: Final = Path(c_source.__file__).parent / "kernels"
SECTION: Final = "microcontrollers"
_FLAGS: Final = ("-std=c99", "-O2")
_DRAWN: Final = 2
_OURS, _THEIRS = "signbin", "int8, SMLAD"


@dataclasses.dataclass(frozen=True, eq=False)
class Subject:
    """A network to measure, with its inputs."""

    name: str
    graph: Graph
    images: NDArray[np.float32]


def subject_of(argument: str) -> Subject:
    """MODEL.sbn, or MODEL.sbn:IMAGES.npy."""
    model, _, path = argument.partition(":")
    graph = artifact.read(Path(model)).graph
    shape = graph.inputs[0].type.shape[1:]
    images = np.random.default_rng(1).standard_normal((_DRAWN, *shape), dtype=np.float32)
    if path:
        images = np.ascontiguousarray(open_array(Path(path)), dtype=np.float32)
    return Subject(Path(model).stem.lower().replace("-", "_"), graph, images)


def measure(
    subject: Subject, core: str, folder: Path, checkout: Path | None = None
) -> dict[str, Any]:
    """One network on one core: both engines, and what they take; checkout: of CMSIS-NN."""
    engines = {_OURS: measure_signbin(subject, core, folder / "signbin")}
    if core == "cortex-m4":
        engines[_THEIRS] = measure_int8(subject, core, folder / "int8")
    macs = _macs(subject.graph)
    row = {"network": subject.name, "core": core, "macs": macs, "engines": engines}
    if checkout is not None and core == "cortex-m4":
        row["cmsis_nn"] = cmsis.measure_convolutions(
            subject.graph, checkout, core, folder / "cmsis"
        )
    return row


def measure_signbin(
    subject: Subject, core: str, folder: Path, flags: Sequence[str] = _FLAGS
) -> dict[str, Any]:
    """Exported C, with the sizes that its header states."""
    network = c_source.write_network(subject.graph, subject.name)
    folder.mkdir(parents=True)
    (folder / f"{network.name}.h").write_text(network.header, encoding="utf-8")
    (folder / f"{network.name}.c").write_text(network.source, encoding="utf-8")
    _write_golden(folder, subject.graph, subject.images)
    sources = [folder / f"{network.name}.c", *(KERNELS / name for name in network.kernels)]
    program = board.build(folder, network.name, sources, [KERNELS], [*board.CORES[core], *flags])
    measured = _measured(program, sources, len(subject.images))
    stated = dataclasses.asdict(network.sizes) | {"flash": network.sizes.flash}
    return {**measured, "stated": stated, "weight_bytes": network.weight_bytes}


def measure_int8(subject: Subject, core: str, folder: Path) -> dict[str, Any]:
    """The same layers with weights of a byte."""
    graph = int8_network.with_integer_weights(subject.graph)
    made = int8_network.write_int8(graph, subject.name)
    folder.mkdir(parents=True)
    (folder / f"{subject.name}.h").write_text(made.header, encoding="utf-8")
    (folder / f"{subject.name}.c").write_text(made.source, encoding="utf-8")
    _write_golden(folder, graph, subject.images)
    here = Path(int8_network.__file__).parent
    kernels = [here / "int8.c", *(KERNELS / name for name in made.kernels)]
    sources = [folder / f"{subject.name}.c", *kernels]
    program = board.build(folder, subject.name, sources, [KERNELS], [*board.CORES[core], *_FLAGS])
    return {
        **_measured(program, sources, len(subject.images)),
        "weight_bytes": made.weight_bytes,
    }


def _measured(program: board.Program, sources: Sequence[Path], images: int) -> dict[str, Any]:
    made = board.run(program)
    if made.differ:
        raise ExecutionError(
            program.path.name, value=f"{made.differ} outputs differ", allowed="none"
        )
    objects = [f"{source.stem}.o" for source in sources]
    return {
        "instructions": made.instructions,
        "constants": program.bytes_of("rodata", objects),
        "code": program.bytes_of("text", objects),
        "memory": made.memory,
        "statics": program.bytes_of("data", objects) + program.bytes_of("bss", objects),
        "stack": made.stack,
        "images": images,
    }


def _write_golden(folder: Path, graph: Graph, images: NDArray[np.float32]) -> None:
    """golden.h: inputs, and what the interpreter makes of them."""
    outputs = interpret(graph, {graph.inputs[0].name: images})[graph.outputs[0]]
    outputs = outputs.reshape(len(images), -1)
    texts = [f"#define GOLDEN_VECTORS {len(images)}", f"#define GOLDEN_OUTPUTS {outputs.shape[1]}"]
    for name, arrays in (("inputs", images.reshape(len(images), -1)), ("outputs", outputs)):
        rows = ",\n".join("{" + ", ".join(number(float(x)) for x in row) + "}" for row in arrays)
        shape = f"[{len(arrays)}][{arrays.shape[1]}]"
        texts.append(f"static const float golden_{name}{shape} = {{{rows}}};")
    (folder / "golden.h").write_text("\n".join(texts) + "\n", encoding="utf-8")


def _macs(graph: Graph) -> int:
    """Multiply-accumulates of an image, whatever the weights."""
    total = 0
    for node in graph.nodes:
        if node.op in ("conv2d", "linear"):
            weight = graph.constants[node.attributes["weight"].name]  # type: ignore[union-attr]
            total += math.prod(weight.shape) * math.prod(node.type.shape[2:])
    return total


def table() -> str:
    """The newest record, engine by engine."""
    sections = sorted(newest(SECTION), key=lambda section: str(section["date"]))
    if not sections:
        return "No results yet."
    head = ["network", "core", "engine", "instructions", "MAC / instruction", "int8 / signbin"]
    head += ["weights", "flash", "memory", "stack", "same outputs of"]
    rows = [line for row in sections[-1]["rows"] for line in lines_of(row)]
    return markdown.table(head, rows, numbers_from=3)


def lines_of(row: Mapping[str, Any]) -> list[list[str]]:
    """A line of the table for every engine."""
    lines = []
    ours = row["engines"][_OURS]["instructions"]
    for name, made in row["engines"].items():
        ratio = f"{made['instructions'] / ours:.2f}" if name != _OURS else ""
        flash = made["constants"] + made["code"]
        sizes = [made["weight_bytes"], flash, made["memory"] + made["statics"], made["stack"]]
        lines.append(
            [
                row["network"] if name == _OURS else "",
                row["core"] if name == _OURS else "",
                name,
                words.count(made["instructions"]),
                f"{row['macs'] / made['instructions']:.2f}",
                ratio,
                *(words.count(size) for size in sizes),
                f"{made['images']} images",
            ]
        )
    if "cmsis_nn" in row:
        made = row["cmsis_nn"]
        lines.append(
            [
                *("", "", "CMSIS-NN, convolutions alone"),
                words.count(made["instructions"]),
                f"{row['macs'] / made['instructions']:.2f}",
                f"{made['instructions'] / ours:.2f}",
                *("", "", "", words.count(made["stack"]), "not compared"),
            ]
        )
    return lines


def write_sizes() -> None:
    """Code of every kernel file, and frames of all its functions, for a Cortex-M4 with -O2."""
    code, stack = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for source in sorted(KERNELS.glob("*.c")):
            made = board.compiled(Path(folder), source, [*board.CORES["cortex-m4"], *_FLAGS])
            code[source.name], stack[source.name] = made
    lines = [
        "# Bytes of code of every kernel file, and of the frames of all its functions, as compiled",
        "# for a Cortex-M4 with -O2: made by `python -m benchmarks.microcontrollers --sizes`.",
        f'compiler = "{board.version()}"',
    ]
    for name, sizes in (("code_bytes", code), ("stack_bytes", stack)):
        lines += ["", f"[{name}]", *(f'"{key}" = {size}' for key, size in sizes.items())]
    write_text(KERNELS / "sizes.toml", "\n".join(lines) + "\n")


def main(given: Sequence[str] | None = None) -> int:
    """Measure the networks and keep what was seen."""
    parser = make_parser(__doc__)
    parser.add_argument("models", nargs="*", metavar="MODEL.sbn[:IMAGES.npy]")
    parser.add_argument("--cores", default="cortex-m4", help=", ".join(board.CORES))
    parser.add_argument("--sizes", action="store_true")
    parser.add_argument("--cmsis-nn", type=Path, metavar="CHECKOUT")
    options = parser.parse_args(given)
    if board.missing():
        raise ExecutionError("program", value=board.missing(), remedy="make ci-tools")
    if options.sizes:
        write_sizes()
        return 0
    rows = _rows(options)
    record(SECTION, {"compiler": board.version(), "rows": rows}, options.results)
    for row in rows:
        sys.stdout.write("\n".join(" | ".join(line) for line in lines_of(row)) + "\n")
    return 0


def _rows(options: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for argument in options.models:
            subject = subject_of(argument)
            for core in options.cores.split(","):
                rows.append(
                    measure(subject, core, Path(folder) / subject.name / core, options.cmsis_nn)
                )
    return rows


if __name__ == "__main__":
    sys.exit(main())
