"""From a network and what signbin can run of it to the program that runs it fastest."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from numpy.typing import NDArray
from onnx import ValueInfoProto, helper

from signbin.errors import CaptureError
from signbin.hybrid.choose import Trial, choose, slower_parts, try_part
from signbin.hybrid.content import (
    IN_EIGHT_BITS,
    Decision,
    HybridContent,
    Part,
    PartedNetwork,
    PartEngine,
    Port,
)
from signbin.hybrid.cut import Piece
from signbin.hybrid.eight_bits import EightBits
from signbin.hybrid.extract import extract
from signbin.hybrid.fallback import Fallback, Preference
from signbin.hybrid.network import OnnxNetwork
from signbin.hybrid.observe import InnerValues
from signbin.hybrid.ports import FREE
from signbin.hybrid.program import HybridProgram
from signbin.hybrid.search import Found, PartCompiler, find_parts
from signbin.ir import ConstRef, Graph
from signbin.ir.form import Form
from signbin.runtime import Program
from signbin.spec import IntegerWeight, LowBitWeight, Preprocessing

__all__ = ["Surroundings", "ToRunInParts", "build_program", "in_8_bits"]

Watcher: TypeAlias = Callable[[str], None]
_MOST_REASONS: Final = 3
_ALONE: Final = "onnxruntime"


@dataclasses.dataclass(frozen=True)
class Surroundings:
    """What travels with a network: the form of its outputs, and what people need around it."""

    form: Form
    preprocessing: Preprocessing | None = None
    class_names: tuple[str, ...] = ()
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class ToRunInParts:
    """A network to run in parts.

    feeds: inputs to try and to time with. reasons: why nodes cannot be signbin's, by number.
    coded: the same network as ONNX Runtime runs it in 8 bits, where that was asked for.
    """

    network: OnnxNetwork
    feeds: Mapping[str, NDArray[Any]]
    reasons: Mapping[int, str]
    compile_part: PartCompiler
    around: Surroundings
    coded: EightBits | None = None


def build_program(subject: ToRunInParts, fallback: Fallback, watch: Watcher) -> HybridProgram:
    """Cut, compile, try every part on both engines, time the ways, and keep the fastest."""
    network, feeds, around = subject.network, subject.feeds, subject.around
    reasons, compile_part = subject.reasons, subject.compile_part
    watch("cutting the network")
    found = find_parts(network, reasons, compile_part)
    trials = _trials(network, found, feeds, fallback, watch)
    wrong, slower = slower_parts(trials, found.programs)
    if wrong:
        found = _without(network, found, wrong, compile_part)
    ways = {"signbin's parts": found}
    if slower and fallback.prefer is Preference.FASTEST:
        ways["its faster parts"] = _without(network, found, slower, compile_part)
    made = {
        name: _program(network, way, trials, around, feeds)
        for name, way in ways.items()
        if way.programs
    }
    if fallback.prefer is Preference.SIGNBIN and made:
        return _decided(next(iter(made.values())), Decision("signbin's parts", "as it was asked"))
    made[_ALONE] = _program(network, _alone(network, found, trials), {}, around, feeds)
    if subject.coded is not None:
        made[IN_EIGHT_BITS] = in_8_bits(subject.coded, around, feeds)
    if len(made) == 1:
        return _decided(made[_ALONE], Decision(_ALONE, "no part that signbin could run faster"))
    watch("timing the ways to run it")
    decision = choose(made, feeds, fallback.schedule)
    return _decided(made[decision.chosen], decision)


def in_8_bits(
    coded: EightBits, around: Surroundings, feeds: Mapping[str, NDArray[Any]]
) -> HybridProgram:
    """Everything in ONNX Runtime, as its own tool quantised it."""
    why = f"in 8 bits of its own, {coded.error:.1%} from the float network on the samples"
    reasons = dict.fromkeys(coded.network.moving, why)
    return _program(coded.network, find_parts(coded.network, reasons, _refuse), {}, around, feeds)


def _trials(
    network: OnnxNetwork,
    found: Found,
    feeds: Mapping[str, NDArray[Any]],
    fallback: Fallback,
    watch: Watcher,
) -> dict[Piece, Trial]:
    if not found.programs:
        return {}
    watch(f"trying {len(found.programs)} parts on both engines")
    names = [name for piece in found.programs for name in piece.inputs if name not in feeds]
    values = {**feeds, **(InnerValues(network, names)(feeds) if names else {})}
    schedule = fallback.schedule if fallback.prefer is Preference.FASTEST else None
    return {
        piece: try_part(
            network, piece, program, {name: values[name] for name in piece.inputs}, schedule
        )
        for piece, program in found.programs.items()
    }


def _without(
    network: OnnxNetwork, found: Found, why: Mapping[Piece, str], compile_part: PartCompiler
) -> Found:
    given_back = {node: reason for piece, reason in why.items() for node in piece.nodes}
    return find_parts(network, {**found.reasons, **given_back}, compile_part, found.programs)


def _alone(network: OnnxNetwork, found: Found, trials: Mapping[Piece, Trial]) -> Found:
    """Everything in ONNX Runtime."""
    said = {
        node: f"signbin could: {trial.figures}"
        for piece, trial in trials.items()
        for node in piece.nodes
    }

    reasons = {**dict.fromkeys(network.moving, "not tried"), **said, **found.reasons}
    return find_parts(network, reasons, _refuse)


def _refuse(_piece: Piece, _model: object) -> Program:
    raise CaptureError("not asked")


def _decided(program: HybridProgram, decision: Decision) -> HybridProgram:
    content = program.content
    network = dataclasses.replace(content.network, decision=decision)
    return program.with_content(dataclasses.replace(content, network=network))


def _program(
    network: OnnxNetwork,
    found: Found,
    trials: Mapping[Piece, Trial],
    around: Surroundings,
    feeds: Mapping[str, NDArray[Any]],
) -> HybridProgram:
    parts, contents = [], []
    for piece in found.cut.pieces:
        parts.append(_part(network, piece, found, trials))
        program = found.programs.get(piece)
        if program is not None:
            contents.append(dataclasses.replace(program.artifact, plan=program.plan))
        else:
            # All of it keeps the extents that the model itself leaves open.
            ports = (sorted(piece.inputs), piece.outputs)
            whole = piece.nodes == network.moving
            whole = whole and ports == (sorted(network.inputs), network.outputs)
            model = network.model if whole else extract(network, piece)
            contents.append(model.SerializeToString(deterministic=True))
    body = PartedNetwork(
        name=network.model.graph.name or "network",
        inputs=tuple(_port(network, name) for name in network.inputs if name in feeds),
        outputs=tuple(_port(network, name) for name in network.outputs),
        parts=tuple(parts),
        decision=Decision("", "not decided"),
        preprocessing=around.preprocessing,
        class_names=around.class_names,
        provenance=around.provenance,
    )
    return HybridProgram(HybridContent(body, around.form, tuple(contents)))


def _part(network: OnnxNetwork, piece: Piece, found: Found, trials: Mapping[Piece, Trial]) -> Part:
    names = tuple(network.name_of(node) for node in piece.nodes)
    program = found.programs.get(piece)
    if program is not None:
        why = _of_layers(program.graph)
        timed = trials.get(piece)
        why += f"; {timed.figures}" if timed is not None and timed.ours_ms > 0 else ""
        return Part(PartEngine.SIGNBIN, names, piece.inputs, piece.outputs, why)
    said = collections.Counter(
        found.reasons.get(node, "too many values would cross the cut") for node in piece.nodes
    )
    lines = [f"{reason} ({count})" for reason, count in said.most_common(_MOST_REASONS)]
    more = len(said) - len(lines)
    lines += [f"{more} more reasons"] if more > 0 else []
    return Part(PartEngine.ONNX_RUNTIME, names, piece.inputs, piece.outputs, "; ".join(lines))


def _of_layers(graph: Graph) -> str:
    references = [node.attributes.get("weight") for node in graph.nodes]
    weights = [graph.constants[each.name] for each in references if isinstance(each, ConstRef)]
    low_bit = sum(isinstance(weight, LowBitWeight) for weight in weights)
    whole = sum(isinstance(weight, IntegerWeight) for weight in weights)
    codes = f", {whole} of 8 bits" if whole else ""
    return f"{low_bit} of {len(weights)} layers with low-bit weights{codes}"


def _port(network: OnnxNetwork, name: str) -> Port:
    info: ValueInfoProto | None = network.types.get(name)
    tensor = info.type.tensor_type if info is not None else None
    if tensor is None or not tensor.elem_type:
        raise CaptureError(f"type of {name}", value="not a tensor", allowed="tensors at both ends")
    dtype = str(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    extents = (d.dim_value if d.HasField("dim_value") else FREE for d in tensor.shape.dim)
    return Port(name, dtype, tuple(extents))
