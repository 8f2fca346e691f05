"""CMSIS-NN itself on the convolutions of a network: its sources are taken from a checkout."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

from benchmarks.cortex_m import board
from signbin.c_source.images import window_of
from signbin.ir import Graph

__all__ = ["measure_convolutions"]

_MEMBERS: Final = (
    *("in_height", "in_width", "in_channels", "out_height", "out_width", "out_channels"),
    *("kernel_height", "kernel_width", "stride_height", "stride_width"),
    *("padding_top", "padding_left"),
)
# As its own documentation advises.
_FLAGS: Final = ("-std=gnu11", "-Ofast", "-w")
_BUFFER: Final = 65536


def measure_convolutions(graph: Graph, checkout: Path, core: str, folder: Path) -> dict[str, Any]:
    """Instructions of all convolutions by arm_convolve_wrapper_s8, and what they take.

    Nothing else of the network is run: neither shortcuts nor pools, nor float inputs.
    """
    folder.mkdir(parents=True)
    (folder / "layers.h").write_text(_layers(graph), encoding="utf-8")
    source = checkout / "Source"
    files = sorted(
        {
            *source.glob("ConvolutionFunctions/arm_convolve_*s8*.c"),
            *source.glob("ConvolutionFunctions/arm_nn_mat_mult*s8*.c"),
            *source.glob("NNSupportFunctions/*s8*.c"),
            *source.glob("NNSupportFunctions/*q7*.c"),
        }
    )
    flags = [*board.CORES[core], *_FLAGS]
    program = board.build(folder, "cmsis", files, [checkout / "Include"], flags, main="cmsis.c")
    made = board.run(program)
    objects = [f"{path.stem}.o" for path in files]
    return {
        "instructions": made.instructions,
        "code": program.bytes_of("text", objects),
        "buffer": made.memory,
        "stack": made.stack,
        "version": _version(checkout),
    }


def _version(checkout: Path) -> str:
    """As its header of functions says."""
    lines = (checkout / "Include" / "arm_nnfunctions.h").read_text(encoding="utf-8").splitlines()
    return next((line.split(":")[1].strip() for line in lines if "$Revision:" in line), "")


def _layers(graph: Graph) -> str:
    rows, most = [], dict.fromkeys(("input", "weights", "output", "filters"), 1)
    for node in graph.nodes:
        if node.op != "conv2d":
            continue
        window = window_of(graph, node)
        channels, height, width = graph.type_of(node.inputs[0]).shape[1:]
        made = node.type.shape[1:]
        numbers = (height, width, channels, made[1], made[2], made[0], *window.kernel)
        rows.append((*numbers, *window.stride, window.top, window.left))
        sizes = {
            "input": channels * height * width,
            "weights": made[0] * channels * math.prod(window.kernel),
            "output": math.prod(made),
            "filters": made[0],
        }
        most = {name: max(most[name], size) for name, size in sizes.items()}
    defines = "\n".join(f"#define MOST_{name.upper()} {size}" for name, size in most.items())
    lines = ",\n".join("    {" + ", ".join(map(str, row)) + "}" for row in rows)
    return (
        f"{defines}\n#define MOST_BUFFER {_BUFFER}\n"
        f"typedef struct layer {{\n    int32_t {', '.join(_MEMBERS)};\n}} layer;\n"
        f"static const layer layers[] = {{\n{lines}}};\n"
    )
