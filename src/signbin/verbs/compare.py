"""PyTorch against the interpreter and the compiled program, and how far apart they may be."""

from __future__ import annotations

from typing import Final

from signbin.diagnose import Comparison, compare
from signbin.errors import SignbinError
from signbin.report import words
from signbin.runtime import Program
from signbin.verbs.source import Source

__all__ = ["compare_source", "gate"]

_TOLERANCE: Final = 1e-4
_CODES_TOLERANCE: Final = 0.2
_AGREEMENT: Final = 1.0
_CODES_AGREEMENT: Final = 0.95


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
        tolerance = _CODES_TOLERANCE if program.graph.has_codes else _TOLERANCE
    return compare(reference, graph, program, inputs[:samples], tolerance=tolerance)


def gate(comparison: Comparison, min_agreement: float | None = None) -> None:
    """SignbinError where the error is above the tolerance or the agreement below the minimum.

    min_agreement: None for 1, or 0.95 with 8-bit activations. A single value of nodes on codes
    that differs from the interpreter is an error of its own.
    """
    exactness = comparison.exactness
    if exactness is not None and exactness.differing:
        raise SignbinError(
            "the compiled model breaks the contract of whole numbers",
            value=f"{exactness.differing} of {exactness.values} values differ",
            allowed="the interpreter's bits",
            remedy=f"report it, with layer {exactness.first} and the output of signbin doctor",
        )
    if min_agreement is None:
        min_agreement = _AGREEMENT if exactness is None else _CODES_AGREEMENT
    error, agreement = comparison.max_relative_error, comparison.top1_agreement
    if not words.outside(error, comparison.tolerance) and agreement >= min_agreement:
        return
    first = comparison.first_diverging
    raise SignbinError(
        "the compiled model disagrees with PyTorch",
        value=f"max relative error {words.error(error)}, same top-1 {words.percent(agreement)}",
        allowed=f"at most {words.error(comparison.tolerance)}, "
        f"at least {words.percent(min_agreement)}",
        remedy=f"look at layer {first} first" if first else "",
    )
