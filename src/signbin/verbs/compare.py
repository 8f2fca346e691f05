"""PyTorch, ONNX Runtime, the interpreter and the program, and how far apart they may be."""

from __future__ import annotations

from typing import Final

from signbin.diagnose import FLOAT_TOLERANCE, Comparison, ReferenceFunction, compare
from signbin.errors import SignbinError
from signbin.hybrid import HybridProgram
from signbin.interop import OnnxValues
from signbin.ir import Graph
from signbin.report import words
from signbin.runtime import Program
from signbin.verbs.compare_parts import compare_parts
from signbin.verbs.graphs import engine_of, example_arrays_of, graph_of, reference_of
from signbin.verbs.source import Source, is_onnx

__all__ = ["compare_source", "gate"]

_CODES_TOLERANCE: Final = 0.2
_CODES_AGREEMENT: Final = 0.95


def compare_source(
    source: Source,
    program: Program | HybridProgram,
    *,
    samples: int | None = None,
    tolerance: float | None = None,
    min_agreement: float | None = None,
) -> Comparison:
    """The source's own engine against the interpreter, the program, and other engines there are.

    The source's is PyTorch, or ONNX Runtime for an ONNX model; beside PyTorch, ONNX Runtime runs
    the graph where it is installed. tolerance, min_agreement: None for 1e-4 and 1, or 0.2 and 0.95
    where the program's activations are codes, for rounding to 7 or 8 bits. Uses the run's whole
    test split, or its first ``samples`` images; where there is none, a factory's example inputs,
    or noise for an ONNX model, and noise for what ``samples`` is beyond them. Of a network in
    parts, see :func:`signbin.verbs.compare_parts.compare_parts`.
    """
    if isinstance(program, HybridProgram):
        return compare_parts(
            source, program, samples=samples, tolerance=tolerance, min_agreement=min_agreement
        )
    if source.samples is not None:
        inputs = [source.samples[:samples]]
    else:
        inputs = example_arrays_of(source, samples)
    graph, codes = graph_of(source), program.graph.has_codes
    usual = tolerance is None
    if tolerance is None:
        tolerance = _CODES_TOLERANCE if codes else FLOAT_TOLERANCE
    if min_agreement is None:
        min_agreement = _CODES_AGREEMENT if codes else 1.0
    return compare(
        reference_of(source),
        graph,
        program,
        inputs,
        tolerance=tolerance,
        allow_rounding=usual,
        min_agreement=min_agreement,
        others=_other_engines(source, graph),
        name=engine_of(source),
    )


def _other_engines(source: Source, graph: Graph) -> dict[str, ReferenceFunction]:
    """ONNX Runtime, where it is not the reference, is installed, and all values are float32."""
    floats = all(node.type.dtype == "f32" for node in graph.nodes)
    if not floats or is_onnx(source.model) or not OnnxValues.installed():
        return {}
    return {"onnxruntime": OnnxValues(graph)}


def gate(comparison: Comparison) -> None:
    """SignbinError where something is outside, by the rule of :class:`signbin.diagnose.Comparison`.

    A single value of nodes on codes that differs from the interpreter is an error of its own.
    """
    if comparison.passes:
        return
    exactness, parting = comparison.exactness, comparison.divergence
    if exactness is not None and exactness.differing:
        raise SignbinError(
            "the compiled model breaks the contract of whole numbers",
            value=f"{exactness.differing} of {exactness.values} values differ",
            allowed="the interpreter's bits",
            remedy=f"report it, with layer {exactness.first} and the output of signbin doctor",
        )
    error, agreement = comparison.max_relative_error, comparison.top1_agreement
    raise SignbinError(
        f"the compiled model disagrees with {words.engine(comparison.reference)}",
        value=f"max relative error {words.error(error)}, same top-1 {words.percent(agreement)}",
        allowed=f"at most {words.error(comparison.tolerance)}, "
        f"at least {words.percent(comparison.min_agreement)}",
        reason="" if parting is None else str(parting),
        remedy=_remedy(comparison),
    )


def _remedy(comparison: Comparison) -> str:
    parting = comparison.divergence
    if parting is not None and parting.own is not None:
        return "report it, with that layer and the output of signbin doctor"
    if comparison.max_relative_error > _CODES_TOLERANCE:
        return (
            "compare with the very model that was compiled: a factory has to load its weights, "
            "or to seed what draws them"
        )
    return "allow more with --tolerance or --min-agreement, or compile with float activations"
