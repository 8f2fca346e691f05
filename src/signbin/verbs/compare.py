"""PyTorch against the interpreter and the compiled program."""

from __future__ import annotations

from typing import Final

from signbin.diagnose import Comparison, compare
from signbin.runtime import Program
from signbin.verbs.source import Source

__all__ = ["compare_source"]

_TOLERANCE: Final = 1e-4
_CODES_TOLERANCE: Final = 0.2


def compare_source(
    source: Source,
    program: Program,
    *,
    samples: int | None = None,
    tolerance: float | None = None,
) -> Comparison:
    """PyTorch against the interpreter and the compiled program, layer by layer.

    tolerance: None for 1e-4, far above what float32 kernels differ by, or 0.2 where the program's
    activations are codes, for rounding to 7 or 8 bits. Uses the run's whole test split, or its
    first ``samples`` images; a factory's example inputs where there is no test split.
    """
    from signbin.capture import Reference, capture  # noqa: PLC0415 - needs torch

    inputs = source.samples
    if inputs is None:
        inputs = source.example_inputs[0].detach().cpu().numpy()
    graph = capture(source.model, source.example_inputs)
    reference = Reference(source.model, source.example_inputs)
    if tolerance is None:
        tolerance = _CODES_TOLERANCE if _has_codes(program) else _TOLERANCE
    return compare(reference, graph, program, inputs[:samples], tolerance=tolerance)


def _has_codes(program: Program) -> bool:
    return any(node.type.dtype == "u8" for node in program.graph.nodes)
