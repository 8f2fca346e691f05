"""From a lowered graph and its plan to a native program: one step per node."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from signbin.errors import ExecutionError
from signbin.ir import (
    OPS,
    Graph,
    Node,
    Requantization,
    TensorType,
    arguments_of,
    margins,
    requantization,
    resolve,
)
from signbin.ir.functions import FUNCTIONS
from signbin.ir.graph import ConstRef
from signbin.ir.resampling import Table, fill_code, nearest_tables, pad_tables
from signbin.ir.schema import TypeRule
from signbin.layout import (
    ELEMENT_BYTES,
    LanePlan,
    Layout,
    image_extent,
    plain_bytes,
    plan_lanes,
    plan_memory,
)
from signbin.native import _signbin
from signbin.plan import Plan
from signbin.runtime.weights import native_weight
from signbin.spec import ActivationKind, ActivationSpec

__all__ = ["build_program", "values_bytes"]

Floats = NDArray[np.float32]

_WINDOW: Final = {
    "kernel": (1, 1),
    "stride": (1, 1),
    "padding": (0, 0, 0, 0),
    "dilation": (1, 1),
}
# Values of the batch lie side by side, whatever their type: each begins where any may.
_BATCH_ALIGNMENT: Final = max(ELEMENT_BYTES.values())
_POINT: Final = (1, 1, 1, 1, 0, 0, 0, 0, 1, 1)
_WALK_AXES: Final = 5
_REDUCED: Final = ("sum", "max", "min")
_HOW: Final = {"sum": "sum", "mean": "sum", "max": "max", "min": "min"}
_KINDS: Final = {kind.value: kind for kind in ActivationKind}
_ACTIVATIONS: Final = {
    ActivationKind.NONE: _signbin.Activation.NONE,
    ActivationKind.RELU: _signbin.Activation.RELU,
    ActivationKind.LEAKY_RELU: _signbin.Activation.LEAKY_RELU,
    ActivationKind.PRELU: _signbin.Activation.LEAKY_RELU,
    ActivationKind.CLAMP: _signbin.Activation.CLAMP,
}


def build_program(
    graph: Graph, plan: Plan, isa: str, threads: int = 1, *, jit: bool = False
) -> tuple[_signbin.Program, Mapping[str, int]]:
    """The native program, and the number of every value in it by name.

    graph: verified; its outputs are values that nodes compute. Values lie as
    layout.plan_lanes says, where layout.plan_memory says. jit: machine code is made for the layers
    whose plan says so. ExecutionError names the node that the native library refuses.
    """
    _expect_ports(graph)
    room = _plan_room(graph, isa)
    try:
        builder = _signbin.Builder(isa, room.arena_bytes, room.batch_bytes, threads, jit)
    except _signbin.StatusError as error:
        raise ExecutionError(f"program of {graph.name} ({error})") from error
    values = _add_values(builder, graph, room)
    for node in graph.nodes:
        step = _Step(builder, graph, node, values, plan, node.name in room.lanes.whole_batch)
        try:
            _STEPS.get(node.op, _add_direct)(step)
        except _signbin.StatusError as error:
            raise ExecutionError(f"{node.op} {node.name} cannot be built ({error})") from error
    try:
        return builder.finish(), values
    except _signbin.StatusError as error:
        raise ExecutionError(f"program of {graph.name} ({error})") from error


def _expect_ports(graph: Graph) -> None:
    given = {value.name for value in graph.inputs}
    for name in graph.outputs:
        if name in given:
            raise ExecutionError(
                f"output {name} of graph {graph.name}",
                value="an input",
                allowed="outputs that a node computes",
            )
    if max(len(graph.inputs), len(graph.outputs)) > _signbin.MAX_PORTS:
        raise ExecutionError(
            f"graph {graph.name}",
            value=f"{len(graph.inputs)} inputs, {len(graph.outputs)} outputs",
            allowed=f"at most {_signbin.MAX_PORTS} of each",
        )


def values_bytes(graph: Graph, isa: str) -> int:
    """Bytes of the values of one image, laid out and placed as :func:`build_program` does.

    What a program needs beside its weights, but for the scratch of its kernels.
    """
    room = _plan_room(graph, isa)
    return room.arena_bytes + room.batch_bytes


@dataclasses.dataclass(frozen=True)
class _Room:
    """Layouts and places of all values that are not the caller's; sizes in bytes."""

    lanes: LanePlan
    places: Mapping[str, tuple[_signbin.Place, int]]
    arena_bytes: int
    batch_bytes: int


