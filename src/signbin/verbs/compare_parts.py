"""A network in parts against the source's own engine: outputs, and what the parts hand over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from signbin.diagnose import FLOAT_TOLERANCE, Comparison, LayerDifference
from signbin.diagnose.differences import Difference, Share
from signbin.errors import SpecError
from signbin.hybrid import IN_EIGHT_BITS, HybridProgram, PartEngine
from signbin.hybrid.ports import FREE
from signbin.ir.form import collected
from signbin.verbs.graphs import engine_of, example_arrays_of
from signbin.verbs.source import Source, is_onnx

__all__ = ["compare_parts"]

_BATCH: Final = 16
_CODES_TOLERANCE: Final = 0.2
_CODES_AGREEMENT: Final = 0.95
_Values = Mapping[str, NDArray[Any]]


def compare_parts(
    source: Source,
    program: HybridProgram,
    *,
    samples: int | None = None,
    tolerance: float | None = None,
    min_agreement: float | None = None,
) -> Comparison:
    """Outputs, and for an ONNX model every float32 value that crosses a cut, held to its engine.

    Limits and samples as of :func:`signbin.verbs.compare.compare_source`. SpecError where source
    and program are not of the same inputs and outputs.
    """
    if source.samples is not None:
        inputs = [source.samples[:samples]]
    else:
        inputs = example_arrays_of(source, samples)
    _expect_ports(program, inputs)
    parts = _parts(inputs, program.network.inputs[0].shape[:1])
    codes = _has_codes(program)
    tolerance = (_CODES_TOLERANCE if codes else FLOAT_TOLERANCE) if tolerance is None else tolerance
    agreement = (_CODES_AGREEMENT if codes else 1.0) if min_agreement is None else min_agreement
    reference = _reference(source, program)
    found, top1 = {name: Difference() for name in _crossing(program)}, Share()
    outputs = [port.name for port in program.network.outputs]
    for part in parts:
        expected, actual = reference(part), program.values(*part)
        for name in found.keys() & expected.keys():
            if isinstance(expected[name], np.ndarray) and expected[name].ndim:
                found[name].add(actual[name], expected[name])
        for name in outputs:
            if np.ndim(expected[name]) > 1:
                top1.add(actual[name].argmax(axis=1) == expected[name].argmax(axis=1))
    layers = [
        _layer(program, name, found[name], None if codes else tolerance)
        for name in found
        if found[name].count
    ]
    return Comparison(
        samples=sum(len(part[0]) if part[0].ndim else 1 for part in parts),
        tolerance=tolerance,
        max_relative_error=max(found[name].max_relative for name in outputs),
        top1_agreement=top1.value if top1.count else 1.0,
        layers=tuple(layers),
        min_agreement=agreement,
        layer_tolerance=tolerance,
        reference=engine_of(source),
    )


def _expect_ports(program: HybridProgram, inputs: Sequence[NDArray[Any]]) -> None:
    ports = program.network.inputs
    given, wanted = [each.shape[1:] for each in inputs], [port.shape[1:] for port in ports]
    if given != wanted:
        raise SpecError(
            f"inputs of {program.network.name}",
            value=given,
            allowed=str(wanted),
            remedy="compare with the model the program was compiled from",
        )


def _has_codes(program: HybridProgram) -> bool:
    if program.network.decision.chosen == IN_EIGHT_BITS:
        return True
    made = [program.program_of(number) for number in range(len(program.parts))]
    return any(each is not None and each.graph.has_codes for each in made)


def _crossing(program: HybridProgram) -> list[str]:
    return [name for part in program.parts for name in part.outputs]


def _layer(
    program: HybridProgram, name: str, found: Difference, tolerance: float | None
) -> LayerDifference:
    number = next(n for n, part in enumerate(program.parts) if name in part.outputs)
    engine = program.parts[number].engine
    by = "signbin" if engine is PartEngine.SIGNBIN else "ONNX Runtime"
    return LayerDifference(
        name=name,
        source=f"{program.name_of(number)}, {by}",
        interpreter_error=None,
        compiled_error=found.max_relative,
        mean_error=found.mean_relative,
        outside=tolerance is not None and not found.max_relative <= tolerance,
    )


def _parts(inputs: Sequence[NDArray[Any]], stated: tuple[int, ...]) -> list[list[NDArray[Any]]]:
    """Whole batches, of a size that the program takes; inputs without a batch as they are.

    SpecError where there are too few samples for one.
    """
    if not inputs[0].ndim or any(len(each) != len(inputs[0]) for each in inputs if each.ndim):
        return [list(inputs)]
    free = stated in ((), (FREE,))
    size = _BATCH if free else stated[0]
    end = len(inputs[0]) if free else len(inputs[0]) // size * size
    if not end:
        raise SpecError(
            "number of samples",
            value=len(inputs[0]),
            allowed="at least 1" if free else f"{size} or more: the network takes {size} at once",
            remedy="compare on more of them",
        )
    return [
        [each[start : min(start + size, end)] if each.ndim else each for each in inputs]
        for start in range(0, end, size)
    ]


def _reference(
    source: Source, program: HybridProgram
) -> Callable[[Sequence[NDArray[Any]]], _Values]:
    if is_onnx(source.model):
        from signbin.hybrid.network import read_network  # noqa: PLC0415 - an extra
        from signbin.hybrid.observe import InnerValues  # noqa: PLC0415

        network = read_network(source.model)
        names = [name for name in _crossing(program) if name in network.maker]
        engine = InnerValues(network, names)
        return lambda arrays: engine(dict(zip(network.inputs, arrays, strict=True)))
    return lambda arrays: _of_torch(source, program, arrays)


def _of_torch(source: Source, program: HybridProgram, arrays: Sequence[NDArray[Any]]) -> _Values:
    import torch  # noqa: PLC0415 - an extra

    model = cast("torch.nn.Module", source.model).eval()
    with torch.no_grad():
        result = model(*(torch.from_numpy(np.array(array)) for array in arrays))
    found = collected(program.content.form, result)
    names = [port.name for port in program.network.outputs]
    return {name: found[number].numpy() for number, name in enumerate(names)}
