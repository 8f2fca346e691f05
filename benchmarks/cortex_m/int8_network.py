"""The same network with weights of a byte, written in C for int8.c: what signbin is beside."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from signbin.c_source import layers
from signbin.c_source.arena import plan_arena
from signbin.c_source.images import window_of
from signbin.c_source.literals import number
from signbin.c_source.steps import uniform_table
from signbin.c_source.writer import Writer, ending
from signbin.errors import SpecError
from signbin.ir import Graph, Node, requantization, resolve
from signbin.spec import IntegerWeight, LowBitWeight

__all__ = ["Int8Source", "with_integer_weights", "write_int8"]


@dataclasses.dataclass(frozen=True)
class Int8Source:
    """header, source: texts. weight_bytes: of weights. kernels: of signbin's that it calls."""

    header: str
    source: str
    weight_bytes: int
    kernels: tuple[str, ...]


def with_integer_weights(graph: Graph) -> Graph:
    """The graph with every one-bit weight rounded to 7 bits, its offsets among them."""
    constants = {
        name: IntegerWeight.from_float(value.dequantized())
        if isinstance(value, LowBitWeight)
        else value
        for name, value in graph.constants.items()
    }
    return dataclasses.replace(graph, constants=constants)


def write_int8(graph: Graph, name: str) -> Int8Source:
    """C of a graph whose weights are integers."""
    sizes = {
        node.name: math.prod(node.type.shape[1:]) for node in graph.nodes if node.type.dtype == "u8"
    }
    same = {node.name: node.inputs[0] for node in graph.nodes if node.op == "flatten"}
    arena = plan_arena(graph, sizes, same)
    writing = _Writing(Writer(graph, {}, arena.offsets))
    for node in graph.nodes:
        getattr(writing, f"_{node.op}", writing._refuse)(node)
    writer = writing.writer
    body, calls = "\n".join(writer.definitions), "\n    ".join(writer.calls)
    columns = max(writing.columns, 1)
    header = f"""#include <stdint.h>
typedef struct {name}_memory {{
    uint32_t values[{arena.size_bytes // 4}];
    uint32_t columns[{columns}];
}} {name}_memory;
void {name}_run({name}_memory *memory, const float *input, float *output);
"""
    source = f"""#include "{name}.h"
#include "int8.h"
{body}
void {name}_run({name}_memory *memory, const float *input, float *output) {{
    uint32_t *const values = memory->values;
    int16_t *const columns = (int16_t *)(void *)memory->columns;
    {calls}
}}
"""
    return Int8Source(header, source, writing.weight_bytes, tuple(sorted(writer.kernels)))


@dataclasses.dataclass
class _Writing:
    """Calls of int8.c, one method for every operation; columns: words of the largest two."""

    writer: Writer
    columns: int = 0
    weight_bytes: int = 0

    def _refuse(self, node: Node) -> None:
        raise SpecError("int8 network", value=node.op, allowed="what the networks here have")

    def _image(self, name: str) -> str:
        type_ = self.writer.graph.type_of(name)
        assert type_.quantization is not None
        channels, height, width = (*type_.shape[1:], 1, 1)[:3]
        return f"{{{channels}, {height}, {width}, {type_.quantization.zero_point}}}"

    def _pointer(self, name: str) -> str:
        return f"&(const int8_image){self._image(name)}"

    def _call(self, function: str, *arguments: Any) -> None:
        self.writer.calls.append(f"{function}({', '.join(map(str, arguments))});")

    def _ending(self, node: Node) -> str:
        text = ending(self.writer, node, requantization(self.writer.graph, node), 2.0**18)
        return self.writer.initialised(node, "sbc_ending", text)

    def _quantize(self, node: Node) -> None:
        spec = node.type.quantization
        assert spec is not None
        inverse, codes = number(float(spec.inverse_scale)), self.writer.codes(node.name)
        self._call("int8_quantize", self._pointer(node.name), inverse, spec.top, "input", codes)

    def _conv2d(self, node: Node) -> None:
        writer, graph = self.writer, self.writer.graph
        window = window_of(graph, node)
        weight = graph.constants[node.attributes["weight"].name]  # type: ignore[union-attr]
        rows = weight.codes.transpose(0, 2, 3, 1).reshape(weight.shape[0], -1)  # type: ignore[union-attr]
        length = -(-rows.shape[1] // 4) * 4
        padded = np.zeros((rows.shape[0], length), np.int8)
        padded[:, : rows.shape[1]] = rows
        self.columns, self.weight_bytes = max(self.columns, length), self.weight_bytes + padded.size
        numbers = window.numbers
        members = {
            "input": self._image(node.inputs[0]),
            "output": self._image(node.name),
            "window": "{" + ", ".join(map(str, numbers)) + "}",
            "weights": writer.array(node, "weights", padded),
            "ending": ending(writer, node, requantization(graph, node), 2.0**18),
        }
        body = ", ".join(f".{key} = {value}" for key, value in members.items())
        name = f"{writer.name_of(node.name)}_layer"
        writer.definitions.append(f"static const int8_conv {name} = {{{body}}};")
        residual = writer.codes(node.inputs[1]) if len(node.inputs) > 1 else "0"
        source, target = writer.codes(node.inputs[0]), writer.codes(node.name)
        self._call("int8_convolve", f"&{name}", source, residual, target, "columns")

    def _channel_bias(self, node: Node) -> None:
        source, target = self.writer.codes(node.inputs[0]), self.writer.codes(node.name)
        image = self._pointer(node.inputs[0])
        self._call("int8_pointwise", image, self._ending(node), source, target)

    def _clamp(self, node: Node) -> None:
        table = uniform_table(self.writer.graph, node)
        made = self.writer.array(node, "table", table)
        count = math.prod(node.type.shape[1:])
        source, target = self.writer.codes(node.inputs[0]), self.writer.codes(node.name)
        self._call("int8_look_up", count, made, source, target)

    def _avg_pool2d(self, node: Node) -> None:
        window = window_of(self.writer.graph, node)
        numbers = window.numbers
        place = f"&(const sbc_window){{{', '.join(map(str, numbers))}}}"
        source, target = self.writer.codes(node.inputs[0]), self.writer.codes(node.name)
        images = (self._pointer(node.inputs[0]), self._pointer(node.name))
        self._call("int8_avg_pool", *images, place, self._ending(node), source, target)

    def _subsample_pad(self, node: Node) -> None:
        source, target = self.writer.codes(node.inputs[0]), self.writer.codes(node.name)
        images = (self._pointer(node.inputs[0]), self._pointer(node.name))
        stated = resolve(node)
        numbers = (*stated["stride"], stated["channels_before"])  # type: ignore[misc]
        self._call("int8_subsample", *images, *numbers, source, target)

    def _global_avg_pool(self, node: Node) -> None:
        source, target = self.writer.codes(node.inputs[0]), self.writer.codes(node.name)
        image = self._pointer(node.inputs[0])
        self._call("int8_global_average", image, self._ending(node), source, target)

    def _flatten(self, node: Node) -> None:
        """A row stays where it is."""

    def _linear(self, node: Node) -> None:
        """As signbin's own export writes it: both end in the same layer."""
        layers.linear(self.writer, node)
        weight = self.writer.graph.constants[node.attributes["weight"].name]  # type: ignore[union-attr]
        self.weight_bytes += math.prod(weight.shape)
