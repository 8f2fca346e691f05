"""Parts of a network as programs: read, compiled and calibrated on what reaches them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto

from signbin.calibrate import QuantizedActivations
from signbin.draft import legal_name
from signbin.errors import CaptureError, SpecError
from signbin.hybrid.cut import Piece
from signbin.hybrid.extract import node_order
from signbin.hybrid.network import OnnxNetwork
from signbin.hybrid.observe import InnerValues
from signbin.hybrid.search import NodesRefused
from signbin.ir import Graph
from signbin.onnx_reader import findings, read_onnx
from signbin.runtime import Program
from signbin.verbs.compile_graph import CompileOptions, Watcher, compile_with

__all__ = ["PartMaker"]

_BATCH: Final = 16
_RANKS: Final = range(2, 7)


class PartMaker:
    """Compiles pieces of one network; remembers which layers they have.

    whole: the graph of the network, where it is known, with its names: a piece that is all of the
    network is compiled from it.
    """

    def __init__(
        self, network: OnnxNetwork, options: CompileOptions, whole: Graph | None, watch: Watcher
    ) -> None:
        self._network = network
        self._options = options
        self._whole = whole
        self._watch = watch
        self._layers: set[str] = set()

    def compile(self, piece: Piece, model: ModelProto) -> Program:
        """The program of a piece; NodesRefused names its nodes that signbin cannot run."""
        graph = self._graph(piece, model)
        options, activations = self._options, self._options.activations
        remark = {}
        if activations is not None and len(graph.inputs) > 1:
            options = dataclasses.replace(options, activations=None)
            remark = {"activations": "float32: several inputs are not calibrated"}
        elif activations is not None:
            options = dataclasses.replace(options, activations=self._reaching(piece, graph))
        self._watch(f"compiling a part of {len(piece.nodes)} nodes")
        program = compile_with(options, graph)
        if not remark:
            return program
        kept = program.artifact
        artifact = dataclasses.replace(
            kept, plan=program.plan, provenance={**kept.provenance, **remark}
        )
        return Program(artifact, isa=program.isa)

    def expect_float_layers(self) -> None:
        """SpecError for a layer to leave float that no part has."""
        asked = self._options.activations
        unknown = sorted(set(asked.float_layers if asked else ()) - self._layers)
        if unknown and self._layers:
            raise SpecError(
                "float layers", value=unknown[0], allowed="layers of parts that signbin runs"
            )

    def _graph(self, piece: Piece, model: ModelProto) -> Graph:
        ports = (self._network.inputs, self._network.outputs)
        if self._whole is not None and (piece.inputs, piece.outputs) == ports:
            return dataclasses.replace(self._whole, form=None)  # parts hand on arrays
        refused = dict(_odd_nodes(self._network, piece))
        if refused:
            raise NodesRefused(refused)
        try:
            return read_onnx(model, legal_name(model.graph.name or "part"))
        except CaptureError as error:
            if not error.findings:
                raise
            raise NodesRefused(_refused(self._network, piece, model)) from error

    def _reaching(self, piece: Piece, graph: Graph) -> QuantizedActivations:
        """What was asked, with the samples as they reach the piece, and its own float layers."""
        asked = self._options.activations
        assert asked is not None  # the caller looked
        names = {node.name for node in graph.nodes} | {node.source for node in graph.nodes}
        mine = tuple(layer for layer in asked.float_layers if layer in names)
        self._layers.update(names)
        (given,) = piece.inputs
        if given in self._network.inputs:
            samples = asked.samples
        else:
            self._watch(f"running the parts before on {len(asked.samples)} samples")
            samples = self._values(given, asked.samples)
        return dataclasses.replace(asked, samples=samples, float_layers=mine)

    def _values(self, name: str, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        network = self._network
        if len(network.inputs) != 1:
            raise SpecError(
                "calibration samples",
                value=f"one array for the inputs {', '.join(network.inputs)}",
                allowed="a network of one input",
                remedy="compile with float activations",
            )
        inner = InnerValues(network, [name])
        size = _stated(network) or _BATCH
        parts = []
        for start in range(0, len(samples), size):
            batch = samples[start : start + size]
            filled = np.concatenate([batch, *[batch[-1:]] * (size - len(batch))])
            parts.append(inner({network.inputs[0]: filled})[name][: len(batch)])
        found: NDArray[np.float32] = np.ascontiguousarray(np.concatenate(parts))
        return found


def _stated(network: OnnxNetwork) -> int | None:
    """The number of images that the first input with a batch states; None where it is free."""
    for name in network.inputs:
        dims = network.types[name].type.tensor_type.shape.dim
        if len(dims) > 1:
            return dims[0].dim_value or None
    return None


def _odd_nodes(network: OnnxNetwork, piece: Piece) -> Iterator[tuple[int, str]]:
    """Nodes of a piece that take what no program is handed, or hand on what none makes."""
    ports = (*piece.inputs, *piece.outputs)
    odd = {name: seen for name in ports if (seen := _oddity(network, name))}
    for node in piece.nodes:
        for verb, names in (("reads", network.reads[node]), ("makes", network.writes[node])):
            found = [name for name in names if name in odd]
            if found:
                yield node, f"{verb} {found[0]}, {odd[found[0]]}"


def _oddity(network: OnnxNetwork, name: str) -> str:
    info = network.types.get(name)
    tensor = None if info is None else info.type.tensor_type
    if tensor is None or tensor.elem_type != TensorProto.FLOAT:
        return "which is not float32"
    if len(tensor.shape.dim) not in _RANKS:
        return f"of {len(tensor.shape.dim)} axes"
    first, stated = tensor.shape.dim[0].dim_value, _stated(network)
    return "" if (first or None) == stated else "whose first axis is not the batch"


def _refused(network: OnnxNetwork, piece: Piece, model: ModelProto) -> Mapping[int, str]:
    """Why nodes of a piece are not read, without those that only follow from others.

    What makes a constant belongs to no piece: what reads it is refused in its place.
    """
    order = node_order(network, piece)
    said: dict[int, str] = {}
    for found in findings(model):
        if found.reason and not found.follows:
            operator = found.operator
            said[order[found.position]] = f"{operator}: {found.reason}"
    inside, refused = set(piece.nodes), dict[int, str]()
    for node in order:
        fixed = [need for need in network.needs[node] if need in said and need not in inside]
        if node not in said and fixed:
            said[node] = said[fixed[0]]
        if node in inside and node in said:
            refused[node] = said[node]
    return refused or dict.fromkeys(piece.nodes, next(iter(said.values()), "not read"))