def _plan_room(graph: Graph, isa: str) -> _Room:
    """Values of one image at a time share the arena; those of the batch lie side by side."""
    plan = plan_lanes(graph, _signbin.isa_lanes(isa, "f32"), _signbin.isa_lanes(isa, "u8"))
    sizes: dict[str, int] = {}
    places = {value.name: (_signbin.Place.INPUT, 0) for value in graph.inputs}
    places.update(dict.fromkeys(graph.outputs, (_signbin.Place.OUTPUT, 0)))
    outside = set(places)
    batch_bytes = 0
    for name, layout in plan.layouts.items():
        size = plain_bytes(graph.type_of(name)) if layout is None else layout.size_bytes
        if name in plan.batch:
            places[name] = (_signbin.Place.BATCH, batch_bytes)
            batch_bytes += -(-size // _BATCH_ALIGNMENT) * _BATCH_ALIGNMENT
        elif name not in outside:
            sizes[name] = size
    memory = plan_memory(graph, sizes)
    places.update({name: (_signbin.Place.ARENA, at) for name, at in memory.offsets.items()})
    return _Room(plan, places, memory.arena_bytes, batch_bytes)


def _add_values(builder: _signbin.Builder, graph: Graph, room: _Room) -> dict[str, int]:
    """Every value of the graph with its place and layout; the caller's come first, in order."""
    numbers = dict.fromkeys(room.lanes.layouts, 0)
    ports = (*(value.name for value in graph.inputs), *graph.outputs)
    types = graph.types()
    for name in dict.fromkeys((*ports, *numbers)):
        layout, type_ = room.lanes.layouts[name], types[name]
        shape, codes = image_extent(type_), _codes(type_)
        place, offset = room.places[name]
        form, fill = (None, 0.0) if layout is None else (_form(layout), layout.fill)
        try:
            numbers[name] = builder.add_value(shape, place, offset, form, fill, codes)
        except _signbin.StatusError as error:
            raise ExecutionError(f"value {name} cannot be built ({error})") from error
    return numbers


def _form(layout: Layout) -> tuple[int, ...]:
    blocks = (layout.lanes, layout.blocks_y, layout.blocks_x)
    block = (layout.block_height, layout.block_width)
    return (*blocks, *block, *dataclasses.astuple(layout.halo), layout.pitch)


def _codes(type_: TensorType) -> tuple[int, int] | None:
    """Zero point and largest code; None for float32."""
    spec = type_.quantization
    return None if spec is None else (spec.zero_point, spec.top)


@dataclasses.dataclass(frozen=True)
class _Step:
    """One node on its way into the builder."""

    builder: _signbin.Builder
    graph: Graph
    node: Node
    values: Mapping[str, int]
    plan: Plan
    whole_batch: bool

    @property
    def attributes(self) -> dict[str, Any]:
        return resolve(self.node)

    @property
    def source(self) -> int:
        return self.values[self.node.inputs[0]]

    @property
    def target(self) -> int:
        return self.values[self.node.name]

    @property
    def given(self) -> ActivationSpec | None:
        """What the codes of the first input mean; None for float32."""
        return self.graph.type_of(self.node.inputs[0]).quantization

    @property
    def residual(self) -> int | None:
        return self.values[self.node.inputs[1]] if len(self.node.inputs) > 1 else None

    def vector(self, name: str) -> Floats | None:
        """A constant as a flat array; None where the attribute is absent."""
        reference = self.attributes.get(name)
        return _flat(self.graph.array(reference)) if isinstance(reference, ConstRef) else None

    def epilogue(self) -> _signbin.Epilogue:
        """The end of a layer, or of a node that is such an end; on codes, its requantisation."""
        if self.given is not None:
            constants = requantization(self.graph, self.node)
            return _signbin.Epilogue(residual=self.residual, **_chain(constants))
        attributes = self.attributes
        kind = _KINDS.get(attributes.get("activation", self.node.op), ActivationKind.NONE)
        slope = attributes.get("slope", 0.0)
        return _signbin.Epilogue(
            residual=self.residual,
            bias=self.vector("bias"),
            activation=_ACTIVATIONS[kind],
            slope=slope if isinstance(slope, float) else 0.0,
            low=attributes.get("low", 0.0),
            high=attributes.get("high", 0.0),
            prelu=self.vector("prelu" if "prelu" in attributes else "slope"),
            post_bias=self.vector("post_bias"),
        )

    def scale(self) -> Floats | None:
        """What codes are multiplied by, in steps of the output, where the node changes codes."""
        if self.given is None or OPS[self.node.op].types is not TypeRule.REQUANTIZED:
            return None
        return requantization(self.graph, self.node).scale

    def add(self, op: str, window: tuple[int, ...] = _POINT, **takes: Any) -> None:
        """A step without weights."""
        self.builder.add_direct(op, self.source, self.target, window, **takes)


def _chain(constants: Requantization) -> dict[str, Any]:
    """The part of a requantisation that an epilogue holds."""
    return {
        "bias": constants.bias,
        "activation": _ACTIVATIONS[constants.activation],
        "low": constants.low,
        "high": constants.high,
        "prelu": constants.slope,
        "post_bias": constants.post_bias,
        "residual_scale": constants.residual_scale,
    }


def _flat(array: NDArray[Any]) -> Floats:
    return np.ascontiguousarray(array, dtype=np.float32).reshape(-1)


def _conv2d(step: _Step) -> None:
    attributes = step.attributes
    kernel = step.graph.constants[attributes["weight"].name].shape[2:]
    window = (
        *kernel,
        *attributes["stride"],
        *margins(attributes["padding"]),
        *attributes["dilation"],
    )
    weight = native_weight(step.graph, step.node, step.plan)
    step.builder.add_conv2d(
        step.source, step.target, window, attributes["groups"], weight, step.epilogue()
    )


def _linear(step: _Step) -> None:
    weight = native_weight(step.graph, step.node, step.plan)
    rows = math.prod(step.node.type.shape[1:-1])
    step.builder.add_linear(
        step.source, step.target, weight, step.epilogue(), rows, step.whole_batch
    )


def _batch_norm(step: _Step) -> None:
    scale, bias, mean, variance = (
        step.graph.array(step.attributes[name]).astype(np.float64)
        for name in ("scale", "bias", "mean", "variance")
    )
    factor = scale / np.sqrt(variance + step.attributes["epsilon"])
    epilogue = _signbin.Epilogue(bias=_flat(bias - mean * factor))
    step.add("elementwise", scale=_flat(factor), epilogue=epilogue)


def _elementwise(step: _Step) -> None:
    """An operation that an epilogue holds all of."""
    step.add("elementwise", scale=step.scale(), epilogue=step.epilogue())


def _subtract(step: _Step) -> None:
    """x - y as (-1) * y + x."""
    first, second = (step.values[name] for name in step.node.inputs)
    constants = None if step.given is None else requantization(step.graph, step.node)
    epilogue = _signbin.Epilogue(residual=first, **({} if constants is None else _chain(constants)))
    channels = step.node.type.shape[1]
    scale = np.full(channels, -1.0, np.float32) if constants is None else constants.scale
    step.builder.add_direct("elementwise", second, step.target, scale=scale, epilogue=epilogue)


def _multiply(step: _Step) -> None:
    """The larger operand is the input, the other its factor."""
    large, small = step.node.inputs
    if step.graph.type_of(large).shape != step.node.type.shape:
        large, small = small, large
    epilogue = _signbin.Epilogue(residual=step.values[small])
    step.builder.add_direct(
        "multiply", step.values[large], step.target, scale=step.scale(), epilogue=epilogue
    )


def _unary(step: _Step) -> None:
    """Under the function's own name; on codes by a table."""
    if step.given is not None:
        step.add("look_up", table=requantization(step.graph, step.node).table)
        return
    function = step.attributes["function"]
    takes_alpha = FUNCTIONS[function].takes_alpha
    step.add(function, real=(step.attributes["alpha"],) if takes_alpha else ())


def _softmax(step: _Step) -> None:
    """Over the channels of images lane by lane; else along rows of plain values."""
    shape, axis = step.node.type.shape, step.attributes["axis"]
    if len(shape) == 4 and axis == 1:
        step.add("softmax")
        return
    step.add("softmax_rows", whole=_around(shape, axis))


def _reduce(step: _Step) -> None:
    shape = step.graph.type_of(step.node.inputs[0]).shape
    whole = _around(shape, step.attributes["axis"], step.attributes["count"])
    function = step.attributes["function"]
    factor = 1.0 / whole[1] if function == "mean" else 1.0
    step.add("reduce", whole=(_REDUCED.index(_HOW[function]), *whole), real=(factor,))


def _around(shape: tuple[int, ...], axis: int, count: int = 1) -> tuple[int, int, int]:
    """Elements of the axes before, of these, and of those behind, per image."""
    parts = (shape[1:axis], shape[axis : axis + count], shape[axis + count :])
    before, length, behind = (math.prod(extents) for extents in parts)
    return before, length, behind


def _in_rows(step: _Step, op: str, length: int, **takes: Any) -> None:
    rows = math.prod(step.node.type.shape[1:]) // length
    epilogue = _signbin.Epilogue(bias=step.vector("bias"))
    step.add(op, scale=step.vector("scale"), epilogue=epilogue, whole=(rows,), **takes)


def _layer_norm(step: _Step) -> None:
    length = math.prod(step.node.type.shape[-step.attributes["axes"] :])
    _in_rows(step, "normalize_rows", length, real=(step.attributes["epsilon"],))


def _affine(step: _Step) -> None:
    stated = next(vector for name in ("scale", "bias") if (vector := step.vector(name)) is not None)
    _in_rows(step, "scale_rows", len(stated))


def _matmul(step: _Step) -> None:
    first, second = (step.graph.type_of(name).shape for name in step.node.inputs)
    whole = (math.prod(first[1:-2]), *first[-2:], second[-1])
    step.add("matmul", whole=whole, epilogue=_signbin.Epilogue(residual=step.residual))


def _constant(step: _Step) -> None:
    step.add("fill", scale=step.vector("value"))


def _walked(step: _Step, base: int, steps: tuple[int, ...]) -> None:
    """Every element of the result from where ``base`` and so many steps per axis lead."""
    extents = step.node.type.shape[1:]
    missing = _WALK_AXES - len(extents)
    whole = (base, *(1,) * missing, *extents, *(0,) * missing, *steps)
    step.add("strided", whole=whole)


def _steps_of(step: _Step) -> tuple[int, ...]:
    """How far apart the neighbours along each axis of the input lie."""
    extents = step.graph.type_of(step.node.inputs[0]).shape[1:]
    return tuple(math.prod(extents[axis + 1 :]) for axis in range(len(extents)))


def _transpose(step: _Step) -> None:
    apart = _steps_of(step)
    _walked(step, 0, tuple(apart[axis - 1] for axis in step.attributes["order"]))


def _slice(step: _Step) -> None:
    apart, axis = list(_steps_of(step)), step.attributes["axis"] - 1
    base = step.attributes["first"] * apart[axis]
    apart[axis] *= step.attributes["step"]
    _walked(step, base, tuple(apart))


def _expand(step: _Step) -> None:
    given = step.graph.type_of(step.node.inputs[0]).shape[1:]
    steps = zip(given, _steps_of(step), strict=True)
    _walked(step, 0, tuple(0 if extent == 1 else apart for extent, apart in steps))


def _global_avg_pool(step: _Step) -> None:
    _, height, width = image_extent(step.graph.type_of(step.node.inputs[0]))
    step.add("avg_pool2d", (height, width, *_POINT[2:]), scale=step.scale(), whole=(1,))


def _quantize(step: _Step) -> None:
    spec = step.node.type.quantization
    assert spec is not None
    step.add("quantize", real=(float(spec.inverse_scale),))


def _dequantize(step: _Step) -> None:
    assert step.given is not None
    step.add("dequantize", real=(step.given.scale,))


def _concat(step: _Step) -> None:
    parts = [step.graph.type_of(name) for name in step.node.inputs]
    same = all(part.quantization == step.node.type.quantization for part in parts)
    chains = (
        [] if same else [requantization(step.graph, step.node, part) for part in range(len(parts))]
    )
    factors = tuple(float(chain.scale[0]) for chain in chains)
    more = tuple(step.values[name] for name in step.node.inputs[1:])
    step.add("channels", whole=(0, 1), real=factors, more=more)


def _slice_channels(step: _Step) -> None:
    step.add("channels", whole=(step.attributes["first"], 1))


def _channel_shuffle(step: _Step) -> None:
    step.add("channels", whole=(0, step.attributes["groups"]))


def _resample(step: _Step, tables: tuple[Table, Table], fill: float = 0.0) -> None:
    """Pixels by tables of rows and columns; a fill in codes where the input holds some."""
    whole = (1, 1, 1, 1, *(int(place) for table in tables for place in table))
    step.add("resample", whole=whole, real=(fill,))


def _pad(step: _Step) -> None:
    value = step.attributes["value"]
    fill = value if step.given is None else float(fill_code(value, step.given))
    _resample(step, pad_tables(arguments_of(step.graph, step.node)), fill)


def _resize_nearest(step: _Step) -> None:
    _resample(step, nearest_tables(arguments_of(step.graph, step.node)))


def _add_direct(step: _Step) -> None:
    """An operation that has kernels of its own name.

    What it states of a window goes into the window; its other whole and real numbers go along in
    the order of the op table.
    """
    stated = step.attributes
    if "padding" in stated:
        stated["padding"] = margins(stated["padding"])
    window = tuple(number for name, unset in _WINDOW.items() for number in stated.pop(name, unset))
    parts = (value if isinstance(value, tuple) else (value,) for value in stated.values())
    numbers = [part for parts_of_one in parts for part in parts_of_one]
    whole = tuple(int(number) for number in numbers if isinstance(number, int))
    real = tuple(number for number in numbers if isinstance(number, float))
    step.add(step.node.op, window, scale=step.scale(), whole=whole, real=real)


_STEPS: Final[Mapping[str, Callable[[_Step], None]]] = {
    "conv2d": _conv2d,
    "linear": _linear,
    "batch_norm": _batch_norm,
    **dict.fromkeys(("relu", "leaky_relu", "prelu", "clamp", "add", "channel_bias"), _elementwise),
    "subtract": _subtract,
    "multiply": _multiply,
    "unary": _unary,
    "concat": _concat,
    "slice_channels": _slice_channels,
    "pad": _pad,
    "resize_nearest": _resize_nearest,
    "channel_shuffle": _channel_shuffle,
    "global_avg_pool": _global_avg_pool,
    "reshape": lambda step: step.add("flatten"),
    "transpose": _transpose,
    "slice": _slice,
    "expand": _expand,
    "softmax": _softmax,
    "reduce": _reduce,
    "layer_norm": _layer_norm,
    "affine": _affine,
    "matmul": _matmul,
    "constant": _constant,
    "quantize": _quantize,
    "dequantize": _dequantize,
}
"""Operations that are not built as a direct step of their own name."""
